#include "speaker/vrrp/packet.h"

#include <set>

#include "api/base/internet_checksum.h"
#include "api/base/test_bytes.h"
#include "gtest/gtest.h"

namespace openelb::vrrp {
namespace {

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

const PacketHeader kV4{Ip("192.168.50.1"), Ip("224.0.0.18"), 255};
const PacketHeader kV6{Ip("fe80::1"), Ip("ff02::12"), 255};

Advertisement Message(int version, absl::Duration interval, std::vector<IpAddress> addresses) {
  return {version, 51, 100, interval, std::move(addresses)};
}

struct Form {
  const char* name;
  PacketHeader header;
  const char* octets;
  Advertisement message;
};
const Form kWritten[] = {
    {"version 3", kV4, "31336401 000a a47b c0a83264",
     Message(3, absl::Milliseconds(100), {Ip("192.168.50.100")})},
    {"version 2", kV4, "21336401 0001 87bd c0a83264 00000000 00000000",
     Message(2, absl::Seconds(1), {Ip("192.168.50.100")})},
    {"IPv6", kV6, "31336401 000a 3de9 20010db8 00000000 00000000 00000100",
     Message(3, absl::Milliseconds(100), {Ip("2001:db8::100")})},
};

TEST(PacketTest, WritesAndReadsEachForm) {
  for (const Form& form : kWritten) {
    SCOPED_TRACE(form.name);
    EXPECT_EQ(
        ToHex(SerializeAdvertisement(form.message, form.header.source, form.header.destination)),
        ToHex(Hex(form.octets)));
    Advertisement read;
    EXPECT_EQ(ParseAdvertisement(form.header, Hex(form.octets), &read), std::nullopt);
    EXPECT_EQ(read, form.message);
  }
}

TEST(PacketTest, ReadsVersion3OverIpv4WithoutThePseudoHeader) {
  Advertisement read;
  EXPECT_EQ(ParseAdvertisement(kV4, Hex("31336401 000a 77b4 c0a83264"), &read), std::nullopt);
  EXPECT_EQ(read, kWritten[0].message);
}

TEST(PacketTest, ReadsTheLargestValuesAndTheSmallest) {
  std::vector<IpAddress> addresses;
  for (uint32_t i = 0; i < kMaxAddresses; ++i) addresses.push_back(IpAddress::FromV4(i));
  for (const Advertisement& message :
       {Advertisement{3, 255, 255, kMaxInterval3, addresses},
        Advertisement{2, 255, 255, kMaxInterval2, addresses},
        Advertisement{3, 1, kPriorityRelease, absl::Milliseconds(10), {addresses[0]}}}) {
    Advertisement read;
    EXPECT_EQ(ParseAdvertisement(kV4, SerializeAdvertisement(message, kV4.source, kV4.destination),
                                 &read),
              std::nullopt);
    EXPECT_EQ(read, message);
  }
}

// The payload with its checksum (version 3 with pseudo-header, else without) made right.
Bytes Repaired(const char* octets, const PacketHeader& header) {
  Bytes payload = Hex(octets);
  payload[6] = payload[7] = 0;
  InternetChecksum sum;
  if (payload[0] >> 4 != 2) {
    sum.AddPseudoHeader(header.source, header.destination, kIpProtocol, payload.size());
  }
  const uint16_t checksum = sum.Add(payload).Value();
  payload[6] = static_cast<uint8_t>(checksum >> 8);
  payload[7] = static_cast<uint8_t>(checksum);
  return payload;
}

TEST(PacketTest, NamesTheReasonForEachDrop) {
  const PacketHeader routed{kV4.source, kV4.destination, 254};
  struct Case {
    PacketError error;
    PacketHeader header;
    const char* octets;
  };
  const Case cases[] = {
      {PacketError::kTtl, routed, "31336401 000a 0000 c0a83264"},
      {PacketError::kVersion, kV4, "41336401 000a 0000 c0a83264"},
      {PacketError::kVersion, kV4, "11336401 0001 0000 c0a83264 00000000 00000000"},
      {PacketError::kVersion, kV6, "21336400 0001 0000 00000000 00000000"},
      {PacketError::kLength, kV4, "31336402 000a 0000 c0a83264"},
      {PacketError::kLength, kV4, "31336401 000a 0000 c0a83264 00"},
      {PacketError::kLength, kV4, "31336401 000a 0000 c0a832"},
      {PacketError::kLength, kV4, "21336401 0001 0000 c0a83264"},
      {PacketError::kLength, kV6, "31336401 000a 0000 c0a83264"},
      {PacketError::kType, kV4, "32336401 000a 0000 c0a83264"},
      {PacketError::kVrid, kV4, "31006401 000a 0000 c0a83264"},
      {PacketError::kAddressCount, kV4, "31336400 000a 0000"},
      {PacketError::kInterval, kV4, "31336401 f000 0000 c0a83264"},
      {PacketError::kInterval, kV4, "21336401 0000 0000 c0a83264 00000000 00000000"},
      {PacketError::kAuthentication, kV4, "21336401 0101 0000 c0a83264 73656372 65740000"},
  };
  for (const Case& test : cases) {
    Advertisement read;
    EXPECT_EQ(ParseAdvertisement(test.header, Repaired(test.octets, test.header), &read),
              test.error)
        << PacketErrorName(test.error) << ": " << test.octets;
  }
}

TEST(PacketTest, RefusesAWrongChecksumInEachForm) {
  for (const Form& form : kWritten) {
    const Bytes good = Hex(form.octets);
    Advertisement read;
    for (size_t i = 0; i < good.size(); ++i) {
      Bytes damaged = good;
      damaged[i] ^= 0x10;
      const auto error = ParseAdvertisement(form.header, damaged, &read);
      EXPECT_TRUE(error.has_value()) << form.name << ", octet " << i;
    }
    // Sent by another router than the one that wrote it: only a pseudo-header can tell.
    PacketHeader other = form.header;
    other.source = form.header.source.is_v4() ? Ip("192.168.50.2") : Ip("fe80::2");
    EXPECT_EQ(ParseAdvertisement(other, good, &read),
              form.message.version == 2 ? std::nullopt : std::optional(PacketError::kChecksum));
  }
}

TEST(PacketTest, SurvivesEveryTruncation) {
  for (const Form& form : kWritten) {
    const Bytes whole = Hex(form.octets);
    for (size_t size = 0; size < whole.size(); ++size) {
      // Copied, so that a read past the end is a read past an allocation.
      const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      Advertisement read;
      const auto error = ParseAdvertisement(form.header, cut, &read);
      EXPECT_EQ(error, PacketError::kLength) << form.name << " cut to " << size;
    }
  }
}

TEST(PacketTest, EveryErrorHasAName) {
  std::set<absl::string_view> names;
  for (int i = 0; i < kPacketErrors; ++i) names.insert(PacketErrorName(PacketError(i)));
  EXPECT_EQ(names.size(), kPacketErrors);
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace openelb::vrrp

#include "speaker/arp/packet.h"

#include <set>

#include "api/base/test_bytes.h"
#include "gtest/gtest.h"

namespace openelb::arp {
namespace {

const MacAddress kClient({2, 0, 0, 0, 0, 0xc});
const MacAddress kOwner({2, 0, 0, 0, 0, 0xa});
const IpAddress kAddress = IpAddress::FromV4(0xc0a80064);  // 192.168.0.100
const IpAddress kAsker = IpAddress::FromV4(0xc0a80009);    // 192.168.0.9

// A request as a Linux host sends it, padded to the least size of a frame.
constexpr char kRequest[] =
    "ffffffffffff 02000000000c 0806"
    "0001 0800 06 04 0001 02000000000c c0a80009 000000000000 c0a80064"
    "000000000000 000000000000 000000000000";

TEST(ArpPacketTest, ReadsARequest) {
  Packet packet;
  ASSERT_EQ(ParsePacket(Hex(kRequest), &packet), std::nullopt);
  EXPECT_EQ(packet.frame_destination, MacAddress::Broadcast());
  EXPECT_EQ(packet.frame_source, kClient);
  EXPECT_EQ(packet.operation, Operation::kRequest);
  EXPECT_EQ(packet.sender_mac, kClient);
  EXPECT_EQ(packet.sender, kAsker);
  EXPECT_EQ(packet.target, kAddress);
  EXPECT_FALSE(packet.IsProbe());
  EXPECT_FALSE(packet.IsGratuitous());
}

TEST(ArpPacketTest, NamesWhatIsWrong) {
  struct Case {
    size_t offset;
    const char* octets;
    PacketError error;
  };
  const Case cases[] = {
      {12, "8100", PacketError::kTagged},
      {12, "88a8", PacketError::kTagged},
      {12, "0800", PacketError::kEtherType},
      {6, "ffffffffffff", PacketError::kFrameSource},
      {6, "000000000000", PacketError::kFrameSource},
      {14, "0006", PacketError::kHardwareType},
      {16, "86dd", PacketError::kProtocolType},
      {18, "08", PacketError::kAddressLength},
      {19, "10", PacketError::kAddressLength},
      {20, "0000", PacketError::kOperation},
      {20, "0003", PacketError::kOperation},
      {22, "01", PacketError::kSenderMac},
      {22, "000000000000", PacketError::kSenderMac},
      {28, "7f000001", PacketError::kSenderAddress},
      {28, "e0000001", PacketError::kSenderAddress},
      {28, "ffffffff", PacketError::kSenderAddress},
  };
  for (const Case& c : cases) {
    Bytes frame = Hex(kRequest);
    const Bytes octets = Hex(c.octets);
    std::copy(octets.begin(), octets.end(), frame.begin() + static_cast<ptrdiff_t>(c.offset));
    Packet packet;
    EXPECT_EQ(ParsePacket(frame, &packet), c.error) << c.offset << " " << c.octets;
  }
}

TEST(ArpPacketTest, EndsWhereverTheFrameEnds) {
  const Bytes whole = Hex(kRequest);
  for (size_t size = 0; size < 42; ++size) {
    Packet packet;
    // Copied, so that a read past the end is a read past an allocation.
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(ParsePacket(cut, &packet), PacketError::kTruncated) << size;
  }
  Packet packet;
  EXPECT_EQ(ParsePacket(std::span(whole).first(42), &packet), std::nullopt) << "not padded";
}

TEST(ArpPacketTest, NamesEachError) {
  std::set<absl::string_view> names;
  for (size_t i = 0; i < kPacketErrors; ++i) {
    names.insert(PacketErrorName(static_cast<PacketError>(i)));
  }
  EXPECT_EQ(names.size(), kPacketErrors);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(PacketErrorName(static_cast<PacketError>(kPacketErrors)), "unknown");
}

TEST(ArpPacketTest, WritesWhatIsSent) {
  Packet request;
  ASSERT_EQ(ParsePacket(Hex(kRequest), &request), std::nullopt);
  Packet probe = request;
  probe.sender = IpAddress();
  const struct {
    const char* what;
    Packet packet;
    const char* octets;
  } cases[] = {
      {"reply", MakeReply(request, kOwner),
       "02000000000c02000000000a0806"
       "000108000604000202000000000ac0a8006402000000000cc0a80009"},
      {"reply to a probe", MakeReply(probe, kOwner),
       "02000000000c02000000000a0806"
       "000108000604000202000000000ac0a8006402000000000c00000000"},
      {"probe", MakeProbe(kAddress, kOwner),
       "ffffffffffff02000000000a0806"
       "000108000604000102000000000a00000000000000000000c0a80064"},
      {"gratuitous request", MakeGratuitous(Operation::kRequest, kAddress, kOwner),
       "ffffffffffff02000000000a0806"
       "000108000604000102000000000ac0a80064000000000000c0a80064"},
      {"gratuitous reply", MakeGratuitous(Operation::kReply, kAddress, kOwner),
       "ffffffffffff02000000000a0806"
       "000108000604000202000000000ac0a8006402000000000ac0a80064"},
  };
  for (const auto& c : cases) {
    const Bytes frame = SerializePacket(c.packet);
    EXPECT_EQ(ToHex(frame), c.octets) << c.what;
    Packet again;
    EXPECT_EQ(ParsePacket(frame, &again), std::nullopt) << c.what;
    EXPECT_EQ(again, c.packet) << c.what;
  }
  EXPECT_TRUE(cases[2].packet.IsProbe());
  EXPECT_TRUE(cases[3].packet.IsGratuitous());
  EXPECT_TRUE(cases[4].packet.IsGratuitous());
}

}  // namespace
}  // namespace openelb::arp

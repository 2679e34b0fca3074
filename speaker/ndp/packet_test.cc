#include "speaker/ndp/packet.h"

#include <set>

#include "api/base/internet_checksum.h"
#include "api/base/test_bytes.h"
#include "gtest/gtest.h"

namespace openelb::ndp {
namespace {

const MacAddress kClient({2, 0, 0, 0, 0, 0xc});
const MacAddress kOwner({2, 0, 0, 0, 0, 0xa});
const IpAddress kAddress = IpAddress::Parse("2001:db8::64").value();
const IpAddress kAsker = IpAddress::Parse("2001:db8::9").value();

// As a Linux host resolves an address.
constexpr char kSolicitation[] =
    "3333ff000064 02000000000c 86dd"
    "60000000 0020 3a ff 20010db8000000000000000000000009 ff0200000000000000000001ff000064"
    "87 00 0000 00000000 20010db8000000000000000000000064 01 01 02000000000c";
constexpr char kAdvertisement[] =
    "02000000000c 02000000000a 86dd"
    "60000000 0020 3a ff 20010db8000000000000000000000064 20010db8000000000000000000000009"
    "88 00 0000 60000000 20010db8000000000000000000000064 02 01 02000000000a";
constexpr size_t kMessage = 54;
constexpr size_t kOptions = 78;

void PutChecksum(Bytes* frame) {
  if (frame->size() < kMessage + 4) return;
  const std::span<const uint8_t> octets(*frame);
  (*frame)[kMessage + 2] = (*frame)[kMessage + 3] = 0;
  InternetChecksum sum;
  sum.AddPseudoHeader(IpAddress::FromBytes(octets.subspan(22, 16)),
                      IpAddress::FromBytes(octets.subspan(38, 16)), 58, frame->size() - kMessage);
  const uint16_t checksum = sum.Add(octets.subspan(kMessage)).Value();
  (*frame)[kMessage + 2] = static_cast<uint8_t>(checksum >> 8);
  (*frame)[kMessage + 3] = static_cast<uint8_t>(checksum);
}

// The frame with some octets replaced, lengths and checksum put right.
Bytes Changed(absl::string_view frame, size_t offset, absl::string_view hex) {
  Bytes changed = Hex(frame);
  const Bytes octets = Hex(hex);
  if (changed.size() < offset + octets.size()) changed.resize(offset + octets.size());
  std::copy(octets.begin(), octets.end(), changed.begin() + static_cast<ptrdiff_t>(offset));
  const size_t length = changed.size() - kMessage;
  if (offset != 18) {
    changed[18] = static_cast<uint8_t>(length >> 8);
    changed[19] = static_cast<uint8_t>(length);
  }
  PutChecksum(&changed);
  return changed;
}

TEST(NdpPacketTest, ReadsASolicitation) {
  Packet packet;
  ASSERT_EQ(ParsePacket(Changed(kSolicitation, 0, ""), &packet), std::nullopt);
  EXPECT_EQ(packet.frame_source, kClient);
  EXPECT_EQ(packet.frame_destination.ToString(), "33:33:ff:00:00:64");
  EXPECT_EQ(packet.source, kAsker);
  EXPECT_EQ(packet.destination, SolicitedNodeGroup(kAddress));
  EXPECT_EQ(packet.type, Type::kSolicitation);
  EXPECT_EQ(packet.target, kAddress);
  EXPECT_EQ(packet.link_layer, kClient);
  EXPECT_FALSE(packet.IsProbe());
}

TEST(NdpPacketTest, ReadsAnAdvertisement) {
  Packet packet;
  ASSERT_EQ(ParsePacket(Changed(kAdvertisement, 0, ""), &packet), std::nullopt);
  EXPECT_EQ(packet.type, Type::kAdvertisement);
  EXPECT_FALSE(packet.router);
  EXPECT_TRUE(packet.solicited);
  EXPECT_TRUE(packet.override_cache);
  EXPECT_EQ(packet.link_layer, kOwner);
}

TEST(NdpPacketTest, SkipsOptionsItHasNoUseFor) {
  Packet packet;
  // A nonce (RFC 3971) of two units, then the address, then another address.
  const Bytes frame =
      Changed(kSolicitation, kOptions,
              "0e02000000000000 0000000000000000 010102000000000c 0101020000000bad");
  ASSERT_EQ(ParsePacket(frame, &packet), std::nullopt);
  EXPECT_EQ(packet.link_layer, kClient) << "the first one counts";
  Bytes without = Hex(kSolicitation);
  without.resize(kOptions);
  without[19] = 24;
  PutChecksum(&without);
  ASSERT_EQ(ParsePacket(without, &packet), std::nullopt);
  EXPECT_EQ(packet.link_layer, std::nullopt) << "of the packet before";
}

TEST(NdpPacketTest, NamesWhatIsWrong) {
  // From ::, without the option.
  Bytes probe = Changed(kSolicitation, 22, "00000000000000000000000000000000");
  probe.resize(kOptions);
  const std::string kProbe = ToHex(probe);
  Packet packet;
  ASSERT_EQ(ParsePacket(Changed(kProbe, 0, ""), &packet), std::nullopt);
  EXPECT_TRUE(packet.IsProbe());

  const struct {
    absl::string_view frame;
    size_t offset;
    const char* octets;
    PacketError error;
  } cases[] = {
      {kSolicitation, 12, "8100", PacketError::kTagged},
      {kSolicitation, 12, "0806", PacketError::kEtherType},
      {kSolicitation, 6, "03", PacketError::kFrameSource},
      {kSolicitation, 14, "40", PacketError::kVersion},
      {kSolicitation, 20, "00", PacketError::kNextHeader},
      {kSolicitation, 20, "2c", PacketError::kNextHeader},
      {kSolicitation, 21, "fe", PacketError::kHopLimit},
      {kSolicitation, 22, "ff02", PacketError::kSource},
      {kSolicitation, 54, "80", PacketError::kType},
      {kSolicitation, 54, "89", PacketError::kType},
      {kSolicitation, 55, "01", PacketError::kCode},
      {kSolicitation, 18, "0021", PacketError::kLength},
      {kSolicitation, 18, "0017", PacketError::kLength},
      {kSolicitation, 62, "ff", PacketError::kTargetMulticast},
      {kSolicitation, kOptions + 1, "00", PacketError::kOptionLength},
      {kSolicitation, kOptions + 1, "02", PacketError::kOptionLength},
      {kSolicitation, kOptions + 8, "0e", PacketError::kOptionLength},
      {kSolicitation, kOptions, "0102 02000000000c 0000000000000000", PacketError::kOptionLength},
      {kSolicitation, kOptions + 2, "ff", PacketError::kLinkLayerAddress},
      {kSolicitation, kOptions + 2, "000000000000", PacketError::kLinkLayerAddress},
      {kProbe, 38, "20010db8000000000000000000000064", PacketError::kUnspecifiedDestination},
      {kProbe, 38, "ff020000000000000000000000000001", PacketError::kUnspecifiedDestination},
      {kProbe, kOptions, "010102000000000c", PacketError::kUnspecifiedLinkLayer},
      {kAdvertisement, 22, "00000000000000000000000000000000",
       PacketError::kUnspecifiedAdvertisement},
      {kAdvertisement, 38, "ff020000000000000000000000000001", PacketError::kSolicitedMulticast},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ParsePacket(Changed(c.frame, c.offset, c.octets), &packet), c.error)
        << c.offset << " " << c.octets << ": " << PacketErrorName(c.error);
  }
  Bytes wrong = Changed(kSolicitation, 0, "");
  wrong[57] ^= 1;
  EXPECT_EQ(ParsePacket(wrong, &packet), PacketError::kChecksum);
}

TEST(NdpPacketTest, EndsWhereverTheFrameEnds) {
  const Bytes whole = Changed(kSolicitation, 0, "");
  for (size_t size = 0; size < whole.size(); ++size) {
    Packet packet;
    // Copied, so that a read past the end is a read past an allocation.
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(ParsePacket(cut, &packet),
              size < kMessage ? PacketError::kTruncated : PacketError::kLength)
        << size;
  }
}

TEST(NdpPacketTest, NamesEachError) {
  std::set<absl::string_view> names;
  for (size_t i = 0; i < kPacketErrors; ++i) {
    names.insert(PacketErrorName(static_cast<PacketError>(i)));
  }
  EXPECT_EQ(names.size(), kPacketErrors);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(PacketErrorName(static_cast<PacketError>(kPacketErrors)), "unknown");
}

TEST(NdpPacketTest, KnowsGroups) {
  EXPECT_EQ(SolicitedNodeGroup(IpAddress::Parse("4037::01:800:200e:8c6c").value()).ToString(),
            "ff02::1:ff0e:8c6c")
      << "the example of RFC 4291";
  EXPECT_EQ(AllNodes().ToString(), "ff02::1");
}

TEST(NdpPacketTest, WritesWhatIsSent) {
  Packet asked;
  ASSERT_EQ(ParsePacket(Changed(kSolicitation, 0, ""), &asked), std::nullopt);
  EXPECT_EQ(ToHex(SerializePacket(MakeAnswer(asked, kOwner, /*router=*/false))),
            ToHex(Changed(kAdvertisement, 0, "")));
  EXPECT_EQ(ToHex(SerializePacket(MakeAnswer(asked, kOwner, /*router=*/true))),
            ToHex(Changed(kAdvertisement, 58, "e0")));

  asked.link_layer = std::nullopt;
  EXPECT_EQ(MakeAnswer(asked, kOwner, false).frame_destination, kClient)
      << "where the frame came from";
  asked.link_layer = MacAddress({2, 0, 0, 0, 0, 0xd});
  EXPECT_EQ(MakeAnswer(asked, kOwner, false).frame_destination, *asked.link_layer);

  const Packet probe = MakeProbe(kAddress, kClient);
  EXPECT_EQ(ToHex(SerializePacket(probe)),
            "3333ff00006402000000000c86dd"
            "6000000000183aff00000000000000000000000000000000ff0200000000000000000001ff000064"
            "87004c27"
            "0000000020010db8000000000000000000000064");
  const Packet unsolicited = MakeUnsolicited(kAddress, kOwner, false);
  EXPECT_EQ(MakeAnswer(probe, kOwner, false), unsolicited) << "to all nodes, not solicited";
  EXPECT_EQ(unsolicited.frame_destination.ToString(), "33:33:00:00:00:01");
  EXPECT_EQ(unsolicited.destination, AllNodes());
  EXPECT_TRUE(unsolicited.override_cache);
  EXPECT_FALSE(unsolicited.solicited);
  for (const Packet& packet : {probe, unsolicited}) {
    Packet again;
    EXPECT_EQ(ParsePacket(SerializePacket(packet), &again), std::nullopt);
    EXPECT_EQ(again, packet);
  }
}

}  // namespace
}  // namespace openelb::ndp

#include "speaker/ndp/packet.h"

#include <algorithm>
#include <array>

#include "api/base/internet_checksum.h"
#include "speaker/layer2/ethernet.h"

namespace openelb::ndp {
namespace {

constexpr size_t kIpv6Size = 16;
constexpr size_t kMinMessage = 24;  // type, code, checksum, flags, target
constexpr uint8_t kIcmpv6 = 58;
constexpr uint8_t kHopLimit = 255;
constexpr uint8_t kSourceLinkLayer = 1;
constexpr uint8_t kTargetLinkLayer = 2;
constexpr size_t kOptionUnit = 8;
constexpr uint8_t kRouter = 0x80;
constexpr uint8_t kSolicited = 0x40;
constexpr uint8_t kOverride = 0x20;

PacketError FromEthernet(layer2::EthernetError error) {
  switch (error) {
    case layer2::EthernetError::kTruncated:
      return PacketError::kTruncated;
    case layer2::EthernetError::kTagged:
      return PacketError::kTagged;
    case layer2::EthernetError::kSource:
      break;
  }
  return PacketError::kFrameSource;
}

uint8_t LinkLayerOption(Type type) {
  return type == Type::kSolicitation ? kSourceLinkLayer : kTargetLinkLayer;
}

// The first option of the type that the message has use for; the others are skipped (RFC 4861
// 4.6), but none may be malformed.
std::optional<PacketError> ParseOptions(std::span<const uint8_t> octets, Packet* packet) {
  Reader reader(octets);
  while (!reader.empty()) {
    uint8_t type = 0;
    uint8_t units = 0;
    std::span<const uint8_t> value;
    if (!reader.U8(&type) || !reader.U8(&units) || units == 0 ||
        !reader.Take(units * kOptionUnit - 2, &value)) {
      return PacketError::kOptionLength;
    }
    if (type != LinkLayerOption(packet->type) || packet->link_layer.has_value()) continue;
    packet->link_layer = MacAddress::FromBytes(value);
    if (!packet->link_layer.has_value()) return PacketError::kOptionLength;
    if (!packet->link_layer->IsStation()) return PacketError::kLinkLayerAddress;
  }
  return std::nullopt;
}

// RFC 4861 7.1.1 and 7.1.2, as far as they concern what is said and not how it is framed.
std::optional<PacketError> CheckMeaning(const Packet& packet) {
  if (packet.type == Type::kAdvertisement) {
    if (packet.source.IsUnspecified()) return PacketError::kUnspecifiedAdvertisement;
    if (packet.solicited && packet.destination.IsMulticast()) {
      return PacketError::kSolicitedMulticast;
    }
    return std::nullopt;
  }
  if (!packet.source.IsUnspecified()) return std::nullopt;
  // Such a group is the group of its own last 24 bits.
  if (packet.destination != SolicitedNodeGroup(packet.destination)) {
    return PacketError::kUnspecifiedDestination;
  }
  if (packet.link_layer.has_value()) return PacketError::kUnspecifiedLinkLayer;
  return std::nullopt;
}

// An ICMPv6 message whose IPv6 addresses `packet` already holds.
std::optional<PacketError> ParseMessage(std::span<const uint8_t> message, Packet* packet) {
  Reader reader(message);
  uint8_t type = 0;
  uint8_t code = 0;
  uint16_t checksum = 0;
  uint8_t flags = 0;
  std::span<const uint8_t> reserved;
  std::span<const uint8_t> target;
  if (!reader.U8(&type) || !reader.U8(&code) || !reader.U16(&checksum) || !reader.U8(&flags) ||
      !reader.Take(3, &reserved) || !reader.Take(kIpv6Size, &target)) {
    return PacketError::kLength;
  }
  if (type != static_cast<uint8_t>(Type::kSolicitation) &&
      type != static_cast<uint8_t>(Type::kAdvertisement)) {
    return PacketError::kType;
  }
  if (code != 0) return PacketError::kCode;
  InternetChecksum sum;
  sum.AddPseudoHeader(packet->source, packet->destination, kIcmpv6, message.size());
  if (sum.Add(message).Value() != 0) return PacketError::kChecksum;
  packet->type = static_cast<Type>(type);
  packet->target = IpAddress::FromBytes(target);
  if (packet->type == Type::kAdvertisement) {
    packet->router = (flags & kRouter) != 0;
    packet->solicited = (flags & kSolicited) != 0;
    packet->override_cache = (flags & kOverride) != 0;
  }
  if (packet->target.IsMulticast()) return PacketError::kTargetMulticast;
  if (const auto error = ParseOptions(reader.rest(), packet)) return error;
  return CheckMeaning(*packet);
}

}  // namespace

absl::string_view PacketErrorName(PacketError error) {
  switch (error) {
    case PacketError::kTruncated:
      return "truncated";
    case PacketError::kTagged:
      return "tagged";
    case PacketError::kFrameSource:
      return "frame_source";
    case PacketError::kEtherType:
      return "ether_type";
    case PacketError::kVersion:
      return "version";
    case PacketError::kNextHeader:
      return "next_header";
    case PacketError::kHopLimit:
      return "hop_limit";
    case PacketError::kSource:
      return "source";
    case PacketError::kType:
      return "type";
    case PacketError::kCode:
      return "code";
    case PacketError::kLength:
      return "length";
    case PacketError::kChecksum:
      return "checksum";
    case PacketError::kTargetMulticast:
      return "target_multicast";
    case PacketError::kOptionLength:
      return "option_length";
    case PacketError::kLinkLayerAddress:
      return "link_layer_address";
    case PacketError::kUnspecifiedDestination:
      return "unspecified_destination";
    case PacketError::kUnspecifiedLinkLayer:
      return "unspecified_link_layer";
    case PacketError::kUnspecifiedAdvertisement:
      return "unspecified_advertisement";
    case PacketError::kSolicitedMulticast:
      return "solicited_multicast";
  }
  return "unknown";
}

std::optional<PacketError> ParsePacket(std::span<const uint8_t> frame, Packet* packet) {
  *packet = {};
  Reader reader(frame);
  layer2::EthernetHeader ethernet;
  if (const auto error = layer2::TakeEthernetHeader(&reader, &ethernet))
    return FromEthernet(*error);
  if (ethernet.type != layer2::kEtherTypeIpv6) return PacketError::kEtherType;
  uint32_t version = 0;  // with traffic class and flow label
  uint16_t length = 0;
  uint8_t next_header = 0;
  uint8_t hop_limit = 0;
  std::span<const uint8_t> source;
  std::span<const uint8_t> destination;
  if (!reader.U32(&version) || !reader.U16(&length) || !reader.U8(&next_header) ||
      !reader.U8(&hop_limit) || !reader.Take(kIpv6Size, &source) ||
      !reader.Take(kIpv6Size, &destination)) {
    return PacketError::kTruncated;
  }
  if (version >> 28 != 6) return PacketError::kVersion;
  if (next_header != kIcmpv6) return PacketError::kNextHeader;
  if (hop_limit != kHopLimit) return PacketError::kHopLimit;
  packet->frame_destination = ethernet.destination;
  packet->frame_source = ethernet.source;
  packet->source = IpAddress::FromBytes(source);
  packet->destination = IpAddress::FromBytes(destination);
  if (packet->source.IsMulticast()) return PacketError::kSource;
  std::span<const uint8_t> message;
  if (!reader.Take(length, &message)) return PacketError::kLength;
  return ParseMessage(message, packet);
}

Bytes SerializePacket(const Packet& packet) {
  Bytes message;
  message.reserve(kMinMessage + kOptionUnit);
  PutU8(&message, static_cast<uint8_t>(packet.type));
  PutU8(&message, 0);
  PutU16(&message, 0);  // checksum, below
  uint8_t flags = 0;
  if (packet.type == Type::kAdvertisement) {
    flags = (packet.router ? kRouter : 0) | (packet.solicited ? kSolicited : 0) |
            (packet.override_cache ? kOverride : 0);
  }
  PutU32(&message, uint32_t{flags} << 24);
  PutBytes(&message, packet.target.bytes());
  if (packet.link_layer.has_value()) {
    PutU8(&message, LinkLayerOption(packet.type));
    PutU8(&message, 1);
    PutBytes(&message, packet.link_layer->bytes());
  }
  InternetChecksum sum;
  sum.AddPseudoHeader(packet.source, packet.destination, kIcmpv6, message.size());
  const uint16_t checksum = sum.Add(message).Value();
  message[2] = static_cast<uint8_t>(checksum >> 8);
  message[3] = static_cast<uint8_t>(checksum);

  Bytes frame;
  frame.reserve(86);
  layer2::PutEthernetHeader({packet.frame_destination, packet.frame_source, layer2::kEtherTypeIpv6},
                            &frame);
  PutU32(&frame, uint32_t{6} << 28);
  PutU16(&frame, static_cast<uint16_t>(message.size()));
  PutU8(&frame, kIcmpv6);
  PutU8(&frame, kHopLimit);
  PutBytes(&frame, packet.source.bytes());
  PutBytes(&frame, packet.destination.bytes());
  PutBytes(&frame, message);
  return frame;
}

IpAddress SolicitedNodeGroup(const IpAddress& address) {
  std::array<uint8_t, kIpv6Size> octets{0xff, 0x02};
  octets[11] = 0x01;
  octets[12] = 0xff;
  std::copy_n(address.bytes().begin() + 13, 3, octets.begin() + 13);
  return IpAddress::FromBytes(octets);
}

IpAddress AllNodes() {
  std::array<uint8_t, kIpv6Size> octets{0xff, 0x02};
  octets[15] = 0x01;
  return IpAddress::FromBytes(octets);
}

Packet MakeAnswer(const Packet& solicitation, const MacAddress& owner, bool router) {
  if (solicitation.IsProbe()) return MakeUnsolicited(solicitation.target, owner, router);
  return {.frame_destination = solicitation.link_layer.value_or(solicitation.frame_source),
          .frame_source = owner,
          .source = solicitation.target,
          .destination = solicitation.source,
          .type = Type::kAdvertisement,
          .router = router,
          .solicited = true,
          .override_cache = true,
          .target = solicitation.target,
          .link_layer = owner};
}

Packet MakeUnsolicited(const IpAddress& address, const MacAddress& owner, bool router) {
  return {.frame_destination = MacAddress::OfGroup(AllNodes()),
          .frame_source = owner,
          .source = address,
          .destination = AllNodes(),
          .type = Type::kAdvertisement,
          .router = router,
          .solicited = false,
          .override_cache = true,
          .target = address,
          .link_layer = owner};
}

Packet MakeProbe(const IpAddress& address, const MacAddress& sender) {
  const IpAddress group = SolicitedNodeGroup(address);
  return {.frame_destination = MacAddress::OfGroup(group),
          .frame_source = sender,
          .source = IpAddress::FromOrdinal(Family::kV6, 0),
          .destination = group,
          .type = Type::kSolicitation,
          .target = address};
}

}  // namespace openelb::ndp

#include "speaker/arp/packet.h"

#include "speaker/layer2/ethernet.h"

namespace openelb::arp {
namespace {

constexpr uint16_t kHardwareEthernet = 1;
constexpr uint16_t kProtocolIpv4 = 0x0800;
constexpr uint8_t kIpv4Size = 4;

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

bool MaySend(const IpAddress& address) {
  return !address.IsLoopback() && !address.IsMulticast() &&
         address != IpAddress::FromV4(0xffffffff);
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
    case PacketError::kHardwareType:
      return "hardware_type";
    case PacketError::kProtocolType:
      return "protocol_type";
    case PacketError::kAddressLength:
      return "address_length";
    case PacketError::kOperation:
      return "operation";
    case PacketError::kSenderMac:
      return "sender_mac";
    case PacketError::kSenderAddress:
      return "sender_address";
  }
  return "unknown";
}

std::optional<PacketError> ParsePacket(std::span<const uint8_t> frame, Packet* packet) {
  Reader reader(frame);
  layer2::EthernetHeader ethernet;
  if (const auto error = layer2::TakeEthernetHeader(&reader, &ethernet))
    return FromEthernet(*error);
  if (ethernet.type != layer2::kEtherTypeArp) return PacketError::kEtherType;
  uint16_t hardware = 0;
  uint16_t protocol = 0;
  uint8_t hardware_size = 0;
  uint8_t protocol_size = 0;
  uint16_t operation = 0;
  if (!reader.U16(&hardware) || !reader.U16(&protocol) || !reader.U8(&hardware_size) ||
      !reader.U8(&protocol_size) || !reader.U16(&operation)) {
    return PacketError::kTruncated;
  }
  if (hardware != kHardwareEthernet) return PacketError::kHardwareType;
  if (protocol != kProtocolIpv4) return PacketError::kProtocolType;
  if (hardware_size != MacAddress::kSize || protocol_size != kIpv4Size) {
    return PacketError::kAddressLength;
  }
  std::span<const uint8_t> sender_mac;
  std::span<const uint8_t> sender;
  std::span<const uint8_t> target_mac;
  std::span<const uint8_t> target;
  if (!reader.Take(MacAddress::kSize, &sender_mac) || !reader.Take(kIpv4Size, &sender) ||
      !reader.Take(MacAddress::kSize, &target_mac) || !reader.Take(kIpv4Size, &target)) {
    return PacketError::kTruncated;
  }
  if (operation != 1 && operation != 2) return PacketError::kOperation;
  packet->frame_destination = ethernet.destination;
  packet->frame_source = ethernet.source;
  packet->operation = static_cast<Operation>(operation);
  packet->sender_mac = *MacAddress::FromBytes(sender_mac);
  packet->sender = IpAddress::FromBytes(sender);
  packet->target_mac = *MacAddress::FromBytes(target_mac);
  packet->target = IpAddress::FromBytes(target);
  if (!packet->sender_mac.IsStation()) return PacketError::kSenderMac;
  if (!MaySend(packet->sender)) return PacketError::kSenderAddress;
  return std::nullopt;
}

Bytes SerializePacket(const Packet& packet) {
  Bytes frame;
  frame.reserve(42);
  layer2::PutEthernetHeader({packet.frame_destination, packet.frame_source, layer2::kEtherTypeArp},
                            &frame);
  PutU16(&frame, kHardwareEthernet);
  PutU16(&frame, kProtocolIpv4);
  PutU8(&frame, MacAddress::kSize);
  PutU8(&frame, kIpv4Size);
  PutU16(&frame, static_cast<uint16_t>(packet.operation));
  PutBytes(&frame, packet.sender_mac.bytes());
  PutBytes(&frame, packet.sender.bytes());
  PutBytes(&frame, packet.target_mac.bytes());
  PutBytes(&frame, packet.target.bytes());
  return frame;
}

Packet MakeReply(const Packet& request, const MacAddress& owner) {
  return {.frame_destination = request.sender_mac,
          .frame_source = owner,
          .operation = Operation::kReply,
          .sender_mac = owner,
          .sender = request.target,
          .target_mac = request.sender_mac,
          .target = request.sender};
}

Packet MakeProbe(const IpAddress& address, const MacAddress& sender) {
  return {.frame_destination = MacAddress::Broadcast(),
          .frame_source = sender,
          .operation = Operation::kRequest,
          .sender_mac = sender,
          .sender = IpAddress(),
          .target_mac = MacAddress(),
          .target = address};
}

Packet MakeGratuitous(Operation operation, const IpAddress& address, const MacAddress& owner) {
  return {.frame_destination = MacAddress::Broadcast(),
          .frame_source = owner,
          .operation = operation,
          .sender_mac = owner,
          .sender = address,
          .target_mac = operation == Operation::kReply ? owner : MacAddress(),
          .target = address};
}

}  // namespace openelb::arp

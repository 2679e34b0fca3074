#pragma once
// ARP for IPv4 on Ethernet (RFC 826), with the probes and announcements of RFC 5227, as whole
// frames.
//
// Life of a received frame: ParsePacket takes it apart; the first check that fails names the reason
// for which the frame is dropped and counted; what passes all of them goes to the interface's
// Responder (layer2/responder.h), which judges who asks whom and who claims what.

#include <cstdint>
#include <optional>
#include <span>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/base/mac.h"
#include "api/base/wire.h"

namespace openelb::arp {

// The numbers are those on the wire.
enum class Operation : uint16_t { kRequest = 1, kReply = 2 };

struct Packet {
  MacAddress frame_destination;
  MacAddress frame_source;
  Operation operation = Operation::kRequest;
  MacAddress sender_mac;
  IpAddress sender;
  MacAddress target_mac;  // means nothing in a request
  IpAddress target;

  // RFC 5227 1.1: asks whether anyone has the address before its sender takes it.
  bool IsProbe() const { return operation == Operation::kRequest && sender.IsUnspecified(); }
  // Says who has the address without being asked, as a request or as a reply.
  bool IsGratuitous() const { return sender == target; }
  bool operator==(const Packet&) const = default;
};

// Why a frame is dropped, in the order of the checks.
enum class PacketError : uint8_t {
  kTruncated,
  kTagged,       // of a VLAN, which is another segment
  kFrameSource,  // the frame comes from no single station
  kEtherType,
  kHardwareType,   // not Ethernet
  kProtocolType,   // not IPv4
  kAddressLength,  // not 6 and 4
  kOperation,      // neither request nor reply
  kSenderMac,      // no single station's
  kSenderAddress,  // loopback, multicast or broadcast
};
constexpr size_t kPacketErrors = static_cast<size_t>(PacketError::kSenderAddress) + 1;
absl::string_view PacketErrorName(PacketError error);  // "hardware_type"

// Nothing: `packet` holds what the frame says.
std::optional<PacketError> ParsePacket(std::span<const uint8_t> frame, Packet* packet);

// A whole frame, without the padding that the hardware adds. `packet` holds IPv4 addresses.
Bytes SerializePacket(const Packet& packet);

// ---- the packets that are sent ----

// The answer to `request`, from the owner of what it asks for; for probes too.
Packet MakeReply(const Packet& request, const MacAddress& owner);
Packet MakeProbe(const IpAddress& address, const MacAddress& sender);
// Linux takes note of a gratuitous request at once. A gratuitous reply whose target hardware
// address is anything but the sender's own counts for nothing within a second after the last
// change, so that is what it carries.
Packet MakeGratuitous(Operation operation, const IpAddress& address, const MacAddress& owner);

}  // namespace openelb::arp

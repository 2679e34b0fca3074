#pragma once
// Neighbour solicitations and advertisements of IPv6 (RFC 4861 4.3, 4.4 and 4.6.1) as whole
// Ethernet frames (RFC 2464), duplicate address detection (RFC 4862 5.4) included.
//
// Life of a received frame: ParsePacket takes it apart and makes the checks of RFC 4861 7.1; the
// first one that fails names the reason for which the frame is dropped and counted; what passes all
// of them goes to the interface's Responder (layer2/responder.h).

#include <cstdint>
#include <optional>
#include <span>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/base/mac.h"
#include "api/base/wire.h"

namespace openelb::ndp {

// ICMPv6 types: the numbers are those on the wire.
enum class Type : uint8_t { kSolicitation = 135, kAdvertisement = 136 };

// All addresses are IPv6.
struct Packet {
  MacAddress frame_destination;
  MacAddress frame_source;
  IpAddress source;
  IpAddress destination;
  Type type = Type::kSolicitation;
  // Of advertisements.
  bool router = false;
  bool solicited = false;
  bool override_cache = false;
  IpAddress target;
  // The source's (solicitation) or target's (advertisement), where the option is there.
  std::optional<MacAddress> link_layer;

  // Asks whether anyone has the address before its sender takes it (RFC 4862 5.4.2).
  bool IsProbe() const { return type == Type::kSolicitation && source.IsUnspecified(); }
  bool operator==(const Packet&) const = default;
};

// Why a frame is dropped, in the order of the checks.
enum class PacketError : uint8_t {
  kTruncated,
  kTagged,       // of a VLAN, which is another segment
  kFrameSource,  // the frame comes from no single station
  kEtherType,
  kVersion,     // not IPv6
  kNextHeader,  // not ICMPv6 at once: fragments are forbidden (RFC 6980), the rest is not in use
  kHopLimit,    // not 255: it may come from elsewhere
  kSource,      // multicast
  kType,
  kCode,
  kLength,  // the IPv6 payload is longer than the frame, or too short
  kChecksum,
  kTargetMulticast,
  kOptionLength,              // zero, beyond the end, or not that of an Ethernet address
  kLinkLayerAddress,          // no single station's
  kUnspecifiedDestination,    // from ::, but not to a solicited-node group
  kUnspecifiedLinkLayer,      // from ::, with a source link-layer address
  kUnspecifiedAdvertisement,  // from ::
  kSolicitedMulticast,        // an answer, but to a group
};
constexpr size_t kPacketErrors = static_cast<size_t>(PacketError::kSolicitedMulticast) + 1;
absl::string_view PacketErrorName(PacketError error);  // "hop_limit"

// Nothing: `packet` holds what the frame says.
std::optional<PacketError> ParsePacket(std::span<const uint8_t> frame, Packet* packet);

// A whole frame. Flags of a solicitation are left out.
Bytes SerializePacket(const Packet& packet);

// ff02::1:ffXX:XXXX with the last 24 bits of `address` (RFC 4291 2.7.1).
IpAddress SolicitedNodeGroup(const IpAddress& address);
// ff02::1
IpAddress AllNodes();

// ---- the packets that are sent ----

// The answer to `solicitation`, from the owner of its target. A probe is answered to all nodes (RFC
// 4861 7.2.4). Without a source link-layer address the answer goes back where the frame came from:
// a unicast solicitation may leave the option out, and whoever asked needs the answer all the same.
Packet MakeAnswer(const Packet& solicitation, const MacAddress& owner, bool router);
// Tells all nodes to forget whom they took for the owner (RFC 4861 7.2.6).
Packet MakeUnsolicited(const IpAddress& address, const MacAddress& owner, bool router);
Packet MakeProbe(const IpAddress& address, const MacAddress& sender);

}  // namespace openelb::ndp

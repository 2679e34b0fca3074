#pragma once
// VRRP ADVERTISEMENTs, the only message of the protocol: version 3 for IPv4 and IPv6 (RFC 9568
// section 5.2) and version 2 for IPv4 (RFC 3768 section 5.3). They are the payload of IP packets
// of protocol 112 whose TTL or hop limit is 255, so that none comes from beyond the link.
//
// Life of a received packet: the kernel hands over what follows the IP header, and of the header
// what the checksum and the checks of RFC 9568 7.1 need. The first check that fails names the
// reason for which the packet is dropped and counted; what passes all of them goes to the virtual
// router of its VRID (router.h), which judges priority, interval and addresses.
//
// The checksum of version 3 over IPv4 has two forms: RFC 5798 could be read to include the IPv4
// pseudo-header, as keepalived and others do; RFC 9568 leaves it out. We write the former, which is
// what runs out there, and read both.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/base/wire.h"

namespace openelb::vrrp {

constexpr uint8_t kIpProtocol = 112;
constexpr int kTtl = 255;
// Sent by a router that gives up what it holds.
constexpr uint8_t kPriorityRelease = 0;
// Of the router whose own addresses are the virtual ones; never ours.
constexpr uint8_t kPriorityOwner = 255;
// In steps of 1 cs (version 3) and 1 s (version 2); neither is ever 0.
constexpr absl::Duration kMaxInterval3 = absl::Milliseconds(40'950);
constexpr absl::Duration kMaxInterval2 = absl::Seconds(255);
// Addresses that one packet may list.
constexpr size_t kMaxAddresses = 255;

// 224.0.0.18 or ff02::12.
IpAddress MulticastGroup(Family family);

// All addresses are of the family of the packet's IP header.
struct Advertisement {
  int version = 3;  // 2 or 3
  uint8_t vrid = 0;
  uint8_t priority = 0;
  absl::Duration interval;  // of the sender, between two of these
  std::vector<IpAddress> addresses;
  bool operator==(const Advertisement&) const = default;
};

// Of the IP header of a received packet.
struct PacketHeader {
  IpAddress source;
  IpAddress destination;
  int ttl = 0;  // hop limit in IPv6
};

// Why a packet is dropped, in the order of the checks.
enum class PacketError : uint8_t {
  kTtl,      // not 255: it may come from elsewhere
  kVersion,  // neither 3 nor, in IPv4, 2
  kLength,   // not exactly as long as the number of its addresses asks for
  kChecksum,
  kType,            // not an ADVERTISEMENT
  kVrid,            // 0
  kAddressCount,    // 0
  kInterval,        // 0
  kAuthentication,  // version 2 with an authentication type of RFC 2338
};
inline constexpr int kPacketErrors = 9;
// "ttl", "address_count".
absl::string_view PacketErrorName(PacketError error);

// `payload` is what follows the IP header. Nothing: `result` holds the message.
std::optional<PacketError> ParseAdvertisement(const PacketHeader& header,
                                              std::span<const uint8_t> payload,
                                              Advertisement* result);

// The octets that follow the IP header. `message` has 1 to kMaxAddresses addresses and an interval
// of its version's range (parts of a step are dropped).
Bytes SerializeAdvertisement(const Advertisement& message, const IpAddress& source,
                             const IpAddress& destination);

}  // namespace openelb::vrrp

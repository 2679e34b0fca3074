#pragma once
// Path attributes as we send them (RFC 4271 5 and 4.3; communities RFC 1997, 4360 and 8092; AS_PATH
// towards 2-octet speakers RFC 6793 4.2.2; GRACEFUL_SHUTDOWN RFC 8326).

#include <cstdint>
#include <optional>

#include "api/base/ip.h"
#include "api/base/wire.h"
#include "api/plan/path_attributes.h"

namespace openelb::bgp {

namespace attribute {
constexpr uint8_t kOptional = 0x80;
constexpr uint8_t kTransitive = 0x40;
constexpr uint8_t kPartial = 0x20;
constexpr uint8_t kExtendedLength = 0x10;

constexpr uint8_t kOrigin = 1;
constexpr uint8_t kAsPath = 2;
constexpr uint8_t kNextHop = 3;
constexpr uint8_t kMed = 4;
constexpr uint8_t kLocalPref = 5;
constexpr uint8_t kAtomicAggregate = 6;
constexpr uint8_t kAggregator = 7;
constexpr uint8_t kCommunities = 8;
constexpr uint8_t kOriginatorId = 9;
constexpr uint8_t kClusterList = 10;
constexpr uint8_t kMpReach = 14;
constexpr uint8_t kMpUnreach = 15;
constexpr uint8_t kExtendedCommunities = 16;
constexpr uint8_t kAs4Path = 17;
constexpr uint8_t kAs4Aggregator = 18;
constexpr uint8_t kLargeCommunities = 32;

constexpr uint8_t kAsSequence = 2;  // AS_PATH segment type
}  // namespace attribute

constexpr uint32_t kGracefulShutdownCommunity = 0xffff0000;  // 65535:0
constexpr uint32_t kDefaultLocalPref = 100;

// What of a session decides how attributes look.
struct AttributeContext {
  bool ebgp = true;
  uint32_t local_as = 0;
  bool four_octet_as = true;
  IpAddress local{};  // this end of the session
  bool operator==(const AttributeContext&) const = default;
};

// The weight of a path as a community: link bandwidth in units of 1 Gbit/s, of which receivers take
// the ratios (draft-ietf-idr-link-bandwidth: non-transitive, two-octet AS specific).
uint64_t LinkBandwidth(uint32_t local_as, uint32_t weight);

// The attributes in the order of their types. `next_hop` is an IPv4 address for classic NLRI; none
// when it travels in MP_REACH_NLRI. An AS_PATH holds at most 255 ASes: more copies are not made.
Bytes EncodeAttributes(const AttributeContext& context, const plan::PathAttributes& attributes,
                       const std::optional<IpAddress>& next_hop);

// Appends flags, type, length and value of one attribute.
void PutAttribute(uint8_t flags, uint8_t type, std::span<const uint8_t> value, Bytes* out);

}  // namespace openelb::bgp

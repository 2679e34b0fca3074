#pragma once
// What an operator asks of announced routes beyond prefix and next hops: in BgpPeer.spec.advertise,
// Eip.spec.advertise and a Service's annotation.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace openelb::network {

struct Advertise {
  std::vector<std::string> communities;  // as written: see community.h, or an alias
  std::optional<uint32_t> med;
  std::optional<uint32_t> local_pref;  // has an effect on iBGP sessions only
  std::optional<uint32_t> prepend;     // extra copies of the local AS, 0..64; on eBGP only

  bool empty() const { return *this == Advertise(); }
  bool operator==(const Advertise&) const = default;
};

// Which prefixes stand for the addresses of an Eip: also in Eip.spec.advertise.
struct Aggregation {
  std::optional<int> length;     // of IPv4 aggregates, kMinAggregationLength..32
  std::optional<int> length_v6;  // of IPv6 aggregates, kMinAggregationLengthV6..128
  bool host_routes = false;      // stay beside the aggregates

  bool empty() const { return *this == Aggregation(); }
  bool operator==(const Aggregation&) const = default;
};

// Nobody's pool is wider.
inline constexpr int kMinAggregationLength = 8;
inline constexpr int kMinAggregationLengthV6 = 16;

inline constexpr uint32_t kMaxPrepend = 64;  // longer paths make routers drop routes
inline constexpr size_t kMaxCommunities = 64;

}  // namespace openelb::network

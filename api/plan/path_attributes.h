#pragma once
// Path attributes of routes as plans hold them (communities RFC 1997, 4360 and 8092; MED,
// LOCAL_PREF and AS_PATH RFC 4271), and how those of peer, route and member add up. The same on
// both ends of the stream: the speaker announces it, the controller shows it.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/base/ip.h"

namespace openelb::plan {

using LargeCommunity = std::array<uint32_t, 3>;

// v1::Attributes.
struct PathAttributes {
  std::vector<uint32_t> communities;              // RFC 1997
  std::vector<uint64_t> extended_communities;     // RFC 4360
  std::vector<LargeCommunity> large_communities;  // RFC 8092
  std::optional<uint32_t> med;
  std::optional<uint32_t> local_pref;  // iBGP only
  std::optional<uint32_t> prepend;     // extra copies of the local AS, eBGP only
  bool graceful_shutdown = false;      // RFC 8326

  bool empty() const { return *this == PathAttributes(); }
  auto operator<=>(const PathAttributes&) const = default;
};

// Longer paths make routers drop routes.
inline constexpr uint32_t kMaxPrepend = 64;

// Lists joined, sorted, without doubles; of single values that of `inner`, where it has one.
PathAttributes Merge(const PathAttributes& outer, const PathAttributes& inner);

// v1::ExportRule.
struct ExportRule {
  struct Range {
    IpPrefix prefix;
    int least = 0;
    int most = 0;
    bool operator==(const Range&) const = default;
  };
  enum class Verdict { kNext, kAccept, kReject };

  std::string name;
  std::vector<Range> prefixes;  // empty: all
  bool others = false;          // those within none of `prefixes`
  Verdict verdict = Verdict::kNext;
  bool clear_communities = false;
  bool clear_extended_communities = false;
  bool clear_large_communities = false;
  PathAttributes remove;  // communities
  PathAttributes set;
  int64_t add_med = 0;

  bool operator==(const ExportRule&) const = default;
};

// The rule that keeps a route to `prefix` from leaving; nullptr: none does.
const ExportRule* RejectedBy(const std::vector<ExportRule>& rules, const IpPrefix& prefix);

// What a route has once the rules have seen it; nullopt: one rejects it.
std::optional<PathAttributes> Export(const std::vector<ExportRule>& rules, const IpPrefix& prefix,
                                     PathAttributes attributes);

}  // namespace openelb::plan

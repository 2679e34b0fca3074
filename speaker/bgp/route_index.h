#pragma once
// Which prefixes depend on which group of next hops, so that the change of a group costs what it
// touches and not the size of the table. One index serves all sessions of a speaker.

#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "api/base/ip.h"
#include "speaker/link/plan_state.h"

namespace openelb::bgp {

class RouteIndex {
 public:
  // Follows a plan that `changes` led to. Returns the prefixes whose paths may differ now, sorted.
  std::vector<IpPrefix> Update(const link::PlanState& plan, const link::PlanChanges& changes);

 private:
  // May name prefixes that have left the group since: they are dropped when the group changes next.
  using Members = absl::btree_set<IpPrefix>;

  absl::flat_hash_map<std::string, Members> members_;  // by group
};

}  // namespace openelb::bgp

#pragma once
// Which prefixes depend on which group of next hops, so that the change of a group costs what it
// touches and not the size of the table. One index serves all sessions of a speaker.
//
// A group that much of the table uses is not indexed: its prefixes are looked for in the plan,
// which costs little beside what is then done with them.

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
  struct Members {
    // May name prefixes that have left the group since: they are dropped when it changes next.
    absl::btree_set<IpPrefix> prefixes;
    bool many = false;  // then `prefixes` is empty

    void Add(const IpPrefix& prefix, size_t routes);
  };

  // Appends those of `group` to `touched`; `members` is brought up to date.
  static void Touch(const link::PlanState& plan, const std::string& group, Members* members,
                    std::vector<IpPrefix>* touched);

  absl::flat_hash_map<std::string, Members> members_;  // by group
};

}  // namespace openelb::bgp

#include "speaker/bgp/route_index.h"

#include <algorithm>
#include <set>

namespace openelb::bgp {
namespace {

bool Uses(const link::PlanState& plan, const IpPrefix& prefix, const std::string& group) {
  const auto route = plan.routes.find(prefix);
  return route != plan.routes.end() &&
         std::any_of(route->second.groups.begin(), route->second.groups.end(),
                     [&](const auto& target) { return target.second == group; });
}

}  // namespace

std::vector<IpPrefix> RouteIndex::Update(const link::PlanState& plan,
                                         const link::PlanChanges& changes) {
  for (const IpPrefix& prefix : changes.routes) {
    const auto route = plan.routes.find(prefix);
    if (route == plan.routes.end()) continue;
    for (const auto& [scope, group] : route->second.groups) members_[group].insert(prefix);
  }
  std::vector<IpPrefix> touched(changes.routes.begin(), changes.routes.end());
  std::set<std::string> groups = changes.groups;
  groups.insert(changes.places.begin(), changes.places.end());
  for (const std::string& group : groups) {
    const auto members = members_.find(group);
    if (members == members_.end()) continue;
    for (auto prefix = members->second.begin(); prefix != members->second.end();) {
      if (Uses(plan, *prefix, group)) {
        touched.push_back(*prefix++);
      } else {
        prefix = members->second.erase(prefix);
      }
    }
    if (members->second.empty()) members_.erase(members);
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  return touched;
}

}  // namespace openelb::bgp

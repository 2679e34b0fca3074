#include "speaker/bgp/route_index.h"

#include <algorithm>
#include <set>

#include "absl/strings/string_view.h"

namespace openelb::bgp {
namespace {

bool Uses(const link::PlanState& plan, const IpPrefix& prefix, const std::string& group) {
  const auto route = plan.routes.find(prefix);
  return route != plan.routes.end() &&
         std::any_of(route->second->groups.begin(), route->second->groups.end(),
                     [&](const auto& target) { return target.second == group; });
}

}  // namespace

std::vector<IpPrefix> RouteIndex::Update(const link::PlanState& plan,
                                         const link::PlanChanges& changes) {
  std::vector<IpPrefix> touched;
  touched.reserve(changes.routes.size());
  Members* members = nullptr;  // of the last group: neighbours mostly share it
  absl::string_view last_group;
  auto route = plan.routes.end();
  for (const auto& [prefix, before] : changes.routes) {
    touched.push_back(prefix);
    // Both are sorted: the next route is often the next change.
    if (route != plan.routes.end()) ++route;
    if (route == plan.routes.end() || route->first != prefix) route = plan.routes.find(prefix);
    if (route == plan.routes.end()) continue;
    for (const auto& [scope, group] : route->second->groups) {
      if (members == nullptr || group != last_group) {
        members = &members_[group];
        last_group = group;
      }
      members->insert(members->end(), prefix);
    }
  }
  if (changes.groups.empty() && changes.places.empty()) return touched;
  std::set<std::string> groups = changes.groups;
  groups.insert(changes.places.begin(), changes.places.end());
  for (const std::string& group : groups) {
    const auto found = members_.find(group);
    if (found == members_.end()) continue;
    for (auto prefix = found->second.begin(); prefix != found->second.end();) {
      if (Uses(plan, *prefix, group)) {
        touched.push_back(*prefix++);
      } else {
        prefix = found->second.erase(prefix);
      }
    }
    if (found->second.empty()) members_.erase(found);
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  return touched;
}

}  // namespace openelb::bgp

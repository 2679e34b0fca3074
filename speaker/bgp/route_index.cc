#include "speaker/bgp/route_index.h"

#include <algorithm>
#include <set>

#include "absl/strings/string_view.h"

namespace openelb::bgp {
namespace {

// A group is indexed while fewer prefixes than that use it, or than that part of the table.
constexpr size_t kMany = 256;
constexpr size_t kManyOf = 8;

bool Uses(const link::RouteRef& route, const std::string& group) {
  return std::any_of(route->groups.begin(), route->groups.end(),
                     [&](const auto& target) { return target.second == group; });
}

}  // namespace

void RouteIndex::Members::Add(const IpPrefix& prefix, size_t routes) {
  if (many) return;
  prefixes.insert(prefixes.end(), prefix);
  many = prefixes.size() > std::max(kMany, routes / kManyOf);
  if (many) prefixes.clear();
}

void RouteIndex::Touch(const link::PlanState& plan, const std::string& group, Members* members,
                       std::vector<IpPrefix>* touched) {
  if (!members->many) {
    absl::erase_if(members->prefixes, [&](const IpPrefix& prefix) {
      const auto route = plan.routes.find(prefix);
      return route == plan.routes.end() || !Uses(route->second, group);
    });
    touched->insert(touched->end(), members->prefixes.begin(), members->prefixes.end());
    return;
  }
  const size_t before = touched->size();
  for (const auto& [prefix, route] : plan.routes) {
    if (Uses(route, group)) touched->push_back(prefix);
  }
  *members = {};
  for (size_t i = before; i < touched->size() && !members->many; ++i) {
    members->Add((*touched)[i], plan.routes.size());
  }
}

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
      members->Add(prefix, plan.routes.size());
    }
  }
  if (changes.groups.empty() && changes.places.empty()) return touched;
  std::set<std::string> groups = changes.groups;
  groups.insert(changes.places.begin(), changes.places.end());
  for (const std::string& group : groups) {
    const auto found = members_.find(group);
    if (found == members_.end()) continue;
    Touch(plan, group, &found->second, &touched);
    if (found->second.prefixes.empty() && !found->second.many) members_.erase(found);
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  return touched;
}

}  // namespace openelb::bgp

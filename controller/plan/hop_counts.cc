#include "controller/plan/hop_counts.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "controller/plan/group_table.h"
#include "controller/plan/node_hops.h"
#include "controller/plan/routes.h"

namespace openelb::plan {
namespace {

using Kind = AddressView::Kind;

}  // namespace

HopCounts CountHops(const Model& model) {
  std::map<std::string, std::set<std::string>> nodes;
  std::set<std::pair<Kind, Family>> shared;  // groups that have a next hop
  std::set<IpPrefix> own;                    // the same of routes with groups of their own
  for (const auto& [name, audience] : model.audiences) {
    const bool in_rack = model.nodes.at(*audience.speakers.begin()).InRack();
    // Whether the group has a next hop.
    const auto count = [&, &audience = audience](const std::string& group) {
      const auto members = audience.groups.find(group);
      if (members == audience.groups.end()) return false;
      for (const MemberView& member : members->second) {
        if (in_rack) nodes[audience.rack].insert(member.node);
      }
      return !members->second.empty();
    };
    for (const Scope& scope : audience.scopes) {
      for (const Family family : kFamilies) {
        if (!HasPeer(model, audience, scope, family, /*heard=*/false)) continue;
        if (in_rack) nodes.try_emplace(audience.rack);
        for (const Kind kind : {Kind::kCluster, Kind::kLastResort}) {
          if (count(SharedGroup(kind, family, scope.name))) shared.insert({kind, family});
        }
        for (const IpPrefix& prefix : audience.own) {
          if (prefix.family() == family && count(OwnGroup(prefix, scope.name))) own.insert(prefix);
        }
      }
    }
  }
  HopCounts counts;
  for (const auto& [rack, hops] : nodes) counts.nodes[rack] = hops.size();
  for (const auto& [address, view] : model.addresses) {
    const Kind kind = AnnouncedBy(model, view).kind;
    const IpPrefix prefix = view.host_route ? IpPrefix::Host(address) : *view.aggregate;
    const bool announced =
        kind == Kind::kOwn ? own.contains(prefix) : shared.contains({kind, address.family()});
    if (!announced) ++counts.addresses_without;
  }
  return counts;
}

}  // namespace openelb::plan

#include "controller/plan/group_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/plan/path_attributes_codec.h"
#include "controller/plan/node_hops.h"

namespace openelb::plan {
namespace {

using Kind = AddressView::Kind;

bool IsShared(Kind kind) { return kind == Kind::kCluster || kind == Kind::kLastResort; }

std::string RouteKey(const IpPrefix& prefix) { return absl::StrCat("route/", prefix.ToString()); }

// A route without targets, to add them to.
v1::ResourceBody RouteTo(const IpPrefix& prefix, const AddressView& view) {
  v1::ResourceBody body;
  v1::Route* route = body.mutable_route();
  route->set_prefix(prefix.ToString());
  for (const std::string& service : view.services) route->add_services(service);
  if (!view.attributes.empty()) WriteAttributes(view.attributes, route->mutable_attributes());
  return body;
}

void AddTarget(const std::string& scope, std::string group, v1::ResourceBody* route) {
  v1::Target* target = route->mutable_route()->add_targets();
  target->set_scope(scope);
  target->set_group(std::move(group));
}

uint32_t EndpointsOn(const std::string& node, const AddressView& view) {
  const auto it = view.weights.find(node);
  return it == view.weights.end() ? 1 : it->second;
}

// The share of a next hop that serves the address with so many endpoints.
uint32_t WeightOf(const NodeView& node, uint32_t endpoints, const Model& model) {
  return model.weighted ? node.weight * endpoints : 1;
}

// Whether the change can change a group.
bool MattersToGroups(const std::optional<NodeView>& before, const NodeView* now) {
  return !before.has_value() || now == nullptr || before->health != now->health ||
         before->next_hops != now->next_hops || before->rack != now->rack ||
         before->rack_label != now->rack_label || before->weight != now->weight ||
         before->drain != now->drain || before->prefixes != now->prefixes;
}

MemberView MemberOf(const std::string& node, const NodeHops& hops, uint32_t weight, Drain drain) {
  return {.node = node,
          .address = hops.own.has_value() ? *hops.own : *hops.ipv6,
          .weight = weight,
          .ipv6_address = hops.ipv6,
          .draining = drain == Drain::kDraining};
}

}  // namespace

std::string SharedGroup(Kind kind, Family family, const std::string& scope) {
  return absl::StrCat(kind == Kind::kCluster ? "cluster" : "last-resort",
                      family == Family::kV4 ? "/v4/" : "/v6/", scope);
}

std::string OwnGroup(const IpPrefix& prefix, const std::string& scope) {
  return IsHost(prefix) ? absl::StrCat("address/", prefix.address().ToString(), "/", scope)
                        : absl::StrCat("aggregate/", prefix.ToString(), "/", scope);
}

struct GroupTable::Step {
  Model* model;
  SetStore* sets;
  Visits* visits;
  GroupChanges changes;

  // Makes the group what `members` says; nullopt: there is none.
  void Set(const std::string& audience_name, const std::string& id,
           std::optional<std::vector<MemberView>> members) {
    ++visits->groups;
    Audience& audience = model->audiences.at(audience_name);
    const auto it = audience.groups.find(id);
    const std::string key = absl::StrCat("group/", id);
    if (!members.has_value()) {
      if (it == audience.groups.end()) return;
      audience.groups.erase(it);
      sets->Erase(audience_name, key);
    } else {
      if (it != audience.groups.end() && it->second == *members) return;
      v1::ResourceBody body;
      body.mutable_group()->set_id(id);
      for (const MemberView& view : *members) {
        v1::Member* member = body.mutable_group()->add_members();
        member->set_node(view.node);
        member->set_address(view.address.ToString());
        if (view.weight != 1) member->set_weight(view.weight);
        if (view.ipv6_address.has_value()) member->set_ipv6_address(view.ipv6_address->ToString());
        if (!view.draining) continue;
        member->set_draining(true);
        member->mutable_attributes()->set_graceful_shutdown(true);
      }
      sets->Put(audience_name, key, body);
      audience.groups[id] = *std::move(members);
    }
    changes[audience_name].insert(id);
  }
};

bool GroupTable::CountUses(const RouteChanges& routes, const Model& model) {
  const PerFamily<size_t> cluster = cluster_;
  const PerFamily<size_t> last_resort = last_resort_;
  for (const auto& [prefix, before] : routes) {
    const Family family = prefix.family();
    if (before == Kind::kCluster) --cluster_[family];
    if (before == Kind::kLastResort) --last_resort_[family];
    const AddressView* now = RouteOf(model, prefix);
    if (now == nullptr) continue;
    if (now->kind == Kind::kCluster) ++cluster_[family];
    if (now->kind == Kind::kLastResort) ++last_resort_[family];
  }
  return std::any_of(kFamilies.begin(), kFamilies.end(), [&](Family family) {
    return (cluster[family] == 0) != (cluster_[family] == 0) ||
           (last_resort[family] == 0) != (last_resort_[family] == 0);
  });
}

void GroupTable::UpdateRouteSets(const AudienceChanges& audiences, const RouteChanges& changed,
                                 Step* step) {
  const Model& model = *step->model;
  const auto put = [&](const std::string& set, const RouteSet& routes, const IpPrefix& prefix,
                       const AddressView& view) {
    v1::ResourceBody body = RouteTo(prefix, view);
    for (const std::string& scope : routes.scopes)
      AddTarget(scope, SharedGroup(view.kind, prefix.family(), scope), &body);
    step->sets->Put(set, RouteKey(prefix), body);
  };
  for (const auto& [set, routes] : route_sets_) {
    for (const auto& [prefix, before] : changed) {
      const AddressView* now = RouteOf(model, prefix);
      if (now != nullptr && IsShared(now->kind))
        put(set, routes, prefix, *now);
      else if (IsShared(before))
        step->sets->Erase(set, RouteKey(prefix));
    }
  }
  for (const std::string& name : audiences.fresh) {
    const Audience& audience = model.audiences.at(name);
    RouteSet& routes = route_sets_[audience.routes];
    if (++routes.audiences > 1) continue;
    for (const Scope& scope : audience.scopes) routes.scopes.push_back(scope.name);
    ForEachRoute(model, [&](const IpPrefix& prefix, const AddressView& view) {
      if (IsShared(view.kind)) put(audience.routes, routes, prefix, view);
    });
  }
  for (const auto& [name, audience] : audiences.gone) {
    const auto it = route_sets_.find(audience.routes);
    if (--it->second.audiences > 0) continue;
    step->sets->Drop(audience.routes);
    route_sets_.erase(it);
  }
}

void GroupTable::BuildSharedGroups(const std::string& name, Step* step) {
  const Model& model = *step->model;
  const Audience& audience = model.audiences.at(name);
  const auto rack = model.racks.find(audience.rack);
  for (const Family family : kFamilies) {
    for (const Kind kind : {Kind::kCluster, Kind::kLastResort}) {
      const bool used = (kind == Kind::kCluster ? cluster_ : last_resort_)[family] > 0;
      const bool stays = SharedStays(model, kind, family);
      for (const Scope& scope : audience.scopes) {
        const std::string id = SharedGroup(kind, family, scope.name);
        if (!used) {
          step->Set(name, id, std::nullopt);
          continue;
        }
        std::vector<MemberView> members;
        for (const std::string& node_name : rack->second) {
          const NodeView& node = model.nodes.at(node_name);
          if (node.health != Health::kReady &&
              (kind == Kind::kCluster || node.health != Health::kUnknown))
            continue;
          const Drain drain = DrainOf(node, stays);
          if (drain == Drain::kDrained) continue;
          if (const NodeHops hops = HopsInScope(scope, node_name, node, family); hops.any())
            members.push_back(MemberOf(node_name, hops, WeightOf(node, 1, model), drain));
        }
        step->Set(name, id, std::move(members));
      }
    }
  }
}

void GroupTable::BuildOwnGroups(const std::string& name, const IpPrefix& prefix, Step* step) {
  const Model& model = *step->model;
  Audience& audience = step->model->audiences.at(name);
  const AddressView* announced = RouteOf(model, prefix);
  const AddressView none;
  const AddressView& view = announced == nullptr ? none : *announced;
  const bool stays = Stays(model, prefix.family(), view);
  v1::ResourceBody route = RouteTo(prefix, view);
  for (const Scope& scope : audience.scopes) {
    std::vector<MemberView> members;
    for (const std::string& node_name : view.nodes) {
      const NodeView& node = model.nodes.at(node_name);
      const Drain drain = DrainOf(node, stays);
      if (node.rack != audience.rack || drain == Drain::kDrained) continue;
      if (const NodeHops hops = HopsInScope(scope, node_name, node, prefix.family()); hops.any()) {
        const uint32_t weight = WeightOf(node, EndpointsOn(node_name, view), model);
        members.push_back(MemberOf(node_name, hops, weight, drain));
      }
    }
    const std::string id = OwnGroup(prefix, scope.name);
    if (members.empty()) {
      step->Set(name, id, std::nullopt);
    } else {
      step->Set(name, id, std::move(members));
      AddTarget(scope.name, id, &route);
    }
  }
  if (route.route().targets().empty()) {
    if (audience.own.erase(prefix) == 0) return;
    step->sets->Erase(name, RouteKey(prefix));
    own_[prefix].erase(name);
    if (own_[prefix].empty()) own_.erase(prefix);
    return;
  }
  step->sets->Put(name, RouteKey(prefix), route);
  audience.own.insert(prefix);
  own_[prefix].insert(name);
}

GroupChanges GroupTable::Derive(const NodeChanges& nodes, const RouteChanges& routes,
                                const AudienceChanges& audiences, const DrainChanges& drains,
                                bool all, Model* model, SetStore* sets, Visits* visits) {
  Step step{model, sets, visits, {}};
  for (const auto& [name, audience] : audiences.gone) {
    sets->Drop(name);
    for (const IpPrefix& prefix : audience.own) {
      own_[prefix].erase(name);
      if (own_[prefix].empty()) own_.erase(prefix);
    }
  }
  const bool uses_turned = CountUses(routes, *model);
  UpdateRouteSets(audiences, routes, &step);

  std::set<std::string> rebuild = audiences.fresh;
  std::set<std::string> racks;
  for (const auto& [name, before] : nodes) {
    const auto it = model->nodes.find(name);
    const NodeView* now = it == model->nodes.end() ? nullptr : &it->second;
    if (!MattersToGroups(before, now)) continue;
    if (before.has_value()) racks.insert(before->rack);
    if (now != nullptr) racks.insert(now->rack);
  }
  visits->racks += racks.size();
  for (const auto& [rack, names] : model->audiences_of) {
    if (all || uses_turned || drains.shared || racks.contains(rack))
      rebuild.insert(names.begin(), names.end());
  }
  for (const std::string& name : rebuild) BuildSharedGroups(name, &step);

  std::set<std::pair<std::string, IpPrefix>> own;
  const auto add = [&](const IpPrefix& prefix, const AddressView& view, auto wanted) {
    for (const std::string& node : view.nodes) {
      const auto of = model->audiences_of.find(model->nodes.at(node).rack);
      if (of == model->audiences_of.end()) continue;
      for (const std::string& name : of->second) {
        if (wanted(name)) own.insert({name, prefix});
      }
    }
  };
  for (const auto& [prefix, before] : routes) {
    if (const auto it = own_.find(prefix); it != own_.end()) {
      for (const std::string& name : it->second) own.insert({name, prefix});
    }
    if (const AddressView* now = RouteOf(*model, prefix); now != nullptr)
      add(prefix, *now, [](const std::string&) { return true; });
  }
  for (const IpPrefix& prefix : drains.own) {
    if (const auto it = own_.find(prefix); it != own_.end()) {
      for (const std::string& name : it->second) own.insert({name, prefix});
    }
    add(prefix, *RouteOf(*model, prefix), [](const std::string&) { return true; });
  }
  if (!audiences.fresh.empty()) {
    ForEachRoute(*model, [&](const IpPrefix& prefix, const AddressView& view) {
      add(prefix, view, [&](const std::string& name) { return audiences.fresh.contains(name); });
    });
  }
  for (const auto& [name, prefix] : own) BuildOwnGroups(name, prefix, &step);
  return std::move(step.changes);
}

}  // namespace openelb::plan

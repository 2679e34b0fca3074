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

std::string SharedGroup(Kind kind, Family family, const std::string& scope) {
  return absl::StrCat(kind == Kind::kCluster ? "cluster" : "last-resort",
                      family == Family::kV4 ? "/v4/" : "/v6/", scope);
}

std::string OwnGroup(const IpAddress& address, const std::string& scope) {
  return absl::StrCat("address/", address.ToString(), "/", scope);
}

std::string RouteKey(const IpAddress& address) {
  return absl::StrCat("route/", IpPrefix::Host(address).ToString());
}

// A route without targets, to add them to.
v1::ResourceBody RouteTo(const IpAddress& address, const AddressView& view) {
  v1::ResourceBody body;
  v1::Route* route = body.mutable_route();
  route->set_prefix(IpPrefix::Host(address).ToString());
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

bool GroupTable::CountUses(const AddressChanges& addresses, const Model& model) {
  const PerFamily<size_t> cluster = cluster_;
  const PerFamily<size_t> last_resort = last_resort_;
  for (const auto& [address, before] : addresses) {
    const Family family = address.family();
    if (before.kind == Kind::kCluster) --cluster_[family];
    if (before.kind == Kind::kLastResort) --last_resort_[family];
    const auto now = model.addresses.find(address);
    if (now == model.addresses.end()) continue;
    if (now->second.kind == Kind::kCluster) ++cluster_[family];
    if (now->second.kind == Kind::kLastResort) ++last_resort_[family];
  }
  return std::any_of(kFamilies.begin(), kFamilies.end(), [&](Family family) {
    return (cluster[family] == 0) != (cluster_[family] == 0) ||
           (last_resort[family] == 0) != (last_resort_[family] == 0);
  });
}

void GroupTable::UpdateRouteSets(const AudienceChanges& audiences, const AddressChanges& addresses,
                                 Step* step) {
  const Model& model = *step->model;
  const auto put = [&](const std::string& set, const RouteSet& routes, const IpAddress& address,
                       const AddressView& view) {
    v1::ResourceBody body = RouteTo(address, view);
    for (const std::string& scope : routes.scopes)
      AddTarget(scope, SharedGroup(view.kind, address.family(), scope), &body);
    step->sets->Put(set, RouteKey(address), body);
  };
  for (const auto& [set, routes] : route_sets_) {
    for (const auto& [address, before] : addresses) {
      const auto now = model.addresses.find(address);
      if (now != model.addresses.end() && IsShared(now->second.kind))
        put(set, routes, address, now->second);
      else if (IsShared(before.kind))
        step->sets->Erase(set, RouteKey(address));
    }
  }
  for (const std::string& name : audiences.fresh) {
    const Audience& audience = model.audiences.at(name);
    RouteSet& routes = route_sets_[audience.routes];
    if (++routes.audiences > 1) continue;
    for (const Scope& scope : audience.scopes) routes.scopes.push_back(scope.name);
    for (const auto& [address, view] : model.addresses) {
      if (IsShared(view.kind)) put(audience.routes, routes, address, view);
    }
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

void GroupTable::BuildOwnGroups(const std::string& name, const IpAddress& address, Step* step) {
  const Model& model = *step->model;
  Audience& audience = step->model->audiences.at(name);
  const auto it = model.addresses.find(address);
  const AddressView none;
  const AddressView& view = it == model.addresses.end() ? none : it->second;
  const bool stays = Stays(model, address, view);
  v1::ResourceBody route = RouteTo(address, view);
  for (const Scope& scope : audience.scopes) {
    std::vector<MemberView> members;
    for (const std::string& node_name : view.nodes) {
      const NodeView& node = model.nodes.at(node_name);
      const Drain drain = DrainOf(node, stays);
      if (node.rack != audience.rack || drain == Drain::kDrained) continue;
      if (const NodeHops hops = HopsInScope(scope, node_name, node, address.family()); hops.any()) {
        const uint32_t weight = WeightOf(node, EndpointsOn(node_name, view), model);
        members.push_back(MemberOf(node_name, hops, weight, drain));
      }
    }
    const std::string id = OwnGroup(address, scope.name);
    if (members.empty()) {
      step->Set(name, id, std::nullopt);
    } else {
      step->Set(name, id, std::move(members));
      AddTarget(scope.name, id, &route);
    }
  }
  if (route.route().targets().empty()) {
    if (audience.own.erase(address) == 0) return;
    step->sets->Erase(name, RouteKey(address));
    own_[address].erase(name);
    if (own_[address].empty()) own_.erase(address);
    return;
  }
  step->sets->Put(name, RouteKey(address), route);
  audience.own.insert(address);
  own_[address].insert(name);
}

GroupChanges GroupTable::Derive(const NodeChanges& nodes, const AddressChanges& addresses,
                                const AudienceChanges& audiences, const DrainChanges& drains,
                                bool all, Model* model, SetStore* sets, Visits* visits) {
  Step step{model, sets, visits, {}};
  for (const auto& [name, audience] : audiences.gone) {
    sets->Drop(name);
    for (const IpAddress& address : audience.own) {
      own_[address].erase(name);
      if (own_[address].empty()) own_.erase(address);
    }
  }
  const bool uses_turned = CountUses(addresses, *model);
  UpdateRouteSets(audiences, addresses, &step);

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

  std::set<std::pair<std::string, IpAddress>> own;
  const auto add = [&](const IpAddress& address, const AddressView& view, auto wanted) {
    for (const std::string& node : view.nodes) {
      const auto of = model->audiences_of.find(model->nodes.at(node).rack);
      if (of == model->audiences_of.end()) continue;
      for (const std::string& name : of->second) {
        if (wanted(name)) own.insert({name, address});
      }
    }
  };
  for (const auto& [address, before] : addresses) {
    if (const auto it = own_.find(address); it != own_.end()) {
      for (const std::string& name : it->second) own.insert({name, address});
    }
    if (const auto it = model->addresses.find(address); it != model->addresses.end())
      add(address, it->second, [](const std::string&) { return true; });
  }
  for (const IpAddress& address : drains.own) {
    if (const auto it = own_.find(address); it != own_.end()) {
      for (const std::string& name : it->second) own.insert({name, address});
    }
    add(address, model->addresses.at(address), [](const std::string&) { return true; });
  }
  if (!audiences.fresh.empty()) {
    for (const auto& [address, view] : model->addresses)
      add(address, view, [&](const std::string& name) { return audiences.fresh.contains(name); });
  }
  for (const auto& [name, address] : own) BuildOwnGroups(name, address, &step);
  return std::move(step.changes);
}

}  // namespace openelb::plan

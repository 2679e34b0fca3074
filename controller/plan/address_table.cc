#include "controller/plan/address_table.h"

#include <utility>

namespace openelb::plan {
namespace {

using Kind = AddressView::Kind;

bool IsNextHop(const NodeView& node, Family family) {
  return node.health == Health::kReady && node.next_hops[family].has_value();
}

bool IsIpv6Only(const NodeView& node) {
  return IsNextHop(node, Family::kV6) && !node.next_hops.v4.has_value();
}

// The nodes with an endpoint in `state` that satisfy `wanted`.
template <typename Wanted>
std::set<std::string> Select(const FamilyEndpoints& endpoints, EndpointState state,
                             const Model& model, const Wanted& wanted) {
  std::set<std::string> selected;
  for (const auto& [name, best] : endpoints.nodes) {
    if (best < state) continue;
    const auto node = model.nodes.find(name);
    if (node != model.nodes.end() && wanted(node->second)) selected.insert(name);
  }
  return selected;
}

}  // namespace

void AddressTable::SetAddresses(const std::string& service, std::vector<IpAddress> addresses,
                                const std::string& pool, Model* model) {
  std::vector<IpAddress>& held = addresses_of_[service];
  for (const IpAddress& address : held) {
    touched_.insert(address);
    const auto it = model->services_of.find(address);
    if (it == model->services_of.end()) continue;
    it->second.erase(service);
    if (it->second.empty()) model->services_of.erase(it);
  }
  held = std::move(addresses);
  for (const IpAddress& address : held) {
    touched_.insert(address);
    model->services_of[address].insert(service);
  }
  pool_of_[service] = pool;
  if (!held.empty()) return;
  addresses_of_.erase(service);
  pool_of_.erase(service);
}

PerFamily<bool> AddressTable::Count(const NodeChanges& nodes, const Model& model) {
  const PerFamily<bool> before = {HasNextHops(Family::kV4), HasNextHops(Family::kV6)};
  for (const auto& [name, old] : nodes) {
    const auto now = model.nodes.find(name);
    const bool there = now != model.nodes.end();
    for (const Family family : kFamilies) {
      if (old.has_value() && IsNextHop(*old, family)) --next_hops_[family];
      if (there && IsNextHop(now->second, family)) ++next_hops_[family];
    }
    if (old.has_value() && IsIpv6Only(*old)) --ipv6_only_;
    if (there && IsIpv6Only(now->second)) ++ipv6_only_;
  }
  ipv6_hops_ = model.ipv6_hops;
  PerFamily<bool> turned;
  for (const Family family : kFamilies) turned[family] = before[family] != HasNextHops(family);
  return turned;
}

AddressView AddressTable::Decide(const IpAddress& address, const Model& model,
                                 std::set<std::string>* depends) {
  AddressView view;
  const Family family = address.family();
  const auto holders = model.services_of.find(address);
  if (holders == model.services_of.end()) return view;

  bool everywhere = false;  // some Service wants all nodes
  for (const std::string& key : holders->second) {
    const auto service = model.services.find(key);
    if (service == model.services.end()) continue;
    const std::string& pool = pool_of_.at(key);
    view.pool = view.services.empty() || view.pool == pool ? pool : "";
    view.services.push_back(key);
    // Of Services that share the address, the first by name has its way with single values.
    if (const auto asked = model.advertised.find(key); asked != model.advertised.end())
      view.attributes = Merge(asked->second, view.attributes);
    const FamilyEndpoints& endpoints = service->second.endpoints[family];
    if (service->second.policy == kube::TrafficPolicy::kCluster) {
      everywhere |= endpoints.ready || endpoints.serving;
      continue;
    }
    const auto usable = [&](const NodeView& node) {
      return node.health == Health::kReady && CanBeNextHop(model, node, family);
    };
    std::set<std::string> nodes = Select(endpoints, EndpointState::kReady, model, usable);
    if (nodes.empty())
      nodes = Select(endpoints, EndpointState::kServingWhileTerminating, model, usable);
    if (model.weighted) {
      for (const auto& [name, count] : endpoints.ready_on) {
        if (nodes.contains(name)) view.weights[name] += count;
      }
    }
    view.nodes.merge(nodes);
    for (const auto& [name, state] : endpoints.nodes) depends->insert(name);
  }
  if (everywhere && HasNextHops(family)) {
    view.kind = Kind::kCluster;
    view.nodes.clear();
    view.weights.clear();
    depends->clear();
    return view;
  }
  if (!view.nodes.empty()) {
    view.kind = Kind::kOwn;
    return view;
  }

  // The last resort: nodes that nobody has heard of for a while, and their endpoints, count.
  for (const std::string& key : view.services) {
    const ServiceView& service = model.services.at(key);
    const FamilyEndpoints& endpoints = service.endpoints[family];
    for (const auto& [name, state] : endpoints.nodes) depends->insert(name);
    std::set<std::string> nodes = Select(
        endpoints, EndpointState::kNotReady, model,
        [&](const NodeView& node) { return IsSilent(node) && CanBeNextHop(model, node, family); });
    if (nodes.empty()) continue;
    view.last_resort = true;
    if (service.policy == kube::TrafficPolicy::kCluster) view.kind = Kind::kLastResort;
    view.nodes.merge(nodes);
  }
  if (view.kind == Kind::kLastResort)
    view.nodes.clear();
  else if (view.last_resort)
    view.kind = Kind::kOwn;
  return view;
}

void AddressTable::Depend(const IpAddress& address, std::set<std::string> nodes) {
  std::set<std::string>& held = depends_on_[address];
  if (held != nodes) {
    for (const std::string& name : held) {
      const auto it = dependents_.find(name);
      it->second.erase(address);
      if (it->second.empty()) dependents_.erase(it);
    }
    held = std::move(nodes);
    for (const std::string& name : held) dependents_[name].insert(address);
  }
  if (held.empty()) depends_on_.erase(address);
}

AddressChanges AddressTable::Derive(const NodeChanges& nodes, const std::set<std::string>& services,
                                    Model* model, Visits* visits) {
  const PerFamily<bool> turned = Count(nodes, *model);
  for (const auto& [address, holders] : model->services_of) {
    if (!turned.v4 && !turned.v6) break;
    if (turned[address.family()]) touched_.insert(address);
  }
  for (const std::string& service : services) {
    const auto it = addresses_of_.find(service);
    if (it != addresses_of_.end()) touched_.insert(it->second.begin(), it->second.end());
  }
  for (const auto& [name, before] : nodes) {
    const auto it = dependents_.find(name);
    if (it != dependents_.end()) touched_.insert(it->second.begin(), it->second.end());
  }

  AddressChanges changes;
  for (const IpAddress& address : std::exchange(touched_, {})) {
    ++visits->addresses;
    std::set<std::string> depends;
    AddressView view = Decide(address, *model, &depends);
    Depend(address, std::move(depends));
    AddressView& held = model->addresses[address];
    changes[address] = std::exchange(held, std::move(view));
    if (!model->services_of.contains(address)) model->addresses.erase(address);
  }
  return changes;
}

}  // namespace openelb::plan

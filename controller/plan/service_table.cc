#include "controller/plan/service_table.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace openelb::plan {
namespace {

std::optional<Family> FamilyOf(const kube::EndpointSlice& slice) {
  if (slice.address_type == "IPv4") return Family::kV4;
  if (slice.address_type == "IPv6") return Family::kV6;
  return std::nullopt;
}

bool SameEndpoint(const kube::Endpoint& a, const kube::Endpoint& b) {
  return a.addresses == b.addresses && a.node_name == b.node_name;
}

void Add(const kube::Endpoint& endpoint, FamilyEndpoints* out) {
  EndpointState state = EndpointState::kNotReady;
  if (endpoint.IsReady()) {
    state = EndpointState::kReady;
    out->ready = true;
  } else if (endpoint.IsServing() && endpoint.IsTerminating()) {
    state = EndpointState::kServingWhileTerminating;
    out->serving = true;
  }
  if (endpoint.node_name.empty()) return;
  EndpointState& best = out->nodes[endpoint.node_name];
  best = std::max(best, state);
  if (state == EndpointState::kReady) ++out->ready_on[endpoint.node_name];
}

}  // namespace

void ServiceTable::Upsert(const kube::Service& service) {
  policies_[service.Key()] = service.external_traffic_policy;
  touched_.insert(service.Key());
}

void ServiceTable::RemoveService(const std::string& key) {
  if (policies_.erase(key) > 0) touched_.insert(key);
}

void ServiceTable::Upsert(const kube::EndpointSlice& slice) {
  const std::string key = slice.meta.namespace_ + "/" + slice.meta.name;
  Slice seen{slice.ServiceKey(), FamilyOf(slice), slice.endpoints};
  withheld_.erase(key);
  std::optional<Slice> real;
  if (hold_) {
    real = seen;
    if (!KeepReady(&seen)) real.reset();
  }
  Store(key, std::move(seen));
  if (real) withheld_[key] = *std::move(real);
}

void ServiceTable::RemoveSlice(const std::string& key) {
  withheld_.erase(key);
  const auto it = slices_.find(key);
  if (it == slices_.end()) return;
  touched_.insert(it->second.service);
  const auto of = slices_of_.find(it->second.service);
  of->second.erase(key);
  if (of->second.empty()) slices_of_.erase(of);
  slices_.erase(it);
}

const std::vector<kube::Endpoint>* ServiceTable::FindEndpoints(const std::string& key) const {
  const auto it = slices_.find(key);
  return it == slices_.end() ? nullptr : &it->second.endpoints;
}

void ServiceTable::Hold(bool hold) {
  hold_ = hold;
  if (hold) return;
  for (auto& [key, slice] : std::exchange(withheld_, {})) Store(key, std::move(slice));
}

// An endpoint that was ready and is no longer stays ready, unless its Pod is being deleted: that is
// somebody's decision, not a view that lags.
bool ServiceTable::KeepReady(Slice* slice) const {
  const auto of = slices_of_.find(slice->service);
  if (of == slices_of_.end()) return false;
  const auto was_ready = [&](const kube::Endpoint& endpoint) {
    return std::any_of(of->second.begin(), of->second.end(), [&](const std::string& key) {
      const std::vector<kube::Endpoint>& held = slices_.at(key).endpoints;
      return std::any_of(held.begin(), held.end(), [&](const kube::Endpoint& before) {
        return before.IsReady() && SameEndpoint(before, endpoint);
      });
    });
  };
  bool withheld = false;
  for (kube::Endpoint& endpoint : slice->endpoints) {
    if (endpoint.IsReady() || endpoint.IsTerminating() || !was_ready(endpoint)) continue;
    endpoint.ready = true;
    withheld = true;
  }
  return withheld;
}

void ServiceTable::Store(const std::string& key, Slice slice) {
  const std::string service = slice.service;
  if (const auto it = slices_.find(key); it != slices_.end() && it->second.service != service) {
    RemoveSlice(key);
  }
  if (service.empty()) return;
  slices_[key] = std::move(slice);
  slices_of_[service].insert(key);
  touched_.insert(service);
}

ServiceView ServiceTable::View(const std::string& key) const {
  ServiceView view;
  view.policy = policies_.at(key);
  const auto of = slices_of_.find(key);
  if (of == slices_of_.end()) return view;
  for (const std::string& slice_key : of->second) {
    const Slice& slice = slices_.at(slice_key);
    if (!slice.family.has_value()) continue;
    for (const kube::Endpoint& endpoint : slice.endpoints)
      Add(endpoint, &view.endpoints[*slice.family]);
  }
  return view;
}

std::set<std::string> ServiceTable::Derive(Model* model, Visits* visits) {
  std::set<std::string> changed;
  for (const std::string& key : std::exchange(touched_, {})) {
    ++visits->services;
    if (!policies_.contains(key)) {
      if (model->services.erase(key) > 0) changed.insert(key);
      continue;
    }
    ServiceView view = View(key);
    const auto [it, added] = model->services.try_emplace(key);
    if (!added && it->second == view) continue;
    it->second = std::move(view);
    changed.insert(key);
  }
  return changed;
}

}  // namespace openelb::plan

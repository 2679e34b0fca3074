#include "e2e/simulation/sim_cluster.h"

#include "api/network/v1alpha2/names.h"

namespace openelb::simulation {

void SimCluster::Apply(Object object) {
  const ObjectKey key = KeyOf(object);
  objects_.insert_or_assign(key, std::move(object));
  ++version_;
  Send();
}

void SimCluster::Delete(const ObjectKey& key) {
  objects_.erase(key);
  ++version_;
  Send();
}

void SimCluster::SetAway(bool away) {
  if (away == away_) return;
  away_ = away;
  if (handler_ == nullptr) return;
  if (away_) {
    handler_->OnAway("the simulated source is away");
  } else {
    handler_->OnBack();
    Send();
  }
}

Object SimCluster::WithStatus(const Object& object) const {
  const auto* service = std::get_if<kube::Service>(&object);
  if (service == nullptr) return object;
  kube::Service merged = *service;
  if (const auto it = services_.find(KeyOf(object)); it != services_.end()) {
    for (const std::string& ip : it->second.ips) merged.ingress.push_back({.ip = ip});
    merged.meta.labels[network::kEipName.openelb] = it->second.pool;
  }
  return merged;
}

void SimCluster::Start(EventSource::Handler* handler) {
  handler_ = handler;
  sent_.clear();
  std::vector<ObjectEvent> all;
  for (const auto& [key, object] : objects_) {
    all.push_back({key, WithStatus(object)});
    sent_.emplace(key, object);
  }
  scheduler_->After(delay_, [this, all = std::move(all), mine = ++incarnation_] {
    if (mine != incarnation_) return;
    handler_->OnEvents(all);
    handler_->OnSynced();
  });
}

void SimCluster::Detach() {
  handler_ = nullptr;
  ++incarnation_;
  scheduled_ = false;
}

void SimCluster::Send() {
  if (handler_ == nullptr || away_ || scheduled_) return;
  scheduled_ = true;
  scheduler_->After(delay_, [this, mine = incarnation_] {
    if (mine != incarnation_) return;
    scheduled_ = false;
    if (away_) return;
    std::vector<ObjectEvent> changes;
    for (const auto& [key, object] : objects_) {
      const auto known = sent_.find(key);
      if (known == sent_.end() || known->second != object)
        changes.push_back({key, WithStatus(object)});
    }
    for (const auto& [key, object] : sent_) {
      if (!objects_.contains(key)) changes.push_back({key, std::nullopt});
    }
    sent_ = objects_;
    if (!changes.empty()) handler_->OnEvents(std::move(changes));
  });
}

void SimCluster::WriteService(const ObjectKey& key, const ServiceStatus& status) {
  ++version_;
  if (status.ips.empty()) {
    services_.erase(key);
  } else {
    services_[key] = status;
  }
}

void SimCluster::WriteEip(const std::string& name, const network::EipStatus& status) {
  eips_[name] = status;
}

void SimCluster::WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) {
  peers_[name] = status;
}

void SimCluster::WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) {
  confs_[name] = status;
}

void SimCluster::Forget(const ObjectKey& key) {
  ++version_;
  services_.erase(key);
  if (key.kind == network::Eip::kKind) eips_.erase(key.name);
  if (key.kind == network::BgpPeer::kKind) peers_.erase(key.name);
  if (key.kind == network::BgpConf::kKind) confs_.erase(key.name);
}

void SimCluster::Record(const ClusterEvent& event) {
  events_.push_back(event);
  if (events_.size() > 1000) events_.pop_front();
}

}  // namespace openelb::simulation

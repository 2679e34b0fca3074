#include "controller/admission/knowledge.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"
#include "controller/ipam/request.h"

namespace openelb::admission {

bool IsForCni(const kube::ObjectMeta& meta) {
  return network::Find(meta.labels, network::kCni).has_value();
}

void Knowledge::Apply(const std::vector<ObjectEvent>& events) {
  for (const ObjectEvent& event : events) {
    if (event.refusal) continue;  // the last good state stays, as everywhere
    if (!event.object) {
      Remove(event.key);
    } else if (const auto* eip = std::get_if<network::Eip>(&*event.object)) {
      noted_eips_[eip->meta.name] = *eip;
    } else if (const auto* object = std::get_if<kube::Namespace>(&*event.object)) {
      pools_.ApplyNamespace(object->meta.name, *object);
    } else if (const auto* node = std::get_if<kube::Node>(&*event.object)) {
      nodes_[node->meta.name] = node->meta.labels;
    } else if (const auto* secret = std::get_if<kube::Secret>(&*event.object)) {
      secrets_.Upsert(*secret);
    } else if (const auto* map = std::get_if<kube::ConfigMap>(&*event.object)) {
      policies_.Upsert(*map);
    } else if (const auto* service = std::get_if<kube::Service>(&*event.object)) {
      Upsert(*service);
    } else if (const auto* conf = std::get_if<network::BgpConf>(&*event.object)) {
      Upsert(*conf);
    } else if (const auto* peer = std::get_if<network::BgpPeer>(&*event.object)) {
      Upsert(*peer);
    }
  }
}

void Knowledge::Remove(const ObjectKey& key) {
  if (key.kind == network::Eip::kKind) noted_eips_[key.name] = std::nullopt;
  if (key.kind == kube::Namespace::kKind) pools_.ApplyNamespace(key.name, std::nullopt);
  if (key.kind == kube::Node::kKind) nodes_.erase(key.name);
  if (key.kind == kube::Secret::kKind) secrets_.Remove(key.namespace_, key.name);
  if (key.kind == kube::ConfigMap::kKind) policies_.Remove(key.namespace_, key.name);
  if (key.kind == kube::Service::kKind)
    holdings_.erase(absl::StrCat(key.namespace_, "/", key.name));
  if (key.kind == network::BgpConf::kKind && key.name == network::kBgpConfName)
    SetConf(std::nullopt);
  if (key.kind == network::BgpPeer::kKind) peers_.Remove(key.name);
}

void Knowledge::Upsert(const network::BgpConf& conf) {
  if (conf.meta.name != network::kBgpConfName) return;
  SetConf(IsForCni(conf.meta) ? std::nullopt : std::optional(conf));
}

void Knowledge::SetConf(std::optional<network::BgpConf> conf) {
  conf_ = std::move(conf);
  peers_.SetGroups(conf_ ? conf_->peer_groups : plan::PeerTable::Groups{});
}

void Knowledge::Upsert(const network::BgpPeer& peer) {
  if (IsForCni(peer.meta)) {
    peers_.Remove(peer.meta.name);
  } else {
    peers_.Upsert(peer);
  }
}

// What a Service's status says is what it has: the leader's own table is ahead of it by
// milliseconds, and a standby has none.
void Knowledge::Upsert(const kube::Service& service) {
  const auto address = ipam::StatusAddress(service);
  if (!ipam::IsServed(service) || !address) {
    holdings_.erase(service.Key());
    return;
  }
  holdings_[service.Key()] = {*address,
                              network::Find(service.meta.labels, network::kEipName).value_or("")};
}

ipam::PoolTable& Knowledge::pools() {
  if (!noted_eips_.empty()) {
    const bool first = !std::exchange(pools_filled_, true);
    pools_.Apply(std::exchange(noted_eips_, {}), first ? EipsInUse() : std::set<std::string>());
  }
  return pools_;
}

std::set<std::string> Knowledge::EipsInUse() const {
  std::set<std::string> eips;
  for (const auto& [service, holding] : holdings_) eips.insert(holding.eip);
  return eips;
}

std::vector<std::string> Knowledge::HoldersOf(const std::string& eip) {
  const ipam::Pool* pool = pools().Find(eip);
  std::vector<std::string> holders;
  for (const auto& [service, holding] : holdings_) {
    const bool holds = holding.eip.empty() ? pool != nullptr && pool->range &&
                                                 pool->range->Contains(holding.address)
                                           : holding.eip == eip;
    if (holds) holders.push_back(service);
  }
  return holders;
}

std::string Knowledge::PolicyProblem(const std::string& name) const {
  plan::PolicyTable table = policies_;
  table.Derive(name);
  return table.current().problem;
}

}  // namespace openelb::admission

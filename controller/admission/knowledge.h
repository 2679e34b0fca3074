#pragma once
// What admission judges by: cluster objects alone, through the tables that allocation and planning
// judge by. No fact of a speaker and no decision of a leader is in it, so that a standby answers
// as its leader does.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/network/v1alpha2/bgp.h"
#include "api/object.h"
#include "controller/event_source.h"
#include "controller/ipam/pool_table.h"
#include "controller/plan/peer_table.h"
#include "controller/plan/policy_table.h"
#include "controller/plan/secret_table.h"

namespace openelb::admission {

// One thread.
class Knowledge {
 public:
  // `system_namespace`: of the Secrets and ConfigMaps that BgpPeers and BgpConfs name.
  explicit Knowledge(const std::string& system_namespace)
      : namespace_(system_namespace), secrets_(system_namespace), policies_(system_namespace) {}

  void Apply(const std::vector<ObjectEvent>& events);
  // Every object that exists has been applied: only now is anything known.
  void SetComplete() { complete_ = true; }
  bool complete() const { return complete_; }

  ipam::PoolTable& pools();
  // "namespace/name" of Services that have an address of the Eip, sorted.
  std::vector<std::string> HoldersOf(const std::string& eip);

  const std::string& system_namespace() const { return namespace_; }
  // The BgpConf that counts; nullptr: there is none, or it is left to the CNI.
  const network::BgpConf* conf() const { return conf_ ? &*conf_ : nullptr; }
  const plan::PeerTable& peers() const { return peers_; }
  const plan::SecretTable& secrets() const { return secrets_; }
  // Why the export policy in ConfigMap `name` cannot be applied; empty: it can.
  std::string PolicyProblem(const std::string& name) const;
  // Labels by node.
  const std::map<std::string, kube::Labels>& nodes() const { return nodes_; }

 private:
  struct Holding {
    IpAddress address;
    std::string eip;  // as the Service's label says; may be empty
  };
  void Upsert(const network::BgpConf& conf);
  void Upsert(const network::BgpPeer& peer);
  void Upsert(const kube::Service& service);
  void Remove(const ObjectKey& key);
  void SetConf(std::optional<network::BgpConf> conf);
  std::set<std::string> EipsInUse() const;

  const std::string namespace_;
  bool complete_ = false;
  ipam::PoolTable pools_;
  bool pools_filled_ = false;
  std::map<std::string, std::optional<network::Eip>> noted_eips_;  // since pools() was asked for
  std::map<std::string, Holding> holdings_;                        // by Service
  std::optional<network::BgpConf> conf_;
  plan::PeerTable peers_;
  plan::SecretTable secrets_;
  plan::PolicyTable policies_;
  std::map<std::string, kube::Labels> nodes_;
};

// Whether the object is left to the CNI.
bool IsForCni(const kube::ObjectMeta& meta);

}  // namespace openelb::admission

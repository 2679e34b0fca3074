#pragma once
// From BgpConf, its export policy, BgpPeers and nodes to Model::peered, and with those nodes that
// have a speaker to Model::speakers and Model::audiences (but for their groups), and to each
// speaker's instance and peers in its set "node/NAME".

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/network/v1alpha2/bgp.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"
#include "controller/plan/peer_table.h"
#include "controller/plan/planner.h"
#include "controller/plan/policy_table.h"
#include "controller/plan/secret_table.h"
#include "controller/plan/session.h"
#include "controller/plan/set_store.h"

namespace openelb::plan {

// "node/NAME".
inline std::string NodeSet(const std::string& node) { return "node/" + node; }

struct AudienceChanges {
  std::set<std::string> fresh;              // audiences that are new
  std::map<std::string, Audience> gone;     // as they were
  std::set<std::string> regrouped;          // whose speakers, or their leaving, changed
  std::map<std::string, std::string> left;  // speakers that left an audience: which
  bool problems = false;                    // Problems may answer differently
  bool peered = false;                      // Model::peered changed
};

class SpeakerTable {
 public:
  // `system_namespace`: of what BgpConf and BgpPeers name; empty: the first that has the name.
  explicit SpeakerTable(const std::string& system_namespace)
      : policies_(system_namespace), secrets_(system_namespace) {}

  PolicyTable* policies() { return &policies_; }
  PeerTable* peers() { return &peers_; }
  void Upsert(const network::BgpConf& conf);
  void Upsert(const network::BgpPeer& peer);
  void Upsert(const kube::Secret& secret);
  void RemoveConf(const std::string& name);
  void RemovePeer(const std::string& name);
  void RemoveSecret(const std::string& namespace_, const std::string& name);

  // The node whose speaker uses the written router id; empty: none. Router ids must differ (RFC
  // 6286), so a written one is for the node that owns it as InternalIP, else for one that keeps it.
  const std::string& router_id_holder() const { return router_id_holder_; }
  void LoadRouterIdHolder(const std::string& node) { router_id_holder_ = node; }

  // Whether some router is told weights.
  bool TellsWeights() const;

  // Whether some router may have IPv6 next hops for IPv4 routes.
  bool TellsIpv6Hops() const;

  AudienceChanges Derive(const NodeChanges& nodes, Model* model, SetStore* sets, Visits* visits);
  void AddProblems(std::set<Problem>* out) const;

 private:
  struct Session {
    std::string router_id;
    uint32_t local_as = 0;
    bool internal = false;  // has a router of its own AS
    std::vector<Problem> problems;
    bool operator==(const Session&) const = default;
  };
  const network::BgpConf* Conf() const;
  // Whether some BgpPeer is for the node, and not shut down.
  bool IsPeered(const NodeView& node) const;
  void OnConfChanged();
  void OnSecretChanged(const std::string& name);
  std::string ChooseRouterIdHolder(const Model& model) const;
  void Replan(const std::string& name, Model* model, SetStore* sets, AudienceChanges* changes);
  void Forget(const std::string& name, Model* model, SetStore* sets, AudienceChanges* changes);
  void AddRouterIdProblems(std::set<Problem>* out) const;

  std::map<std::string, network::BgpConf> confs_;
  PeerTable peers_;                               // those that are ours to hold
  std::map<std::string, std::string> cni_peers_;  // those that are not: the CNI
  std::map<std::string, Session> sessions_;       // by speaker
  PolicyTable policies_;
  SecretTable secrets_;
  std::string router_id_holder_;
  bool all_touched_ = false;
};

}  // namespace openelb::plan

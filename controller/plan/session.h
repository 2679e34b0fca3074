#pragma once
// One speaker's BGP instance and peers, from BgpConf, BgpPeers and its node. A pure function: what
// cannot be honoured is named in a Problem, and the next best is done.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/network/v1alpha2/bgp.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/model.h"
#include "controller/plan/planner.h"
#include "controller/plan/policy_table.h"
#include "controller/plan/secret_table.h"

namespace openelb::plan {

// The BgpConf's router id where it is one: an IPv4 address that is not 0.0.0.0.
std::optional<IpAddress> WrittenRouterId(const network::BgpConf& conf);

struct SessionInput {
  const std::string& node_name;
  const NodeView& node;
  const network::BgpConf* conf;  // nullptr: there is none, ...
  bool conf_is_for_cni;          // ... or the CNI handles it
  const CurrentPolicy& policy;
  const SecretTable& secrets;
  const std::map<std::string, network::BgpPeer>& peers;
  bool uses_written_router_id;
};

struct SessionPlan {
  std::optional<v1::BgpInstance> instance;
  std::map<Neighbor, v1::BgpPeer> peers;  // empty without an instance
  SpeakerView view;                       // its audience is left empty
  std::vector<Scope> scopes;              // that the peers use, sorted by name
  std::vector<Problem> problems;
};

// Whether the speaker of a node with these labels is to have a session with it.
bool IsFor(const network::BgpPeer& peer, const kube::Labels& labels);

// Whether its session runs over IPv6 and carries IPv4 routes, whose next hops may then be IPv6 (RFC
// 8950).
bool CarriesIpv4OverIpv6(const network::BgpPeer& peer);

// Of several BgpPeers for one neighbour, the first by name wins.
SessionPlan PlanSessions(const SessionInput& input);

}  // namespace openelb::plan

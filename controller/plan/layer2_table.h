#pragma once
// Which nodes answer for the addresses of Layer 2 pools: Model::layer2, and the resources that tell
// their speakers.
//
// An address has an owner and up to two standbys. Each of them could own it: its node is Ready and
// not excluded, its speaker runs and is not about to go, an interface of the pool has a network
// that contains the address, and the Services' endpoints are usable from there (policy Local: one
// of them is there). Ranks are assignments: who is eligible stays, an owner that is not gives way
// to its first standby, because that is who takes over by itself, and a node that returns takes
// nothing back. A new owner is the eligible node that owns least.
//
// Where nobody is eligible, nodes that nobody has heard of for a while count as Ready and their
// endpoints too, as for next hops (see AddressTable).

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/network/v1alpha2/eip.h"
#include "controller/plan/fact.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"
#include "controller/plan/planner.h"
#include "controller/plan/set_store.h"
#include "controller/plan/watch_graph.h"

namespace openelb::plan {

// The interface of `node` that `pool` means for `address`: the one that it names, or that reaches
// the address it names (can_reach:IP), if a network there contains `address`. nullptr: none.
const InterfaceAddress* LinkFor(const NodeView& node, absl::string_view pool_interface,
                                const IpAddress& address);

class Layer2Table {
 public:
  void Upsert(const network::Eip& eip);
  void RemoveEip(const std::string& name);
  // The addresses that Service "namespace/name" has from pool `pool`; none: it has none.
  void SetAddresses(const std::string& service, const std::string& pool,
                    std::vector<IpAddress> addresses);
  // Ranks of an earlier run, for the next Derive.
  void Load(const Assignment& assignment);
  static bool IsRank(const Assignment& assignment);
  void AddAssignments(const Model& model, std::vector<Assignment>* out) const;

  // Whether AddProblems may answer differently.
  bool Derive(const NodeChanges& nodes, const std::set<std::string>& services, Model* model,
              SetStore* sets, Visits* visits);
  // About Eips: addresses that no node can answer for, and nodes in several racks.
  void AddProblems(const Model& model, std::set<Problem>* out) const;

 private:
  struct Holding {
    std::string pool;
    std::vector<IpAddress> addresses;
  };

  std::vector<std::string> Eligible(const IpAddress& address, const Layer2View& view,
                                    const Model& model, bool last_resort) const;
  Layer2View Decide(const IpAddress& address, const Model& model);
  std::string ChooseOwner(const std::vector<std::string>& standing,
                          const std::vector<std::string>& eligible) const;
  void Write(const IpAddress& address, const Layer2View* before, const Layer2View* now,
             const Model& model, SetStore* sets);
  absl::string_view InterfaceOf(const std::string& pool) const;

  std::map<std::string, std::string> interfaces_;  // spec.interface by pool
  std::map<std::string, Holding> held_;            // by Service
  std::map<IpAddress, std::set<std::string>> services_of_;
  std::map<IpAddress, std::map<int, std::string>> loaded_;  // ranks of an earlier run
  std::map<std::string, size_t> owned_;                     // addresses by owner
  WatchGraph graph_;
  std::set<IpAddress> touched_;
  bool all_touched_ = false;
};

}  // namespace openelb::plan

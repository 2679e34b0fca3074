#pragma once
// Which nodes hold the addresses of VIP pools: Model::vips, and the VRRP instances that tell their
// speakers (RFC 9568; version 2: RFC 3768).
//
// Life of an address: it is given to a Service; the nodes that can hold it (FindEligible), each
// with its interface, are its links; they decide about its virtual router (RouterTable), and every
// node of a router is told its addresses and the node's own priority.

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/base/ip.h"
#include "controller/plan/fact.h"
#include "controller/plan/local_addresses.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"
#include "controller/plan/planner.h"
#include "controller/plan/router_table.h"
#include "controller/plan/set_store.h"

namespace openelb::plan {

// The addresses that the router's nodes are told, sorted.
std::vector<IpAddress> HeldBy(const Model& model, const RouterView& router);

class VipTable {
 public:
  explicit VipTable(VrrpOptions options) : options_(options), routers_(options) {}

  // What there is to hold.
  LocalAddresses* local() { return &local_; }
  // What sticks.
  RouterTable* routers() { return &routers_; }

  // Whether AddProblems may answer differently.
  bool Derive(const NodeChanges& nodes, const std::set<std::string>& services, Model* model,
              SetStore* sets, Visits* visits);
  // About Eips.
  void AddProblems(const Model& model, std::set<Problem>* out) const;

 private:
  // Brings all but the router of Model::vips up to date.
  void Look(const IpAddress& address, Model* model);
  void Write(const RouterId& id, const Model& model, SetStore* sets);

  const VrrpOptions options_;
  LocalAddresses local_;
  RouterTable routers_;
  std::map<RouterId, Links> told_;  // who has it in its plan
};

}  // namespace openelb::plan

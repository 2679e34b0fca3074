#pragma once
// Decides for which nodes an address is announced, from Services and node health: Model::addresses.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"
#include "controller/plan/planner.h"

namespace openelb::plan {

// The addresses that were decided anew, each with the view before (kNone: new). Some views may be
// unchanged while a node they name is not.
using AddressChanges = std::map<IpAddress, AddressView>;

class AddressTable {
 public:
  void SetAddresses(const std::string& service, std::vector<IpAddress> addresses,
                    const std::string& pool, Model* model);

  AddressChanges Derive(const NodeChanges& nodes, const std::set<std::string>& services,
                        Model* model, Visits* visits);

 private:
  bool HasNextHops(Family family) const {
    return next_hops_[family] > 0 || (family == Family::kV4 && ipv6_hops_ && ipv6_only_ > 0);
  }
  // Whether a family gained its first next hop or lost its last one.
  PerFamily<bool> Count(const NodeChanges& nodes, const Model& model);
  AddressView Decide(const IpAddress& address, const Model& model, std::set<std::string>* depends);
  void Depend(const IpAddress& address, std::set<std::string> nodes);

  std::map<std::string, std::vector<IpAddress>> addresses_of_;  // by Service
  std::map<std::string, std::string> pool_of_;                  // of these
  PerFamily<size_t> next_hops_;                                 // ready nodes with an address
  size_t ipv6_only_ = 0;                                        // ready nodes without an IPv4 one
  bool ipv6_hops_ = false;  // Model::ipv6_hops, as of the last step
  // Which nodes' changes can change a decision: those with endpoints of a Local Service, or of one
  // that has no next hop.
  std::map<IpAddress, std::set<std::string>> depends_on_;
  std::map<std::string, std::set<IpAddress>> dependents_;
  std::set<IpAddress> touched_;
};

}  // namespace openelb::plan

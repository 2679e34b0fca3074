#pragma once
// Takes traffic off nodes that their operators want drained (RFC 8326): at first such a next hop is
// told with GRACEFUL_SHUTDOWN, so that routers move to others while it still forwards, then it is
// none any more. An address that would have no next hop anywhere keeps those it has, unmarked.

#include <set>
#include <string>

#include "api/base/ip.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"
#include "controller/plan/planner.h"
#include "controller/plan/routes.h"
#include "controller/plan/speaker_table.h"

namespace openelb::plan {

// Whether the addresses of a kind that shares its groups (kCluster, kLastResort) have a next hop,
// in any rack, that stays; true while no node is to be drained.
bool SharedStays(const Model& model, AddressView::Kind kind, Family family);

// The same for one route (of an address or an aggregate), whatever its kind.
bool Stays(const Model& model, Family family, const AddressView& route);

// How far the node is drained as next hop of addresses for which others stay, or none does.
inline Drain DrainOf(const NodeView& node, bool stays) { return stays ? node.drain : Drain::kNone; }

struct DrainChanges {
  bool shared = false;     // SharedStays turned for some kind and family
  std::set<IpPrefix> own;  // Stays may have turned for these, whose groups are their own
  bool problems = false;   // those that AddProblems gives may be others
};

class DrainTable {
 public:
  void SetSessionsDown(const std::string& node, std::set<std::string> neighbors, Model* model);

  // Brings Model::drains up to date: after speakers, before groups. Costs nothing while no node is
  // to be drained.
  DrainChanges Derive(const NodeChanges& nodes, const RouteChanges& routes,
                      const AudienceChanges& audiences, Model* model);

  // Nodes to be drained that stay next hops, because some address has no other.
  void AddProblems(const Model& model, std::set<Problem>* out) const;

 private:
  bool sessions_changed_ = false;
};

}  // namespace openelb::plan

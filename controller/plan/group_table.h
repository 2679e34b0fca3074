#pragma once
// Lists the next hops of every audience: Audience::groups, and the group and route resources.
//
// A route is that of an address (its host route) or an aggregate. Routes through a shared group say
// the same in every rack, so they live in one set per list of scope names; the group they name is
// another one in each audience. A shared group may be empty: the routes through it are then
// announced to nobody. Routes of addresses with groups of their own live in the sets of the
// audiences that have members, and name no empty group; so do aggregates.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "controller/plan/drain_table.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"
#include "controller/plan/routes.h"
#include "controller/plan/set_store.h"
#include "controller/plan/speaker_table.h"

namespace openelb::plan {

// Ids of groups: of the addresses of a kind that shares them (kCluster, kLastResort), and of a
// route that has its own.
std::string SharedGroup(AddressView::Kind kind, Family family, const std::string& scope);
std::string OwnGroup(const IpPrefix& prefix, const std::string& scope);

// Ids of the groups that were made, changed or removed, by audience.
using GroupChanges = std::map<std::string, std::set<std::string>>;

class GroupTable {
 public:
  // `all`: every group may have changed.
  GroupChanges Derive(const NodeChanges& nodes, const RouteChanges& routes,
                      const AudienceChanges& audiences, const DrainChanges& drains, bool all,
                      Model* model, SetStore* sets, Visits* visits);

 private:
  struct Step;  // what one Derive works on
  // Whether a shared group came into use or fell out of it.
  bool CountUses(const RouteChanges& routes, const Model& model);
  void UpdateRouteSets(const AudienceChanges& audiences, const RouteChanges& changed, Step* step);
  void BuildSharedGroups(const std::string& audience, Step* step);
  void BuildOwnGroups(const std::string& audience, const IpPrefix& prefix, Step* step);

  struct RouteSet {
    std::vector<std::string> scopes;
    size_t audiences = 0;  // that read it
  };
  std::map<std::string, RouteSet> route_sets_;
  // Routes through each shared group.
  PerFamily<size_t> cluster_;
  PerFamily<size_t> last_resort_;
  std::map<IpPrefix, std::set<std::string>> own_;  // audiences that have a group of its own
};

}  // namespace openelb::plan

#pragma once
// The virtual routers of VIP mode, Model::routers: which addresses share one, its id, and the
// priorities of its nodes.
//
// Addresses of one family with the same links (nodes that can hold them, each with its interface)
// share routers, as many as there are nodes, at most kMostRouters, each led by another node: so one
// set of nodes shares its addresses out. A new address goes to the router that has the fewest, and
// stays there.
//
// When the links change, the router goes on with others: with a new one nobody would hold its
// addresses for a while. Only addresses whose links become others than those of the rest leave it.
// Where nobody can hold any of its addresses, it waits for them with its id.
//
// An id is given once in the whole cluster (for each family), so that it clashes nowhere, whatever
// the racks and segments are; none that one of its nodes hears of others. The search starts at the
// address modulo the range: clusters that share a segment seldom meet.
//
// A foreign router that turns up with an id of ours stops ours from working, if all nodes of ours
// hear it: then ours moves to another id. That one alone hears it says nothing: its own plan may
// come later than that of the others.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/base/ip.h"
#include "controller/plan/fact.h"
#include "controller/plan/model.h"
#include "controller/plan/vrrp_options.h"

namespace openelb::plan {

class RouterTable {
 public:
  // Routers that share the addresses of one set of nodes out.
  static constexpr size_t kMostRouters = 8;
  // Of one router; more nodes do not take part.
  static constexpr size_t kMostNodes = kHighestPriority;

  explicit RouterTable(VrrpOptions options) : options_(options) {}

  // Choices of an earlier run.
  void Load(const Assignment& assignment);
  // As the speaker on `node` tells, which has this priority.
  void Load(const IpAddress& address, int vrid, const std::string& node, int priority);
  static bool IsOurs(const Assignment& assignment);
  void AddAssignments(const Model& model, std::vector<Assignment>* out) const;
  // Puts what was loaded into the model, once; adds the addresses to `addresses`, which are to be
  // looked at before Update.
  void TakeLoaded(Model* model, std::set<IpAddress>* addresses);

  // The one object for these links.
  std::shared_ptr<const Links> Intern(Links links);
  // Model::vips is up to date at `looked_at` but for vrid; those of no Service are taken out here.
  // `hear_otherwise`: nodes whose NodeView::heard has changed. Returns the routers that may have to
  // be told anew, also those that are gone.
  std::set<RouterId> Update(const std::set<IpAddress>& looked_at,
                            const std::set<std::string>& hear_otherwise, Model* model);

  // While patient, addresses without a router wait for one: nodes that come at about the same time
  // are to share them out.
  void SetPatient(bool patient);
  bool patient() const { return patient_; }
  // Whether patience has ended, since this was last asked, for an address that waits.
  bool TakeResumed();

  // Whose id, or the one that they left, is heard of others by some of their nodes.
  const std::set<RouterId>& conflicts() const { return conflicts_; }

 private:
  struct Loaded {
    std::map<IpAddress, int> vrids;
    std::map<RouterId, RouterView> routers;  // priorities, heard_ours, left_vrid
  };

  bool InRange(const RouterId& id) const {
    return id.vrid >= options_.first_vrid && id.vrid <= options_.last_vrid;
  }
  // Lets those addresses go that no longer fit; a router that has none is gone.
  void Settle(const RouterId& id, Model* model);
  // Moves it to another id if a foreign router has this one, or it is out of the range. Whether it
  // has moved.
  bool AvoidForeign(const RouterId& id, Model* model);
  // An id for a router with these links, the search starting at `start`; nullopt: none is free.
  std::optional<RouterId> FreeId(const IpAddress& start, const Links& links, Model* model);
  // Gives the address a router. False: there is no id for one.
  bool Place(const IpAddress& address, Model* model);

  const VrrpOptions options_;
  Loaded loaded_;
  std::map<Links, std::weak_ptr<const Links>> known_links_;
  std::set<IpAddress> waiting_;  // for a router
  bool patient_ = false;
  bool resumed_ = false;
  std::set<RouterId> conflicts_;
  std::set<RouterId> changed_;  // in the Update under way
};

}  // namespace openelb::plan

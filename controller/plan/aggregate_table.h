#pragma once
// Decides which prefixes are announced for the addresses of Eips that ask for aggregates:
// Model::aggregates, and of each address whether its host route goes beside or not at all.
//
// An Eip's aggregates are the prefixes of the length it asks for that it holds as a whole: one that
// reached beyond would draw traffic for addresses of others. An aggregate is announced while some
// address in it is served. Its next hops are the nodes that serve every served address in it, since
// a router cannot know which one serves which. Where there are no such nodes it is refused, and the
// host routes go in its place.
//
// An exchange: aggregates come instead of host routes, or these, or others, instead of aggregates.
// What is new is announced at once and what is old stays beside it until FinishExchanges, because a
// router that passes routes on may withdraw before it announces. Host routes that stay follow their
// address; an aggregate that stays is what it was, for no router prefers it.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/network/v1alpha2/eip.h"
#include "controller/plan/address_table.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"
#include "controller/plan/planner.h"
#include "controller/plan/speaker_table.h"

namespace openelb::plan {

struct AggregateChanges {
  // Those that were decided anew, each with the kind of its route before. Some may be unchanged
  // while a node that is a next hop is not.
  std::map<IpPrefix, AddressView::Kind> routes;
  bool problems = false;  // Problems may answer differently
  uint64_t exchange = 0;  // which began; 0: none
};

// Whether the node is a next hop of the aggregate, as far as racks and subnets allow.
bool Serves(const AddressView& aggregate, const std::string& name, const NodeView& node);

// Why the aggregate is refused, in one sentence.
std::string RefusalText(const Model& model, const IpPrefix& prefix);

class AggregateTable {
 public:
  void Upsert(const network::Eip& eip);
  void RemoveEip(const std::string& name);

  // `eips`: whose wishes for attributes changed. Adds to `addresses` those whose host route comes
  // or goes with an aggregate.
  AggregateChanges Derive(const NodeChanges& nodes, const AudienceChanges& audiences,
                          const std::set<std::string>& eips, AddressChanges* addresses,
                          Model* model, Visits* visits);
  void AddProblems(const Model& model, std::set<Problem>* out) const;

  // In the next Derive, what those up to `exchange` replaced goes.
  void FinishExchanges(uint64_t exchange) { finished_ = std::max(finished_, exchange); }

 private:
  using Kind = AddressView::Kind;
  // An Eip that says anything of aggregates.
  struct Asked {
    network::Aggregation aggregation;
    network::Protocol protocol = network::Protocol::kBgp;
    std::optional<IpRange> range;
    // Of its aggregates; nullopt: it has none.
    std::optional<int> length;
    bool operator==(const Asked&) const = default;
  };
  // A served address in an aggregate.
  struct Member {
    Kind kind = Kind::kNone;
    std::string pool;  // that asks for the aggregate; empty: it is not for this address
    std::vector<std::pair<std::string, uint32_t>> nodes;  // of kOwn, with endpoints
  };
  struct Use {
    size_t addresses = 0;
    uint64_t endpoints = 0;
  };
  struct Aggregate {
    std::map<IpAddress, Member> members;
    std::map<std::string, size_t> pools;  // members by Eip that asks
    size_t cluster = 0;                   // members by kind
    size_t last_resort = 0;
    size_t own = 0;
    std::map<std::string, Use> nodes;  // of kOwn
  };

  void SetAsked(const std::string& name, std::optional<Asked> asked);
  // The aggregate that stands for an address of the Eip; nullopt: none.
  std::optional<IpPrefix> Of(const IpAddress& address, const std::string& pool) const;
  bool KeepsHostRoutes(const std::string& pool) const;
  // Follows one address into and out of aggregates; `due` are those to decide anew.
  void Follow(const IpAddress& address, const Model& model, std::set<IpPrefix>* due);
  void Enter(const IpPrefix& prefix, Aggregate* aggregate, const IpAddress& address,
             const AddressView* view);
  void Sort(const IpPrefix& prefix, const Aggregate& aggregate);
  void Forget(const IpPrefix& prefix);

  // Notes the kinds of an aggregate's route before and now, and whether it stays a while.
  void Exchange(const IpPrefix& prefix, Kind before, Kind now, const Model& model,
                AggregateChanges* changes);
  // Whether the host route, which is to go, stays a while. `announced`: it was until now.
  bool Stays(const IpAddress& address, bool announced, AggregateChanges* changes);

  AggregateView Decide(const IpPrefix& prefix, const Aggregate& aggregate,
                       const Model& model) const;
  // The first rack with next hops of served addresses but none of the aggregate; nullopt: none.
  static std::optional<std::string> RackOutOfReach(const IpPrefix& prefix,
                                                   const Aggregate& aggregate,
                                                   const AddressView& route, const Model& model);
  void AddEipProblems(const std::string& name, const Asked& asked, std::set<Problem>* out) const;

  std::map<std::string, Asked> asked_;                 // by Eip
  std::map<IpPrefix, Aggregate> aggregates_;           // that have a member whose Eip asks for them
  PerFamily<std::map<int, size_t>> lengths_;           // of these: how many
  std::map<std::string, std::set<IpPrefix>> by_node_;  // in Aggregate::nodes
  std::map<std::string, std::set<IpPrefix>> by_eip_;   // in Aggregate::pools
  std::set<IpPrefix> own_;                             // with members of kOwn
  std::set<IpPrefix> mixed_;                           // with members of several kinds
  std::vector<IpRange> touched_;
  bool problems_ = false;

  struct Leaving {
    Kind kind = Kind::kNone;  // of its route
    uint64_t exchange = 0;
  };
  std::map<IpPrefix, Leaving> leaving_;    // aggregates
  std::map<IpAddress, uint64_t> staying_;  // host routes, with the exchange
  std::set<IpAddress> ended_;              // stayed long enough, as of this Derive
  uint64_t begun_ = 0;
  uint64_t finished_ = 0;
};

}  // namespace openelb::plan

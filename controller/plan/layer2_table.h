#pragma once
// Which nodes answer for the addresses of Layer 2 pools: Model::layer2, and the resources that tell
// their speakers.
//
// An address has an owner and up to two standbys among the nodes that can answer for it
// (local_eligibility.h). Ranks are assignments: who is eligible stays, an owner that is not gives
// way to its first standby, because that is who takes over by itself, and a node that returns takes
// nothing back. A new owner is the eligible node that owns least. A standby that says that it has
// taken over becomes the owner, and the owner its first standby: the plan follows what happened.
// Where the segment is cut in two, both sides would say so in turns: what a node says within kRest
// after it was overruled counts no longer, unless the owner is lost.
//
// Each choice of an owner has a `turn`, larger than all before, so that of two nodes that both
// claim an address the one with the later plan is known, however long the other one was cut off.
// Turns begin with the epoch in their upper half: so they do not go back where an earlier run's
// choices are lost, or taken from an old copy of the store.
//
// Ranked nodes watch each other with BFD; who can do so without watching too many others stands by
// (watch_graph.h), and the sessions are there as long as addresses need them (watch_table.h).

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/base/ip.h"
#include "controller/plan/fact.h"
#include "controller/plan/local_addresses.h"
#include "controller/plan/local_eligibility.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"
#include "controller/plan/planner.h"
#include "controller/plan/set_store.h"
#include "controller/plan/watch_graph.h"
#include "controller/plan/watch_table.h"

namespace openelb::plan {

class Layer2Table {
 public:
  static constexpr absl::Duration kRest = absl::Seconds(10);

  // As for WatchTable.
  Layer2Table(absl::Duration bfd_interval, int bfd_multiplier)
      : watches_(bfd_interval, bfd_multiplier) {}

  void Upsert(const network::Eip& eip);
  void RemoveEip(const std::string& name);
  // As for LocalAddresses.
  void SetAddresses(const std::string& service, const std::string& pool,
                    std::vector<IpAddress> addresses) {
    local_.SetAddresses(service, pool, std::move(addresses));
  }
  void SetWatchSecret(std::string secret);
  // As for Planner.
  void SetEpoch(uint64_t epoch);
  // Ranks and turns of an earlier run, for the next Derive.
  void Load(const Assignment& assignment);
  // As a speaker tells them: `ranks` replace those loaded before.
  void Load(const IpAddress& address, const std::vector<std::string>& ranks, uint64_t turn);
  static bool IsOurs(const Assignment& assignment);
  void AddAssignments(const Model& model, std::vector<Assignment>* out) const;

  // Whether AddProblems may answer differently.
  bool Derive(const NodeChanges& nodes, const std::set<std::string>& services, Model* model,
              SetStore* sets, Visits* visits);
  // About Eips: addresses that no node can answer for, or too few, and nodes in several racks.
  void AddProblems(const Model& model, std::set<Problem>* out) const;

 private:
  struct Loaded {
    std::map<int, std::string> ranks;
    Layer2View owners;  // turn, taken_at, overruled
  };
  // What is derived anew, with the views before.
  using Changes = std::map<IpAddress, Layer2View>;

  // What a change of these nodes can move.
  void TouchFor(const NodeChanges& nodes, const Model& model);
  // Its owner, and of its standbys those that stay.
  Layer2View Decide(const IpAddress& address, const Model& model);
  // `standing` are the ranks that are still eligible.
  std::string ChooseOwner(const std::vector<std::string>& standing,
                          const std::vector<std::string>& eligible,
                          const std::set<std::string>& takers) const;
  // Gives addresses the standbys that they lack, once all that stay are seated.
  void Fill(Model* model, Changes* changes);
  void SetView(const IpAddress& address, Layer2View view, Model* model, Changes* changes);
  void Write(const IpAddress& address, const Layer2View& before, const Model& model,
             SetStore* sets);

  LocalAddresses local_;
  std::set<std::string> unnamed_;  // pools of Layer 2 mode that name no interface
  bool unnamed_changed_ = false;
  uint64_t epoch_ = 0;
  uint64_t last_turn_ = 0;
  uint64_t doubtful_ = 0;                // speakers may have later turns than those up to this one
  std::map<IpAddress, Loaded> loaded_;   // of an earlier run
  std::map<std::string, size_t> owned_;  // addresses by owner
  std::map<std::string, std::set<IpAddress>> ranked_;  // addresses by ranked node
  std::set<IpAddress> unsettled_;  // those to which a node that is not ranked may matter
  std::set<IpAddress> unfilled_;   // fewer standbys than nodes that could stand by
  std::set<IpAddress> unwatched_;  // nodes ranked on it cannot all watch each other
  WatchGraph graph_;
  WatchTable watches_;
};

}  // namespace openelb::plan

#pragma once
// What every speaker ought to announce, computed afresh from the cluster as it is: the judge of a
// simulation. It shares the planner with the controller but neither its stream of events nor its
// past.

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "api/base/scheduler.h"
#include "controller/plan/planner.h"
#include "e2e/simulation/sim_cluster.h"

namespace openelb::simulation {

// One path: who announces what to whom.
struct Path {
  std::string node;
  IpAddress peer;
  IpPrefix prefix;
  IpAddress next_hop;
  auto operator<=>(const Path&) const = default;
  std::string ToString() const;
};

// The paths that a planner's sets make the speaker on `node` announce, ADD-PATH being negotiated.
std::set<Path> PathsOf(const plan::PlanView& view, const std::string& node);

class Oracle {
 public:
  Oracle(const SimCluster* cluster, const Scheduler* scheduler)
      : cluster_(cluster), scheduler_(scheduler) {}

  // The interface address of a node with a speaker, "ADDRESS/LENGTH".
  void AddSpeaker(const std::string& node, const std::string& prefix) { speakers_[node] = prefix; }
  // Looks at the cluster; call after each step.
  void Update();

  // Paths that ought to be announced now.
  const std::set<Path>& wanted() const { return wanted_; }
  // Whether `path` was wanted all the time since `since`.
  bool WantedSince(const Path& path, absl::Duration since) const;

 private:
  const SimCluster* cluster_;
  const Scheduler* scheduler_;
  std::map<std::string, std::string> speakers_;
  uint64_t seen_ = 0;  // version of the cluster
  std::set<Path> wanted_;
  std::map<Path, absl::Duration> wanted_since_;  // of wanted_
};

}  // namespace openelb::simulation

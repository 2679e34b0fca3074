#pragma once
// Watches a run and says what must never happen:
//  - two Services with one address, or a Service whose address changes while it lives;
//  - a path withdrawn over a living session although the cluster wanted it all the time;
//  - a path, once given to a router and wanted ever since, missing although speaker and network
//  have long been well.

#include <map>
#include <string>
#include <vector>

#include "e2e/simulation/oracle.h"
#include "e2e/simulation/world.h"

namespace openelb::simulation {

class Judge {
 public:
  explicit Judge(World* world) : world_(world), oracle_(&world->cluster(), &world->scheduler()) {}

  void AddSpeaker(const std::string& node, const std::string& address);
  void AddRouter(const std::string& name, const std::string& address);
  // The speaker's disk was damaged: what it knew only from there may be lost until a controller
  // tells it again.
  void ForgiveLoss(const std::string& node);

  // Call after each step.
  void Check();
  // Call when nothing has been wrong for long: plans and tables must be what the cluster wants.
  void CheckQuiet();

  // One sentence each; empty is good.
  const std::vector<std::string>& violations() const { return violations_; }
  uint64_t withdrawals_seen() const { return withdrawals_; }

 private:
  struct Given {
    absl::Duration since;  // when the router first had it, wanted ever since
  };
  struct Watched {
    std::string name;
    size_t seen = 0;  // changes looked at
  };
  void Violation(const std::string& what);
  void CheckAddresses();
  void CheckRouter(const IpAddress& address, Watched* router);
  void CheckWell();
  void CheckPresence();

  World* world_;
  Oracle oracle_;
  std::map<IpAddress, std::string> nodes_;    // by their address
  std::map<IpAddress, Watched> routers_;      // by their address
  std::map<ObjectKey, std::string> held_;     // Service -> address
  std::map<Path, absl::Duration> announced_;  // in a router's table, since when
  std::map<Path, Given> given_;
  std::set<std::pair<IpAddress, IpAddress>> up_;  // sessions: router, neighbour
  // Router and neighbour: since when the speaker runs and nothing is cut between them.
  std::map<std::pair<IpAddress, IpAddress>, absl::Duration> well_since_;
  absl::Duration presence_checked_;
  uint64_t withdrawals_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace openelb::simulation

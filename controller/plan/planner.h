#pragma once
// From cluster objects, addresses and facts to the plan of every speaker. Pure: no clock, no I/O,
// one thread.
//
// Life of a change: Upsert, Remove, SetAddresses and SetFact note what was touched; Step derives
// anew only what depends on that, in the order node -> rack -> speaker -> audience and endpoint
// slice -> Service -> address -> aggregate -> group -> place, and rewrites the resources whose
// bytes differ. The result is a function of objects, facts, assignments and sessions alone: a new
// Planner that is given the same builds the same sets byte for byte.
//
// An audience is the speakers of a rack that see the same next hops; see README.md for the sets
// they read.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/object.h"
#include "controller/plan/fact.h"
#include "controller/plan/resource_set.h"
#include "controller/plan/vrrp_options.h"
#include "controller/problem.h"

namespace openelb::plan::v1 {
class AnnouncedAddress;
}

namespace openelb::plan {

struct Model;

using openelb::Problem;

// How many objects Step has derived anew since the Planner was made: what an incremental change
// costs.
struct Visits {
  uint64_t nodes = 0;
  uint64_t racks = 0;       // racks whose shared groups were rebuilt
  uint64_t speakers = 0;    // instances and peers
  uint64_t services = 0;    // endpoints summed up
  uint64_t addresses = 0;   // next-hop sets decided
  uint64_t aggregates = 0;  // the same of aggregates
  uint64_t groups = 0;      // members listed
  uint64_t places = 0;      // groups whose members were dealt out to speakers
};

struct Options {
  // Which nodes run a speaker: those whose speaker said so (facts), or, offline, those that the
  // DaemonSet manifest selects (without one: every node).
  enum class Speakers { kFacts, kDaemonSet };
  Speakers speakers_from = Speakers::kFacts;
  // Whether one that stops comes back on its node, as a DaemonSet's does where that still chooses
  // the node. A Deployment's may start anywhere: it leaves in order.
  bool speakers_return = true;
  // Where the DaemonSet openelb-speaker and the ConfigMaps of export policies are; empty: the first
  // of their name by namespace.
  std::string system_namespace = "openelb-system";
  // How nodes watch each other with BFD: packets sent every 10 ms..60 s, and how many of them in
  // a row have to be missing (1..255).
  absl::Duration bfd_interval = absl::Milliseconds(100);
  int bfd_multiplier = 3;
  VrrpOptions vrrp;
};

class Planner final : public PlanView {
 public:
  explicit Planner(const Options& options = {});
  ~Planner() override;
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  // Objects as the source sends them. Kinds that planning does not read (Namespace) are ignored.
  void Upsert(const Object& object);
  void Upsert(const kube::Node& node);
  void Upsert(const kube::EndpointSlice& slice);
  void Upsert(const kube::Service& service);
  void Upsert(const kube::DaemonSet& daemon_set);
  void Upsert(const kube::ConfigMap& map);
  void Upsert(const kube::Secret& secret);
  void Upsert(const network::Eip& eip);
  void Upsert(const network::BgpConf& conf);
  void Upsert(const network::BgpPeer& peer);
  // A deleted Node takes the facts about it along, but for the speaker that still runs there: it
  // is given an empty plan.
  void Remove(const ObjectKey& key);
  // Of the slice "namespace/name", as planning sees them; null: there is none. Valid until it
  // changes.
  const std::vector<kube::Endpoint>* FindEndpoints(const std::string& slice) const;

  // The addresses that BGP announces for the Service "namespace/name"; empty: none. Independent of
  // the order in which the Service itself comes and goes. `pool`: the Eip that they are from.
  void SetAddresses(const std::string& service, std::vector<IpAddress> addresses,
                    const std::string& pool = "");

  // The same for addresses of the Layer 2 pool `pool`.
  void SetLayer2(const std::string& service, const std::string& pool,
                 std::vector<IpAddress> addresses);

  // The same for addresses of the VIP pool `pool`.
  void SetVip(const std::string& service, const std::string& pool,
              std::vector<IpAddress> addresses);

  // What allocation says of Eips, all of it: shown among Problems.
  void SetPoolProblems(std::vector<Problem> problems);

  // While true, VIP addresses that no virtual router has yet wait, so that nodes whose speakers
  // come at about the same time share them out. What is planned stays.
  void GatherVipNodes(bool gather);

  // By the facts: a speaker runs on the node, or has stopped and is to come back.
  bool ExpectsSpeaker(const std::string& node) const;
  // Ignored unless newer than what is held about the same subject and kind. Facts about nodes that
  // do not exist (yet) are kept.
  void SetFact(const Fact& fact);
  // Sorted by subject, then kind.
  std::vector<Fact> facts() const;

  // Choices of an earlier run; call before the first Step. Those that no longer fit are dropped by
  // it.
  void LoadAssignments(const std::vector<Assignment>& assignments);
  // Sorted.
  std::vector<Assignment> assignments() const;

  // While true, a node or endpoint that was ready stays ready, because the source's own view lags
  // after it was away; everything else acts at once. Hold(false) lets the withheld news through.
  void Hold(bool hold);
  // A node whose Ready was Unknown until a moment ago: while true, the last resort still counts its
  // endpoints as ready, because they turn so after the node. A deleted Node is not returning.
  void SetReturning(const std::string& node, bool returning);

  // The neighbours (as Neighbor::ToString) that the speaker on `node` has no session with, by its
  // last word; a speaker that says nothing is believed to have them all. A node that is to be
  // drained stays a next hop of what no other router would be told of.
  void SetSessionsDown(const std::string& node, std::set<std::string> neighbors);

  // What the secrets of BFD sessions are made of; the same for every planner that plans for these
  // speakers, and never shown. Until it is set (not empty) no sessions are planned.
  void SetWatchSecret(std::string secret);

  // Layer 2 addresses that get another owner from now on have later turns than in any plan of a
  // smaller epoch. To be set before LoadAssignments, and again when a speaker holds a plan of an
  // epoch as large: what was chosen before may be older then than what speakers hold, so it gets
  // later turns, too. A smaller one is ignored. Where nothing is sent it need not be set.
  void SetEpoch(uint64_t epoch);

  // What the speaker on `node` holds of earlier choices: for after LoadAssignments, where those may
  // be lost or old. Of several calls about one address the last one counts.
  void LoadAnnounced(const std::string& node, const v1::AnnouncedAddress& announced);

  // Where aggregates replace host routes, or host routes and others replace aggregates, the old
  // ones stay beside the new ones until the exchange of that step (PlanChange::exchange), or a
  // later one, is finished: they go in the next step. Once all are, history shows in nothing.
  void FinishExchanges(uint64_t exchange);

  // Brings all sets up to date with the input. The first call plans everything.
  PlanChange Step();

  std::vector<std::string> SetsOf(absl::string_view node) const override;
  const ResourceSet* Find(absl::string_view set) const override;

  // Sorted, without repeats; as of the last Step. PlanChange::problems says when to ask again.
  std::vector<Problem> Problems() const;
  // What was derived in the last Step, for explanations.
  const Model& model() const;
  const Visits& visits() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace openelb::plan

#pragma once
// A random history of a Planner over all kinds of input, and what must hold of it at any time.

#include <functional>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"
#include "controller/plan/aggregate_invariants.h"
#include "controller/plan/announce.h"
#include "controller/plan/attribute_invariants.h"
#include "controller/plan/explain.h"
#include "controller/plan/hop_counts.h"
#include "controller/plan/layer2_invariants.h"
#include "controller/plan/model.h"
#include "controller/plan/planner.h"
#include "controller/plan/random_objects.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {

// Parts of resource keys that a history must have met to be worth its while.
inline constexpr const char* kKinds[] = {
    "instance",       "peer/",           "route/",      "group/cluster/", "/last-resort/",
    "group/address/", "place/",          "/connected/", "/all",           "layer2/",
    "bfd/",           "group/aggregate", "22.0.0/30",   "22::/127"};

inline const Options kOptions = {.bfd_interval = absl::Milliseconds(250), .bfd_multiplier = 7};
inline constexpr const char* kSecret = "a cluster's secret";

// What the cluster holds, and how to tell a Planner.
struct World {
  std::map<ObjectKey, Object> objects;
  std::map<std::string, std::pair<std::vector<IpAddress>, std::string>> addresses;  // with the pool
  std::map<std::string, std::pair<std::string, std::vector<IpAddress>>> layer2;     // with the pool

  void Tell(Planner* planner) const {
    planner->SetWatchSecret(kSecret);
    for (const auto& [key, object] : objects) planner->Upsert(object);
    for (const auto& [service, held] : addresses)
      planner->SetAddresses(service, held.first, held.second);
    for (const auto& [service, held] : layer2) planner->SetLayer2(service, held.first, held.second);
  }
};

class History : private RandomObjects {
 public:
  explicit History(uint64_t seed) : RandomObjects(seed) { planner_.SetWatchSecret(kSecret); }

  void Act() {
    switch (Pick(21)) {
      case 0:
      case 1:
      case 2:
        Put(RandomNode());
        break;
      case 3:
      case 4:
      case 5:
        Put(RandomSlice());
        break;
      case 6:
      case 7:
        Put(RandomService());
        break;
      case 8:
        Put(RandomPeer());
        break;
      case 9:
        if (Chance(0.3)) Put(RandomConf());
        break;
      case 10:
        if (Chance(0.3)) Put(RandomDaemonSet());
        if (Chance(0.3)) Put(RandomEip());
        if (Chance(0.3)) Put(RandomPolicy());
        break;
      case 11:
        Remove();
        break;
      case 12:
        SetAddresses();
        break;
      case 13:
      case 14:
        SetFact();
        break;
      case 15:
        planner_.SetReturning(NodeName(Pick(kNodes)), Chance(0.5));
        break;
      case 16:
      case 17:
        SetLayer2();
        break;
      case 18:
      case 19:
        SetLayer2Fact();
        break;
      default:
        if (Chance(0.3)) Hold(!hold_);
        break;
    }
  }

  void Step() {
    const PlanChange change = planner_.Step();
    for (const auto& [set, keys] : change.keys) {
      for (const std::string& key : keys) {
        const ResourceSet* now = planner_.Find(set);
        mirror_[set].erase(key);
        if (now == nullptr) continue;
        const auto it = now->resources().find(key);
        if (it == now->resources().end()) continue;
        mirror_[set][key] = *it->second.body;
        for (const char* kind : kKinds) seen_[kind] += absl::StrContains(key, kind) ? 1 : 0;
      }
    }
    for (const std::string& node : change.speakers) reads_[node] = planner_.SetsOf(node);
    if (change.problems) problems_ = planner_.Problems();
    if (change.racks) speakers_ = SpeakersOf(planner_.model());
    exchange_ = std::max(exchange_, change.exchange);
    for (const auto& [prefix, view] : planner_.model().aggregates)
      refusals_ += view.refusal == AggregateView::Refusal::kNone ? 0 : 1;
  }

  void FinishExchanges() {
    planner_.FinishExchanges(exchange_);
    Step();
  }
  int exchanges() const { return static_cast<int>(exchange_); }

  // What is wrong with Layer 2 addresses; empty: nothing.
  std::string CheckLayer2() {
    std::map<std::string, PoolInterface> interfaces;
    for (const auto& [key, object] : world_.objects) {
      if (const auto* eip = std::get_if<network::Eip>(&object))
        interfaces[key.name] = {.name = eip->interface, .off_link = eip->off_link};
    }
    return layer2_.Check(planner_, interfaces);
  }

  // Which route of whom does not carry what is asked for; empty: none.
  std::string CheckAttributes() {
    return attributes_.Check(planner_, world_.objects, world_.addresses);
  }

  // Which address is lost because nodes are to be drained, or left to such next hops alone; empty:
  // none.
  std::string CheckDrains() const {
    Planner undrained(kOptions);
    FillLike(&undrained);
    Undrain(&undrained);
    undrained.Step();
    const std::map<IpAddress, bool> wanted = Announced(undrained);
    const std::map<IpAddress, bool> announced = Announced(planner_);
    const std::set<IpAddress> rejected = Rejected();
    for (const auto& [address, stays] : wanted) {
      // Without its aggregate, which may be no more, it is what the policy keeps from routers.
      if (rejected.contains(address)) continue;
      const auto it = announced.find(address);
      if (it == announced.end()) return absl::StrCat(address.ToString(), " is lost");
      if (!it->second) return absl::StrCat(address.ToString(), " has only what is about to go");
    }
    return "";
  }

  // What is wrong with aggregates; empty: nothing. Which next hops of a route are drained depends
  // on what is left of it, which is not the same for an aggregate and what it stands for.
  std::string CheckAggregates() const {
    Planner with(kOptions);
    FillLike(&with);
    Undrain(&with);
    with.Step();
    Planner without(kOptions);
    FillLike(&without);
    Undrain(&without);
    std::map<std::string, network::Eip> eips;
    for (const auto& [key, object] : world_.objects) {
      const auto* eip = std::get_if<network::Eip>(&object);
      if (eip == nullptr) continue;
      eips[key.name] = *eip;
      network::Eip plain = *eip;
      plain.aggregation = {};
      without.Upsert(plain);
    }
    without.Step();
    return plan::CheckAggregates(with, without, eips, world_.addresses);
  }

  int refusals() const { return refusals_; }
  const AttributeInvariants& attributes() const { return attributes_; }
  int rejected() const { return rejected_; }  // how often they kept it from a router
  // How often each of kKinds was planned.
  int seen(const std::string& kind) { return seen_[kind]; }

  // Compares with a Planner that starts now. Returns what differs, empty: nothing.
  std::string Compare() {
    Planner fresh(kOptions);
    FillLike(&fresh);
    fresh.Step();

    for (const auto& [set, resources] : mirror_) {
      if (Bodies(planner_, set) != resources) return absl::StrCat("changes of ", set);
      if (Bodies(fresh, set) != resources) return set;
    }
    for (int i = 0; i < kNodes; ++i) {
      const std::string node = NodeName(i);
      if (fresh.SetsOf(node) != planner_.SetsOf(node)) return absl::StrCat("sets of ", node);
      if (reads_[node] != planner_.SetsOf(node)) return absl::StrCat("changed speaker ", node);
      std::set<std::string> keys;
      for (const std::string& set : fresh.SetsOf(node)) {
        const auto& mine = mirror_[set];
        if (Bodies(fresh, set) != mine) return absl::StrCat("unreported set ", set);
        for (const auto& [key, body] : mine) {
          if (!keys.insert(key).second) return absl::StrCat("clash of ", key, " at ", node);
        }
      }
    }
    if (fresh.assignments() != planner_.assignments()) return "assignments";
    if (fresh.model().peered != planner_.model().peered) return "nodes with peers";
    if (speakers_ != SpeakersOf(planner_.model())) return "unreported speakers of racks";
    if (fresh.Problems() != planner_.Problems()) return "problems";
    if (problems_ != planner_.Problems()) return "unreported problems";
    return CompareReasons();
  }

 private:
  using Bytes = std::map<std::string, std::string>;

  // Tells a new Planner what ours was told and has chosen.
  void FillLike(Planner* fresh) const {
    (hold_ ? held_from_ : world_).Tell(fresh);
    if (hold_) {
      fresh->Hold(true);
      for (const auto& tell : since_hold_) tell(fresh);
    }
    for (const Fact& fact : planner_.facts()) fresh->SetFact(fact);
    for (const auto& [name, node] : planner_.model().nodes) {
      fresh->SetReturning(name, node.returning);
    }
    for (const auto& [speaker, down] : planner_.model().sessions_down)
      fresh->SetSessionsDown(speaker, down);
    fresh->LoadAssignments(planner_.assignments());
  }

  // Takes back all orders to drain.
  void Undrain(Planner* planner) const {
    for (const auto& [key, object] : world_.objects) {
      if (!std::holds_alternative<kube::Node>(object)) continue;
      kube::Node node = std::get<kube::Node>(object);
      node.meta.annotations.erase(network::kDrain);
      planner->Upsert(node);
    }
  }

  // Addresses whose host routes the policy keeps from routers.
  std::set<IpAddress> Rejected() const {
    std::set<IpAddress> rejected;
    for (const auto& [speaker, view] : planner_.model().speakers) {
      for (const auto& [neighbor, peer] : Announcements(planner_, speaker, /*add_path=*/true)) {
        for (const auto& [prefix, statement] : peer.rejected) rejected.insert(prefix.address());
      }
    }
    return rejected;
  }

  // Whether the next hops that explanations include are those that speakers announce, or would but
  // for the policy.
  std::string CompareReasons() {
    const Model& model = planner_.model();
    using Hop = std::tuple<IpAddress, std::string, IpAddress>;  // address, rack, next hop
    std::set<Hop> announced;
    const std::set<IpAddress> rejected = Rejected();
    rejected_ += static_cast<int>(rejected.size());
    for (const auto& [speaker, view] : model.speakers) {
      for (const auto& [peer, routes] : Announcements(planner_, speaker, /*add_path=*/true)) {
        for (const AnnouncedRoute& route : routes.routes) {
          for (const IpAddress& address : ReachedBy(model, route.prefix)) {
            for (const IpAddress& hop : route.next_hops)
              announced.insert({address, model.nodes.at(speaker).rack, hop});
          }
        }
      }
    }
    std::set<Hop> included;
    for (const Reason& reason : Explain(model)) {
      const NodeView& node = model.nodes.at(reason.node);
      if (reason.included())
        included.insert({reason.address, node.rack, *node.next_hops[reason.address.family()]});
    }
    HopCounts counts = CountHops(model);
    std::erase_if(counts.nodes, [](const auto& rack) { return rack.second == 0; });
    if (counts != CountIncluded(model)) return "counts of next hops";
    const auto is_rejected = [&](const Hop& hop) { return rejected.contains(std::get<0>(hop)); };
    std::erase_if(announced, is_rejected);
    std::erase_if(included, is_rejected);
    return announced == included ? "" : "reasons";
  }

  // The counts as explanations give them; of racks alone that have next hops.
  static HopCounts CountIncluded(const Model& model) {
    HopCounts counts;
    std::map<std::string, std::set<std::string>> hops;
    std::set<IpAddress> announced;
    for (const Reason& reason : Explain(model)) {
      if (!reason.included()) continue;
      announced.insert(reason.address);
      if (model.nodes.at(reason.node).InRack()) hops[reason.rack].insert(reason.node);
    }
    for (const auto& [rack, nodes] : hops) counts.nodes[rack] = nodes.size();
    counts.addresses_without = model.addresses.size() - announced.size();
    return counts;
  }

  // What PlanChange::racks is about: by rack, what runs on its nodes and who is to have peers.
  using SpeakersByRack = std::set<std::tuple<std::string, std::string, bool, bool, bool>>;
  static SpeakersByRack SpeakersOf(const Model& model) {
    SpeakersByRack speakers;
    for (const auto& [name, node] : model.nodes) {
      speakers.insert({node.rack, name, node.speaker, node.layer2, model.peered.contains(name)});
    }
    return speakers;
  }

  // The addresses that are announced anywhere, by host route or aggregate, and whether for some
  // next hop that is not to be drained.
  static std::map<IpAddress, bool> Announced(const Planner& planner) {
    std::map<IpAddress, bool> announced;
    for (const auto& [speaker, view] : planner.model().speakers) {
      for (const auto& [neighbor, peer] : Announcements(planner, speaker, /*add_path=*/true)) {
        for (const AnnouncedRoute& route : peer.routes) {
          for (const IpAddress& address : ReachedBy(planner.model(), route.prefix))
            announced[address] |= route.draining.size() < route.next_hops.size();
        }
      }
    }
    return announced;
  }

  static Bytes Bodies(const Planner& planner, const std::string& set) {
    Bytes bodies;
    if (const ResourceSet* resources = planner.Find(set)) {
      for (const auto& [key, resource] : resources->resources()) bodies[key] = *resource.body;
    }
    return bodies;
  }

  void Put(const Object& object) {
    const ObjectKey key = KeyOf(object);
    world_.objects[key] = object;
    Tell([object](Planner* planner) { planner->Upsert(object); });
  }

  void Remove() {
    if (world_.objects.empty()) return;
    auto it = world_.objects.begin();
    std::advance(it, Pick(static_cast<int>(world_.objects.size())));
    const ObjectKey key = it->first;
    world_.objects.erase(it);
    Tell([key](Planner* planner) { planner->Remove(key); });
  }

  void SetAddresses() {
    const std::string service = absl::StrCat("default/", AnyService());
    std::vector<IpAddress> held;
    if (Chance(0.8)) held.push_back(Ip(absl::StrCat("172.22.0.", Pick(4))));
    if (Chance(0.3)) held.push_back(Ip(absl::StrCat("fd22::", Pick(3))));
    const std::string pool = AnyPool();
    world_.addresses[service] = {held, pool};
    Tell([=](Planner* planner) { planner->SetAddresses(service, held, pool); });
  }

  void SetLayer2() {
    const std::string service = absl::StrCat("default/", AnyService());
    const std::string pool = AnyPool();
    std::set<IpAddress> held;
    for (int i = Pick(3); i > 0; --i) held.insert(AnyLayer2Address());
    const std::vector<IpAddress> addresses(held.begin(), held.end());
    world_.layer2[service] = {pool, addresses};
    Tell([=](Planner* planner) { planner->SetLayer2(service, pool, addresses); });
  }

  void SetLayer2Fact() {
    Fact fact{AnyNode(), kModesFact, {}, absl::FromUnixSeconds(++now_)};
    switch (Pick(4)) {
      case 0:
        fact.kind = kNoCarrierFact;
        for (const char* interface : {"eth0", "eth1"}) {
          if (Chance(0.2)) fact.values.emplace_back(interface);
        }
        break;
      case 1:
        fact.kind = kTakenOverFact;
        for (int i = Chance(0.5) ? Pick(4) : 0; i > 0; --i)
          fact.values.push_back(AnyLayer2Address().ToString());
        break;
      case 2:
        fact.kind = kSpeakerFact;
        fact.values.emplace_back(Chance(0.2) ? kSpeakerStopped : "v1");
        break;
      default:
        if (Chance(0.9)) fact.values.emplace_back(kLayer2Mode);
        break;
    }
    planner_.SetFact(fact);
  }

  void SetFact() {
    const int i = Pick(kNodes);
    if (Chance(0.2)) {
      std::set<std::string> down;
      for (int subnet = 0; subnet < 3; ++subnet) {
        if (Chance(0.3)) down.insert(absl::StrCat("10.0.", subnet, ".1"));
      }
      planner_.SetSessionsDown(NodeName(i), down);
      return;
    }
    if (Chance(0.2)) {
      planner_.SetFact({NodeName(i), kDrainedFact, {"true"}, absl::FromUnixSeconds(++now_)});
      return;
    }
    if (Chance(0.5)) {
      planner_.SetFact(MakeSpeaker(NodeName(i), Chance(0.8), ++now_));
      return;
    }
    std::vector<std::string> values;
    const char* const length = Chance(0.3) ? "/16" : "/24";
    if (Chance(0.8)) values.push_back(absl::StrCat("eth0 10.0.", i % 3, ".", i + 10, length));
    if (Chance(0.4)) values.push_back(absl::StrCat("eth0 fd00:", i % 3, "::", i + 10, "/64"));
    if (Chance(0.2)) values.push_back(absl::StrCat("eth1 10.0.", Pick(3), ".", i + 100, "/24"));
    values.push_back("kube-ipvs0 172.22.0.2/32");
    planner_.SetFact(MakePrefixes(NodeName(i), values, ++now_));
  }

  void Hold(bool hold) {
    hold_ = hold;
    planner_.Hold(hold);
    held_from_ = world_;
    since_hold_.clear();
  }

  void Tell(std::function<void(Planner*)> what) {
    what(&planner_);
    if (hold_) since_hold_.push_back(std::move(what));
  }

  Planner planner_{kOptions};
  Layer2Invariants layer2_{kOptions};
  AttributeInvariants attributes_;
  World world_;
  bool hold_ = false;
  World held_from_;  // the world when Hold began
  std::vector<std::function<void(Planner*)>> since_hold_;
  int64_t now_ = 0;
  std::map<std::string, Bytes> mirror_;  // the sets as the changes tell
  std::map<std::string, std::vector<std::string>> reads_;
  std::vector<Problem> problems_;
  SpeakersByRack speakers_;
  std::map<std::string, int> seen_;
  int refusals_ = 0;
  int rejected_ = 0;
  uint64_t exchange_ = 0;
};

}  // namespace openelb::plan

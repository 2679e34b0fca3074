#include "speaker/link/plan_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "speaker/link/plan_builder.h"

namespace openelb::link {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kInstance[] = "instance { local_as: 65000 router_id: '1.1.1.1' listen_port: -1 }";
constexpr char kPeer[] = "peer { address: '10.0.0.1' remote_as: 65001 remote_port: 179 ttl: 1 }";
std::string Group(const std::string& node) {
  return absl::StrCat("group { id: 'g' members { node: '", node, "' address: '10.0.0.9' } }");
}
std::string RouteTo(const std::string& group) {
  return absl::StrCat("route { prefix: '10.1.0.0/24' targets { group: '", group, "' } }");
}
const Resources kPlan = {{"instance", kInstance},
                         {"peer/10.0.0.1", kPeer},
                         {"group/g", Group("n1")},
                         {"route/10.1.0.0/24", RouteTo("g")}};

PlanStore::Outcome ApplyAll(PlanStore* store, const std::vector<plan::v1::Plan>& plans) {
  PlanStore::Outcome last;
  for (const plan::v1::Plan& plan : plans) {
    last = store->Apply(plan);
    if (last.ack && !last.ack->plan_error().empty()) break;
  }
  return last;
}
// Names that changed, sorted by kind.
std::vector<std::string> Names(const PlanChanges& changes) {
  std::vector<std::string> names;
  if (changes.instance) names.push_back("instance");
  for (const auto& peer : changes.peers) names.push_back("peer " + peer.ToString());
  for (const auto& group : changes.groups) names.push_back("group " + group);
  for (const auto& [prefix, before] : changes.routes) {
    names.push_back("route " + prefix.ToString());
  }
  for (const auto& place : changes.places) names.push_back("place " + place);
  return names;
}

TEST(PlanStoreTest, ASnapshotComesIntoForceAtItsEnd) {
  PlanStore store;
  const auto plans = Snapshot({1, 1}, kPlan);
  EXPECT_FALSE(store.Apply(plans[0]).ack.has_value());
  EXPECT_FALSE(store.Apply(plans[1]).ack.has_value());
  EXPECT_FALSE(store.has_plan());
  EXPECT_THAT(store.state().routes, IsEmpty());
  const auto outcome = store.Apply(plans[2]);
  ASSERT_TRUE(outcome.ack.has_value());
  EXPECT_EQ(outcome.ack->plan_error(), "");
  EXPECT_EQ(outcome.ack->generation().counter(), 1u);
  EXPECT_TRUE(outcome.save);
  EXPECT_THAT(Names(outcome.changes),
              ElementsAre("instance", "peer 10.0.0.1", "group g", "route 10.1.0.0/24"));
  EXPECT_TRUE(store.has_plan());
  EXPECT_EQ(store.state().hash, HashOf(kPlan));
  EXPECT_EQ(store.state().peers.begin()->second.local_as, 65000u);  // the instance's
}

TEST(PlanStoreTest, OnlyWhatDiffersIsReported) {
  PlanStore store;
  ApplyAll(&store, Snapshot({1, 1}, kPlan));
  EXPECT_THAT(Names(ApplyAll(&store, Snapshot({1, 2}, kPlan)).changes), IsEmpty());
  EXPECT_EQ(store.state().generation.counter, 2u);

  Resources changed = kPlan;
  changed["group/g"] = Group("n2");
  changed["place/g"] = "place { group: 'g' node: 'n2' }";
  changed.erase("peer/10.0.0.1");
  EXPECT_THAT(Names(ApplyAll(&store, Snapshot({1, 3}, changed)).changes),
              ElementsAre("peer 10.0.0.1", "group g", "place g"));
  EXPECT_THAT(store.state().peers, IsEmpty());

  // A delta back again; then one that changes bytes but nothing they mean, and one that is empty.
  EXPECT_THAT(Names(store.Apply(Delta({1, 3}, changed, {1, 4}, kPlan)).changes),
              ElementsAre("peer 10.0.0.1", "group g", "place g"));
  Resources same = kPlan;
  same["group/g"] = "group { id: 'g' members { node: 'n1' address: '10.0.0.9' weight: 1 } }";
  EXPECT_THAT(Names(store.Apply(Delta({1, 4}, kPlan, {2, 1}, same)).changes), IsEmpty());
  EXPECT_THAT(Names(store.Apply(Delta({2, 1}, same, {3, 1}, same)).changes), IsEmpty());
  EXPECT_EQ(store.state().generation, (plan::Generation{3, 1}));
  EXPECT_EQ(store.largest_epoch(), 3u);
}

TEST(PlanStoreTest, TheInstancesAsFollowsIntoPeersThatLeaveItOpen) {
  PlanStore store;
  Resources plan = kPlan;
  plan["peer/10.0.0.2"] =
      "peer { address: '10.0.0.2' remote_as: 1 remote_port: 179 ttl: 1 local_as: 7 }";
  ApplyAll(&store, Snapshot({1, 1}, plan));
  Resources changed = plan;
  changed["instance"] = "instance { local_as: 65009 router_id: '1.1.1.1' listen_port: -1 }";
  EXPECT_THAT(Names(store.Apply(Delta({1, 1}, plan, {1, 2}, changed)).changes),
              ElementsAre("instance", "peer 10.0.0.1"));
  EXPECT_EQ(store.state().peers.begin()->second.local_as, 65009u);
  EXPECT_EQ(store.state().peers.rbegin()->second.local_as, 7u);
}

TEST(PlanStoreTest, WithoutTheInstancePeersAreAsAfterARestart) {
  PlanStore store;
  ApplyAll(&store, Snapshot({1, 1}, kPlan));
  Resources without = kPlan;
  without.erase("instance");
  const auto outcome = store.Apply(Delta({1, 1}, kPlan, {1, 2}, without));
  EXPECT_THAT(Names(outcome.changes), ElementsAre("instance", "peer 10.0.0.1"));
  PlanStore restarted;
  restarted.Restore(store.saved());
  EXPECT_EQ(store.state().peers, restarted.state().peers);
}

TEST(PlanStoreTest, ABadResourceKeepsItsLastGoodStateAndDisturbsNothingElse) {
  PlanStore store;
  ApplyAll(&store, Snapshot({1, 1}, kPlan));
  Resources bad = kPlan;
  bad["route/10.1.0.0/24"] = "route { prefix: '10.1.0.0/24' targets { scope: 's' } }";
  bad["route/10.2.0.0/24"] = "garbage";
  bad["group/g"] = Group("n2");
  bad["ospf/eth0/51"] = "from the future";
  const auto outcome = store.Apply(Delta({1, 1}, kPlan, {1, 2}, bad));
  EXPECT_THAT(Names(outcome.changes), ElementsAre("group g"));
  EXPECT_EQ(outcome.ack->plan_error(), "");
  ASSERT_THAT(outcome.ack->errors(), SizeIs(2));
  EXPECT_EQ(outcome.ack->errors(0).key(), "route/10.1.0.0/24");
  EXPECT_THAT(outcome.ack->errors(0).reason(), HasSubstr("targets.group: \"\""));
  EXPECT_EQ(store.state().routes.begin()->second->groups.at(""), "g");
  EXPECT_THAT(store.state().routes, SizeIs(1));
  EXPECT_EQ(store.state().hash, HashOf(bad));

  // Across a restart, then with another bad one, and until it is good or gone.
  PlanStore restarted;
  restarted.Restore(store.saved());
  EXPECT_EQ(restarted.state().hash, HashOf(bad));
  EXPECT_EQ(restarted.errors(), store.errors());
  EXPECT_EQ(restarted.state().routes, store.state().routes);
  EXPECT_EQ(restarted.saved(), store.saved());
  EXPECT_THAT(restarted.ErrorsAck()->errors(), SizeIs(2));
  Resources worse = bad;
  worse["route/10.1.0.0/24"] = "garbage";
  EXPECT_THAT(Names(restarted.Apply(Delta({1, 2}, bad, {1, 3}, worse)).changes), IsEmpty());
  EXPECT_THAT(restarted.state().routes, SizeIs(1));
  Resources gone = worse;
  gone.erase("route/10.1.0.0/24");
  gone["route/10.2.0.0/24"] = "route { prefix: '10.2.0.0/24' }";
  EXPECT_THAT(Names(restarted.Apply(Delta({1, 3}, worse, {1, 4}, gone)).changes),
              ElementsAre("route 10.1.0.0/24", "route 10.2.0.0/24"));
  EXPECT_EQ(restarted.ErrorsAck(), std::nullopt);
  EXPECT_THAT(restarted.saved().last_good, IsEmpty());
}

TEST(PlanStoreTest, ServicesAreThoseOfTheRouteInForce) {
  const auto route = [](const std::string& rest) {
    return absl::StrCat("route { prefix: '10.1.0.0/24' ", rest, " }");
  };
  const IpPrefix prefix = IpPrefix::Parse("10.1.0.0/24").value();
  PlanStore store;
  EXPECT_THAT(store.ServicesOf(prefix), IsEmpty());
  const Resources plan = {{"route/10.1.0.0/24", route("services: 'ns/a' services: 'ns/b'")}};
  ApplyAll(&store, Snapshot({1, 1}, plan));
  EXPECT_THAT(store.ServicesOf(prefix), ElementsAre("ns/a", "ns/b"));
  Resources other = plan;
  other["route/10.1.0.0/24"] = route("services: 'ns/c'");
  EXPECT_THAT(Names(store.Apply(Delta({1, 1}, plan, {1, 2}, other)).changes), IsEmpty())
      << "no peer hears of them";
  EXPECT_THAT(store.ServicesOf(prefix), ElementsAre("ns/c"));
  Resources bad = other;
  bad["route/10.1.0.0/24"] = route("services: 'ns/d' targets { scope: 's' }");
  store.Apply(Delta({1, 2}, other, {1, 3}, bad));
  EXPECT_THAT(store.ServicesOf(prefix), ElementsAre("ns/c"));
}

TEST(PlanStoreTest, ASnapshotComesInAnyOrder) {
  PlanStore store;
  auto plans = Snapshot({1, 1}, kPlan);
  auto* const resources = plans[1].mutable_chunk()->mutable_resources();
  std::reverse(resources->pointer_begin(), resources->pointer_end());
  const auto outcome = ApplyAll(&store, plans);
  EXPECT_EQ(outcome.ack->plan_error(), "");
  EXPECT_THAT(Names(outcome.changes),
              ElementsAre("instance", "peer 10.0.0.1", "group g", "route 10.1.0.0/24"));
  EXPECT_THAT(Names(ApplyAll(&store, Snapshot({1, 2}, kPlan)).changes), IsEmpty());
}

TEST(PlanStoreTest, PlansThatAreRefusedAsAWholeChangeNothing) {
  const Resources other = {{"group/g", Group("n2")}};
  const auto snapshot = Snapshot({2, 5}, other);
  std::map<std::string, std::vector<plan::v1::Plan>> cases;
  const auto add = [&](const std::string& error) -> std::vector<plan::v1::Plan>& {
    return cases[error] = snapshot;
  };
  for (auto& plan : add("generation.epoch: 1 is smaller than 2")) {
    plan.mutable_generation()->set_epoch(1);
  }
  add("generation.epoch: 0")[0].clear_generation();
  add("snapshot: 1 resources of hash")[2].mutable_snapshot_end()->set_hash(1);
  add("announced were 2 of")[0].mutable_snapshot_begin()->set_resource_count(2);
  add("snapshot: more than the 0 resources")[0].mutable_snapshot_begin()->set_resource_count(0);
  add("snapshot: generation 2.6 within one of generation 2.5")[1].mutable_generation()->set_counter(
      6);
  auto& twice = add("snapshot: key \"group/g\" twice");
  *twice[1].mutable_chunk()->add_resources() = snapshot[1].chunk().resources(0);
  twice[0].mutable_snapshot_begin()->set_resource_count(2);
  auto& headless = add("snapshot: continued without its begin");
  headless.erase(headless.begin());
  const plan::v1::Plan delta = Delta({2, 1}, kPlan, {2, 2}, other);
  cases["delta: within a snapshot"] = {snapshot[0], delta};
  cases["delta.base: 2.0, but this speaker holds 2.1"] = {Delta({2, 0}, kPlan, {2, 2}, other)};
  cases["delta.hash"] = {delta};
  cases["delta.hash"][0].mutable_delta()->set_hash(3);
  cases["delta: key \"group/g\" twice"] = {delta};
  cases["delta: key \"group/g\" twice"][0].mutable_delta()->add_removals("group/g");

  for (const auto& [error, plans] : cases) {
    SCOPED_TRACE(error);
    PlanStore store;
    ApplyAll(&store, Snapshot({2, 1}, kPlan));
    const SavedPlan before = store.saved();
    const auto outcome = ApplyAll(&store, plans);
    ASSERT_TRUE(outcome.ack.has_value());
    EXPECT_THAT(outcome.ack->plan_error(), HasSubstr(error));
    EXPECT_TRUE(outcome.changes.empty());
    const bool for_epoch = error.find("smaller") != std::string::npos;
    EXPECT_EQ(outcome.refused_epoch, for_epoch || error == "generation.epoch: 0");
    EXPECT_EQ(outcome.ack->largest_epoch(), outcome.refused_epoch ? 2u : 0u);
    EXPECT_EQ(store.saved(), before);
    EXPECT_EQ(store.counters().plan_errors, 1u);
    // The rest of a refused snapshot is passed over; the next one is taken.
    EXPECT_EQ(ApplyAll(&store, Snapshot({2, 7}, other)).ack->plan_error(), "");
    EXPECT_EQ(store.state().hash, HashOf(other));
  }
}

TEST(PlanStoreTest, ARefusedSnapshotIsAnsweredOnce) {
  PlanStore store;
  ApplyAll(&store, Snapshot({2, 1}, kPlan));
  int acks = 0;
  for (const auto& plan : Snapshot({1, 1}, {})) acks += store.Apply(plan).ack.has_value();
  EXPECT_EQ(acks, 1);
  EXPECT_EQ(store.counters().epoch_refusals, 1u);
}

TEST(PlanStoreTest, ASnapshotCutShortIsForgotten) {
  PlanStore store;
  ApplyAll(&store, Snapshot({1, 1}, kPlan));
  const auto cut = Snapshot({1, 2}, {});
  store.Apply(cut[0]);
  store.OnStreamStart();
  EXPECT_EQ(store.Apply(Delta({1, 1}, kPlan, {1, 2}, kPlan)).ack->plan_error(), "");
}

TEST(PlanStoreTest, EndpointsAreKeptWhereTheyAreUsable) {
  PlanStore store;
  plan::v1::Plan plan;
  plan.mutable_heartbeat();
  EXPECT_FALSE(store.Apply(plan).save);
  for (const char* endpoint : {"10.0.0.1:50052", "nonsense", "[fd00::1]:50052", ":1", "h:0"}) {
    plan.add_controller_endpoints(endpoint);
  }
  EXPECT_TRUE(store.Apply(plan).save);
  EXPECT_THAT(store.endpoints(), ElementsAre("10.0.0.1:50052", "[fd00::1]:50052"));
  EXPECT_FALSE(store.Apply(plan).save);
}

}  // namespace
}  // namespace openelb::link

// Nodes that are to be drained (RFC 8326), as next hops.

#include "controller/plan/drain_table.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"
#include "controller/plan/announce.h"
#include "controller/plan/explain.h"
#include "controller/plan/test_world.h"

namespace openelb::plan {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DrainTest : public ::testing::Test {
 protected:
  DrainTest() {
    FillDocumentedTopology(&planner_);
    planner_.Step();
  }

  void Order(const std::string& name, const std::string& value) {
    const bool first_rack = name != "worker-p002";
    kube::Labels labels;
    if (name != "worker1") labels["openelb.kubesphere.io/rack"] = first_rack ? "leaf1" : "leaf2";
    kube::Node node = MakeNode(name,
                               name == "master1"   ? "192.168.0.3"
                               : name == "worker1" ? "192.168.0.4"
                                                   : "192.168.1.2",
                               labels);
    node.meta.labels["lb.kubesphere.io/v1alpha1"] = "openelb";
    if (!value.empty()) node.meta.annotations[network::kDrain] = value;
    planner_.Upsert(node);
  }
  void TimeIsOver(const std::string& node) {
    planner_.SetFact({.subject = node,
                      .kind = kDrainedFact,
                      .values = {"true"},
                      .observed_at = absl::FromUnixSeconds(++stamp_)});
  }
  // What the speaker in the leaf's rack tells it, those that are draining in brackets.
  std::vector<std::string> Told(const std::string& leaf, bool add_path = true) {
    planner_.Step();
    const bool first = leaf == "leaf1";
    const auto peers = Announcements(planner_, first ? "master1" : "worker-p002", add_path);
    std::vector<std::string> hops;
    for (const AnnouncedRoute& route :
         peers.at(*IpAddress::Parse(first ? "192.168.0.2" : "192.168.1.1")).routes) {
      for (const IpAddress& hop : route.next_hops) {
        const bool leaves = route.draining.contains(hop);
        hops.push_back(leaves ? absl::StrCat("(", hop.ToString(), ")") : hop.ToString());
      }
    }
    return hops;
  }
  std::string RuleOf(const std::string& rack, const std::string& node) {
    planner_.Step();
    const std::vector<Reason> reasons = Explain(
        planner_.model(), {.address = *IpAddress::Parse("172.22.0.2"), .rack = rack, .node = node});
    return reasons.size() == 1 ? TextOf(reasons[0].rule).name : "?";
  }
  std::vector<std::string> Problems(const std::string& reason) {
    planner_.Step();
    std::vector<std::string> about;
    for (const Problem& problem : planner_.Problems())
      if (problem.reason == reason) about.push_back(problem.about.name);
    return about;
  }

  Planner planner_;
  int64_t stamp_ = 100;
};

TEST_F(DrainTest, RoutersAreAskedFirstThenTheNodeIsNoNextHop) {
  Order("master1", "true");
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.4", "(192.168.0.3)"));
  EXPECT_EQ(RuleOf("leaf1", "master1"), "draining");
  TimeIsOver("master1");
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.4"));
  EXPECT_EQ(RuleOf("leaf1", "master1"), "drained");
  EXPECT_THAT(Problems("DrainWaits"), IsEmpty());
  Order("master1", "");
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.3", "192.168.0.4"));
  EXPECT_EQ(RuleOf("leaf1", "master1"), "eligible");
}

TEST_F(DrainTest, OneThatIsOrderedAgainBeginsAnew) {
  Order("master1", "true");
  TimeIsOver("master1");
  Order("master1", "false");
  Order("master1", "true");
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.4", "(192.168.0.3)"));
}

// A controller that begins reads facts and objects in any order.
TEST_F(DrainTest, SavedFactIsOfThisDrainOnly) {
  TimeIsOver("master1");
  Order("master1", "true");
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.4", "(192.168.0.3)"))
      << "it was written when the node was not to be drained";
  Planner fresh;
  fresh.SetFact({"master1", kDrainedFact, {"true"}, absl::FromUnixSeconds(1)});
  FillDocumentedTopology(&fresh);
  EXPECT_THAT(fresh.facts(), Not(Contains(Field(&Fact::kind, kDrainedFact))));
}

TEST_F(DrainTest, WithoutAddPathRoutersGetOneThatStays) {
  Order("master1", "true");
  EXPECT_THAT(Told("leaf1", /*add_path=*/false), ElementsAre("192.168.0.4"));
}

TEST_F(DrainTest, AnotherRackIsSomethingElse) {
  Order("master1", "true");
  Order("worker1", "true");
  EXPECT_THAT(Told("leaf1"), ElementsAre("(192.168.0.3)", "(192.168.0.4)"));
  TimeIsOver("master1");
  TimeIsOver("worker1");
  EXPECT_THAT(Told("leaf1"), IsEmpty());
  EXPECT_THAT(Told("leaf2"), ElementsAre("192.168.1.2"));
}

TEST_F(DrainTest, WhatIsLeftMustBeToldToSomeRouter) {
  Order("master1", "true");
  Order("worker1", "true");
  TimeIsOver("master1");
  TimeIsOver("worker1");
  network::BgpPeer leaf2 =
      MakePeer("leaf2", "192.168.1.1", 50002, {{"openelb.kubesphere.io/rack", "leaf2"}});
  leaf2.admin_down = true;
  planner_.Upsert(leaf2);
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.3", "192.168.0.4"));
  EXPECT_THAT(Problems("DrainWaits"), ElementsAre("master1", "worker1"));
  leaf2.admin_down = false;
  planner_.Upsert(leaf2);
  EXPECT_THAT(Told("leaf1"), IsEmpty());
  planner_.SetFact(MakeSpeaker("worker-p002", /*here=*/false, 50));
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.3", "192.168.0.4"));
}

TEST_F(DrainTest, ARouterWithoutASessionIsToldNothing) {
  Order("master1", "true");
  Order("worker1", "true");
  TimeIsOver("master1");
  TimeIsOver("worker1");
  planner_.SetSessionsDown("worker-p002", {"192.168.1.1"});
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.3", "192.168.0.4"));
  planner_.SetSessionsDown("worker-p002", {});
  EXPECT_THAT(Told("leaf1"), IsEmpty());
  planner_.Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
  EXPECT_THAT(Told("leaf1"), IsEmpty());
  planner_.SetSessionsDown("worker-p002", {"192.168.1.1"});
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.4")) << "where the other Pod is";
}

TEST_F(DrainTest, LastNextHopsStay) {
  for (const char* node : {"master1", "worker1", "worker-p002"}) {
    Order(node, "true");
    TimeIsOver(node);
  }
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.3", "192.168.0.4"));
  EXPECT_THAT(Told("leaf2"), ElementsAre("192.168.1.2"));
  EXPECT_EQ(RuleOf("leaf1", "worker1"), "nothing-else");
  EXPECT_THAT(Problems("DrainWaits"), ElementsAre("master1", "worker-p002", "worker1"));
  Order("worker1", "");
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.4"));
  EXPECT_THAT(Told("leaf2"), IsEmpty());
}

TEST_F(DrainTest, OfPolicyLocalTheNodesWithPodsCount) {
  planner_.Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
  planner_.Upsert(MakeSlice("web", {"worker1"}));
  Order("worker1", "true");
  TimeIsOver("worker1");
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.4"));
  EXPECT_THAT(planner_.Problems(),
              Contains(AllOf(Field(&Problem::reason, "DrainWaits"),
                             Field(&Problem::message, HasSubstr("1 address (172.22.0.2)")))));
  planner_.Upsert(MakeSlice("web", {"worker1", "worker-p002"}));
  EXPECT_THAT(Told("leaf1"), IsEmpty());
  EXPECT_THAT(Told("leaf2"), ElementsAre("192.168.1.2"));
  EXPECT_THAT(Problems("DrainWaits"), IsEmpty());
}

TEST_F(DrainTest, LastResortGoesOnWithoutTheDrainedNode) {
  for (const char* name : {"master1", "worker1", "worker-p002"}) {
    kube::Node node = MakeNode(name, std::string(name) == "worker-p002" ? "192.168.1.2"
                                     : std::string(name) == "worker1"   ? "192.168.0.4"
                                                                        : "192.168.0.3");
    if (std::string(name) != "worker1")
      node.meta.labels["openelb.kubesphere.io/rack"] =
          std::string(name) == "master1" ? "leaf1" : "leaf2";
    node.meta.labels["lb.kubesphere.io/v1alpha1"] = "openelb";
    node.ready = kube::ConditionStatus::kUnknown;
    if (std::string(name) == "worker1") node.meta.annotations[network::kDrain] = "true";
    planner_.Upsert(node);
  }
  EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.3", "(192.168.0.4)"));
}

TEST_F(DrainTest, WhatIsNeitherTrueNorFalseIsNamed) {
  for (const char* text : {"yes", "True", " true", "1"}) {
    Order("master1", text);
    EXPECT_THAT(Told("leaf1"), ElementsAre("192.168.0.3", "192.168.0.4")) << text;
    EXPECT_THAT(planner_.Problems(), Contains(AllOf(Field(&Problem::reason, "BadDrain"),
                                                    Field(&Problem::message, HasSubstr(text)))));
  }
  Order("master1", "false");
  EXPECT_THAT(Problems("BadDrain"), IsEmpty());
}

}  // namespace
}  // namespace openelb::plan

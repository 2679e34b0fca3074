// Hold: after the source was away its news of bad health wait, everything else acts at once.

#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HoldTest : public testing::Test {
 protected:
  void SetUp() override {
    FillDocumentedTopology(&planner_);
    planner_.Step();
    planner_.Hold(true);
  }
  std::vector<std::string> AtLeaf1() {
    planner_.Step();
    return Announced(planner_, "master1");
  }
  static kube::Node Worker(kube::ConditionStatus ready) {
    kube::Node node = MakeNode("worker1", "192.168.0.4");
    node.ready = ready;
    return node;
  }
  static kube::EndpointSlice NotReady() {
    kube::EndpointSlice slice = MakeSlice("web", {"worker1", "worker-p002"});
    for (kube::Endpoint& endpoint : slice.endpoints) endpoint.ready = false;
    return slice;
  }
  Planner planner_;
};

constexpr const char* kBoth = "192.168.0.2: 172.22.0.2/32 via 192.168.0.3 192.168.0.4";
constexpr const char* kMaster = "192.168.0.2: 172.22.0.2/32 via 192.168.0.3";

TEST_F(HoldTest, NodeHealthWaits) {
  planner_.Upsert(Worker(kube::ConditionStatus::kUnknown));
  EXPECT_THAT(AtLeaf1(), ElementsAre(kBoth));
  planner_.Hold(false);
  EXPECT_THAT(AtLeaf1(), ElementsAre(kMaster));
}

TEST_F(HoldTest, WhatHealsMeanwhileIsNeverRemoved) {
  planner_.Upsert(Worker(kube::ConditionStatus::kFalse));
  planner_.Upsert(NotReady());
  EXPECT_TRUE(planner_.Step().empty());
  planner_.Upsert(Worker(kube::ConditionStatus::kTrue));
  planner_.Upsert(MakeSlice("web", {"worker1", "worker-p002"}));
  planner_.Hold(false);
  EXPECT_TRUE(planner_.Step().empty());
}

TEST_F(HoldTest, EndpointReadinessWaits) {
  planner_.Upsert(NotReady());
  EXPECT_THAT(AtLeaf1(), ElementsAre(kBoth));
  planner_.Hold(false);
  EXPECT_THAT(AtLeaf1(), IsEmpty());
}

TEST_F(HoldTest, DecisionsActAtOnce) {
  kube::Node excluded = Worker(kube::ConditionStatus::kUnknown);
  excluded.meta.labels["node.kubernetes.io/exclude-from-external-load-balancers"] = "";
  planner_.Upsert(excluded);
  EXPECT_THAT(AtLeaf1(), ElementsAre(kMaster));
  planner_.Upsert(Worker(kube::ConditionStatus::kUnknown));
  EXPECT_THAT(AtLeaf1(), ElementsAre(kBoth));
  planner_.Remove(KeyOfNode("worker1"));
  EXPECT_THAT(AtLeaf1(), ElementsAre(kMaster));
  kube::EndpointSlice deleted = NotReady();
  for (kube::Endpoint& endpoint : deleted.endpoints) endpoint.terminating = true;
  planner_.Upsert(deleted);
  EXPECT_THAT(AtLeaf1(), IsEmpty()) << "Pods that are being deleted";
  planner_.Upsert(MakeSlice("web", {"worker-p002"}));
  EXPECT_THAT(AtLeaf1(), ElementsAre(kMaster)) << "additions never wait";
}

TEST_F(HoldTest, NodesThatCameUnreadyAreNotHeldUp) {
  kube::Node fresh = MakeNode("new", "192.168.0.7");
  fresh.ready = kube::ConditionStatus::kFalse;
  planner_.Upsert(fresh);
  EXPECT_THAT(AtLeaf1(), ElementsAre(kBoth));
}

}  // namespace
}  // namespace openelb::plan

// What of Layer 2 addresses outlives a planner, and how the later of two plans is told.

#include <cstdint>

#include "controller/plan/layer2_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(Layer2TableTest, ATurnForEveryNewOwner) {
  Ranks();
  EXPECT_EQ(Turn(), 1u);
  SetReady(3, kube::ConditionStatus::kFalse);
  Ranks();
  EXPECT_EQ(Turn(), 1u) << "a standby is lost";
  SetReady(1, kube::ConditionStatus::kFalse);
  Ranks();
  EXPECT_EQ(Turn(), 2u);
  EXPECT_EQ(Plan(2).at("layer2/192.168.0.91").layer2_address().turn(), 2u);
  SetReady(1, kube::ConditionStatus::kTrue);
  Ranks();
  EXPECT_EQ(Turn(), 2u) << "it takes nothing back";
  planner_->Upsert(MakeSlice("web", {}));
  EXPECT_THAT(Ranks(), IsEmpty());
  planner_->Upsert(MakeService("web", kLocal));
  planner_->Upsert(MakeSlice("web", {"n1"}));
  EXPECT_THAT(Ranks(), ElementsAre("n1"));
  EXPECT_EQ(Turn(), 3u) << "who owned it before may not have heard";
}

// What a speaker that was cut off all the while holds is an earlier turn.
TEST_F(Layer2TableTest, ATurnNeverGoesBackWhereAnAddressIsGivenAnew) {
  Ranks();
  SetReady(1, kube::ConditionStatus::kFalse);
  Ranks();
  uint64_t before = Turn();
  for (const char* service : {"web", "other"}) {
    planner_->SetLayer2("default/web", "pool", {});
    EXPECT_THAT(Ranks(), IsEmpty());
    planner_->Upsert(MakeService(service));
    planner_->Upsert(MakeSlice(service, {"n2"}));
    Give(service, kVip);
    Ranks();
    EXPECT_GT(Turn(), before);
    before = Turn();
  }
}

TEST_F(Layer2TableTest, ATurnNeverGoesBackWhereChoicesAreLost) {
  planner_->SetEpoch(7);
  Ranks();
  const std::vector<Assignment> early = planner_->assignments();
  SetReady(1, kube::ConditionStatus::kFalse);
  Ranks();
  const std::vector<Assignment> late = planner_->assignments();
  const uint64_t before = Turn();
  // The next leader has all choices: nothing changes.
  Begin();
  planner_->SetEpoch(8);
  planner_->LoadAssignments(late);
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n3", "n1"));
  EXPECT_EQ(Turn(), before);
  for (uint64_t epoch : {8, 3}) {
    planner_->SetEpoch(epoch);
    Ranks();
    EXPECT_EQ(Turn(), before);
  }
  // It has none.
  Begin();
  planner_->SetEpoch(8);
  Ranks();
  EXPECT_GT(Turn(), before);
  // They are an old copy, as is its epoch: a speaker tells, before the first plan or after it.
  for (bool planned : {false, true}) {
    Begin();
    planner_->SetEpoch(5);
    planner_->LoadAssignments(early);
    if (planned) {
      Ranks();
      EXPECT_LT(Turn(), before);
    }
    planner_->SetEpoch(9);
    EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
    EXPECT_GT(Turn(), before);
    EXPECT_EQ(Plan(2).at("layer2/192.168.0.91").layer2_address().turn(), Turn());
  }
}

TEST_F(Layer2TableTest, WhatSpeakersHoldIsKept) {
  v1::AnnouncedAddress announced;
  announced.set_address(kVip);
  for (const char* node : {"n3", "n2", "n1"}) announced.add_ranks(node);
  announced.set_turn(9);
  planner_->LoadAssignments(
      {{"layer2/192.168.0.91", "1", "n2"}, {"layer2/192.168.0.91", "turn", "4"}});
  planner_->LoadAnnounced("n1", announced);
  announced.set_turn(UINT64_MAX);  // as a speaker of ours never has
  planner_->LoadAnnounced("n2", announced);
  EXPECT_THAT(Ranks(), ElementsAre("n3", "n2", "n1"));
  EXPECT_EQ(Turn(), 9u);
  SetReady(3, kube::ConditionStatus::kFalse);
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n1"));
  EXPECT_EQ(Turn(), 10u);
}

// Lost must not be: who owns what, when another controller plans.
TEST_F(Layer2TableTest, AnotherPlannerGoesOnWithTheSameRanks) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  SetReady(1, kube::ConditionStatus::kFalse);
  planner_->Step();
  SetReady(1, kube::ConditionStatus::kTrue);
  const std::vector<std::string> ranks = Ranks();
  const std::vector<Assignment> saved = planner_->assignments();
  Begin();
  planner_->LoadAssignments(saved);
  EXPECT_EQ(Ranks(), ranks);
  EXPECT_EQ(Turn(), 2u);
  EXPECT_EQ(planner_->assignments(), saved);
}

}  // namespace
}  // namespace openelb::plan

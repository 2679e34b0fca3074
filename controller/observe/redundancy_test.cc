#include "controller/observe/redundancy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using enum SpeakerState;

const ObjectKey kConf = {network::BgpConf::kKind, "", "default"};
constexpr absl::Duration kStart = absl::Hours(1);

class RedundancyTest : public testing::Test {
 protected:
  // The rack's speakers become these, so much later.
  void Set(SpeakerStates speakers, absl::Duration after = absl::ZeroDuration(),
           const std::string& rack = "leaf1") {
    table_.bgp[rack] = std::move(speakers);
    Wait(after);
  }
  void Wait(absl::Duration time) {
    now_ += time;
    redundancy_.Update(table_, now_);
  }
  std::vector<std::string> Told() const {
    std::vector<std::string> told;
    for (const Problem& problem : redundancy_.Problems()) told.push_back(problem.message);
    return told;
  }
  // What is said once the speakers have been so for long enough.
  std::string Sentence(SpeakerStates speakers, const std::string& rack = "leaf1") {
    redundancy_ = {};
    table_ = {};
    Set(std::move(speakers), absl::ZeroDuration(), rack);
    Wait(Redundancy::kLoss);
    return Told().empty() ? "" : Told().front();
  }

  RackTable table_;
  Redundancy redundancy_;
  absl::Duration now_ = kStart;
};

TEST_F(RedundancyTest, SentencesSayWhatToDo) {
  EXPECT_EQ(Sentence({{"n1", kReady}, {"n2", kReady}}), "");
  EXPECT_EQ(Sentence({{"n1", kReady}, {"n2", kReady}, {"n3", kSilent}}), "");
  EXPECT_EQ(Sentence({{"n1", kReady}}),
            "rack \"leaf1\" has one ready speaker, on node n1: without it its routers lose every "
            "route to the nodes there; let a speaker run on a second node "
            "there");
  EXPECT_EQ(Sentence({}),
            "rack \"leaf1\" has no ready speaker; let speakers run on two "
            "nodes there");
  EXPECT_EQ(Sentence({{"n1", kNoSession}, {"n2", kReady}, {"n3", kSilent}}, ""),
            "the cluster has one ready speaker, on node n2: without it its routers lose every "
            "route to the nodes there; mend what keeps the others from it, on n1, n3");
  EXPECT_EQ(Sentence({{"n1", kNoSession},
                      {"n2", kLeaving},
                      {"n3", kSilent},
                      {"n4", kSilent},
                      {"n5", kSilent}}),
            "rack \"leaf1\" has no ready speaker; mend what keeps the others from it, on n1, n2, "
            "n3 and 2 more");
}

TEST_F(RedundancyTest, AnEipsConditionIsItsOwn) {
  table_.eips["pool"] = {{"n1", kReady}};
  Wait(absl::ZeroDuration());
  Wait(Redundancy::kLoss);
  EXPECT_THAT(
      redundancy_.Problems(),
      ElementsAre(Problem{
          {network::Eip::kKind, "", "pool"},
          "RackWithoutRedundancy",
          "the network of its addresses has one ready speaker, on node n1: without it nobody "
          "answers for them; let a speaker run on a second node there"}));
}

TEST_F(RedundancyTest, EveryRackHasItsSentence) {
  Set({{"n1", kReady}});
  Set({{"n2", kReady}}, absl::ZeroDuration(), "leaf2");
  Set({{"n3", kReady}, {"n4", kReady}}, absl::ZeroDuration(), "leaf3");
  Wait(Redundancy::kLoss);
  ASSERT_THAT(redundancy_.Problems(), testing::SizeIs(2));
  for (const Problem& problem : redundancy_.Problems()) {
    EXPECT_EQ(problem.about, kConf);
    EXPECT_EQ(problem.reason, "RackWithoutRedundancy");
  }
  EXPECT_THAT(Told(), ElementsAre(HasSubstr("\"leaf1\""), HasSubstr("\"leaf2\"")));
}

TEST_F(RedundancyTest, ARollOutIsNoNews) {
  Set({});
  Set({{"n1", kSilent}}, absl::Seconds(5));
  Set({{"n1", kReady}}, absl::Seconds(5));
  Set({{"n1", kReady}, {"n2", kNoSession}}, absl::Seconds(15));
  EXPECT_EQ(redundancy_.NextDue(), kStart + Redundancy::kLoss) << "from when it began to matter";
  Set({{"n1", kReady}, {"n2", kReady}}, absl::Seconds(4));
  EXPECT_EQ(redundancy_.NextDue(), absl::InfiniteDuration());
  Wait(absl::Hours(1));
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_THAT(redundancy_.TakeReturns(), IsEmpty());
}

TEST_F(RedundancyTest, ASpeakerThatIsReplacedIsNoNews) {
  Set({{"n1", kReady}, {"n2", kReady}});
  for (int i = 0; i < 10; ++i) {
    Set({{"n1", kReady}, {"n2", kLeaving}}, absl::Seconds(20));
    Set({{"n1", kReady}, {"n2", kReady}}, absl::Seconds(20));
  }
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(RedundancyTest, LossAndReturnAreToldOnce) {
  Set({{"n1", kReady}, {"n2", kReady}});
  Set({{"n1", kReady}, {"n2", kSilent}}, absl::Seconds(100));
  Wait(Redundancy::kLoss - absl::Milliseconds(1));
  EXPECT_THAT(Told(), IsEmpty());
  Wait(absl::Milliseconds(1));
  EXPECT_THAT(Told(), ElementsAre(HasSubstr("on node n1")));
  EXPECT_EQ(redundancy_.NextDue(), absl::InfiniteDuration());
  EXPECT_THAT(redundancy_.TakeReturns(), IsEmpty());

  Set({{"n1", kReady}, {"n2", kReady}, {"n3", kReady}}, absl::Minutes(10));
  EXPECT_THAT(Told(), ElementsAre(HasSubstr("on node n1"))) << "not before it has lasted";
  Wait(Redundancy::kReturn);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_THAT(redundancy_.TakeReturns(),
              ElementsAre(ClusterEvent{.about = kConf,
                                       .warning = false,
                                       .reason = "RackRedundant",
                                       .message = "rack \"leaf1\" has 3 ready speakers"}));
  Wait(absl::Minutes(10));
  EXPECT_THAT(redundancy_.TakeReturns(), IsEmpty());
}

TEST_F(RedundancyTest, AReturnThatDoesNotLastIsNoNews) {
  Set({{"n1", kReady}});
  Wait(Redundancy::kLoss);
  Set({{"n1", kReady}, {"n2", kReady}});
  Set({{"n1", kReady}}, absl::Seconds(4));
  Wait(absl::Minutes(1));
  EXPECT_THAT(Told(), ElementsAre(HasSubstr("on node n1")));
  EXPECT_THAT(redundancy_.TakeReturns(), IsEmpty());
}

TEST_F(RedundancyTest, WhatIsLackingByNowFollows) {
  Set({{"n1", kReady}});
  Wait(Redundancy::kLoss);
  Set({{"n1", kSilent}}, absl::Seconds(10));
  Set({{"n1", kNoSession}}, absl::Seconds(20));
  EXPECT_THAT(Told(), ElementsAre(HasSubstr("has one ready speaker")));
  Wait(absl::Seconds(10));
  EXPECT_THAT(Told(), ElementsAre(HasSubstr("has no ready speaker"))) << "30 s after it went";
}

TEST_F(RedundancyTest, WhatDoesNotMatterAnyMoreIsForgotten) {
  Set({{"n1", kReady}});
  Wait(Redundancy::kLoss);
  table_.bgp.clear();
  Wait(absl::ZeroDuration());
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_THAT(redundancy_.TakeReturns(), IsEmpty());
  EXPECT_EQ(redundancy_.NextDue(), absl::InfiniteDuration());
}

}  // namespace
}  // namespace openelb::observe

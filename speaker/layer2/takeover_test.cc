// Who answers for an address when nodes, links and sessions fail, without any controller.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "speaker/layer2/test_nodes.h"

namespace openelb::layer2 {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

const IpAddress kAddress = Ip("192.168.0.91");
// 3 x 100 ms, less the time since the last packet, and the tests' own step.
constexpr absl::Duration kDetected = absl::Milliseconds(310);
// A session comes up at a packet a second.
constexpr absl::Duration kSessionUp = absl::Seconds(3);

class TakeoverTest : public ::testing::Test, protected TestNodes {
 protected:
  TakeoverTest() {
    Plan({});
    Plan(kPlan);
    RunFor(kSessionUp);
    EXPECT_THAT(Owners(kAddress), ElementsAre(1));
  }
  const Plans kPlan = {{kAddress, {{1, 2, 3}}}};
};

TEST_F(TakeoverTest, TheNextRankTakesOver) {
  host().Resolve(kAddress);
  RunFor(absl::Seconds(1));
  Kill(1);
  EXPECT_LE(Until(kAddress, {2}), kDetected);
  RunFor(absl::Milliseconds(5));
  EXPECT_THAT(host().LookUp(kAddress), Optional(Mac(2))) << "told unasked";
  RunFor(absl::Minutes(5));
  EXPECT_THAT(Owners(kAddress), ElementsAre(2));
  Kill(2);
  EXPECT_LE(Until(kAddress, {3}), kDetected);
}

TEST_F(TakeoverTest, TheThirdTakesOverFromBoth) {
  Kill(1);
  Kill(2);
  EXPECT_LE(Until(kAddress, {3}), kDetected);
}

TEST_F(TakeoverTest, AStandbyThatFailsMovesNothing) {
  Kill(2);
  RunFor(absl::Seconds(10));
  EXPECT_THAT(Owners(kAddress), ElementsAre(1));
  Kill(1);
  EXPECT_LE(Until(kAddress, {3}), kDetected);
}

TEST_F(TakeoverTest, WhoReturnsTakesNothingBack) {
  Kill(1);
  RunFor(absl::Seconds(1));
  Start(1);
  for (int i = 0; i < 1000; ++i) {
    RunFor(absl::Milliseconds(20));
    ASSERT_THAT(Owners(kAddress), ElementsAre(2));
  }
  // Nor by the word of a controller that has not heard of it yet.
  owner(1).Confirm();
  RunFor(absl::Seconds(20));
  EXPECT_THAT(Owners(kAddress), ElementsAre(2));
  EXPECT_THAT(owner(1).problems(), IsEmpty()) << "another node's station is no news";
  // But it is there when the other one fails.
  Kill(2);
  EXPECT_LE(Until(kAddress, {1}), kDetected);
}

// It asked while it took itself for the owner. Who has the address it then hears from the plan
// alone, as where so many claims come at once that some are lost.
TEST_F(TakeoverTest, WhoReturnedAsksNobodyAgainAboutWhomItWatches) {
  Kill(1);
  RunFor(absl::Seconds(1));
  const Plans after = {{kAddress, {{2, 1, 3}, 2}}};
  Plan(after, {2, 3});
  udp().LosePort(Claims::kPort);
  Start(1);
  RunFor(kSessionUp);
  Plan(after);
  Kill(2);
  EXPECT_LE(Until(kAddress, {1}), kDetected);
}

TEST_F(TakeoverTest, AQuickRestartLeavesOneOwner) {
  Kill(1);
  Start(1);
  RunFor(absl::Seconds(10));
  EXPECT_THAT(Owners(kAddress), ElementsAre(2)) << "who started anew has forgotten";
}

TEST_F(TakeoverTest, TheControllerIsToldAndFollows) {
  Kill(1);
  RunFor(absl::Milliseconds(500));
  EXPECT_THAT(owner(2).taken_over(), IsEmpty()) << "it may yet go back";
  RunFor(absl::Milliseconds(1000));
  EXPECT_TRUE(owner(2).TakeChanged());
  EXPECT_THAT(owner(2).taken_over(), ElementsAre(kAddress));
  const uint64_t announced = owner(2).wire().counters().announcements;
  Plan({{kAddress, {{2, 3}, 2}}});
  EXPECT_TRUE(owner(2).TakeChanged());
  EXPECT_THAT(owner(2).taken_over(), IsEmpty());
  EXPECT_EQ(owner(2).wire().counters().announcements, announced) << "nothing moved";
  EXPECT_THAT(Owners(kAddress), ElementsAre(2));
}

TEST_F(TakeoverTest, APlanThatMovesItElsewhereIsFollowed) {
  Kill(1);
  RunFor(absl::Seconds(2));
  Plan({{kAddress, {{3, 2}, 2}}});
  EXPECT_THAT(Owners(kAddress), ElementsAre(3));
}

TEST_F(TakeoverTest, TwoOwnersAfterACutBecomeOne) {
  Cut(1, 2);
  Cut(1, 3);
  EXPECT_LE(Until(kAddress, {1, 2}), kDetected);
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Owners(kAddress), ElementsAre(1, 2)) << "one on each side";
  Heal(1, 2);
  Heal(1, 3);
  EXPECT_LE(UntilClaimed(1, 2), kSessionUp);
  EXPECT_LE(Until(kAddress, {1}), kDetected);
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Owners(kAddress), ElementsAre(1));
  EXPECT_THAT(WhoHas(kAddress), Optional(Mac(1)));
}

// Whom the third heard claim it before is no reason for the second to wait.
TEST_F(TakeoverTest, WhoGaveWayIsNotWaitedFor) {
  Cut(1, 3);
  Cut(2, 3);
  EXPECT_LE(Until(kAddress, {1, 3}), kDetected);
  RunFor(absl::Seconds(10));
  Heal(2, 3);
  RunFor(kSessionUp);
  Heal(1, 3);
  RunFor(kSessionUp);
  EXPECT_THAT(Owners(kAddress), ElementsAre(1));
  Kill(1);
  EXPECT_LE(Until(kAddress, {2}), kDetected);
}

// The port of claims is closed somewhere; sessions and ARP pass.
TEST_F(TakeoverTest, TwoOwnersWhoseClaimsAreLostBecomeOne) {
  Cut(1, 2);
  Cut(1, 3);
  RunFor(absl::Seconds(10));
  udp().LosePort(Claims::kPort);
  Heal(1, 2);
  Heal(1, 3);
  EXPECT_LE(Until(kAddress, {1}), kSessionUp + absl::Seconds(4));
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Owners(kAddress), ElementsAre(1));
}

// An announcement is no argument where a claim is to be expected.
TEST_F(TakeoverTest, TheLaterPlanIsNotDisturbedByAnEarlierOwner) {
  Cut(1, 2);
  Cut(1, 3);
  RunFor(absl::Seconds(2));
  Plan({{kAddress, {{2, 1, 3}, 2}}}, {2, 3});
  Kill(2);
  EXPECT_LE(Until(kAddress, {1, 3}), kDetected);
  RunFor(absl::Seconds(10));
  Heal(1, 3);
  for (int i = 0; i < 1000; ++i) {
    RunFor(absl::Milliseconds(5));
    ASSERT_THAT(Owners(kAddress), testing::Contains(3));
  }
  EXPECT_THAT(Owners(kAddress), ElementsAre(3));
  EXPECT_THAT(WhoHas(kAddress), Optional(Mac(3)));
}

TEST_F(TakeoverTest, TheLaterPlanWinsAfterACut) {
  Cut(1, 2);
  Cut(1, 3);
  RunFor(absl::Seconds(2));
  Plan({{kAddress, {{2, 3, 1}, 2}}}, {2, 3});
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Owners(kAddress), ElementsAre(1, 2));
  Heal(1, 2);
  Heal(1, 3);
  EXPECT_LE(Until(kAddress, {2}), kSessionUp);
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Owners(kAddress), ElementsAre(2));
}

// A filter drops BFD and claims, but no ARP.
TEST_F(TakeoverTest, AnOwnerWhoseSessionsAreFilteredKeepsIt) {
  udp().Cut(Name(1), Name(2));
  udp().Cut(Name(1), Name(3));
  RunFor(absl::Seconds(1));
  for (int i = 0; i < 600; ++i) {
    RunFor(absl::Milliseconds(100));
    ASSERT_THAT(Owners(kAddress), ElementsAre(1));
  }
  Kill(1);
  EXPECT_LE(Until(kAddress, {2}), absl::Seconds(8)) << "asked for every few seconds";
}

TEST_F(TakeoverTest, AnOrderlyStopHandsOver) {
  host().Resolve(kAddress);
  RunFor(absl::Seconds(1));
  owner(1).Stop();
  EXPECT_THAT(Owners(kAddress), ElementsAre(1)) << "answers until somebody else does";
  EXPECT_LE(Until(kAddress, {2}), absl::Milliseconds(10));
  RunFor(absl::Milliseconds(100));
  EXPECT_THAT(WhoHas(kAddress), Optional(Mac(2)));
  Kill(1);
  RunFor(absl::Seconds(10));
  EXPECT_THAT(Owners(kAddress), ElementsAre(2));
}

TEST_F(TakeoverTest, AGoodbyeThatIsLostIsSaidAgain) {
  for (const int other : {2, 3}) udp().CutOneWay(Name(1), Name(other));
  owner(1).Stop();
  RunFor(absl::Milliseconds(10));
  for (const int other : {2, 3}) udp().Heal(Name(1), Name(other));
  EXPECT_LE(Until(kAddress, {2}), Owner::kGoodbyePause);
}

// Who has just had a link that flickered need not ask: the owner itself says that it had it.
TEST_F(TakeoverTest, AnOrderlyStopHandsOverToAStandbyWhoseLinkFlickered) {
  SetCarrier(2, false);
  RunFor(absl::Milliseconds(50));
  SetCarrier(2, true);
  RunFor(absl::Milliseconds(50));
  owner(1).Stop();
  EXPECT_LE(Until(kAddress, {2}), absl::Milliseconds(10));
}

TEST_F(TakeoverTest, ANodeWhoseLinkReturnsStandsBy) {
  SetCarrier(1, false);
  EXPECT_LE(Until(kAddress, {2}), kDetected);
  EXPECT_THAT(owner(1).no_carrier(), ElementsAre("eth0"));
  RunFor(absl::Seconds(10));
  SetCarrier(1, true);
  for (int i = 0; i < 1000; ++i) {
    RunFor(absl::Milliseconds(20));
    ASSERT_THAT(Owners(kAddress), ElementsAre(2));
  }
  EXPECT_THAT(owner(1).no_carrier(), IsEmpty());
}

// A standby without a link sees everybody else gone.
TEST_F(TakeoverTest, AStandbyWhoseLinkReturnsStandsBy) {
  SetCarrier(2, false);
  RunFor(absl::Seconds(10));
  SetCarrier(2, true);
  for (int i = 0; i < 500; ++i) {
    RunFor(absl::Milliseconds(20));
    ASSERT_THAT(Owners(kAddress), ElementsAre(1));
  }
}

// All start with their saved plans after a power failure, but the owner does not.
TEST_F(TakeoverTest, ANeighbourThatWasNeverHeardIsAskedForOnTheWire) {
  for (int i : {1, 2, 3}) Kill(i);
  RunFor(absl::Minutes(1));
  for (int i : {2, 3}) Start(i);
  EXPECT_LE(Until(kAddress, {2}), absl::Seconds(5));
  Start(1);
  RunFor(absl::Seconds(20));
  EXPECT_THAT(Owners(kAddress), ElementsAre(2));
}

TEST_F(TakeoverTest, AllThatStartTogetherAgree) {
  for (int i : {1, 2, 3}) Kill(i);
  for (int i : {3, 2, 1}) Start(i);
  EXPECT_LE(Until(kAddress, {1}), absl::Seconds(1));
  RunFor(absl::Seconds(20));
  EXPECT_THAT(Owners(kAddress), ElementsAre(1));
}

TEST_F(TakeoverTest, WithDuplicateDetectionItAsksFirst) {
  Kill(2);
  Start(2, {.probe_before_claim = true});
  RunFor(kSessionUp);
  Kill(1);
  const absl::Duration taken = Until(kAddress, {2});
  EXPECT_GT(taken, absl::Milliseconds(600));
  EXPECT_LE(taken, absl::Seconds(1));
}

}  // namespace
}  // namespace openelb::layer2

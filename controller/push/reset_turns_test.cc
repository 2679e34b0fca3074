#include "controller/push/reset_turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::push {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ResetTurnsTest, OneSpeakerOfARackAtATimeInTheOrderOfAsking) {
  ResetTurns turns;
  EXPECT_THAT(turns.Holders(absl::ZeroDuration()), IsEmpty());
  turns.OnPending("b", "leaf1", 2);
  turns.OnPending("a", "leaf1", 1);
  turns.OnPending("c", "leaf2", 1);
  EXPECT_THAT(turns.Holders(absl::ZeroDuration()), ElementsAre("b", "c"));
  turns.OnPending("b", "leaf1", 1);
  EXPECT_THAT(turns.Holders(absl::Seconds(1)), ElementsAre("b", "c"));
  turns.OnPending("b", "leaf1", 0);
  EXPECT_THAT(turns.Holders(absl::Seconds(1)), ElementsAre("a", "c"));
}

TEST(ResetTurnsTest, ATurnEndsWithTheStream) {
  ResetTurns turns;
  turns.OnPending("a", "leaf1", 1);
  turns.OnPending("b", "leaf1", 1);
  EXPECT_THAT(turns.Holders(absl::ZeroDuration()), ElementsAre("a"));
  turns.OnDetached("a");
  EXPECT_THAT(turns.Holders(absl::ZeroDuration()), ElementsAre("b"));
}

TEST(ResetTurnsTest, ATurnThatTakesTooLongPassesOnAndComesBack) {
  ResetTurns turns;
  turns.OnPending("a", "leaf1", 1);
  turns.OnPending("b", "leaf1", 1);
  EXPECT_THAT(turns.Holders(absl::ZeroDuration()), ElementsAre("a"));
  EXPECT_EQ(turns.NextDue(), kResetTurn);
  EXPECT_THAT(turns.Holders(kResetTurn), ElementsAre("b"));
  EXPECT_THAT(turns.Holders(2 * kResetTurn), ElementsAre("a"));
}

TEST(ResetTurnsTest, AChangeOfRackQueuesAnew) {
  ResetTurns turns;
  turns.OnPending("a", "leaf1", 1);
  turns.OnPending("b", "leaf1", 1);
  EXPECT_THAT(turns.Holders(absl::ZeroDuration()), ElementsAre("a"));
  turns.OnPending("a", "leaf2", 1);
  EXPECT_THAT(turns.Holders(absl::ZeroDuration()), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace openelb::push

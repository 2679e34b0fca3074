#include "controller/drain_timer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

absl::Duration At(double seconds) { return absl::Seconds(seconds); }

TEST(DrainTimer, EachNodeHasItsOwnTime) {
  DrainTimer timer(At(10));
  EXPECT_THAT(timer.Follow({"a"}, At(0)).begun, ElementsAre("a"));
  EXPECT_EQ(timer.NextDue(), At(10));
  DrainTimer::Turn turn = timer.Follow({"a", "b"}, At(4));
  EXPECT_THAT(turn.begun, ElementsAre("b"));
  EXPECT_THAT(turn.over, IsEmpty());
  EXPECT_THAT(timer.Follow({"a", "b"}, At(10)).over, ElementsAre("a"));
  turn = timer.Follow({"b"}, At(10));
  EXPECT_THAT(turn.over, IsEmpty());
  EXPECT_EQ(timer.NextDue(), At(14));
}

TEST(DrainTimer, OneThatIsCalledOffBeginsAnew) {
  DrainTimer timer(At(10));
  timer.Follow({"a"}, At(0));
  timer.Follow({}, At(5));
  EXPECT_EQ(timer.NextDue(), absl::InfiniteDuration());
  EXPECT_THAT(timer.Follow({"a"}, At(9)).begun, ElementsAre("a"));
  EXPECT_THAT(timer.Follow({"a"}, At(18)).over, IsEmpty());
  EXPECT_THAT(timer.Follow({"a"}, At(19)).over, ElementsAre("a"));
}

TEST(DrainTimer, WithoutTimeItIsOverAtOnce) {
  DrainTimer timer(absl::ZeroDuration());
  const DrainTimer::Turn turn = timer.Follow({"a"}, At(3));
  EXPECT_THAT(turn.begun, ElementsAre("a"));
  EXPECT_THAT(turn.over, ElementsAre("a"));
}

}  // namespace
}  // namespace openelb

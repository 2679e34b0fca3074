#include "api/base/scheduler.h"

#include <string>

#include "gtest/gtest.h"

namespace openelb {
namespace {

TEST(SchedulerTest, RunsEventsInOrderOfTimeThenOfAsking) {
  Scheduler scheduler;
  std::string order;
  scheduler.At(absl::Seconds(2), [&] { order += "c"; });
  scheduler.At(absl::Seconds(1), [&] {
    order += "a";
    scheduler.After(absl::Seconds(1), [&] { order += "d"; });
    scheduler.At(absl::ZeroDuration(), [&] { order += "b"; });
  });
  scheduler.RunUntil(absl::Seconds(3));
  EXPECT_EQ(order, "abcd");
  EXPECT_EQ(scheduler.Monotonic(), absl::Seconds(3));
}

TEST(SchedulerTest, StopsAtTheLimitAndForgetsCancelledEvents) {
  Scheduler scheduler;
  int runs = 0;
  scheduler.At(absl::Seconds(5), [&] { ++runs; });
  Scheduler::EventId cancelled = scheduler.At(absl::Seconds(1), [&] { runs += 100; });
  scheduler.Cancel(cancelled);
  scheduler.RunFor(absl::Seconds(4));
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(scheduler.Next(), absl::Seconds(5));
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(scheduler.Step());
  EXPECT_EQ(scheduler.Next(), absl::InfiniteDuration());
}

TEST(SchedulerTest, AStepOfTheCalendarMovesNoTimer) {
  Scheduler scheduler;
  absl::Time before = scheduler.Wall();
  scheduler.StepWall(-absl::Hours(1));
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(scheduler.Monotonic(), absl::Seconds(1));
  EXPECT_EQ(scheduler.Wall(), before - absl::Hours(1) + absl::Seconds(1));
}

}  // namespace
}  // namespace openelb

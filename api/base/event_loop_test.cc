#include "api/base/event_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>

namespace openelb {
namespace {

using ::testing::ElementsAre;

// A clock that jumps to each deadline as soon as the loop looks at it.
class SteppedClock final : public Clock {
 public:
  absl::Duration Monotonic() const override { return now; }
  absl::Time Wall() const override { return absl::UnixEpoch() + now; }
  absl::Duration now = absl::ZeroDuration();
};

class FakeWork final : public EventLoopWork {
 public:
  void Turn() override {
    ++turns;
    if (on_turn) on_turn();
  }
  absl::Duration NextWakeup() override { return next; }

  int turns = 0;
  absl::Duration next = absl::InfiniteDuration();
  std::function<void()> on_turn;
};

TEST(EventLoopTest, RunsABatchInOrderThenOneTurn) {
  SteppedClock clock;
  EventLoop loop(&clock);
  FakeWork work;
  std::vector<std::string> log;
  work.on_turn = [&] { log.push_back("turn"); };
  loop.Post([&] { log.push_back("a"); });
  loop.Post([&] {
    log.push_back("b");
    loop.Post([&] {
      log.push_back("c");
      loop.Stop();
    });
  });
  loop.Run(&work);
  EXPECT_THAT(log, ElementsAre("turn", "a", "b", "turn", "c", "turn"));
}

TEST(EventLoopTest, TakesATurnAtEachDeadlineWithoutMessages) {
  SteppedClock clock;
  EventLoop loop(&clock);
  FakeWork work;
  work.next = absl::Seconds(1);
  work.on_turn = [&] {
    clock.now += absl::Seconds(5);  // the deadline has passed when the loop looks
    work.next = clock.now;
    if (work.turns == 3) loop.Stop();
  };
  loop.Run(&work);
  EXPECT_EQ(work.turns, 3);
}

TEST(EventLoopTest, RunsWhatWasPostedBeforeStopAndDropsTheRest) {
  SteppedClock clock;
  EventLoop loop(&clock);
  FakeWork work;
  int ran = 0;
  loop.Post([&] { ran += 1; });
  loop.Stop();
  loop.Post([&] { ran += 100; });
  loop.Run(&work);
  EXPECT_EQ(ran, 1);
}

TEST(EventLoopTest, TakesMessagesFromManyThreadsAndKeepsEachOnesOrder) {
  constexpr int kThreads = 4;
  constexpr int kMessages = 500;
  SystemClock clock;
  EventLoop loop(&clock);
  FakeWork work;
  std::vector<std::vector<int>> seen(kThreads);  // touched by the owner only
  int total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kMessages; ++i) {
        loop.Post([&, t, i] {
          seen[t].push_back(i);
          if (++total == kThreads * kMessages) loop.Stop();
        });
      }
    });
  }
  loop.Run(&work);
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<int>& one : seen) {
    ASSERT_EQ(one.size(), size_t{kMessages});
    EXPECT_TRUE(std::is_sorted(one.begin(), one.end()));
  }
  EXPECT_LE(work.turns, kThreads * kMessages + 1);
}

TEST(EventLoopTest, StopFromAnotherThreadWakesAnIdleLoop) {
  SystemClock clock;
  EventLoop loop(&clock);
  FakeWork work;
  std::thread stopper([&] { loop.Stop(); });
  loop.Run(&work);
  stopper.join();
  EXPECT_EQ(work.turns, 1);
}

}  // namespace
}  // namespace openelb

#include "controller/kube/work_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::kube {
namespace {

using Queue = WorkQueue<uint64_t>;

absl::Duration At(int milliseconds) { return absl::Milliseconds(milliseconds); }

Queue Make() { return Queue(At(50), At(400)); }

TEST(WorkQueue, EachKeyOnceInOrderOfItsTurn) {
  Queue queue = Make();
  queue.Add(2, At(0));
  queue.Add(1, At(0));
  queue.Add(2, At(0));
  queue.Add(3, At(10));
  EXPECT_EQ(queue.Take(At(0)), 2u);
  EXPECT_EQ(queue.Take(At(0)), 1u);
  EXPECT_EQ(queue.Take(At(9)), std::nullopt);
  EXPECT_EQ(queue.NextDue(), At(10));
  EXPECT_EQ(queue.Take(At(10)), 3u);
}

TEST(WorkQueue, SoonerWinsLaterDoesNot) {
  Queue queue = Make();
  queue.Add(1, At(100));
  queue.Add(1, At(200));
  EXPECT_EQ(queue.NextDue(), At(100));
  queue.Add(1, At(50));
  EXPECT_EQ(queue.NextDue(), At(50));
}

TEST(WorkQueue, AddedWhileUnderWayComesAgain) {
  Queue queue = Make();
  queue.Add(1, At(0));
  queue.Take(At(0));
  queue.Add(1, At(0));
  EXPECT_EQ(queue.Take(At(0)), std::nullopt);
  queue.Done(1, At(5));
  EXPECT_EQ(queue.Take(At(5)), 1u);
  queue.Done(1, At(6));
  EXPECT_EQ(queue.Take(At(1000)), std::nullopt);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(WorkQueue, FailuresBackOffToTheMost) {
  Queue queue = Make();
  queue.Add(1, At(0));
  int now = 0;
  for (const int wait : {50, 100, 200, 400, 400}) {
    ASSERT_EQ(queue.Take(At(now)), 1u);
    queue.Failed(1, At(now));
    queue.Add(1, At(now));  // news do not shorten the wait
    EXPECT_EQ(queue.NextDue(), At(now + wait));
    now += wait;
  }
  ASSERT_EQ(queue.Take(At(now)), 1u);
  queue.Done(1, At(now));
  queue.Add(1, At(now));
  EXPECT_EQ(queue.NextDue(), At(now));
}

TEST(WorkQueue, RetryForgetsTheBackOff) {
  Queue queue = Make();
  for (const uint64_t key : {1, 2}) {
    queue.Add(key, At(0));
    queue.Take(At(0));
    queue.Failed(key, At(0));
  }
  queue.Retry(1, At(1));
  EXPECT_EQ(queue.Take(At(1)), 1u);
  EXPECT_EQ(queue.Take(At(1)), std::nullopt);
  queue.Failed(1, At(1));
  EXPECT_EQ(queue.NextDue(), At(50));  // of 2; and 1 waits the first time again
  queue.RetryAll(At(2));
  EXPECT_EQ(queue.Take(At(2)), 1u);
  EXPECT_EQ(queue.Take(At(2)), 2u);
}

TEST(WorkQueue, ReturnedGoesBehindTheOthersWithoutBackOff) {
  Queue queue = Make();
  queue.Add(1, At(0));
  queue.Add(2, At(0));
  ASSERT_EQ(queue.Take(At(0)), 1u);
  queue.Return(1, At(0));
  EXPECT_EQ(queue.Take(At(0)), 2u);
  EXPECT_EQ(queue.Take(At(0)), 1u);
}

TEST(WorkQueue, RestHoldsWhatComesNext) {
  Queue queue = Make();
  queue.Add(1, At(0));
  queue.Take(At(0));
  queue.Rest(1, At(0));
  EXPECT_EQ(queue.NextDue(), absl::InfiniteDuration());
  queue.Add(1, At(10));
  EXPECT_EQ(queue.NextDue(), At(50));
  queue.Take(At(50));
  queue.Add(1, At(50));
  queue.Rest(1, At(50));
  EXPECT_EQ(queue.NextDue(), At(150));
  queue.Take(At(150));
  queue.Rest(1, At(150));
  // Quiet for longer than it may ever wait: begins anew.
  queue.Add(1, At(2000));
  queue.Take(At(2000));
  queue.Rest(1, At(2000));
  queue.Add(1, At(2000));
  EXPECT_EQ(queue.NextDue(), At(2050));
}

TEST(WorkQueue, ForgottenWhileUnderWay) {
  Queue queue = Make();
  queue.Add(1, At(0));
  queue.Take(At(0));
  queue.Forget(1);
  queue.Failed(1, At(0));
  queue.Done(1, At(0));
  queue.Rest(1, At(0));
  queue.Return(1, At(0));
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.NextDue(), absl::InfiniteDuration());
}

}  // namespace
}  // namespace openelb::kube

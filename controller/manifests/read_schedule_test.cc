#include "controller/manifests/read_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::manifests {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Due = ReadSchedule::Due;

constexpr absl::Duration kStart = absl::Seconds(100);
constexpr absl::Duration kQuiet = absl::Milliseconds(50);
constexpr absl::Duration kStep = absl::Milliseconds(1);

class ReadScheduleTest : public ::testing::Test {
 protected:
  ReadSchedule schedule_{kQuiet};
};

TEST_F(ReadScheduleTest, CompleteFilesAreDueAtOnce) {
  schedule_.Written("b", kStart);
  schedule_.Touched("a", kStart);
  EXPECT_EQ(schedule_.NextDue(), kStart);
  EXPECT_THAT(schedule_.TakeDue(kStart), ElementsAre(Due{"a", false}, Due{"b", false}));
  EXPECT_EQ(schedule_.NextDue(), absl::InfiniteDuration());
}

// O_TRUNC, write, write, close.
TEST_F(ReadScheduleTest, AFileBeingWrittenIsReadWhenItIsClosed) {
  schedule_.Modified("a", kStart);
  schedule_.Touched("a", kStart + kStep);
  EXPECT_TRUE(schedule_.IsBeingWritten("a"));
  EXPECT_THAT(schedule_.TakeDue(kStart + kQuiet), IsEmpty());
  schedule_.Written("a", kStart + kQuiet);
  EXPECT_FALSE(schedule_.IsBeingWritten("a"));
  EXPECT_THAT(schedule_.TakeDue(kStart + kQuiet), ElementsAre(Due{"a", false}));
}

TEST_F(ReadScheduleTest, AFileLeftOpenIsReadInTheEnd) {
  schedule_.Modified("a", kStart);
  EXPECT_THAT(schedule_.TakeDue(kStart + ReadSchedule::kLongestPause), ElementsAre(Due{"a", true}));
}

// git checkout: unlink, create, write, close.
TEST_F(ReadScheduleTest, AFileReplacedInStepsIsNeverMissing) {
  schedule_.Missing("a", kStart);
  schedule_.Created("a", kStart + kStep);
  schedule_.Modified("a", kStart + 2 * kStep);
  EXPECT_THAT(schedule_.TakeDue(kStart + kQuiet), IsEmpty());
  schedule_.Written("a", kStart + kQuiet);
  EXPECT_THAT(schedule_.TakeDue(kStart + kQuiet), ElementsAre(Due{"a", false}));
}

TEST_F(ReadScheduleTest, WhatIsMissingOrUnfinishedCountsAfterAQuietPeriod) {
  schedule_.Missing("a", kStart);
  schedule_.Unfinished("b", kStart);
  schedule_.Created("c", kStart);
  EXPECT_THAT(schedule_.TakeDue(kStart + kQuiet - kStep), IsEmpty());
  EXPECT_THAT(schedule_.TakeDue(kStart + kQuiet),
              ElementsAre(Due{"a", true}, Due{"b", true}, Due{"c", true}));
  schedule_.Vanished("a", kStart);
  EXPECT_THAT(schedule_.TakeDue(kStart), ElementsAre(Due{"a", true}));
}

TEST_F(ReadScheduleTest, MissingFilesCanBeHeld) {
  schedule_.HoldMissing(kStart + absl::Seconds(2));
  schedule_.Missing("a", kStart);
  EXPECT_THAT(schedule_.TakeDue(kStart + absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(schedule_.TakeDue(kStart + absl::Seconds(2)), ElementsAre(Due{"a", true}));
  schedule_.Missing("a", kStart + absl::Seconds(3));
  EXPECT_EQ(schedule_.NextDue(), kStart + absl::Seconds(3) + kQuiet);
}

}  // namespace
}  // namespace openelb::manifests

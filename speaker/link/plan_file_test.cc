#include "speaker/link/plan_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "speaker/link/plan_builder.h"

namespace openelb::link {
namespace {

using ::testing::HasSubstr;

SavedPlan Example() {
  SavedPlan plan;
  plan.generation = {3, 7};
  plan.largest_epoch = 4;
  plan.endpoints = {"10.0.0.1:50052"};
  plan.stamp = {.confirmed_at = absl::FromUnixSeconds(1'700'000'000),
                .confirmed_since_boot = absl::Seconds(77),
                .kernel_boot_id = "boot-1"};
  const std::string good = Body("place { group: 'g' node: 'n' }");
  plan.resources = PackedResources::Of({{"place/g", good}, {"place/h", "bad"}});
  plan.last_good = {{"place/h", Body("place { group: 'h' node: 'n' }")}};
  return plan;
}

std::string Serialize(const SavedPlan& plan) { return SerializeSavedPlan(plan, plan.stamp); }

TEST(SavedPlanTest, RoundTrips) {
  const auto parsed = ParseSavedPlan(Serialize(Example()));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, Example());
}

TEST(SavedPlanTest, EveryDamageIsFound) {
  const std::string good = Serialize(Example());
  for (size_t i = 0; i < good.size(); ++i) {
    EXPECT_FALSE(ParseSavedPlan(absl::string_view(good).substr(0, i)).ok()) << "cut at " << i;
    std::string flipped = good;
    flipped[i] ^= 1;
    EXPECT_FALSE(ParseSavedPlan(flipped).ok()) << "flipped at " << i;
  }
  EXPECT_THAT(std::string(ParseSavedPlan("openelb-plan 2 x").status().message()),
              HasSubstr("version 2 (known: 1)"));
}

class PlanFileTest : public ::testing::Test {
 protected:
  PlanFile Make(const std::string& boot_id = "boot-1") {
    return PlanFile(&disk_, nullptr, &store_, &log_, {.kernel_boot_id = boot_id});
  }
  void Hold(uint64_t counter) {
    for (const auto& plan : Snapshot({1, counter}, {})) store_.Apply(plan);
  }
  MemoryDisk disk_;
  PlanStore store_;
  SystemClock clock_;
  NullLogSink sink_;
  Logger log_{&sink_, &clock_};
  absl::Duration now_ = absl::Seconds(50);
  absl::Time wall_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(PlanFileTest, GathersChangesAndSavesThemSoon) {
  PlanFile file = Make();
  EXPECT_EQ(file.NextWakeup(), absl::InfiniteDuration());
  Hold(1);
  file.MarkDirty(now_);
  file.MarkDirty(now_ + absl::Milliseconds(150));
  EXPECT_EQ(file.NextWakeup(), now_ + absl::Milliseconds(200));
  file.Tick(now_ + absl::Milliseconds(199), wall_, false);
  EXPECT_EQ(file.counters().saves, 0u);
  file.Tick(now_ + absl::Milliseconds(200), wall_, false);
  EXPECT_EQ(file.counters().saves, 1u);
  EXPECT_EQ(file.NextWakeup(), absl::InfiniteDuration());
  Hold(2);
  file.MarkDirty(now_ + absl::Seconds(1));
  file.Flush(now_ + absl::Seconds(1), wall_);
  EXPECT_EQ(file.counters().saves, 2u);
  EXPECT_EQ(Make().Load(now_, wall_).plan.generation, (plan::Generation{1, 2}));
}

TEST_F(PlanFileTest, ALargePlanIsSavedMoreRarely) {
  Resources resources;
  for (int i = 0; i < 5000; ++i) resources[absl::StrCat("place/", i)] = "bad";
  for (const auto& plan : Snapshot({1, 1}, resources)) store_.Apply(plan);
  PlanFile file = Make();
  file.MarkDirty(now_);
  file.MarkDirty(now_ + absl::Milliseconds(150));
  EXPECT_EQ(file.NextWakeup(), now_ + absl::Milliseconds(500));
  file.Tick(file.NextWakeup(), wall_, false);
  EXPECT_EQ(Make().Load(now_, wall_).plan.resources.size(), 5000u);
}

TEST_F(PlanFileTest, WhatMayBeDoneWithASavedPlan) {
  Hold(1);
  PlanFile file = Make();
  EXPECT_EQ(file.Load(now_, wall_).use, SavedPlanUse::kNone);
  file.Tick(now_, wall_, true);
  file.Flush(now_, wall_);
  const absl::Duration second = absl::Seconds(1), day = absl::Hours(24), longer = absl::Hours(25);
  const struct {
    const char* boot_id;
    absl::Duration passed;    // on the kernel's clock
    absl::Duration calendar;  // passed by the calendar
    SavedPlanUse use;
  } cases[] = {
      {"boot-1", second, second, SavedPlanUse::kAtOnce},
      {"boot-1", day, day, SavedPlanUse::kAtOnce},
      {"boot-1", longer, longer, SavedPlanUse::kWaitBgp},
      // The calendar was set meanwhile.
      {"boot-1", second, longer, SavedPlanUse::kAtOnce},
      {"boot-1", second, -longer, SavedPlanUse::kAtOnce},
      {"boot-1", longer, second, SavedPlanUse::kWaitBgp},
      // Another kernel, whose clock began anew.
      {"boot-2", -second, second, SavedPlanUse::kProbe},
      {"boot-2", longer, second, SavedPlanUse::kProbe},
      {"boot-2", -second, longer, SavedPlanUse::kWaitBgp},
      // A clock that is behind is another one, whatever the kernel.
      {"boot-1", -second, second, SavedPlanUse::kAtOnce},
      {"boot-1", -second, longer, SavedPlanUse::kWaitBgp},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(Make(c.boot_id).Load(now_ + c.passed, wall_ + c.calendar).use, c.use)
        << c.boot_id << " " << c.passed << " " << c.calendar;
  }
}

TEST_F(PlanFileTest, AgeGoesOnOverARestartWithoutContact) {
  Hold(1);
  PlanFile confirmed = Make();
  confirmed.Tick(now_, wall_, true);
  confirmed.Flush(now_, wall_);
  for (const char* boot_id : {"boot-1", "boot-2"}) {
    PlanFile alone = Make(boot_id);
    alone.Load(now_ + absl::Hours(1), wall_ + absl::Hours(1));
    alone.MarkDirty(now_ + absl::Hours(1));
    alone.Flush(now_ + absl::Hours(1), wall_ + absl::Hours(1));
    const PlanStamp saved = Make(boot_id).Load(now_, wall_).plan.stamp;
    EXPECT_EQ(saved.confirmed_at, wall_) << boot_id;
    // The second kernel's clock says nothing of what was before it.
    EXPECT_EQ(saved.confirmed_since_boot.has_value(), boot_id == std::string("boot-1"));
  }
}

TEST_F(PlanFileTest, AgeIsThatOfTheLastContact) {
  Hold(1);
  PlanFile file = Make();
  file.Tick(now_, wall_, true);
  for (int hour = 0; hour < 100; ++hour) {
    wall_ += absl::Hours(1);
    for (int wake = 0; wake < 2; ++wake) {  // the renewal falls due, then its save
      const absl::Duration next = file.NextWakeup();
      EXPECT_GT(next, now_);
      now_ = next;
      file.Tick(now_, wall_, true);
    }
  }
  EXPECT_LE(file.counters().saves, 101u);
  EXPECT_GE(Make().Load(now_, wall_).plan.stamp.confirmed_at, wall_ - absl::Hours(2));
}

TEST_F(PlanFileTest, AFullDiskIsReportedAndTriedAgain) {
  Hold(1);
  PlanFile file = Make();
  file.MarkDirty(now_);
  disk_.fault = [](absl::string_view) { return absl::ResourceExhaustedError("plan: disk full"); };
  for (int i = 0; i < 100; ++i) {
    file.Tick(now_, wall_, false);
    file.MarkDirty(now_);
    now_ += absl::Milliseconds(100);
  }
  EXPECT_GE(file.counters().save_errors, 9u);
  EXPECT_LE(file.counters().save_errors, 11u);
  disk_.fault = nullptr;
  file.Tick(file.NextWakeup(), wall_, false);
  EXPECT_EQ(file.counters().saves, 1u);
}

TEST_F(PlanFileTest, ADamagedFileIsIgnoredAndCounted) {
  Hold(1);
  PlanFile file = Make();
  file.MarkDirty(now_);
  file.Flush(now_, wall_);
  disk_.files["plan"].resize(disk_.files["plan"].size() - 1);
  PlanFile damaged = Make();
  EXPECT_EQ(damaged.Load(now_, wall_).use, SavedPlanUse::kNone);
  EXPECT_EQ(damaged.counters().damaged, 1u);
}

}  // namespace
}  // namespace openelb::link

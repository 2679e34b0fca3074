// Random histories over all kinds of input: however a Planner got there, its sets are byte for byte
// those of a new Planner that is given the same objects, facts and assignments, and the changes it
// reported lead there too. What must hold of Layer 2 addresses does, after every step, and what
// must hold of aggregates wherever that is compared.

#include <cstdlib>
#include <iostream>
#include <random>

#include "absl/strings/numbers.h"
#include "controller/plan/planner_history.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

#if defined(OPENELB_SANITIZED)
constexpr int kSteps = 5000;
constexpr int kLeast = -1;  // too few steps to expect everything
#else
constexpr int kSteps = 100000;
constexpr int kLeast = 3;  // times each kind of resource has to appear
#endif
constexpr int kCompareEvery = 20;

TEST(PlannerPropertyTest, IncrementalEqualsFull) {
  uint64_t seed = std::random_device()();
  if (const char* given = std::getenv("OPENELB_SEED")) {
    ASSERT_TRUE(absl::SimpleAtoi(given, &seed));
  }
  std::cout << "seed " << seed << " (repeat with OPENELB_SEED=" << seed << ")\n";
  History history(seed);
  std::mt19937_64 batches(seed + 1);
  for (int step = 1; step <= kSteps; ++step) {
    history.Act();
    const bool compare = step % kCompareEvery == 0;
    // Several acts may come between two plans.
    if (!compare && batches() % 3 == 0) continue;
    history.Step();
    if (compare || batches() % 3 == 0) history.FinishExchanges();
    const std::string wrong = history.CheckLayer2();
    ASSERT_EQ(wrong, "") << "at step " << step << ", seed " << seed;
    if (!compare) continue;
    const std::string unasked = history.CheckAttributes();
    ASSERT_EQ(unasked, "") << "at step " << step << ", seed " << seed;
    const std::string lost = history.CheckDrains();
    ASSERT_EQ(lost, "") << "at step " << step << ", seed " << seed;
    const std::string astray = history.CheckAggregates();
    ASSERT_EQ(astray, "") << "at step " << step << ", seed " << seed;
    const std::string differs = history.Compare();
    ASSERT_EQ(differs, "") << "at step " << step << ", seed " << seed;
  }
  EXPECT_GT(history.refusals(), kLeast);
  EXPECT_GT(history.attributes().marked(), kLeast);
  EXPECT_GT(history.attributes().unmarked(), kLeast);
  EXPECT_GT(history.rejected(), kLeast);
  EXPECT_GT(history.exchanges(), kLeast);
  for (const char* kind : kKinds) EXPECT_GT(history.seen(kind), kLeast) << kind;
}

}  // namespace
}  // namespace openelb::plan

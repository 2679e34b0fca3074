#include "controller/status_first.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const std::vector<IpAddress> kNone;
const std::vector<IpAddress> kOne = {*IpAddress::Parse("10.0.0.1")};
const std::vector<IpAddress> kTwo = {*IpAddress::Parse("10.0.0.2")};

absl::Duration At(double seconds) { return absl::Seconds(seconds); }

TEST(StatusFirst, NewAddressWaitsForItsAnswer) {
  StatusFirst gate(/*waits=*/true);
  gate.Hold("ns/a", kOne, At(0));
  EXPECT_THAT(gate.Take(At(0)), ElementsAre(Pair("ns/a", kNone)));
  EXPECT_EQ(gate.NextDue(), At(1));
  gate.OnAnswered("ns/a", kOne, At(0.1));
  EXPECT_THAT(gate.Take(At(0.1)), ElementsAre(Pair("ns/a", kOne)));
  EXPECT_EQ(gate.NextDue(), absl::InfiniteDuration());
  // Held again for another reason: it has passed.
  gate.Hold("ns/a", kOne, At(2));
  EXPECT_THAT(gate.Take(At(2)), ElementsAre(Pair("ns/a", kOne)));
}

TEST(StatusFirst, NothingWaitsWhereNobodyAnswers) {
  StatusFirst gate(/*waits=*/false);
  gate.Hold("ns/a", kOne, At(0));
  EXPECT_THAT(gate.Take(At(0)), ElementsAre(Pair("ns/a", kOne)));
}

TEST(StatusFirst, SilenceOfOneSecondEndsTheWait) {
  StatusFirst gate(/*waits=*/true);
  gate.Hold("ns/a", kOne, At(0));
  gate.Take(At(0.999));
  EXPECT_THAT(gate.Take(At(0.9999)), IsEmpty());
  EXPECT_THAT(gate.Take(At(1)), ElementsAre(Pair("ns/a", kOne)));
}

// In a burst an answer may take long; as long as others come, the server is at work.
TEST(StatusFirst, AnswersAboutOthersProlongTheWait) {
  StatusFirst gate(/*waits=*/true);
  gate.Hold("ns/a", kOne, At(0));
  gate.Hold("ns/b", kTwo, At(0.5));
  gate.OnAnswered("ns/c", kTwo, At(0.9));
  gate.Take(At(0.9));
  EXPECT_EQ(gate.NextDue(), At(1.9));
  EXPECT_THAT(gate.Take(At(1.8)), IsEmpty());
  EXPECT_THAT(gate.Take(At(1.9)), ElementsAre(Pair("ns/a", kOne), Pair("ns/b", kTwo)));
}

TEST(StatusFirst, KnownAddressPassesAtOnce) {
  StatusFirst gate(/*waits=*/true);
  gate.Know("ns/a", kOne);
  gate.Hold("ns/a", kOne, At(0));
  EXPECT_THAT(gate.Take(At(0)), ElementsAre(Pair("ns/a", kOne)));
  // Known to a Service that does not hold it: no matter to others.
  gate.Know("ns/a", kTwo);
  gate.Hold("ns/b", kTwo, At(0));
  EXPECT_THAT(gate.Take(At(0)), ElementsAre(Pair("ns/b", kNone)));
}

// The answer to the write was lost.
TEST(StatusFirst, WhatTheStatusShowsIsAnswered) {
  StatusFirst gate(/*waits=*/true);
  gate.Hold("ns/a", kOne, At(0));
  gate.Take(At(0));
  gate.Know("ns/a", kTwo);
  EXPECT_THAT(gate.Take(At(0.1)), IsEmpty());
  gate.Know("ns/a", kOne);
  EXPECT_THAT(gate.Take(At(0.2)), ElementsAre(Pair("ns/a", kOne)));
}

TEST(StatusFirst, AnotherAddressWithdrawsTheFirstAtOnce) {
  StatusFirst gate(/*waits=*/true);
  gate.Know("ns/a", kOne);
  gate.Hold("ns/a", kOne, At(0));
  gate.Take(At(0));
  gate.Hold("ns/a", kTwo, At(1));
  EXPECT_THAT(gate.Take(At(1)), ElementsAre(Pair("ns/a", kNone)));
  gate.OnAnswered("ns/a", kOne, At(1.1));  // late, about the first
  EXPECT_THAT(gate.Take(At(1.1)), IsEmpty());
  gate.OnAnswered("ns/a", kTwo, At(1.2));
  EXPECT_THAT(gate.Take(At(1.2)), ElementsAre(Pair("ns/a", kTwo)));
}

TEST(StatusFirst, ReleaseEndsTheWait) {
  StatusFirst gate(/*waits=*/true);
  gate.Hold("ns/a", kOne, At(0));
  gate.Hold("ns/a", kNone, At(0.1));
  EXPECT_THAT(gate.Take(At(0.1)), ElementsAre(Pair("ns/a", kNone)));
  gate.OnAnswered("ns/a", kOne, At(0.2));
  EXPECT_THAT(gate.Take(At(5)), IsEmpty());
  EXPECT_EQ(gate.NextDue(), absl::InfiniteDuration());
}

}  // namespace
}  // namespace openelb

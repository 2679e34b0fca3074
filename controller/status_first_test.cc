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

TEST(StatusFirst, NewAddressWaitsForItsAnswer) {
  StatusFirst gate(/*waits=*/true);
  gate.Hold("ns/a", kOne);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kNone)));
  gate.OnAnswered("ns/a", kOne);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kOne)));
  // Held again for another reason: it has passed.
  gate.Hold("ns/a", kOne);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kOne)));
}

TEST(StatusFirst, NothingWaitsWhereNobodyAnswers) {
  StatusFirst gate(/*waits=*/false);
  gate.Hold("ns/a", kOne);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kOne)));
}

// Others are answered, time passes, it is held anew for another reason: none of that is an answer.
TEST(StatusFirst, NothingButItsOwnAnswerEndsTheWait) {
  StatusFirst gate(/*waits=*/true);
  gate.Hold("ns/a", kOne);
  gate.Take();
  gate.OnAnswered("ns/b", kOne);
  gate.OnAnswered("ns/a", kTwo);
  EXPECT_THAT(gate.Take(), IsEmpty());
  gate.Hold("ns/a", kOne);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kNone)));
  gate.OnAnswered("ns/a", kOne);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kOne)));
}

// The second address of a Service waits, the first one is announced meanwhile.
TEST(StatusFirst, WhatHasPassedStaysWhileMoreWaits) {
  StatusFirst gate(/*waits=*/true);
  const std::vector<IpAddress> both = {kOne[0], kTwo[0]};
  gate.Know("ns/a", kOne);
  gate.Hold("ns/a", kOne);
  gate.Take();
  gate.Hold("ns/a", both);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kOne)));
  gate.Know("ns/a", kNone);  // edited away by hand
  gate.Hold("ns/a", both);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kOne)));
  gate.OnAnswered("ns/a", both);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", both)));
}

TEST(StatusFirst, KnownAddressPassesAtOnce) {
  StatusFirst gate(/*waits=*/true);
  gate.Know("ns/a", kOne);
  gate.Hold("ns/a", kOne);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kOne)));
  // Known to a Service that does not hold it: no matter to others.
  gate.Know("ns/a", kTwo);
  gate.Hold("ns/b", kTwo);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/b", kNone)));
}

// The answer to the write was lost.
TEST(StatusFirst, WhatTheStatusShowsIsAnswered) {
  StatusFirst gate(/*waits=*/true);
  gate.Hold("ns/a", kOne);
  gate.Take();
  gate.Know("ns/a", kTwo);
  EXPECT_THAT(gate.Take(), IsEmpty());
  gate.Know("ns/a", kOne);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kOne)));
}

TEST(StatusFirst, AnotherAddressWithdrawsTheFirstAtOnce) {
  StatusFirst gate(/*waits=*/true);
  gate.Know("ns/a", kOne);
  gate.Hold("ns/a", kOne);
  gate.Take();
  gate.Hold("ns/a", kTwo);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kNone)));
  gate.OnAnswered("ns/a", kOne);  // late, about the first
  EXPECT_THAT(gate.Take(), IsEmpty());
  gate.OnAnswered("ns/a", kTwo);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kTwo)));
}

TEST(StatusFirst, ReleaseEndsTheWait) {
  StatusFirst gate(/*waits=*/true);
  gate.Hold("ns/a", kOne);
  gate.Hold("ns/a", kNone);
  EXPECT_THAT(gate.Take(), ElementsAre(Pair("ns/a", kNone)));
  gate.OnAnswered("ns/a", kOne);
  EXPECT_THAT(gate.Take(), IsEmpty());
}

}  // namespace
}  // namespace openelb

#include "controller/observe/pacer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ObjectKey kA{"Eip", "", "a"};
const ObjectKey kB{"Eip", "", "b"};

absl::Duration At(double seconds) { return absl::Seconds(seconds); }

TEST(Pacer, FirstAtOnceLaterOnesTogether) {
  Pacer pacer(absl::Seconds(1));
  EXPECT_EQ(pacer.NextDue(), absl::InfiniteDuration());
  pacer.Mark(kA, At(5));
  EXPECT_THAT(pacer.Take(At(5)), ElementsAre(kA));
  pacer.Mark(kA, At(5.1));
  pacer.Mark(kA, At(5.9));
  pacer.Mark(kB, At(5.9));
  EXPECT_THAT(pacer.Take(At(5.9)), ElementsAre(kB));
  EXPECT_EQ(pacer.NextDue(), At(6));
  EXPECT_THAT(pacer.Take(At(6)), ElementsAre(kA));
  EXPECT_THAT(pacer.Take(At(9)), IsEmpty());
  pacer.Mark(kA, At(9));
  EXPECT_THAT(pacer.Take(At(9)), ElementsAre(kA));
}

TEST(Pacer, WhatCanWaitDelaysNothingElse) {
  Pacer pacer(absl::Seconds(1));
  pacer.Mark(kA, At(0));
  pacer.Take(At(0));
  pacer.Defer(kA, At(10));
  EXPECT_EQ(pacer.NextDue(), At(10));
  EXPECT_THAT(pacer.Take(At(9.9)), IsEmpty());
  EXPECT_THAT(pacer.Take(At(10)), ElementsAre(kA));
  pacer.Defer(kA, At(20));
  pacer.Mark(kA, At(10.1));
  EXPECT_EQ(pacer.NextDue(), At(11)) << "the interval since it was taken";
  EXPECT_THAT(pacer.Take(At(11)), ElementsAre(kA));
  pacer.Defer(kA, At(20));
  pacer.Mark(kA, At(13));
  EXPECT_THAT(pacer.Take(At(13)), ElementsAre(kA));
  EXPECT_EQ(pacer.NextDue(), absl::InfiniteDuration());
}

TEST(Pacer, ForgottenBeginsAnew) {
  Pacer pacer(absl::Seconds(1));
  pacer.Mark(kA, At(0));
  pacer.Take(At(0));
  pacer.Mark(kA, At(0.1));
  pacer.Forget(kA);
  EXPECT_EQ(pacer.NextDue(), absl::InfiniteDuration());
  pacer.Mark(kA, At(0.2));
  EXPECT_THAT(pacer.Take(At(0.2)), ElementsAre(kA));
}

}  // namespace
}  // namespace openelb::observe

// Two nodes that both own thousands of addresses after a cut, and hear each other again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "speaker/layer2/test_nodes.h"

namespace openelb::layer2 {
namespace {

using ::testing::ElementsAre;

// So many, and what fits into a receive buffer of Linux's default size, in datagrams of claims.
#if defined(OPENELB_SANITIZED)
constexpr uint32_t kMany = 1000;
constexpr size_t kBuffer = 18;  // as much less
#else
constexpr uint32_t kMany = 5000;
constexpr size_t kBuffer = 92;
#endif
// 3 x 100 ms, and the tests' own step.
constexpr absl::Duration kDetection = absl::Milliseconds(310);
// A session comes up at a packet a second.
constexpr absl::Duration kSessionUp = absl::Seconds(3);

// Half of the addresses are those of node 1 and half of node 2, and each stands by for the other.
class MeetingTest : public ::testing::TestWithParam<uint64_t>, protected TestNodes {
 protected:
  MeetingTest() : TestNodes(GetParam()) {
    // Nobody is helped by announcements that come round anyway.
    const Timing timing{.announce_every = absl::InfiniteDuration()};
    for (int i : {1, 2}) {
      Kill(i);
      Start(i, {.timing = timing});
      udp().SetReceiveQueue(Name(i), kBuffer);
    }
    Plans plans;
    for (uint32_t i = 0; i < kMany; ++i) plans[Address(i)] = {First(i) == 1 ? kOneTwo : kTwoOne};
    Plan({});
    Plan(plans);
    RunFor(absl::Seconds(5));
    Cut(1, 2);
    RunFor(absl::Seconds(5));
    for (int i : {1, 2}) EXPECT_EQ(owner(i).owned().size(), kMany) << "one on each side";
  }
  static IpAddress Address(uint32_t i) {
    return IpAddress::FromOrdinal(Family::kV6, Ip("2001:db8::1:0").Ordinal() + i);
  }
  static int First(uint32_t i) { return i % 2 == 0 ? 1 : 2; }
  void ExpectOneOwnerEach() {
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < kMany; ++i) {
      if (Owners(Address(i)) != std::vector<int>{First(i)}) ++wrong;
    }
    EXPECT_EQ(wrong, 0u) << "addresses without one owner, the first in the plan";
  }

  const std::vector<int> kOneTwo = {1, 2};
  const std::vector<int> kTwoOne = {2, 1};
};

TEST_P(MeetingTest, EachAddressHasOneOwnerWithinADetectionTime) {
  Heal(1, 2);
  EXPECT_LE(UntilClaimed(1, 2), kSessionUp);
  RunFor(kDetection);
  ExpectOneOwnerEach();
}

TEST_P(MeetingTest, ClaimsAloneSuffice) {
  udp().Heal(Name(1), Name(2));
  EXPECT_LE(UntilClaimed(1, 2), kSessionUp);
  RunFor(kDetection);
  ExpectOneOwnerEach();
}

TEST_P(MeetingTest, ClaimsThatAreLostAreMadeUpForByAnnouncements) {
  udp().SetLoss(Name(1), Name(2), 0.1);
  Heal(1, 2);
  EXPECT_LE(UntilClaimed(1, 2), absl::Seconds(10));
  RunFor(absl::Seconds(4));
  ExpectOneOwnerEach();
}

INSTANTIATE_TEST_SUITE_P(Seeds, MeetingTest, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace openelb::layer2

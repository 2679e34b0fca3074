#include "controller/kube/lease_epoch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/plan/referral.h"

namespace openelb::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Role = Leadership::Role;

class LeaseEpochTest : public ::testing::Test {
 protected:
  std::vector<uint64_t> raises_;
  LeaseEpoch epoch_{[this](uint64_t seen) { raises_.push_back(seen); }};
};

TEST_F(LeaseEpochTest, NothingIsSentUntilARaiseIsKept) {
  EXPECT_EQ(epoch_.current(), 0u);
  epoch_.Set({.role = Role::kLeading, .epoch = 3});
  EXPECT_EQ(epoch_.current(), 3u);
  EXPECT_TRUE(epoch_.RaiseAbove(2).ok());  // exceeded already
  EXPECT_THAT(raises_, IsEmpty());
  EXPECT_TRUE(epoch_.RaiseAbove(7).ok());
  EXPECT_TRUE(epoch_.RaiseAbove(7).ok());
  EXPECT_THAT(raises_, ElementsAre(7));
  EXPECT_EQ(epoch_.current(), 0u);
  epoch_.Set({.role = Role::kLeading, .epoch = 3});  // a renewal that was under way
  EXPECT_EQ(epoch_.current(), 0u);
  epoch_.Set({.role = Role::kLeading, .epoch = 8});
  EXPECT_EQ(epoch_.current(), 8u);
  EXPECT_TRUE(absl::IsInvalidArgument(epoch_.RaiseAbove(~uint64_t{0})));
  EXPECT_EQ(epoch_.current(), 8u);
}

TEST_F(LeaseEpochTest, SpeakersAreServedWhileItLeadsOrLapsedElseSentToWhoLeads) {
  EXPECT_THAT(plan::ReferralOf(epoch_.leads()).value(), IsEmpty());
  epoch_.Set({.role = Role::kStandby, .leader = "pod-a_1", .endpoint = "10.0.0.1:50051"});
  EXPECT_THAT(std::string(epoch_.leads().message()), HasSubstr("pod-a_1"));
  EXPECT_THAT(plan::ReferralOf(epoch_.leads()).value(), ElementsAre("10.0.0.1:50051"));
  for (const Role role : {Role::kLeading, Role::kLapsed}) {
    epoch_.Set({.role = role, .epoch = 1, .leader = "pod-b_1", .endpoint = "10.0.0.2:50051"});
    EXPECT_TRUE(epoch_.leads().ok());
  }
  epoch_.Set({.role = Role::kDeposed, .leader = "old_elb"});
  EXPECT_TRUE(absl::IsFailedPrecondition(epoch_.leads()));
  EXPECT_THAT(plan::ReferralOf(epoch_.leads()).value(), IsEmpty());
}

TEST(ReferralTest, TravelsBesideCodeAndMessage) {
  const absl::Status plain = absl::FailedPreconditionError("x");
  EXPECT_FALSE(plan::ReferralOf(plain).has_value());
  EXPECT_EQ(plan::EncodeReferral(plain), "");
  for (const std::vector<std::string>& endpoints :
       {std::vector<std::string>{}, std::vector<std::string>{"a:1", "b:2"}}) {
    const std::string details = plan::EncodeReferral(plan::WithReferral(plain, endpoints));
    EXPECT_EQ(plan::ReferralOf(plan::DecodeReferral(plain, details)), endpoints);
  }
  EXPECT_FALSE(plan::ReferralOf(plan::DecodeReferral(plain, "rubbish")).has_value());
}

}  // namespace
}  // namespace openelb::kube

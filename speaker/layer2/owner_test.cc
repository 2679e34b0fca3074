// What an owner does with plans.

#include "speaker/layer2/owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "speaker/layer2/test_nodes.h"

namespace openelb::layer2 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

const IpAddress kAddress = Ip("192.168.0.91");
const IpAddress kV6 = Ip("2001:db8::91");

class OwnerTest : public ::testing::Test, protected TestNodes {};

TEST_F(OwnerTest, OnlyTheFirstRankAnswers) {
  Plan({});
  Plan({{kAddress, {{1, 2}}}, {kV6, {{2, 1}}}});
  EXPECT_THAT(WhoHas(kAddress), Optional(Mac(1)));
  EXPECT_THAT(WhoHas(kV6), Optional(Mac(2)));
  EXPECT_THAT(owner(1).owned().size(), 1);
  // A change of ranks moves it, and the host's cache with it, unasked.
  Plan({{kAddress, {{2, 1}, 2}}, {kV6, {{2}}}});
  EXPECT_THAT(host().LookUp(kAddress), Optional(Mac(2)));
  Plan({{kV6, {{2}}}});
  host().Resolve(kAddress);
  RunFor(absl::Seconds(1));
  EXPECT_THAT(host().Answers(kAddress), IsEmpty());
  EXPECT_THAT(Owners(kAddress), IsEmpty());
}

TEST_F(OwnerTest, AChangeOfStandbysDisturbsNothing) {
  Plan({});
  Plan({{kAddress, {{1, 2}}}});
  RunFor(absl::Minutes(1));
  const uint64_t announced = owner(1).wire().counters().announcements;
  Plan({{kAddress, {{1, 3}}}});
  Plan({{kAddress, {{1}}}}, {1, 2, 3}, /*confirmed=*/false);
  EXPECT_EQ(owner(1).wire().counters().announcements, announced);
  EXPECT_THAT(Owners(kAddress), ElementsAre(1));
}

// A speaker that starts with an old plan must not take an address back from who has it since.
TEST_F(OwnerTest, ASavedPlanIsAskedAboutFirst) {
  host().Have(kAddress);
  Plan({{kAddress, {{1}}}, {kV6, {{1}}}}, {1}, /*confirmed=*/false);
  RunFor(absl::Seconds(2));
  EXPECT_THAT(WhoHas(kV6), Optional(Mac(1))) << "nobody else has it";
  EXPECT_THAT(Owners(kAddress), IsEmpty());
  EXPECT_THAT(owner(1).problems().at(kAddress), HasSubstr(Mac(9).ToString()));
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Owners(kAddress), IsEmpty());
  // The controller knows better.
  owner(1).Confirm();
  EXPECT_THAT(Owners(kAddress), ElementsAre(1));
}

TEST_F(OwnerTest, AnotherStationIsNamed) {
  Plan({});
  for (const std::vector<int>& ranks : {std::vector<int>{1}, std::vector<int>{1, 2, 3}}) {
    Plan({{kAddress, {ranks}}});
    EXPECT_THAT(owner(1).problems(), IsEmpty());
    owner(1).TakeStateChanged();
    host().Have(kAddress);
    RunFor(absl::Minutes(5));
    EXPECT_TRUE(owner(1).TakeStateChanged());
    EXPECT_THAT(owner(1).problems().at(kAddress), HasSubstr(Mac(9).ToString()));
    EXPECT_THAT(Owners(kAddress), ElementsAre(1));
    Plan({});
    EXPECT_THAT(owner(1).problems(), IsEmpty());
  }
}

TEST_F(OwnerTest, AMissingInterfaceIsWaitedFor) {
  Plan({});
  Plan({{kAddress, {{1}}}}, {1}, /*confirmed=*/true, "eth9");
  EXPECT_THAT(Owners(kAddress), IsEmpty());
  EXPECT_THAT(owner(1).problems().at(kAddress), HasSubstr("eth9"));
  segment().SetInterface("n1", [](io::Interface* interface) { interface->name = "eth9"; });
  RunFor(absl::Milliseconds(10));
  EXPECT_THAT(Owners(kAddress), ElementsAre(1));
  EXPECT_THAT(owner(1).problems(), IsEmpty());
}

TEST_F(OwnerTest, NobodyElseTakesOverWhatTheControllerMoves) {
  Plan({});
  Plan({{kAddress, {{1}}}});
  RunFor(absl::Seconds(5));
  Kill(1);
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Owners(kAddress), IsEmpty());
}

}  // namespace
}  // namespace openelb::layer2

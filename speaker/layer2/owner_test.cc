// What an owner does with plans.

#include "speaker/layer2/owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "speaker/layer2/test_nodes.h"
#include "speaker/layer2/test_problem.h"

namespace openelb::layer2 {
namespace {

using ::testing::ElementsAre;
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
  EXPECT_THAT(owner(1).problems().at(kAddress), IsDuplicate(Mac(9)));
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Owners(kAddress), IsEmpty());
  // The controller knows better.
  owner(1).Confirm();
  RunFor(absl::ZeroDuration());
  EXPECT_THAT(Owners(kAddress), ElementsAre(1));
}

TEST_F(OwnerTest, AnotherStationIsNamed) {
  Plan({});
  for (const std::vector<int>& ranks : {std::vector<int>{1}, std::vector<int>{1, 2, 3}}) {
    Plan({{kAddress, {ranks}}});
    EXPECT_THAT(owner(1).problems(), IsEmpty());
    owner(1).TakeChanged();
    host().Have(kAddress);
    RunFor(absl::Minutes(5));
    EXPECT_TRUE(owner(1).TakeChanged());
    EXPECT_THAT(owner(1).problems().at(kAddress), IsDuplicate(Mac(9)));
    EXPECT_THAT(Owners(kAddress), ElementsAre(1));
    Plan({});
    EXPECT_THAT(owner(1).problems(), IsEmpty());
  }
}

TEST_F(OwnerTest, AMissingInterfaceIsWaitedFor) {
  Plan({});
  Plan({{kAddress, {{1}}}}, {1}, /*confirmed=*/true, "eth9");
  EXPECT_THAT(Owners(kAddress), IsEmpty());
  EXPECT_THAT(owner(1).problems().at(kAddress), IsUnanswered("eth9"));
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

// What moves thousands of addresses does so in slices, between which others are served.
TEST_F(OwnerTest, ManyAddressesAreTakenInSlices) {
  constexpr int kMany = 3 * Owner::kSlice;
  link::PlanState plan;
  link::PlanChanges changes;
  const auto address = [](int i) {
    return IpAddress::FromV4(0xc0a80100 + static_cast<uint32_t>(i));
  };
  for (int i = 0; i < kMany; ++i) {
    link::Layer2Address& planned = plan.layer2[address(i)];
    planned.interface = "eth0";
    planned.turn = 1;
    planned.ranks = {{.node = Name(2), .bfd_peer = AddressOf(2)},
                     {.node = Name(1), .bfd_peer = {}}};
    changes.layer2.insert(address(i));
  }
  plan.bfd[{"eth0", AddressOf(2)}] = {.local = AddressOf(1),
                                      .node = Name(2),
                                      .desired_min_tx = absl::Milliseconds(100),
                                      .required_min_rx = absl::Milliseconds(100),
                                      .detect_mult = 3,
                                      .secret = "secret 12"};
  changes.bfd = true;
  owner(1).Apply(plan, changes, /*confirmed=*/true);
  RunFor(absl::Seconds(1));
  EXPECT_THAT(owner(1).owned(), IsEmpty());
  // The owner in the plan, in as many Ticks as it takes.
  for (auto& [each, planned] : plan.layer2) std::swap(planned.ranks[0], planned.ranks[1]);
  owner(1).Apply(plan, changes, /*confirmed=*/true);
  for (size_t ticks = 0; ticks <= 3; ++ticks) {
    EXPECT_EQ(owner(1).owned().size(), ticks * Owner::kSlice);
    owner(1).Tick();
  }
}

}  // namespace
}  // namespace openelb::layer2

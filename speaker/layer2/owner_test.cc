// What an owner does with plans: on a simulated segment, beside another node and a plain host.

#include "speaker/layer2/owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/base/scheduler.h"
#include "speaker/io/sim_segment.h"
#include "speaker/layer2/sim_neighbor.h"
#include "speaker/layer2/test_frames.h"

namespace openelb::layer2 {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

const IpAddress kAddress = Ip("192.168.0.91");
const IpAddress kV6 = Ip("2001:db8::91");

class OwnerTest : public ::testing::Test {
 protected:
  OwnerTest() {
    for (int i = 1; i <= 2; ++i) {
      const std::string name = absl::StrCat("n", i);
      segment_.AddStation(name, Mac(static_cast<uint8_t>(i)),
                          {{"eth0", IpAddress::FromV4(0xc0a80000 + i), 16}});
      io_.push_back(segment_.Start(name));
      owners_.push_back(
          std::make_unique<Owner>(name, io_.back().get(), &scheduler_, &random_, &log_));
    }
    host_ = std::make_unique<SimNeighbor>(&segment_, &scheduler_, "host", Mac(9), Ip("192.168.0.9"),
                                          Ip("2001:db8::9"));
  }

  // The plan of both: ranks by address.
  void Plan(const std::map<IpAddress, std::vector<std::string>>& ranks, bool confirmed = true,
            const std::string& interface = "eth0") {
    link::PlanState plan;
    std::set<IpAddress> changed;
    for (const auto& [address, held] : plan_.layer2) changed.insert(address);
    for (const auto& [address, nodes] : ranks) {
      link::Layer2Address& planned = plan.layer2[address];
      planned.interface = interface;
      for (const std::string& node : nodes) planned.ranks.push_back({.node = node});
      changed.insert(address);
    }
    plan_ = plan;
    for (auto& owner : owners_) owner->Apply(plan_, changed, confirmed);
    Run(absl::Milliseconds(10));
  }
  void Run(absl::Duration duration) {
    const absl::Duration end = scheduler_.Monotonic() + duration;
    while (true) {
      absl::Duration next = scheduler_.Next();
      for (auto& owner : owners_) {
        owner->Tick();
        next = std::min(next, owner->NextWakeup());
      }
      if (next > end) break;
      if (!scheduler_.Step(next)) scheduler_.RunUntil(next);
    }
    scheduler_.RunUntil(end);
    for (auto& owner : owners_) owner->Tick();
  }
  std::optional<MacAddress> WhoHas(const IpAddress& address) {
    host_->Resolve(address);
    Run(absl::Milliseconds(10));
    return host_->LookUp(address);
  }

  Scheduler scheduler_;
  SeededRandom random_{1};
  NullLogSink sink_;
  Logger log_{&sink_, &scheduler_};
  io::SimSegment segment_{&scheduler_};
  std::vector<std::unique_ptr<io::PacketIo>> io_;
  std::vector<std::unique_ptr<Owner>> owners_;
  std::unique_ptr<SimNeighbor> host_;
  link::PlanState plan_;
};

TEST_F(OwnerTest, OnlyTheFirstRankAnswers) {
  Plan({{kAddress, {"n1", "n2"}}, {kV6, {"n2", "n1"}}});
  EXPECT_THAT(WhoHas(kAddress), Optional(Mac(1)));
  EXPECT_THAT(WhoHas(kV6), Optional(Mac(2)));
  EXPECT_EQ(owners_[0]->owned(), 1U);
  // A change of ranks moves it, and the host's cache with it, unasked.
  Plan({{kAddress, {"n2", "n1"}}, {kV6, {"n2"}}});
  EXPECT_THAT(host_->LookUp(kAddress), Optional(Mac(2)));
  Plan({{kV6, {"n2"}}});
  host_->Resolve(kAddress);
  Run(absl::Seconds(1));
  EXPECT_THAT(host_->Answers(kAddress), IsEmpty());
  EXPECT_EQ(owners_[1]->owned(), 1U);
}

TEST_F(OwnerTest, AChangeOfStandbysDisturbsNothing) {
  Plan({{kAddress, {"n1", "n2"}}});
  Run(absl::Minutes(1));
  const uint64_t announced = owners_[0]->wire().counters().announcements;
  Plan({{kAddress, {"n1", "n3"}}});
  Plan({{kAddress, {"n1"}}}, /*confirmed=*/false);
  EXPECT_EQ(owners_[0]->wire().counters().announcements, announced);
  EXPECT_EQ(owners_[0]->owned(), 1U);
}

// A speaker that starts with an old plan must not take an address back from who has it since.
TEST_F(OwnerTest, ASavedPlanIsProbedFirst) {
  host_->Have(kAddress);
  Plan({{kAddress, {"n1"}}, {kV6, {"n1"}}}, /*confirmed=*/false);
  Run(absl::Seconds(2));
  EXPECT_THAT(WhoHas(kV6), Optional(Mac(1))) << "nobody else has it";
  EXPECT_FALSE(owners_[0]->wire().Owns("eth0", kAddress));
  EXPECT_THAT(owners_[0]->problems().at(kAddress), HasSubstr(Mac(9).ToString()));
  Run(absl::Minutes(1));
  EXPECT_FALSE(owners_[0]->wire().Owns("eth0", kAddress));
  // The controller knows better.
  Plan({{kAddress, {"n1"}}, {kV6, {"n1"}}}, /*confirmed=*/true);
  EXPECT_TRUE(owners_[0]->wire().Owns("eth0", kAddress));
}

TEST_F(OwnerTest, AnotherStationIsNamed) {
  Plan({{kAddress, {"n1"}}});
  EXPECT_THAT(owners_[0]->problems(), IsEmpty());
  owners_[0]->TakeProblemsChanged();
  host_->Have(kAddress);
  Run(absl::Minutes(5));
  EXPECT_TRUE(owners_[0]->TakeProblemsChanged());
  EXPECT_THAT(owners_[0]->problems().at(kAddress), HasSubstr(Mac(9).ToString()));
  EXPECT_EQ(owners_[0]->owned(), 1U);
  Plan({});
  EXPECT_THAT(owners_[0]->problems(), IsEmpty());
}

TEST_F(OwnerTest, AMissingInterfaceIsWaitedFor) {
  Plan({{kAddress, {"n1"}}}, /*confirmed=*/true, "eth9");
  EXPECT_EQ(owners_[0]->owned(), 0U);
  EXPECT_THAT(owners_[0]->problems().at(kAddress), HasSubstr("eth9"));
  segment_.SetInterface("n1", [](io::Interface* interface) { interface->name = "eth9"; });
  Run(absl::Milliseconds(10));
  EXPECT_EQ(owners_[0]->owned(), 1U);
  EXPECT_THAT(owners_[0]->problems(), IsEmpty());
}

TEST_F(OwnerTest, StopEndsEverything) {
  Plan({{kAddress, {"n1"}}, {kV6, {"n1"}}});
  owners_[0]->Stop();
  Run(absl::Milliseconds(10));
  EXPECT_EQ(owners_[0]->owned(), 0U);
  host_->Resolve(kAddress);
  Run(absl::Seconds(1));
  EXPECT_THAT(host_->Answers(kAddress), IsEmpty());
}

}  // namespace
}  // namespace openelb::layer2

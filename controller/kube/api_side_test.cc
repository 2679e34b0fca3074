// A whole API side before the API server in memory: what its parts tell one another.

#include "controller/kube/api_side.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "controller/kube/source_rig.h"

namespace openelb::kube {
namespace {

using fake::Fault;
using ::testing::IsEmpty;

class ApiSideTest : public ::testing::Test, public StatusHandler {
 protected:
  // Leads and serves; Service "web" is known, and all watches have fallen silent, while their
  // connections live.
  void LeadUntilWatchesAreMute() {
    Put("web");
    transport_.Inject({.kind = Fault::Kind::kMute,
                       .verb = "watch",
                       .count = static_cast<int>(kResources),
                       // The fresh lists of a new leader cut the first ones short.
                       .skip = static_cast<int>(kResources),
                       .delay = absl::Seconds(8)});
    RunFor(absl::Seconds(10));
    ASSERT_TRUE(side_.election().leadership().may_write());
    side_.SetServing();
    ASSERT_NE(told_.FindService("web"), nullptr);
    lists_ = Count(&ReflectorCounters::lists);
  }
  void Put(const std::string& name) {
    server_.Put(absl::StrCat("{apiVersion: v1, kind: Service, metadata: {name: ", name,
                             ", namespace: default}, spec: {type: LoadBalancer, ports: [{port: "
                             "80}]}}"));
  }
  uint64_t Count(uint64_t ReflectorCounters::* what) const {
    uint64_t sum = 0;
    for (const ResourceCounters& counters : side_.source().counters())
      sum += counters.reflector.*what;
    return sum;
  }
  // False: it did not within `limit`.
  bool RunUntil(const std::function<bool()>& done, absl::Duration limit) {
    const absl::Duration end = scheduler_.Monotonic() + limit;
    while (!done()) {
      side_.Turn();
      const absl::Duration now = scheduler_.Monotonic();
      const absl::Duration step = std::min(end, std::max(now, side_.NextWakeup()));
      if (scheduler_.Step(step)) continue;
      if (now >= end) return false;
      scheduler_.RunUntil(step);
    }
    return true;
  }
  void RunFor(absl::Duration time) {
    RunUntil([] { return false; }, time);
  }
  bool Knows(const std::string& name) const { return told_.FindService(name) != nullptr; }
  void OnServiceAnswered(const ObjectKey&, const std::vector<std::string>&) override {}

  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
  Client client_{&transport_, &scheduler_};
  SeededRandom random_{1};
  NullLogSink log_;
  Told told_;
  uint64_t lists_ = 0;
  ApiSide side_{{.lease = {.identity = "c_1", .endpoint = "192.0.2.1:50051"}},
                &client_,
                {&transport_, &scheduler_, &random_, &log_},
                {.source = &told_,
                 .status = this,
                 .on_leadership = [](const Leadership&, const auto&) {},
                 .on_search = [] {},
                 .on_certificate = [](const tls::Material&) {},
                 .on_endpoints = [](const std::vector<std::string>&) {}}};
};

// As where all connections are mute: the Lease cannot be renewed over an old one, a new one works.
TEST_F(ApiSideTest, ACallThatIsNotAnsweredWakesSilentWatches) {
  LeadUntilWatchesAreMute();
  transport_.Inject({.kind = Fault::Kind::kHang, .verb = "update", .resource = "leases"});
  Put("new");
  EXPECT_TRUE(RunUntil([&] { return Knows("new"); }, absl::Seconds(10)));
  EXPECT_EQ(Count(&ReflectorCounters::lists), lists_);
  EXPECT_THAT(told_.away, IsEmpty());
  EXPECT_EQ(side_.election().counters().lapses, 0u);
}

TEST_F(ApiSideTest, AWriteThatIsNotShownWakesSilentWatches) {
  LeadUntilWatchesAreMute();
  Put("new");
  side_.sink()->WriteService({Service::kKind, "default", "web"},
                             {.ips = {"192.0.2.9"}, .pool = "pool", .ours = true});
  EXPECT_FALSE(RunUntil([&] { return Knows("new"); }, absl::Seconds(4)));
  EXPECT_TRUE(RunUntil([&] { return Knows("new"); }, absl::Seconds(2)));
  RunFor(absl::Milliseconds(10));
  EXPECT_FALSE(told_.FindService("web")->ingress.empty());
  EXPECT_EQ(Count(&ReflectorCounters::lists), lists_);
  EXPECT_THAT(told_.away, IsEmpty());
}

// Nothing of ours is under way: the Lease is renewed.
TEST_F(ApiSideTest, WithoutAReasonToDoubtWatchesAreWokenInTime) {
  LeadUntilWatchesAreMute();
  Put("new");
  EXPECT_FALSE(RunUntil([&] { return Knows("new"); }, absl::Seconds(45)));
  EXPECT_TRUE(RunUntil([&] { return Knows("new"); }, absl::Seconds(50)));
  EXPECT_EQ(Count(&ReflectorCounters::lists), lists_);
  EXPECT_THAT(told_.away, IsEmpty());
}

// A webhook that never answers says nothing about watches, and is asked again and again.
TEST_F(ApiSideTest, CallsThatAreNeverAnsweredCostFewWatches) {
  Put("web");
  RunFor(absl::Seconds(10));
  side_.SetServing();
  transport_.Inject({.kind = Fault::Kind::kHang, .resource = "services/status", .count = -1});
  side_.sink()->WriteService({Service::kKind, "default", "web"},
                             {.ips = {"192.0.2.9"}, .pool = "pool", .ours = true});
  const uint64_t watches = Count(&ReflectorCounters::watches);
  RunFor(absl::Minutes(10));
  EXPECT_LE(Count(&ReflectorCounters::watches) - watches, 9 * 20u);
}

}  // namespace
}  // namespace openelb::kube

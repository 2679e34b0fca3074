// Three speakers in VIP mode on a simulated segment: who holds the address, and what frames tell
// neighbours of it.

#include "speaker/vip/vip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "api/base/scheduler.h"
#include "speaker/io/sim_segment.h"
#include "speaker/io/sim_vrrp.h"
#include "speaker/layer2/test_frames.h"
#include "speaker/layer2/test_problem.h"

namespace openelb::vip {
namespace {

using layer2::Ip;
using layer2::Mac;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

const IpAddress kAddress = Ip("192.168.50.100");
const IpAddress kOther = Ip("192.168.50.101");
const IpAddress kV6 = Ip("2001:db8::100");
constexpr absl::Duration kInterval = absl::Milliseconds(100);
constexpr absl::Duration kDelay = absl::Milliseconds(1);

// A PacketIo that can be made to open nothing.
class FaultyPackets final : public io::PacketIo {
 public:
  explicit FaultyPackets(std::unique_ptr<io::PacketIo> io) : io_(std::move(io)) {}
  void SetHandler(io::PacketHandler* handler) override { io_->SetHandler(handler); }
  std::vector<io::Interface> Interfaces() override { return io_->Interfaces(); }
  absl::Status Open(int interface) override {
    return fails ? absl::PermissionDeniedError("packet socket on eth0") : io_->Open(interface);
  }
  void Close(int interface) override { io_->Close(interface); }
  absl::Status Send(int interface, std::span<const uint8_t> frame) override {
    return io_->Send(interface, frame);
  }
  absl::Status JoinGroup(int interface, const IpAddress& group) override {
    return io_->JoinGroup(interface, group);
  }
  void LeaveGroup(int interface, const IpAddress& group) override {
    io_->LeaveGroup(interface, group);
  }
  bool fails = false;

 private:
  std::unique_ptr<io::PacketIo> io_;
};

class VipTest : public ::testing::Test {
 protected:
  struct Node {
    std::unique_ptr<io::VrrpIo> vrrp;
    std::unique_ptr<FaultyPackets> packets;
    std::unique_ptr<Vip> vip;
  };

  VipTest() {
    for (int i = 1; i <= 3; ++i) {
      const std::vector<InterfaceAddress> addresses = {
          {"eth0", Ip(absl::StrCat("192.168.50.", i)), 24},
          {"eth0", Ip(absl::StrCat("fe80::", i)), 64}};
      vrrp_.AddHost(Name(i), addresses);
      segment_.AddStation(Name(i), Mac(static_cast<uint8_t>(i)), addresses);
    }
    segment_.AddStation("host", Mac(9));
    host_ = segment_.Start("host");
    EXPECT_TRUE(host_->Open(io::SimSegment::kInterface).ok());
    segment_.SetTap([this](absl::string_view from, const Bytes& frame) {
      if (from == "host") return;
      frames_.emplace_back(clock_.Monotonic() - mark_, layer2::Describe(frame));
    });
  }
  // "n1" (MAC ..:01) to "n3".
  static std::string Name(int i) { return absl::StrCat("n", i); }

  static link::PlanState Plan(uint8_t priority, std::vector<IpAddress> addresses = {kAddress}) {
    link::PlanState plan;
    link::VrrpInstance router;
    router.priority = priority;
    router.interval = kInterval;
    router.addresses = std::move(addresses);
    router.name = "eip/web";
    plan.vrrp[{"eth0", router.addresses.front().family(), 51}] = router;
    return plan;
  }
  // A new process on a node, with a plan as it was saved.
  Vip& Start(int i, const link::PlanState& plan) {
    nodes_.erase(i);  // before there is another
    Node& node = nodes_[i];
    node.vrrp = vrrp_.Start(Name(i));
    node.packets = std::make_unique<FaultyPackets>(segment_.Start(Name(i)));
    node.vip = std::make_unique<Vip>(node.vrrp.get(), node.packets.get(), &clock_, &random_, &log_);
    node.vip->Apply(plan);
    return *node.vip;
  }
  void StartAll() {
    Start(1, Plan(100));
    Start(2, Plan(250));
    Start(3, Plan(200));
    Run(absl::Seconds(10));
    ASSERT_EQ(Holders(), "n2");
    Mark();
  }
  // The process is gone without a word.
  void Kill(int i) { nodes_.erase(i); }

  // Counts for how long nobody's router was Active.
  void Run(absl::Duration time) {
    const absl::Duration end = clock_.Monotonic() + time;
    while (true) {
      absl::Duration next = std::min(clock_.Next(), end);
      for (auto& [i, node] : nodes_) {
        node.vip->Tick();
        next = std::min(next, node.vip->NextWakeup());
      }
      next = std::max(next, clock_.Monotonic());
      if (ActiveRouters() == 0) nobody_ += next - clock_.Monotonic();
      if (next == end) break;
      if (!clock_.Step(next)) clock_.RunUntil(next);
    }
    clock_.RunUntil(end);
    for (auto& [i, node] : nodes_) node.vip->Tick();
  }
  int ActiveRouters() const {
    int active = 0;
    for (const auto& [i, node] : nodes_) {
      for (const vrrp::RouterView& router : node.vip->routers().Routers()) {
        if (router.state == vrrp::RouterState::kActive) ++active;
      }
    }
    return active;
  }
  std::string Holders(const IpAddress& address = kAddress) const {
    return absl::StrJoin(vrrp_.Holders(address), " ");
  }
  void Mark() {
    mark_ = clock_.Monotonic();
    nobody_ = absl::ZeroDuration();
    frames_.clear();
  }
  // When frames like `text` were sent since the mark.
  std::vector<absl::Duration> Times(absl::string_view text) const {
    std::vector<absl::Duration> times;
    for (const auto& [when, frame] : frames_) {
      if (absl::StrContains(frame, text)) times.push_back(when);
    }
    return times;
  }

  Scheduler clock_;
  SeededRandom random_{1};
  NullLogSink sink_;
  Logger log_{&sink_, &clock_};
  io::SimVrrpSegment vrrp_{&clock_};
  io::SimSegment segment_{&clock_};
  std::unique_ptr<io::PacketIo> host_;
  std::map<int, Node> nodes_;
  absl::Duration mark_;
  absl::Duration nobody_;
  std::vector<std::pair<absl::Duration, std::string>> frames_;
};

const absl::Duration kSkew200 = kInterval * (256 - 200) / 256;

TEST_F(VipTest, TheActiveHoldsAnnouncesAndLeavesAnsweringToTheKernel) {
  Mark();
  Vip& vip = Start(1, Plan(254));
  const absl::Duration down = 3 * kInterval + kInterval * 2 / 256;
  Run(down + absl::Seconds(5));
  EXPECT_EQ(Holders(), "n1");
  EXPECT_EQ(vip.held(), 1U);
  const std::vector<absl::Duration> burst = {down, down + absl::Milliseconds(100),
                                             down + absl::Milliseconds(500),
                                             down + absl::Seconds(1), down + absl::Seconds(3)};
  EXPECT_EQ(Times("gratuitous request 192.168.50.100 is 01"), burst);
  EXPECT_EQ(Times("gratuitous reply 192.168.50.100 is 01"),
            std::vector(burst.begin() + 1, burst.end()));

  ASSERT_TRUE(host_
                  ->Send(io::SimSegment::kInterface,
                         layer2::ArpRequest(kAddress, Mac(9), Ip("192.168.50.9")))
                  .ok());
  Run(absl::Milliseconds(10));
  EXPECT_THAT(Times("reply 192.168.50.100 is 01 to 09"), IsEmpty());
  EXPECT_EQ(vip.wire().counters().arp_answers, 0U);
}

TEST_F(VipTest, AnIpv6AddressIsAnnouncedWithOverride) {
  Vip& vip = Start(1, Plan(254, {kV6}));
  Run(absl::Seconds(5));
  EXPECT_EQ(Holders(kV6), "n1");
  EXPECT_EQ(vip.held(), 1U);
  EXPECT_EQ(Times("advertisement 2001:db8::100 is 01 to all-nodes o").size(), 5U);
  ASSERT_TRUE(
      host_
          ->Send(io::SimSegment::kInterface, layer2::Solicitation(kV6, Mac(9), Ip("fe80::9"), true))
          .ok());
  Run(absl::Milliseconds(10));
  EXPECT_EQ(vip.wire().counters().ndp_answers, 0U);

  // The router's own link-local address is held with it, but is no Service's.
  const IpAddress own = vrrp::VirtualLinkLocal(51);
  EXPECT_EQ(Holders(own), "n1");
  EXPECT_THAT(Times(absl::StrCat("advertisement ", own.ToString(), " is 01")), Not(IsEmpty()));
  for (const IpAddress& claimed : {own, kV6}) {
    EXPECT_THAT(vip.problems(), IsEmpty());
    const Bytes claim = layer2::Solicitation(claimed == own ? kV6 : own, Mac(9), claimed, true);
    ASSERT_TRUE(host_->Send(io::SimSegment::kInterface, claim).ok());
    Run(absl::Seconds(1));
  }
  EXPECT_THAT(vip.problems(), ElementsAre(Pair(kV6, layer2::IsDuplicate(Mac(9)))));
}

TEST_F(VipTest, AKilledActiveIsReplacedAndTakesNothingBack) {
  StartAll();
  Kill(2);
  Run(absl::Seconds(2));
  EXPECT_EQ(Holders(), "n2 n3") << "what a dead process held stays";
  EXPECT_LE(nobody_, 3 * kInterval + kSkew200 + kDelay);
  EXPECT_EQ(Times("gratuitous request 192.168.50.100 is 03").size(), 4U);
  EXPECT_THAT(Times("192.168.50.100 is 02"), IsEmpty());

  // Back with its saved plan: what it left goes at once, and the better priority changes nothing.
  Mark();
  Start(2, Plan(250));
  EXPECT_EQ(Holders(), "n3");
  Run(absl::Seconds(20));
  EXPECT_EQ(Holders(), "n3");
  EXPECT_EQ(nobody_, absl::ZeroDuration());
  EXPECT_THAT(Times("192.168.50.100 is 02"), IsEmpty());
}

TEST_F(VipTest, AnOrderlyStopHandsOverWithinTheSkew) {
  StartAll();
  nodes_[2].vip->Stop();
  EXPECT_EQ(Holders(), "");
  EXPECT_EQ(nodes_[2].vip->held(), 0U);
  Run(absl::Seconds(5));
  EXPECT_EQ(Holders(), "n3");
  EXPECT_EQ(nobody_, kDelay + kSkew200);
  EXPECT_THAT(Times("192.168.50.100 is 02"), IsEmpty());
}

TEST_F(VipTest, AnActiveWithoutItsLinkLetsGo) {
  StartAll();
  vrrp_.SetCarrier("n2", false);
  Run(absl::Seconds(2));
  EXPECT_EQ(Holders(), "n3");
  EXPECT_THAT(nodes_[2].vip->problems(),
              ElementsAre(Pair(kAddress, layer2::IsUnanswered("no carrier"))));
  EXPECT_TRUE(nodes_[2].vip->TakeChanged());
  vrrp_.SetCarrier("n2", true);
  Run(absl::Seconds(2));
  EXPECT_EQ(Holders(), "n3");
  EXPECT_THAT(nodes_[2].vip->problems(), IsEmpty());
}

// A plan that goes on with a router moves nothing, whatever else it says of it.
TEST_F(VipTest, PlansChangeAnActiveWithoutEndingIt) {
  StartAll();
  Vip& vip = *nodes_[2].vip;
  const absl::Time since = vip.routers().Routers().at(0).since;
  const auto apply = [&](uint8_t priority, const std::vector<IpAddress>& addresses) {
    nodes_[1].vip->Apply(Plan(100, addresses));
    nodes_[3].vip->Apply(Plan(200, addresses));
    vip.Apply(Plan(priority, addresses));
    Run(absl::Seconds(5));
  };
  apply(250, {kAddress, kOther});
  EXPECT_EQ(Holders(kOther), "n2");
  EXPECT_EQ(Times("gratuitous request 192.168.50.101 is 02").size(), 5U);
  EXPECT_THAT(Times("gratuitous request 192.168.50.100"), IsEmpty()) << "nobody needs to be told";
  apply(50, {kOther});
  EXPECT_EQ(Holders(), "");
  EXPECT_EQ(Holders(kOther), "n2");
  Mark();
  Run(absl::Minutes(5));
  EXPECT_THAT(Times("gratuitous request 192.168.50.100"), IsEmpty());
  EXPECT_THAT(Times("gratuitous request 192.168.50.101"), Not(IsEmpty())) << "now and then";
  EXPECT_EQ(vip.routers().Routers().at(0).since, since);
  EXPECT_EQ(vip.routers().counters().became_active, 1U);
  EXPECT_EQ(nobody_, absl::ZeroDuration());

  vip.Apply({});
  Run(absl::Seconds(5));
  EXPECT_EQ(Holders(kOther), "n3") << "without a router the node takes no part";
}

TEST_F(VipTest, RoutersOfOthersAreHeardWithoutOneOfOurs) {
  Vip& listener = Start(1, {});
  Run(absl::Seconds(1));
  EXPECT_THAT(listener.heard(), IsEmpty());
  EXPECT_TRUE(listener.TakeChanged()) << "from where it would send";
  Run(absl::Seconds(1));
  EXPECT_FALSE(listener.TakeChanged());
  Start(2, Plan(100));
  Start(3, Plan(100, {kV6}));
  Run(absl::Seconds(2));
  EXPECT_TRUE(listener.TakeChanged());
  EXPECT_THAT(listener.heard(), ElementsAre("eth0 4 51", "eth0 6 51"));
  Run(absl::Seconds(2));
  EXPECT_FALSE(listener.TakeChanged()) << "said once";
  Kill(2);
  Run(absl::Minutes(6));
  EXPECT_TRUE(listener.TakeChanged());
  EXPECT_THAT(listener.heard(), ElementsAre("eth0 6 51"));
  // One of ours with the same addresses is no other's.
  listener.Apply(Plan(50, {kV6}));
  Run(absl::Seconds(2));
  EXPECT_THAT(listener.heard(), IsEmpty());
}

TEST_F(VipTest, ListensOnlyWhereTheNodeHasASubnet) {
  segment_.SetInterface("n1", [](io::Interface* interface) {
    interface->addresses = {{"eth0", Ip("192.168.50.1"), 32}, {"eth0", Ip("fe80::1"), 64}};
  });
  Vip& listener = Start(1, {});
  Start(2, Plan(100));
  Run(absl::Seconds(2));
  EXPECT_THAT(listener.heard(), IsEmpty());
  segment_.SetInterface("n1", [](io::Interface* interface) {
    interface->addresses = {{"eth0", Ip("192.168.50.1"), 24}};
  });
  Run(absl::Seconds(2));
  EXPECT_THAT(listener.heard(), ElementsAre("eth0 4 51"));
}

TEST_F(VipTest, AnotherStationThatClaimsTheAddressIsNamed) {
  Vip& vip = Start(1, Plan(100));
  Run(absl::Seconds(5));
  EXPECT_THAT(vip.problems(), IsEmpty());
  vip.TakeChanged();
  Mark();
  const Bytes claim = layer2::ArpRequest(Ip("192.168.50.9"), Mac(9), kAddress);
  ASSERT_TRUE(host_->Send(io::SimSegment::kInterface, claim).ok());
  Run(absl::Seconds(1));
  EXPECT_TRUE(vip.TakeChanged());
  EXPECT_THAT(vip.problems(), ElementsAre(Pair(kAddress, layer2::IsDuplicate(Mac(9)))));
  EXPECT_THAT(Times("gratuitous request 192.168.50.100 is 01"), Not(IsEmpty())) << "put right";
  Run(absl::Minutes(5));
  EXPECT_THAT(vip.problems(), IsEmpty()) << "not heard again";

  Mark();
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(host_->Send(io::SimSegment::kInterface, claim).ok());
    Run(absl::Milliseconds(100));
  }
  EXPECT_EQ(Times("gratuitous request 192.168.50.100 is 01").size(), 3 * 5U) << "in 30 s";
  vip.Apply({});
  Run(kInterval);
  vip.Apply(Plan(100));
  Run(absl::Seconds(5));

  ASSERT_TRUE(host_->Send(io::SimSegment::kInterface, claim).ok());
  Run(absl::Seconds(1));
  EXPECT_EQ(vip.problems().size(), 1U);
  vip.Apply({});
  Run(kInterval);
  EXPECT_THAT(vip.problems(), IsEmpty()) << "no longer ours";
}

TEST_F(VipTest, AnAnnouncementThatFailedIsTriedAgain) {
  Vip& vip = Start(1, Plan(100));
  nodes_[1].packets->fails = true;
  Run(absl::Seconds(2));
  EXPECT_EQ(Holders(), "n1") << "held all the same";
  EXPECT_THAT(vip.problems(), ElementsAre(Pair(kAddress, layer2::IsUnanswered("packet socket"))));
  nodes_[1].packets->fails = false;
  Mark();
  Run(absl::Seconds(2));
  EXPECT_THAT(vip.problems(), IsEmpty());
  EXPECT_THAT(Times("gratuitous request 192.168.50.100 is 01"), Not(IsEmpty()));
}

TEST_F(VipTest, AMissingInterfaceIsAProblemOfEachAddress) {
  link::PlanState plan;
  plan.vrrp[{"eth9", Family::kV4, 7}] = {.interval = kInterval, .addresses = {kAddress, kOther}};
  Vip& vip = Start(1, plan);
  Run(absl::Seconds(2));
  EXPECT_THAT(vip.problems(), ElementsAre(Pair(kAddress, layer2::IsUnanswered("eth9")),
                                          Pair(kOther, layer2::IsUnanswered("eth9"))));
}

}  // namespace
}  // namespace openelb::vip

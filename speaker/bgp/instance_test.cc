// Whole speakers over a simulated network: instances against test routers and against each other.
#include "speaker/bgp/instance.h"

#include <gmock/gmock.h>

#include "api/base/scheduler.h"
#include "speaker/bgp/test_router.h"
#include "speaker/io/sim_network.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
IpPrefix Prefix(absl::string_view text) { return IpPrefix::Parse(text).value(); }

class CountingObserver final : public Observer {
 public:
  void OnSessionChanged(const IpAddress& peer) override { ++changes[peer]; }
  void OnWireAdvanced(const IpAddress& peer) override { ++advances[peer]; }
  std::map<IpAddress, int> changes;
  std::map<IpAddress, int> advances;
};

class InstanceTest : public ::testing::Test {
 protected:
  InstanceTest() {
    network_.AddHost("node", {*InterfaceAddress::Parse("10.0.0.3/24")});
    network_.AddHost("leaf", {*InterfaceAddress::Parse("10.0.0.1/24")});
    network_.AddHost("leaf2", {*InterfaceAddress::Parse("10.0.0.2/24")});
    plan_.instance = link::BgpInstance{.local_as = 65000,
                                       .router_id = 0x0a000003,
                                       .listen_port = 179,
                                       .listen_addresses = {Ip("0.0.0.0")}};
    plan_.generation = {1, 1};
    AddPeer("10.0.0.1", "leaf1", 65001);
    plan_.groups["rack"] = {{.node = "a", .address = Ip("10.0.0.3")},
                            {.node = "b", .address = Ip("10.0.0.4")}};
    AddRoute("172.22.0.2/32");
    node_io_ = network_.Start("node");
    leaf_io_ = network_.Start("leaf");
  }

  link::BgpPeer& AddPeer(absl::string_view address, absl::string_view name, uint32_t as) {
    link::BgpPeer& peer = plan_.peers[Ip(address)];
    peer.address = Ip(address);
    peer.name = std::string(name);
    peer.remote_as = as;
    peer.local_as = 65000;
    peer.hold_time_s = 9;
    peer.connect_retry_s = 120;
    peer.families = {{Family::kV4, true, 0}};
    peer.scope = "s";
    return peer;
  }
  void AddRoute(absl::string_view prefix) {
    link::Route& route = plan_.routes[Prefix(prefix)];
    route.prefix = Prefix(prefix);
    route.groups["s"] = "rack";
  }

  void StartSpeaker() {
    speaker_ =
        std::make_unique<Instance>(node_io_.get(), &scheduler_, &random_, &logger_, &observer_);
    node_io_->SetHandler(speaker_.get());
    link::PlanChanges all;
    all.instance = true;
    for (const auto& [address, peer] : plan_.peers) all.peers.insert(address);
    for (const auto& [prefix, route] : plan_.routes) all.routes.insert(prefix);
    speaker_->Apply(plan_, all);
  }
  TestRouter* StartLeaf(TestRouter::Options options = {}) {
    if (options.as == 0) options.as = 65001;
    if (options.router_id == 0) options.router_id = 0x0a000001;
    options.listen = Ip("0.0.0.0");
    leaf_ = std::make_unique<TestRouter>(leaf_io_.get(), &scheduler_, options);
    return leaf_.get();
  }
  void Run(absl::Duration time) {
    const absl::Duration end = scheduler_.Monotonic() + time;
    while (scheduler_.Monotonic() < end) {
      absl::Duration next = end;
      if (speaker_) next = std::min(next, speaker_->NextWakeup());
      if (leaf_) next = std::min(next, leaf_->NextWakeup());
      if (!scheduler_.Step(next)) scheduler_.RunUntil(std::max(next, scheduler_.Monotonic()));
      if (speaker_ && speaker_->NextWakeup() <= scheduler_.Monotonic()) speaker_->Tick();
      if (leaf_ && leaf_->NextWakeup() <= scheduler_.Monotonic()) leaf_->Tick();
    }
  }
  plan::v1::PeerObserved Peer(int i = 0) { return speaker_->Observed().peers(i); }

  Scheduler scheduler_;
  io::SimNetwork network_{&scheduler_, 1};
  SeededRandom random_{1};
  NullLogSink sink_;
  Logger logger_{&sink_, &scheduler_};
  CountingObserver observer_;
  link::PlanState plan_;
  std::unique_ptr<io::Io> node_io_;
  std::unique_ptr<io::Io> leaf_io_;
  std::unique_ptr<Instance> speaker_;
  std::unique_ptr<TestRouter> leaf_;
};

TEST_F(InstanceTest, AnnouncesAllNextHopsWithAddPath) {
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_THAT(leaf_->NextHops(Prefix("172.22.0.2/32")),
              ElementsAre(Ip("10.0.0.3"), Ip("10.0.0.4")));
  EXPECT_THAT(leaf_->errors(), IsEmpty());
  EXPECT_EQ(Peer().on_wire().counter(), 1u);
  EXPECT_EQ(Peer().announced_paths(), 2u);
}

TEST_F(InstanceTest, ResetsWaitForATurnButNotForEver) {
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  plan_.peers[Ip("10.0.0.1")].hold_time_s = 30;
  speaker_->Apply(plan_, {.peers = {Ip("10.0.0.1")}});
  Run(absl::Seconds(60));
  EXPECT_EQ(speaker_->Observed().pending_resets(), 1u);
  EXPECT_THAT(leaf_->notifications(), IsEmpty());
  speaker_->SetResetTurn(true);
  Run(absl::Seconds(5));
  EXPECT_EQ(speaker_->Observed().pending_resets(), 0u);
  EXPECT_EQ(leaf_->notifications().size(), 1u);
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");

  speaker_->SetResetTurn(false);
  plan_.peers[Ip("10.0.0.1")].hold_time_s = 60;
  speaker_->Apply(plan_, {.peers = {Ip("10.0.0.1")}});
  Run(absl::Seconds(119));
  EXPECT_EQ(leaf_->notifications().size(), 1u);
  Run(absl::Seconds(10));
  EXPECT_EQ(leaf_->notifications().size(), 2u);
  EXPECT_EQ(speaker_->Observed().pending_resets(), 0u);
}

}  // namespace
}  // namespace openelb::bgp

#pragma once
// For tests: a speaker with its plan on a simulated network, and two leaves that may run there.

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/base/scheduler.h"
#include "speaker/bgp/instance.h"
#include "speaker/bgp/test_route.h"
#include "speaker/bgp/test_router.h"
#include "speaker/io/sim_network.h"

namespace openelb::bgp {

inline IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
inline IpPrefix Prefix(absl::string_view text) { return IpPrefix::Parse(text).value(); }

class CountingObserver final : public Observer {
 public:
  void OnSessionChanged(const Neighbor& peer) override { ++changes[peer]; }
  void OnWireAdvanced(const Neighbor& peer) override { ++advances[peer]; }
  std::map<Neighbor, int> changes;
  std::map<Neighbor, int> advances;
};

class LinesSink final : public LogSink {
 public:
  void Write(const LogRecord& record) override {
    if (record.level >= LogLevel::kInfo) lines.push_back(FormatText(record));
  }
  std::vector<std::string> lines;
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
    leaf2_io_ = network_.Start("leaf2");
  }

  link::BgpPeer& AddPeer(absl::string_view address, absl::string_view name, uint32_t as) {
    const Neighbor neighbor = Neighbor::Parse(address).value();
    link::BgpPeer& peer = plan_.peers[neighbor];
    peer.neighbor = neighbor;
    peer.name = std::string(name);
    peer.remote_as = as;
    peer.local_as = 65000;
    peer.hold_time_s = 9;
    peer.connect_retry_s = 120;
    peer.families = {{Family::kV4, true, 0}};
    peer.scope = "s";
    return peer;
  }
  void AddRoute(absl::string_view prefix) { plan_.routes[Prefix(prefix)] = RouteTo("rack"); }

  void StartSpeaker() {
    speaker_ =
        std::make_unique<Instance>(node_io_.get(), &scheduler_, &random_, &logger_, &observer_);
    node_io_->SetHandler(speaker_.get());
    link::PlanChanges all;
    all.instance = true;
    for (const auto& [address, peer] : plan_.peers) all.peers.insert(address);
    for (const auto& [prefix, route] : plan_.routes) all.routes.Add(prefix, link::RouteRef());
    speaker_->Apply(plan_, all);
  }
  static TestRouter::Options LeafOptions() {
    return {.as = 65001, .router_id = 0x0a000001, .listen = Ip("0.0.0.0")};
  }
  void StartLeaf(TestRouter::Options options = LeafOptions()) {
    leaf_ = std::make_unique<TestRouter>(leaf_io_.get(), &scheduler_, options);
  }
  // A second leaf, 10.0.0.2 of AS 65002, which the plan knows as leaf2.
  void StartLeaf2() {
    AddPeer("10.0.0.2", "leaf2", 65002);
    leaf2_ = std::make_unique<TestRouter>(
        leaf2_io_.get(), &scheduler_,
        TestRouter::Options{.as = 65002, .router_id = 0x0a000002, .listen = Ip("0.0.0.0")});
  }
  void ApplyPeers() {
    link::PlanChanges changes;
    for (const auto& [address, peer] : plan_.peers) changes.peers.insert(address);
    ++plan_.generation.counter;
    speaker_->Apply(plan_, changes);
  }
  void Run(absl::Duration time) {
    const absl::Duration end = scheduler_.Monotonic() + time;
    while (scheduler_.Monotonic() < end) {
      absl::Duration next = end;
      if (speaker_) next = std::min(next, speaker_->NextWakeup());
      for (TestRouter* leaf : {leaf_.get(), leaf2_.get()}) {
        if (leaf != nullptr) next = std::min(next, leaf->NextWakeup());
      }
      if (!scheduler_.Step(next)) scheduler_.RunUntil(std::max(next, scheduler_.Monotonic()));
      if (speaker_ && speaker_->NextWakeup() <= scheduler_.Monotonic()) speaker_->Tick();
      for (TestRouter* leaf : {leaf_.get(), leaf2_.get()}) {
        if (leaf != nullptr && leaf->NextWakeup() <= scheduler_.Monotonic()) leaf->Tick();
      }
    }
  }
  static int Count(const TestRouter& router, TestRouter::Change::Kind kind) {
    return static_cast<int>(
        std::count_if(router.changes().begin(), router.changes().end(),
                      [kind](const TestRouter::Change& change) { return change.kind == kind; }));
  }
  int Downs(const TestRouter& router) {
    return Count(router, TestRouter::Change::Kind::kSessionDown);
  }
  plan::v1::PeerObserved Peer(int i = 0) { return speaker_->Observed().peers(i); }

  Scheduler scheduler_;
  io::SimNetwork network_{&scheduler_, 1};
  SeededRandom random_{1};
  LinesSink sink_;
  Logger logger_{&sink_, &scheduler_};
  CountingObserver observer_;
  link::PlanState plan_;
  std::unique_ptr<io::Io> node_io_;
  std::unique_ptr<io::Io> leaf_io_;
  std::unique_ptr<io::Io> leaf2_io_;
  std::unique_ptr<Instance> speaker_;
  std::unique_ptr<TestRouter> leaf_;
  std::unique_ptr<TestRouter> leaf2_;
};

}  // namespace openelb::bgp

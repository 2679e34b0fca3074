// Two controllers that share a Lease, and speakers that know both: through every fault each speaker
// keeps its routes, and once it is over it is attached to the one that leads.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/disk.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "api/base/scheduler.h"
#include "api/network/v1alpha2/names.h"
#include "controller/controller.h"
#include "controller/kube/leader_election.h"
#include "controller/kube/lease_epoch.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"
#include "e2e/simulation/memory_link.h"
#include "e2e/simulation/sim_cluster.h"
#include "speaker/link/link.h"

namespace openelb::simulation {
namespace {

using Role = kube::Leadership::Role;

std::string EndpointOf(const std::string& pod) { return pod + ":50051"; }

// A controller's process. Its cluster is its own: here it matters who leads, not what it decides.
class Replica {
 public:
  Replica(const std::string& pod, int incarnation, Scheduler* scheduler, MemoryNet* net,
          kube::fake::Server* server, Random* random)
      : cluster(scheduler),
        transport(server, scheduler),
        client_(&transport, scheduler),
        log_(&sink_, scheduler),
        epoch([this](uint64_t seen) { election.RaiseAbove(seen); }),
        election({.identity = absl::StrCat(pod, "_", incarnation), .endpoint = EndpointOf(pod)},
                 {.client = &client_,
                  .clock = scheduler,
                  .random = random,
                  .log = &log_,
                  .on_change = [this](const kube::Leadership& news) { epoch.Set(news); },
                  .on_search =
                      [this] { controller.SendSpeakersAway(absl::UnavailableError("lapsed")); }}),
        controller(
            {}, {.clock = scheduler,
                 .disk = &disk_,
                 .epoch = &epoch,
                 .open_link = [=](auto* handler) { return net->Listen(EndpointOf(pod), handler); },
                 .status = &cluster,
                 .log = &log_}) {
    Fill();
    cluster.Start(&controller);
  }
  ~Replica() { cluster.Detach(); }

  void Turn() {
    client_.Turn();
    election.Turn();
    controller.Turn();
  }
  absl::Duration NextWakeup() const {
    return std::min({client_.NextWakeup(), election.NextWakeup(), controller.NextWakeup()});
  }

  SimCluster cluster;
  kube::FakeTransport transport;

 private:
  void Fill() {
    for (const std::string name : {"n1", "n2"}) {
      kube::Node node;
      node.meta.name = name;
      node.internal_ips = {IpAddress::Parse(name == "n1" ? "10.0.0.1" : "10.0.0.2").value()};
      cluster.Apply(node);
    }
    network::BgpConf conf;
    conf.meta.name = network::kBgpConfName;
    conf.as = 65000;
    cluster.Apply(conf);
    network::BgpPeer peer;
    peer.meta.name = "leaf";
    peer.neighbor_address = "10.0.0.9";
    peer.peer_as = 65001;
    cluster.Apply(peer);
    network::Eip eip;
    eip.meta.name = "pool";
    eip.address = "172.22.0.2-172.22.0.10";
    cluster.Apply(eip);
    AddService("first");
  }

 public:
  void AddService(const std::string& name) {
    kube::Service service;
    service.meta.name = name;
    service.meta.namespace_ = "default";
    service.meta.annotations = {{network::kLoadBalancer.openelb, "openelb"},
                                {network::kEipName.openelb, "pool"}};
    service.type = "LoadBalancer";
    service.ports = {{.name = "http", .protocol = "TCP", .port = 80}};
    cluster.Apply(service);
    kube::EndpointSlice slice;
    slice.meta.name = name;
    slice.meta.namespace_ = "default";
    slice.meta.labels[kube::kServiceNameLabel] = name;
    slice.address_type = "IPv4";
    slice.endpoints.push_back({.addresses = {"10.244.0.1"}, .node_name = "n1", .ready = true});
    cluster.Apply(slice);
  }

 private:
  kube::Client client_;
  NullLogSink sink_;
  Logger log_;
  MemoryDisk disk_;

 public:
  kube::LeaseEpoch epoch;
  kube::LeaderElection election;
  Controller controller;
};

class TestSpeaker final : public link::PlanLink::Handler {
 public:
  TestSpeaker(const std::string& node, Scheduler* scheduler, MemoryNet* net, Random* random)
      : scheduler_(scheduler),
        log_(&sink_, scheduler),
        transport_(net->Connect(node, this)),
        link(transport_.get(), &store, random, &log_,
             {.node = node,
              .kernel_boot_id = "boot",
              .instance = "i",
              .version = "test",
              .controllers = {EndpointOf("b"), EndpointOf("a")}}) {
    link.Start(Now());
    plan::v1::Facts facts;
    plan::v1::Fact* fact = facts.add_facts();
    fact->set_subject(node);
    fact->set_kind("speaker");
    fact->add_values("test");
    link.SendFacts(std::move(facts), Now());
  }
  void OnUp(const std::string& endpoint) override { link.OnUp(endpoint, Now()); }
  void OnPlan(const plan::v1::Plan& plan) override { link.OnPlan(plan, Now()); }
  void OnDown(const absl::Status& why) override { link.OnDown(why, Now()); }
  size_t routes() const { return store.state().routes.size(); }

 private:
  absl::Duration Now() const { return scheduler_->Monotonic(); }
  Scheduler* const scheduler_;
  NullLogSink sink_;
  Logger log_;
  const std::unique_ptr<link::PlanLink> transport_;

 public:
  link::PlanStore store;
  link::Link link;
};

class LeadershipTest : public ::testing::Test {
 protected:
  Replica& Start(const std::string& pod) {
    replicas_.erase(pod);
    replicas_[pod] =
        std::make_unique<Replica>(pod, ++incarnation_, &scheduler_, &net_, &server_, &random_);
    return *replicas_[pod];
  }
  void StartSpeakers() {
    for (const std::string node : {"n1", "n2"}) {
      speakers_[node] = std::make_unique<TestSpeaker>(node, &scheduler_, &net_, &random_);
    }
  }
  bool RunUntil(const std::function<bool()>& done, absl::Duration limit) {
    const absl::Duration end = scheduler_.Monotonic() + limit;
    while (!done()) {
      if (scheduler_.Monotonic() >= end) return false;
      absl::Duration next = end;
      for (const auto& [pod, replica] : replicas_) {
        replica->Turn();
        next = std::min(next, replica->NextWakeup());
      }
      for (const auto& [node, speaker] : speakers_) {
        speaker->link.Tick(scheduler_.Monotonic());
        next = std::min(next, speaker->link.NextWakeup());
        size_t& most = most_routes_[node];
        EXPECT_GE(speaker->routes(), most) << node << " lost routes";
        most = std::max(most, speaker->routes());
      }
      next = std::max(next, scheduler_.Monotonic());
      if (!scheduler_.Step(next)) scheduler_.RunUntil(next);
    }
    return true;
  }
  void RunFor(absl::Duration time) {
    RunUntil([] { return false; }, time);
  }
  Role RoleOf(const std::string& pod) { return replicas_.at(pod)->election.leadership().role; }
  // Every speaker is served by it and holds its plan.
  bool ServesAll(const std::string& pod, size_t routes = 1) {
    return RoleOf(pod) == Role::kLeading &&
           std::all_of(speakers_.begin(), speakers_.end(), [&](const auto& named) {
             const TestSpeaker& speaker = *named.second;
             return speaker.link.endpoint() == EndpointOf(pod) && speaker.link.confirmed() &&
                    speaker.routes() == routes &&
                    speaker.store.state().generation.epoch == replicas_.at(pod)->epoch.current();
           });
  }
  bool AnyAttached() const {
    return std::any_of(speakers_.begin(), speakers_.end(),
                       [](const auto& named) { return named.second->link.connected(); });
  }
  // a leads and serves both; b stands by.
  void StartAll() {
    Start("a");
    RunFor(absl::Seconds(1));
    Start("b");
    StartSpeakers();
    ASSERT_TRUE(RunUntil([&] { return ServesAll("a"); }, absl::Seconds(15)));
    RunFor(absl::Seconds(3));  // b has seen a renewal
  }

  Scheduler scheduler_;
  MemoryNet net_{&scheduler_};
  kube::fake::Server server_{&scheduler_};
  SeededRandom random_{1};
  int incarnation_ = 0;
  std::map<std::string, std::unique_ptr<Replica>> replicas_;
  std::map<std::string, std::unique_ptr<TestSpeaker>> speakers_;
  std::map<std::string, size_t> most_routes_;
};

TEST_F(LeadershipTest, SpeakersFollowTheStandbysReferral) {
  StartAll();
  for (const auto& [node, speaker] : speakers_) {
    EXPECT_EQ(speaker->link.counters().referrals, 1u);
    EXPECT_EQ(speaker->link.counters().dials, 2u);
  }
}

TEST_F(LeadershipTest, AKilledLeaderIsFollowedByTheStandby) {
  StartAll();
  replicas_.erase("a");
  ASSERT_TRUE(RunUntil([&] { return RoleOf("b") == Role::kLeading; }, absl::Seconds(15)));
  // It has lost no facts, because it never had any: it waits for the speakers to tell theirs.
  ASSERT_TRUE(RunUntil([&] { return ServesAll("b"); }, absl::Seconds(16)));
  Start("a");
  RunFor(absl::Minutes(1));
  EXPECT_TRUE(ServesAll("b"));
}

TEST_F(LeadershipTest, SpeakersLeaveALeaderThatIsCutOffFromTheApiServer) {
  StartAll();
  replicas_["a"]->transport.SetReachable(false);
  ASSERT_TRUE(RunUntil([&] { return RoleOf("b") == Role::kLeading; }, absl::Seconds(15)));
  EXPECT_EQ(RoleOf("a"), Role::kLapsed);
  ASSERT_TRUE(RunUntil([&] { return ServesAll("b"); }, absl::Seconds(20)));
  replicas_["b"]->AddService("second");
  ASSERT_TRUE(RunUntil([&] { return ServesAll("b", 2); }, absl::Seconds(1)));
  replicas_["a"]->transport.SetReachable(true);
  ASSERT_TRUE(RunUntil([&] { return RoleOf("a") == Role::kDeposed; }, absl::Seconds(3)));
  RunFor(absl::Minutes(1));
  EXPECT_TRUE(ServesAll("b", 2));
}

TEST_F(LeadershipTest, WithoutTheApiServerSpeakersStayWithTheirLeader) {
  StartAll();
  for (auto& [pod, replica] : replicas_) replica->transport.SetReachable(false);
  RunFor(absl::Seconds(14));
  EXPECT_EQ(RoleOf("a"), Role::kLapsed);
  EXPECT_EQ(speakers_["n1"]->link.counters().streams, 1u);
  // They look for another leader, again 5 s later, and come back.
  RunFor(absl::Seconds(12));
  for (const auto& [node, speaker] : speakers_) {
    EXPECT_EQ(speaker->link.endpoint(), EndpointOf("a"));
    EXPECT_TRUE(speaker->link.connected());
    EXPECT_EQ(speaker->link.counters().streams, 3u);
  }
  replicas_["a"]->AddService("second");
  replicas_["a"]->transport.SetReachable(true);
  EXPECT_TRUE(RunUntil([&] { return ServesAll("a", 2); }, absl::Seconds(3)));
  EXPECT_EQ(replicas_["a"]->epoch.current(), 1u);
}

TEST_F(LeadershipTest, FencingSurvivesADeletedLeaseAndARestoredEtcd) {
  StartAll();
  const auto snapshot = server_.Snapshot();
  for (int i = 0; i < 3; ++i) {
    const std::string leader = RoleOf("a") == Role::kLeading ? "a" : "b";
    const std::string other = leader == "a" ? "b" : "a";
    Start(leader);
    ASSERT_TRUE(RunUntil([&] { return ServesAll(other); }, absl::Seconds(40)));
  }
  const uint64_t epoch = speakers_["n1"]->store.largest_epoch();
  EXPECT_GE(epoch, 4u);
  // Everything begins anew, and only speakers know what was.
  replicas_.clear();
  server_.Remove("leases", "openelb-system", "openelb-controller");
  Start("a");
  ASSERT_TRUE(RunUntil([&] { return ServesAll("a"); }, absl::Seconds(40)));
  EXPECT_GT(replicas_["a"]->epoch.current(), epoch);

  replicas_.clear();
  server_.Restore(snapshot);
  Start("b");
  ASSERT_TRUE(RunUntil([&] { return ServesAll("b"); }, absl::Seconds(60)));
  EXPECT_GT(replicas_["b"]->epoch.current(), epoch + 1);
}

}  // namespace
}  // namespace openelb::simulation

// Several electors before one API server in memory, in virtual time. After every step: of no two
// the cluster may be written, and no epoch serves two leaderships.

#include "controller/kube/leader_election.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"

namespace openelb::kube {
namespace {

using Role = Leadership::Role;
using fake::Fault;

constexpr char kNamespace[] = "openelb-system";
constexpr char kName[] = "openelb-controller";

class ElectionTest : public ::testing::Test {
 protected:
  // One controller: what it was told, and its own connection.
  struct Process {
    Process(const std::string& pod, const std::string& identity, ElectionTest* test)
        : transport(&test->server_, &test->scheduler_),
          client(&transport, &test->scheduler_),
          log(&test->sink_, &test->scheduler_),
          election({.identity = identity, .pod = pod, .endpoint = pod + ":50051"},
                   {.client = &client,
                    .clock = &test->scheduler_,
                    .random = &test->random_,
                    .log = &log,
                    .on_change = [this](const Leadership& news) { told = news; },
                    .on_search = [this] { ++searches; }}) {}
    FakeTransport transport;
    Client client;
    Logger log;
    Leadership told;
    int searches = 0;
    LeaderElection election;
  };

  Process& Start(const std::string& pod) {
    const std::string identity = absl::StrCat(pod, "_", ++incarnation_);
    processes_[pod] = std::make_unique<Process>(pod, identity, this);
    Check();
    return *processes_[pod];
  }
  void Kill(const std::string& pod) { processes_.erase(pod); }

  void Check() {
    int writers = 0;
    for (const auto& [pod, process] : processes_) {
      process->election.Turn();
      const Leadership& now = process->election.leadership();
      EXPECT_EQ(now, process->told);
      if (now.may_write()) ++writers;
      if (now.epoch == 0) continue;
      const auto [it, is_new] = epochs_.emplace(now.epoch, process.get());
      EXPECT_EQ(it->second, process.get()) << "epoch " << now.epoch << " of two leaders";
      EXPECT_TRUE(!is_new || epochs_.rbegin()->first == now.epoch) << "a smaller epoch";
    }
    EXPECT_LE(writers, 1) << "at " << scheduler_.Monotonic();
  }
  bool RunUntil(const std::function<bool()>& done, absl::Duration limit) {
    const absl::Duration end = scheduler_.Monotonic() + limit;
    while (!done()) {
      if (scheduler_.Monotonic() >= end) return false;
      absl::Duration next = end;
      for (const auto& [pod, process] : processes_) {
        next = std::min({next, process->election.NextWakeup(), process->client.NextWakeup()});
      }
      next = std::max(next, scheduler_.Monotonic());
      if (!scheduler_.Step(next)) scheduler_.RunUntil(next);
      for (const auto& [pod, process] : processes_) process->client.Turn();
      Check();
    }
    return true;
  }
  void RunFor(absl::Duration time) {
    RunUntil([] { return false; }, time);
  }
  Role RoleOf(const std::string& pod) { return processes_.at(pod)->election.leadership().role; }
  bool Leads(const std::string& pod) { return RoleOf(pod) == Role::kLeading; }
  uint64_t EpochOf(const std::string& pod) {
    return processes_.at(pod)->election.leadership().epoch;
  }
  LeaseRecord Lease() const { return ReadLease(server_.Find("leases", kNamespace, kName)); }
  // a leads, b stands by.
  void StartBoth() {
    Start("a");
    ASSERT_TRUE(RunUntil([&] { return Leads("a"); }, absl::Seconds(1)));
    Start("b");
    RunFor(absl::Seconds(7));
    ASSERT_EQ(RoleOf("b"), Role::kStandby);
  }

  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  SeededRandom random_{1};
  NullLogSink sink_;
  int incarnation_ = 0;
  std::map<std::string, std::unique_ptr<Process>> processes_;
  std::map<uint64_t, const Process*> epochs_;
};

TEST_F(ElectionTest, OneLeadsAndTheOtherKnowsWhere) {
  StartBoth();
  EXPECT_EQ(processes_["b"]->told.leader, "a_1");
  EXPECT_EQ(processes_["b"]->told.endpoint, "a:50051");
  EXPECT_EQ(Lease().epoch, 1u);
  RunFor(absl::Minutes(10));
  EXPECT_TRUE(Leads("a"));
  EXPECT_EQ(EpochOf("a"), 1u);
  EXPECT_EQ(Lease().transitions, 0);
}

TEST_F(ElectionTest, AKilledLeaderIsReplacedWithinTheLeaseDuration) {
  for (const absl::Duration after : {absl::Milliseconds(1), absl::Milliseconds(1300)}) {
    StartBoth();
    const absl::Time renewed = Lease().renewed;
    ASSERT_TRUE(RunUntil([&] { return Lease().renewed != renewed; }, absl::Seconds(3)));
    RunFor(after);
    const uint64_t epoch = EpochOf("a");
    Kill("a");
    ASSERT_TRUE(RunUntil([&] { return Leads("b"); }, absl::Seconds(15)));
    EXPECT_GT(EpochOf("b"), epoch);
    Kill("b");
    server_.Remove("leases", kNamespace, kName);
    epochs_.clear();
  }
}

TEST_F(ElectionTest, ARestartedLeaderOfTheSamePodDoesNotWait) {
  StartBoth();
  Kill("a");
  Start("a");
  EXPECT_TRUE(RunUntil([&] { return Leads("a"); }, absl::Milliseconds(100)));
  EXPECT_EQ(EpochOf("a"), 2u);
}

TEST_F(ElectionTest, AnOrderlyStopHandsOverWithinASecond) {
  StartBoth();
  Process& a = *processes_["a"];
  a.election.Release();
  ASSERT_TRUE(RunUntil([&] { return a.election.released(); }, absl::Milliseconds(10)));
  EXPECT_EQ(Lease().holder, "");
  EXPECT_EQ(a.told.epoch, 0u);
  EXPECT_TRUE(RunUntil([&] { return Leads("b"); }, absl::Milliseconds(1100)));
  RunFor(absl::Seconds(30));
  EXPECT_EQ(RoleOf("a"), Role::kStandby);
  Process& b = *processes_["b"];
  b.transport.SetSilent(true);
  b.election.Release();  // nothing can be given up; the caller's patience ends
  RunFor(absl::Seconds(2));
  EXPECT_FALSE(b.election.released());
}

TEST_F(ElectionTest, AnApiServerThatIsAwayLapsesAndReturnsTheLeadership) {
  StartBoth();
  for (const bool silent : {false, true}) {
    for (auto& [pod, process] : processes_) {
      silent ? process->transport.SetSilent(true) : process->transport.SetReachable(false);
    }
    RunFor(absl::Seconds(12));
    EXPECT_EQ(RoleOf("a"), Role::kLapsed);
    EXPECT_EQ(EpochOf("a"), 1u);  // speakers are served
    RunFor(absl::Seconds(60));
    EXPECT_EQ(RoleOf("a"), Role::kLapsed);
    // The former leader is back first, as when it has connections and the standby has not.
    for (const std::string pod : {"a", "b"}) {
      processes_[pod]->transport.SetSilent(false);
      processes_[pod]->transport.SetReachable(true);
      RunFor(absl::Seconds(5));
    }
    EXPECT_TRUE(Leads("a"));
    EXPECT_EQ(EpochOf("a"), 1u);
  }
  EXPECT_EQ(processes_["a"]->searches, 8);  // after 17, 22, 32, 52 s, twice
}

TEST_F(ElectionTest, ALeaderCutOffFromTheApiServerIsDeposed) {
  StartBoth();
  processes_["a"]->transport.SetReachable(false);
  ASSERT_TRUE(RunUntil([&] { return Leads("b"); }, absl::Seconds(15)));
  EXPECT_EQ(RoleOf("a"), Role::kLapsed);
  EXPECT_EQ(EpochOf("b"), 2u);
  RunFor(absl::Seconds(10));
  EXPECT_EQ(processes_["a"]->searches, 2) << "the other may not have served at the first";
  processes_["a"]->transport.SetReachable(true);
  ASSERT_TRUE(RunUntil([&] { return RoleOf("a") == Role::kDeposed; }, absl::Seconds(3)));
  EXPECT_EQ(processes_["a"]->told.leader, "b_2");
  EXPECT_EQ(processes_["a"]->told.endpoint, "b:50051");
  RunFor(absl::Seconds(60));
  EXPECT_TRUE(Leads("b"));
  EXPECT_EQ(RoleOf("a"), Role::kDeposed);
}

TEST_F(ElectionTest, ADeletedLeaseIsMadeAgainWithTheSameEpoch) {
  StartBoth();
  processes_["a"]->election.RaiseAbove(20);
  RunFor(absl::Seconds(1));
  EXPECT_EQ(EpochOf("a"), 21u);
  processes_["b"]->transport.SetReachable(false);
  server_.Remove("leases", kNamespace, kName);
  RunFor(absl::Seconds(3));
  EXPECT_EQ(Lease().holder, "a_1");
  EXPECT_EQ(Lease().epoch, 21u);
  EXPECT_TRUE(Leads("a"));

  // The leader cannot: the standby waits as if the Lease were there, and knows of epoch 21.
  processes_["b"]->transport.SetReachable(true);
  RunFor(absl::Seconds(3));
  processes_["a"]->transport.SetReachable(false);
  server_.Remove("leases", kNamespace, kName);
  ASSERT_TRUE(RunUntil([&] { return Leads("b"); }, absl::Seconds(15)));
  EXPECT_EQ(EpochOf("b"), 22u);
  processes_["a"]->transport.SetReachable(true);
  RunFor(absl::Seconds(3));
  EXPECT_EQ(RoleOf("a"), Role::kDeposed);
}

TEST_F(ElectionTest, EditsByHandAreObeyedOrMended) {
  StartBoth();
  // Damaged annotations are put right; the leadership stays.
  server_.Patch("leases", kNamespace, kName,
                R"({"metadata": {"annotations": {"openelb.kubesphere.io/epoch": "many"}}})");
  RunFor(absl::Seconds(3));
  EXPECT_TRUE(Leads("a"));
  EXPECT_EQ(Lease().epoch, 1u);
  // An emptied holder is one of ours that may go on; whoever is faster leads.
  server_.Patch("leases", kNamespace, kName, R"({"spec": {"holderIdentity": ""}})");
  RunFor(absl::Seconds(3));
  const std::string leader = Leads("a") ? "a" : "b";
  EXPECT_TRUE(Leads(leader));
  // Another name stands for an operator who wants somebody else to lead.
  Start("c");
  RunFor(absl::Seconds(2));
  server_.Patch("leases", kNamespace, kName, R"({"spec": {"holderIdentity": "nobody"}})");
  RunFor(absl::Seconds(3));
  EXPECT_EQ(RoleOf(leader), Role::kDeposed);
  EXPECT_TRUE(RunUntil([&] { return Leads("b") || Leads("c"); }, absl::Seconds(16)));
}

TEST_F(ElectionTest, ARestoredEtcdLeavesEpochsGrowing) {
  StartBoth();
  const fake::Store snapshot = server_.Snapshot();
  Kill("a");
  ASSERT_TRUE(RunUntil([&] { return Leads("b"); }, absl::Seconds(15)));
  EXPECT_EQ(EpochOf("b"), 2u);
  server_.Restore(snapshot);  // held by a, which is no more
  Start("c");
  RunFor(absl::Seconds(3));
  EXPECT_EQ(RoleOf("b"), Role::kDeposed);
  Kill("b");
  epochs_.clear();  // c cannot know of b's epoch until a speaker shows it
  ASSERT_TRUE(RunUntil([&] { return Leads("c"); }, absl::Seconds(16)));
  processes_["c"]->election.RaiseAbove(2);
  RunFor(absl::Seconds(1));
  EXPECT_EQ(EpochOf("c"), 3u);
}

TEST_F(ElectionTest, CalendarTimeDoesNotMatter) {
  StartBoth();
  for (const absl::Duration step : {absl::Hours(24 * 365), -absl::Hours(48 * 365)}) {
    scheduler_.StepWall(step);
    RunFor(absl::Minutes(1));
    EXPECT_TRUE(Leads("a"));
    EXPECT_EQ(RoleOf("b"), Role::kStandby);
  }
}

TEST_F(ElectionTest, ClientGosLeaseExcludesUntilItStandsStill) {
  const auto renew = [&](int second) {
    server_.Put(absl::StrCat(
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: openelb-controller, "
        "namespace: openelb-system}, spec: {holderIdentity: old_1, leaseDurationSeconds: 15, "
        "acquireTime: '2020-01-01T00:00:00.000000Z', leaseTransitions: 3, renewTime: "
        "'2020-01-01T00:00:",
        second, ".000000Z'}}"));
  };
  renew(10);
  Start("a");
  for (int i = 11; i < 50; i += 2) {
    RunFor(absl::Seconds(2));
    renew(i);
  }
  EXPECT_EQ(RoleOf("a"), Role::kStandby);
  EXPECT_TRUE(RunUntil([&] { return Leads("a"); }, absl::Seconds(15)));
  EXPECT_EQ(EpochOf("a"), 4u);
}

TEST_F(ElectionTest, ThreeStandbysAndRandomFaultsNeverMakeTwoLeaders) {
  for (const std::string pod : {"a", "b", "c"}) Start(pod);
  for (int i = 0; i < 300; ++i) {
    const std::string pod(1, static_cast<char>('a' + random_.Next64() % 3));
    FakeTransport& transport = processes_[pod]->transport;
    switch (random_.Next64() % 8) {
      case 0:
        transport.SetReachable(random_.Next64() % 2 == 0);
        break;
      case 1:
        transport.SetSilent(random_.Next64() % 2 == 0);
        break;
      case 2:
        transport.Inject({.kind = Fault::Kind::kNoAnswer, .resource = "leases"});
        break;
      case 3:
        transport.Inject({.kind = Fault::Kind::kStatus, .count = 3});
        break;
      case 4:
        transport.Inject({.kind = Fault::Kind::kHang});
        break;
      case 5:
        Start(pod);  // killed and started again
        break;
      default:
        for (auto& [name, process] : processes_) {
          process->transport.SetReachable(true);
          process->transport.SetSilent(false);
          if (process->told.role == Role::kDeposed) Start(name);
        }
    }
    RunFor(absl::Milliseconds(100 + static_cast<int>(random_.Next64() % 20'000)));
  }
  for (const std::string pod : {"a", "b", "c"}) Start(pod);
  EXPECT_TRUE(RunUntil([&] { return Leads("a") || Leads("b") || Leads("c"); }, absl::Seconds(20)));
}

}  // namespace
}  // namespace openelb::kube

#include "speaker/speaker.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/disk.h"
#include "api/base/random.h"
#include "api/base/scheduler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/bgp/test_router.h"
#include "speaker/io/sim_network.h"
#include "speaker/observe/metrics.h"
#include "speaker/testing/fake_controller.h"

namespace openelb {
namespace {

using plan::v1::ResourceBody;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kRoute[] = "172.22.0.2/32";

// The log, one line an event, for tests that look for one.
class RecordingSink final : public LogSink {
 public:
  void Write(const LogRecord& record) override { lines += FormatText(record) + "\n"; }
  std::string lines;
};

// A router on its host, and what it has from the speaker.
struct Leaf {
  Leaf(io::SimNetwork* network, const Clock* clock, int number)
      : speaker(IpAddress::Parse(absl::StrCat("10.0.", number, ".2")).value()),
        io(network->Start(absl::StrCat("leaf", number))),
        router(io.get(), clock,
               {.as = 65000u + static_cast<uint32_t>(number),
                .router_id = static_cast<uint32_t>(number),
                .hold_time = 90}) {}

  std::vector<std::string> Prefixes() const {
    std::vector<std::string> prefixes;
    for (const auto& [prefix, paths] : router.table(speaker)) {
      if (!paths.empty()) prefixes.push_back(prefix.ToString());
    }
    return prefixes;
  }
  // That came up since the start.
  int Sessions() const {
    return static_cast<int>(
        std::count_if(router.changes().begin(), router.changes().end(), [](const auto& change) {
          return change.kind == bgp::TestRouter::Change::Kind::kSessionUp;
        }));
  }

  IpAddress speaker;
  std::unique_ptr<io::Io> io;
  bgp::TestRouter router;
};

// One speaker on node n1, two leaves, a controller; all in virtual time.
class SpeakerTest : public testing::Test {
 protected:
  SpeakerTest() {
    network.AddHost("n1", {{"eth0", IpAddress::Parse("10.0.1.2").value(), 24},
                           {"eth1", IpAddress::Parse("10.0.2.2").value(), 24}});
    for (int i : {1, 2}) {
      network.AddHost(absl::StrCat("leaf", i),
                      {{"eth0", IpAddress::Parse(absl::StrCat("10.0.", i, ".1")).value(), 24}});
      leaves[i] = std::make_unique<Leaf>(&network, &scheduler, i);
    }
  }

  // A new process of the speaker with what is on the disk.
  void StartSpeaker() {
    io = network.Start("n1");
    SpeakerOptions options;
    options.link.node = "n1";
    options.link.kernel_boot_id = "boot-1";
    options.link.instance = absl::StrCat("instance-", ++starts);
    options.link.version = "test";
    options.link.controllers = {"controller:50050"};
    speaker = std::make_unique<Speaker>(
        options,
        Speaker::Seams{.clock = &scheduler,
                       .random = &random,
                       .disk = &disk,
                       .io = io.get(),
                       .open_link = [this](auto* handler) { return controller.Connect(handler); },
                       .log = &log});
    speaker->Start();
  }
  // As kill -9 ends it.
  void KillSpeaker() {
    speaker.reset();
    io.reset();
  }

  void RunFor(absl::Duration time) {
    const absl::Duration end = scheduler.Monotonic() + time;
    while (scheduler.Monotonic() < end) {
      absl::Duration next = end;
      if (speaker != nullptr) {
        speaker->Turn();
        next = std::min(next, speaker->NextWakeup());
      }
      for (auto& [number, leaf] : leaves) {
        leaf->router.Tick();
        next = std::min(next, leaf->router.NextWakeup());
      }
      if (!scheduler.Step(next)) scheduler.RunUntil(next);
    }
  }

  void PutInstance(bool leave = false, int listen_port = -1) {
    ResourceBody body;
    body.mutable_instance()->set_local_as(65000);
    body.mutable_instance()->set_router_id("10.0.1.2");
    body.mutable_instance()->set_listen_port(listen_port);
    if (leave) body.mutable_instance()->set_on_stop(plan::v1::BgpInstance::LEAVE);
    controller.Put("instance", body);
  }
  void PutPeer(int leaf) {
    ResourceBody body;
    plan::v1::BgpPeer* peer = body.mutable_peer();
    peer->set_address(absl::StrCat("10.0.", leaf, ".1"));
    peer->set_name(absl::StrCat("leaf", leaf));
    peer->set_remote_as(65000 + leaf);
    peer->set_remote_port(179);
    peer->set_hold_time_s(90);
    peer->set_connect_retry_s(5);
    peer->set_ttl(1);
    peer->set_scope("rack");
    peer->add_families()->set_family(4);
    controller.Put(absl::StrCat("peer/", peer->address()), body);
  }
  void PutRoute(const std::string& prefix) {
    ResourceBody group;
    group.mutable_group()->set_id("all");
    plan::v1::Member* member = group.mutable_group()->add_members();
    member->set_node("n1");
    member->set_address("10.0.1.2");
    controller.Put("group/all", group);
    ResourceBody body;
    body.mutable_route()->set_prefix(prefix);
    plan::v1::Target* target = body.mutable_route()->add_targets();
    target->set_scope("rack");
    target->set_group("all");
    controller.Put(absl::StrCat("route/", prefix), body);
  }
  // Instance, both leaves, one route; everything up.
  void StartWithPlan() {
    PutInstance();
    PutPeer(1);
    PutPeer(2);
    PutRoute(kRoute);
    StartSpeaker();
    RunFor(absl::Seconds(10));
    ASSERT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute));
    ASSERT_THAT(leaves[2]->Prefixes(), ElementsAre(kRoute));
  }

  std::string Metric(const std::string& line_start) {
    metrics.emplace(SpeakerMetricTable());
    SpeakerMetrics("test", &*metrics).Export(*speaker);
    const std::string text = metrics->Expose();
    const size_t begin = text.find("\n" + line_start + " ");
    if (begin == std::string::npos) return "no series " + line_start;
    const size_t value = begin + line_start.size() + 2;
    return text.substr(value, text.find('\n', value) - value);
  }

  Scheduler scheduler;
  io::SimNetwork network{&scheduler, 1};
  SeededRandom random{1};
  MemoryDisk disk;
  RecordingSink sink;
  Logger log{&sink, &scheduler};
  FakeController controller{&scheduler};
  std::map<int, std::unique_ptr<Leaf>> leaves;
  int starts = 0;
  std::optional<Metrics> metrics;
  std::unique_ptr<io::Io> io;
  std::unique_ptr<Speaker> speaker;
};

TEST_F(SpeakerTest, APlanReachesEveryPeerAndIsReportedBack) {
  StartWithPlan();
  EXPECT_EQ(controller.hello->node(), "n1");
  EXPECT_EQ(controller.hello->version(), "test");
  EXPECT_FALSE(controller.hello->has_generation()) << "it held nothing";
  ASSERT_TRUE(controller.ack.has_value());
  EXPECT_EQ(controller.ack->generation().counter(), controller.generation().counter());
  EXPECT_THAT(controller.ack->errors(), IsEmpty());

  PutRoute("172.22.0.3/32");
  RunFor(absl::Seconds(1));
  EXPECT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute, "172.22.0.3/32"));
  EXPECT_EQ(controller.snapshots, 1) << "the rest were deltas";
  ASSERT_EQ(controller.observed->peers_size(), 2);
  for (const plan::v1::PeerObserved& peer : controller.observed->peers()) {
    EXPECT_EQ(peer.session_state(), "ESTABLISHED");
    EXPECT_EQ(peer.on_wire().counter(), controller.generation().counter());
  }
}

TEST_F(SpeakerTest, ReportsASessionsChangeAtOnceAndCountersNowAndThen) {
  StartWithPlan();
  const uint64_t keepalives = controller.observed->peers(0).sent().keepalive();
  RunFor(absl::Minutes(1));
  EXPECT_GT(controller.observed->peers(0).sent().keepalive(), keepalives);

  controller.observed.reset();
  network.Reset("n1", "leaf1");
  RunFor(absl::Milliseconds(10));
  ASSERT_TRUE(controller.observed.has_value());
  EXPECT_NE(controller.observed->peers(0).session_state(), "ESTABLISHED");
  EXPECT_EQ(controller.observed->peers(1).session_state(), "ESTABLISHED");
}

TEST_F(SpeakerTest, ReportsItsNetworksNowAndWhenTheyChange) {
  StartSpeaker();
  RunFor(absl::Seconds(1));
  ASSERT_EQ(controller.facts->facts_size(), 3);
  EXPECT_EQ(controller.facts->facts(0).subject(), "n1");
  EXPECT_EQ(controller.facts->facts(0).kind(), "prefixes");
  EXPECT_THAT(controller.facts->facts(0).values(),
              ElementsAre("eth0 10.0.1.2/24", "eth1 10.0.2.2/24"));
  EXPECT_EQ(controller.facts->facts(1).kind(), "modes");
  EXPECT_THAT(controller.facts->facts(1).values(), ElementsAre("tcp-ao"));
  EXPECT_EQ(controller.facts->facts(2).kind(), "speaker");
  EXPECT_THAT(controller.facts->facts(2).values(), ElementsAre("test"));

  network.SetAddresses("n1", {{"eth0", IpAddress::Parse("10.0.1.2").value(), 24}});
  RunFor(absl::Seconds(1));
  EXPECT_THAT(controller.facts->facts(0).values(), ElementsAre("eth0 10.0.1.2/24"));
}

TEST_F(SpeakerTest, TheLossOfTheControllerWithdrawsNothing) {
  StartWithPlan();
  controller.SetAway(true);
  RunFor(absl::Hours(48));
  EXPECT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute));
  EXPECT_EQ(leaves[1]->router.withdrawals(), 0u);
  EXPECT_EQ(leaves[1]->Sessions(), 1);
  EXPECT_EQ(Metric("openelb_speaker_attached"), "0");

  controller.SetAway(false);
  controller.snapshots = 0;
  RunFor(absl::Seconds(10));
  EXPECT_TRUE(controller.attached());
  EXPECT_EQ(controller.snapshots, 0) << "nothing had changed";
  EXPECT_EQ(leaves[1]->Sessions(), 1);
}

TEST_F(SpeakerTest, ANewProcessAnnouncesFromDiskWithoutAController) {
  StartWithPlan();
  controller.SetAway(true);
  RunFor(absl::Seconds(1));
  KillSpeaker();
  RunFor(absl::Seconds(1));
  EXPECT_THAT(leaves[1]->Prefixes(), IsEmpty());
  StartSpeaker();
  RunFor(absl::Seconds(10));
  EXPECT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute));
  EXPECT_THAT(leaves[2]->Prefixes(), ElementsAre(kRoute));
}

TEST_F(SpeakerTest, AnOldPlanWaitsForAControllersWord) {
  StartWithPlan();
  controller.SetAway(true);
  KillSpeaker();
  RunFor(absl::Hours(25));
  StartSpeaker();
  RunFor(absl::Minutes(1));
  EXPECT_THAT(leaves[1]->Prefixes(), IsEmpty());
  EXPECT_EQ(Metric("openelb_speaker_plan_waiting"), "1");

  controller.SetAway(false);
  controller.snapshots = 0;
  RunFor(absl::Seconds(20));
  EXPECT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute));
  EXPECT_EQ(controller.snapshots, 0) << "the plan is the one it holds";
  EXPECT_EQ(Metric("openelb_speaker_plan_waiting"), "0");
}

TEST_F(SpeakerTest, ADamagedFileIsReportedAndIgnored) {
  StartWithPlan();
  KillSpeaker();
  ASSERT_EQ(disk.files.size(), 1u);
  std::string& file = disk.files.begin()->second;
  file[file.size() / 2] ^= 1;
  controller.SetAway(true);
  StartSpeaker();
  RunFor(absl::Minutes(1));
  EXPECT_THAT(leaves[1]->Prefixes(), IsEmpty());
  EXPECT_EQ(Metric("openelb_speaker_plan_file_errors_total{operation=\"load\"}"), "1");
  controller.SetAway(false);
  RunFor(absl::Seconds(20));
  EXPECT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute));
}

TEST_F(SpeakerTest, AFullDiskCostsOnlyTheSaving) {
  disk.fault = [](absl::string_view) { return absl::ResourceExhaustedError("disk full"); };
  StartWithPlan();
  EXPECT_TRUE(disk.files.empty());
  EXPECT_NE(Metric("openelb_speaker_plan_file_errors_total{operation=\"save\"}"), "0");
  EXPECT_THAT(sink.lines, HasSubstr("disk full"));
  disk.fault = nullptr;
  RunFor(absl::Seconds(10));
  EXPECT_EQ(disk.files.size(), 1u) << "tried again";
}

TEST_F(SpeakerTest, WhatCannotBeAppliedIsNamedCountedAndDisturbsNothing) {
  StartWithPlan();
  controller.PutBytes("route/172.22.0.9/32", "not a resource");
  RunFor(absl::Seconds(1));
  ASSERT_EQ(controller.ack->errors_size(), 1);
  EXPECT_EQ(controller.ack->errors(0).key(), "route/172.22.0.9/32");
  EXPECT_EQ(Metric("openelb_speaker_resources_refused"), "1");
  EXPECT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute));
  PutRoute("172.22.0.3/32");
  RunFor(absl::Seconds(1));
  EXPECT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute, "172.22.0.3/32"));

  controller.Remove("route/172.22.0.9/32");
  RunFor(absl::Seconds(1));
  EXPECT_THAT(controller.ack->errors(), IsEmpty());
  EXPECT_EQ(Metric("openelb_speaker_resources_refused"), "0");
  EXPECT_EQ(Metric("openelb_speaker_resource_errors_total"), "1");
}

TEST_F(SpeakerTest, ATakenListenPortIsReportedUntilItIsFree) {
  auto squatter = network.Start("n1");
  ASSERT_TRUE(squatter->Listen({IpAddress::Parse("0.0.0.0").value(), 17900}).ok());
  StartWithPlan();
  PutInstance(false, 17900);
  RunFor(absl::Seconds(1));
  ASSERT_EQ(controller.observed->problems_size(), 1);
  EXPECT_THAT(controller.observed->problems(0), HasSubstr("listenPort 17900"));
  EXPECT_THAT(sink.lines, HasSubstr("listenPort 17900"));
  EXPECT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute));
  squatter.reset();
  RunFor(absl::Minutes(1));
  EXPECT_EQ(controller.observed->problems_size(), 0);
  EXPECT_THAT(sink.lines, HasSubstr("BGP problem is over"));
}

TEST_F(SpeakerTest, OnePeersTroubleIsItsOwn) {
  StartWithPlan();
  network.Cut("n1", "leaf1");
  RunFor(absl::Minutes(3));
  EXPECT_EQ(Metric("openelb_speaker_bgp_session_state{name=\"leaf2\",peer=\"10.0.2.1\"}"), "5");
  EXPECT_NE(Metric("openelb_speaker_bgp_session_state{name=\"leaf1\",peer=\"10.0.1.1\"}"), "5");
  EXPECT_EQ(leaves[2]->Sessions(), 1);
  network.Heal("n1", "leaf1");
  RunFor(absl::Minutes(1));
  EXPECT_THAT(leaves[1]->Prefixes(), ElementsAre(kRoute));
}

TEST_F(SpeakerTest, AStopSaysGoodbyeEndsSessionsAndSavesThePlan) {
  StartWithPlan();
  PutRoute("172.22.0.3/32");
  scheduler.RunFor(absl::Milliseconds(5));  // applied, not saved yet
  const std::string saved = disk.files["plan"];
  speaker->Stop();
  EXPECT_TRUE(speaker->stopped());
  EXPECT_NE(disk.files["plan"], saved);
  RunFor(absl::Seconds(1));
  ASSERT_TRUE(controller.goodbye.has_value());
  EXPECT_FALSE(controller.goodbye->leaving());
  EXPECT_THAT(leaves[1]->Prefixes(), IsEmpty());
  EXPECT_THAT(leaves[1]->router.notifications(), ElementsAre(HasSubstr("Cease")));
  // A plan that comes now starts nothing again.
  PutRoute("172.22.0.4/32");
  RunFor(absl::Minutes(1));
  EXPECT_THAT(leaves[1]->Prefixes(), IsEmpty());
}

// RFC 8326: routers are asked to move, and have time for it.
TEST_F(SpeakerTest, ALeavingSpeakerSaysSoAndWithdrawsLater) {
  constexpr uint8_t kCommunities = 8;
  const Bytes gracefulShutdown = {0xff, 0xff, 0, 0};
  StartWithPlan();
  PutInstance(/*leave=*/true);
  RunFor(absl::Seconds(10));
  speaker->Stop();
  RunFor(absl::Seconds(1));
  EXPECT_TRUE(controller.goodbye->leaving());
  // The controller has no plan for it any more.
  PutRoute("172.22.0.4/32");
  controller.Remove(absl::StrCat("route/", kRoute));
  RunFor(absl::Seconds(8));
  EXPECT_FALSE(speaker->stopped());
  for (const auto& [number, leaf] : leaves) {
    EXPECT_THAT(leaf->Prefixes(), ElementsAre(kRoute));
    const auto& paths = leaf->router.table(leaf->speaker).at(IpPrefix::Parse(kRoute).value());
    EXPECT_EQ(paths.begin()->second.attributes.at(kCommunities), gracefulShutdown);
    EXPECT_EQ(leaf->router.withdrawals(), 0u);
  }
  RunFor(absl::Seconds(2));
  EXPECT_TRUE(speaker->stopped());
  for (const auto& [number, leaf] : leaves) {
    EXPECT_THAT(leaf->Prefixes(), IsEmpty());
    EXPECT_THAT(leaf->router.notifications(), ElementsAre(HasSubstr("Cease")));
  }
}

TEST_F(SpeakerTest, ALeavingSpeakerThatNobodyHearsIsGoneAtOnce) {
  PutInstance(/*leave=*/true);
  PutPeer(1);
  StartSpeaker();
  RunFor(absl::Seconds(10));
  speaker->Stop();
  EXPECT_TRUE(speaker->stopped()) << "its peer has no routes of it";
}

TEST_F(SpeakerTest, MetricsOfAPeerGoWithIt) {
  StartWithPlan();
  Metrics kept(SpeakerMetricTable());
  SpeakerMetrics exporter("test", &kept);
  exporter.Export(*speaker);
  EXPECT_THAT(kept.Expose(), HasSubstr("peer=\"10.0.2.1\""));
  controller.Remove("peer/10.0.2.1");
  RunFor(absl::Seconds(1));
  exporter.Export(*speaker);
  EXPECT_THAT(kept.Expose(), testing::Not(HasSubstr("peer=\"10.0.2.1\"")));
  EXPECT_THAT(kept.Expose(), HasSubstr("peer=\"10.0.1.1\""));
}

TEST(SpeakerMetricsTest, TheReadmeExplainsEach) {
  EXPECT_EQ(MetricsReadmeDifference(SpeakerMetricTable(), "README.md"), "");
  EXPECT_EQ(MetricsReadmeDifference(LegacySpeakerMetricTable(), "README.md", "old name"), "");
}

}  // namespace
}  // namespace openelb

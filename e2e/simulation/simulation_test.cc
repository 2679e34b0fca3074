// An hour of faults in virtual time: one controller, three speakers, two leaf routers.
//
// Each run states what must not be lost (judge.h) and checks it at every step. The same run with
// one protection switched off has to fail, so that the judge is known to see.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/network/v1alpha2/names.h"
#include "controller/saved_state.h"
#include "e2e/simulation/judge.h"
#include "e2e/simulation/world.h"

namespace openelb::simulation {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

struct Machine {
  const char* name;
  const char* address;
  const char* rack;  // null: placed by address
  bool speaker;
};
constexpr Machine kNodes[] = {{"master1", "192.168.0.3", "leaf1", true},
                              {"master2", "192.168.0.5", "leaf1", true},
                              {"worker1", "192.168.0.4", nullptr, false},
                              {"worker-p002", "192.168.1.2", "leaf2", true}};
constexpr Machine kLeaves[] = {{"leaf1", "192.168.0.2", nullptr, false},
                               {"leaf2", "192.168.1.1", nullptr, false}};

#if defined(OPENELB_SANITIZED)
constexpr uint64_t kSeeds = 4;
constexpr absl::Duration kLong = absl::Minutes(20);
constexpr uint64_t kWithdrawals = 30;  // at least, in such a time
#else
constexpr uint64_t kSeeds = 20;
constexpr absl::Duration kLong = absl::Hours(1);
constexpr uint64_t kWithdrawals = 100;
#endif

// What keeps something from being lost; a run without it has to fail.
enum class Without { kNothing, kSpeakerDisk, kServiceStatuses };

class Trial {
 public:
  Trial(uint64_t seed, Without without) : world_(seed), judge_(&world_), without_(without) {
    for (const Machine& leaf : kLeaves) {
      world_.AddRouter(leaf.name, leaf.address, 65001);
      judge_.AddRouter(leaf.name, leaf.address);
    }
    for (const Machine& node : kNodes) {
      world_.cluster().Apply(MakeNode(node, true));
      if (!node.speaker) continue;
      world_.AddSpeakerHost(node.name, node.address);
      judge_.AddSpeaker(node.name, node.address);
    }
    network::BgpConf conf;
    conf.meta.name = network::kBgpConfName;
    conf.as = 65000;
    conf.listen_port = -1;
    world_.cluster().Apply(conf);
    for (const Machine& leaf : kLeaves) {
      network::BgpPeer peer;
      peer.meta.name = leaf.name;
      peer.neighbor_address = leaf.address;
      peer.peer_as = 65001;
      peer.hold_time_s = 9;
      peer.connect_retry_s = 1;
      peer.node_selector =
          kube::LabelSelector{.match_labels = {{network::kRack.openelb, leaf.name}}};
      world_.cluster().Apply(peer);
    }
    network::Eip eip;
    eip.meta.name = "pool";
    eip.address = "172.22.0.2-172.22.0.40";
    world_.cluster().Apply(eip);
    for (int i = 0; i < 6; ++i) AddService();
    world_.StartController();
    for (const std::string& node : world_.SpeakerHosts()) world_.StartSpeaker(node);
  }

  // Faults until `end`, then a quiet time.
  void Go(absl::Duration end) {
    const auto check = [this] { judge_.Check(); };
    world_.RunFor(absl::Seconds(20), check);
    while (world_.scheduler().Monotonic() < end) {
      Fault();
      world_.RunFor(absl::Milliseconds(50 + Pick(10000)), check);
    }
    HealAll();
    world_.RunFor(absl::Seconds(90), check);
    judge_.CheckQuiet();
  }

  Judge& judge() { return judge_; }
  World& world() { return world_; }

 private:
  uint64_t Pick(uint64_t below) { return world_.random().Next64() % below; }
  std::string PickSpeaker() {
    const std::vector<std::string> nodes = world_.SpeakerHosts();
    return nodes[Pick(nodes.size())];
  }

  static kube::Node MakeNode(const Machine& machine, bool ready) {
    kube::Node node;
    node.meta.name = machine.name;
    if (machine.rack != nullptr) node.meta.labels[network::kRack.openelb] = machine.rack;
    node.internal_ips = {IpAddress::Parse(machine.address).value()};
    node.ready = ready ? kube::ConditionStatus::kTrue : kube::ConditionStatus::kFalse;
    return node;
  }

  void AddService() {
    const std::string name = absl::StrCat("web", next_service_++);
    kube::Service service;
    service.meta.name = name;
    service.meta.namespace_ = "default";
    service.meta.creation_timestamp = absl::FromUnixSeconds(next_service_);
    service.meta.annotations = {{network::kLoadBalancer.openelb, "openelb"},
                                {network::kEipName.openelb, "pool"}};
    service.type = "LoadBalancer";
    service.external_traffic_policy =
        Pick(2) == 0 ? kube::TrafficPolicy::kLocal : kube::TrafficPolicy::kCluster;
    service.ports = {{.name = "http", .protocol = "TCP", .port = 80}};
    services_.push_back(name);
    world_.cluster().Apply(service);
    MoveEndpoints(name);
  }

  void MoveEndpoints(const std::string& service) {
    kube::EndpointSlice slice;
    slice.meta.name = service;
    slice.meta.namespace_ = "default";
    slice.meta.labels[kube::kServiceNameLabel] = service;
    slice.address_type = "IPv4";
    for (const Machine& node : kNodes) {
      if (Pick(2) == 0) continue;
      slice.endpoints.push_back(
          {.addresses = {"10.244.0.1"}, .node_name = node.name, .ready = Pick(5) != 0});
    }
    world_.cluster().Apply(slice);
  }

  void Say(const std::string& what) { world_.log().Add("fault", what); }

  void After(absl::Duration delay, std::function<void()> heal) {
    world_.scheduler().After(delay, std::move(heal));
  }

  void Fault() {
    const std::string node = PickSpeaker();
    const absl::Duration for_a_while = absl::Milliseconds(10 + Pick(20000));
    switch (Pick(14)) {
      case 0:
        Say("the controller crashes");
        if (world_.controller() == nullptr) break;
        world_.CrashController();
        if (without_ == Without::kServiceStatuses) world_.cluster().LoseStatuses();
        After(for_a_while, [this] { StartController(); });
        break;
      case 1:
        Say(absl::StrCat("speaker crashes on ", node));
        CrashSpeaker(node);
        After(for_a_while / 4, [this, node] { StartSpeaker(node); });
        break;
      case 2:
        Say(absl::StrCat("controller and speaker on ", node, " crash, the speaker returns first"));
        if (world_.controller() != nullptr) world_.CrashController();
        if (without_ == Without::kServiceStatuses) world_.cluster().LoseStatuses();
        CrashSpeaker(node);
        After(for_a_while / 4, [this, node] { StartSpeaker(node); });
        After(for_a_while + absl::Seconds(12), [this] { StartController(); });
        break;
      case 3:
        Say(absl::StrCat("the stream of ", node, " is reset"));
        world_.streams().Cut(node);
        break;
      case 4:
        Say(absl::StrCat("the stream of ", node, " is cut"));
        world_.streams().SetBlocked(node, true);
        After(for_a_while, [this, node] { world_.streams().SetBlocked(node, false); });
        break;
      case 5: {
        const std::string leaf = kLeaves[Pick(2)].name;
        Say(absl::StrCat(node, " and ", leaf, " are cut apart"));
        world_.network().Cut(node, leaf);
        After(for_a_while, [this, node, leaf] { world_.network().Heal(node, leaf); });
        break;
      }
      case 6:
        Say("messages take long and overtake those of other streams");
        world_.streams().delay = [this](const std::string&) {
          return absl::Milliseconds(Pick(200));
        };
        After(for_a_while, [this] { world_.streams().delay = nullptr; });
        break;
      case 7:
        Say(absl::StrCat("the disk of ", node, " is full"));
        world_.DiskOf(node).fault = [](absl::string_view) {
          return absl::ResourceExhaustedError("disk full");
        };
        After(for_a_while, [this, node] { world_.DiskOf(node).fault = nullptr; });
        break;
      case 8:
        Say(absl::StrCat("the disk of ", node, " is torn in a crash"));
        CrashSpeaker(node);
        Tear(node);
        judge_.ForgiveLoss(node);
        After(for_a_while / 4, [this, node] { StartSpeaker(node); });
        break;
      case 9:
        Say("the controller's facts are torn in a crash");
        if (world_.controller() == nullptr) break;
        world_.CrashController();
        world_.DiskOf("controller").files[kSavedStateFile].resize(Pick(40));
        After(for_a_while, [this] { StartController(); });
        break;
      case 10:
        Say("clocks step");
        world_.scheduler().StepWall(absl::Seconds(static_cast<int64_t>(Pick(7200)) - 3600));
        break;
      case 11: {
        const Machine& machine = kNodes[Pick(std::size(kNodes))];
        Say(absl::StrCat(machine.name, " is not ready for a while"));
        world_.cluster().Apply(MakeNode(machine, false));
        After(for_a_while, [this, &machine] { world_.cluster().Apply(MakeNode(machine, true)); });
        break;
      }
      case 12:
        if (Pick(3) == 0) {
          Say("the source is away for a while");
          world_.cluster().SetAway(true);
          After(for_a_while, [this] { world_.cluster().SetAway(false); });
        } else if (services_.size() < 30) {
          Say("a Service is added");
          AddService();
        }
        break;
      default: {
        const size_t index = Pick(services_.size());
        const std::string service = services_[index];
        if (services_.size() > 4 && Pick(4) == 0) {
          Say(absl::StrCat(service, " is deleted"));
          services_.erase(services_.begin() + static_cast<int64_t>(index));
          world_.cluster().Delete({kube::EndpointSlice::kKind, "default", service});
          world_.cluster().Delete({kube::Service::kKind, "default", service});
        } else {
          Say(absl::StrCat("endpoints of ", service, " move"));
          MoveEndpoints(service);
        }
      }
    }
  }

  void StartController() {
    if (world_.controller() == nullptr) world_.StartController();
  }
  void CrashSpeaker(const std::string& node) {
    // What a full disk did not take is gone with the process.
    const Speaker* speaker = world_.speaker(node);
    if (speaker != nullptr && speaker->plan_file().save_failing()) judge_.ForgiveLoss(node);
    world_.CrashSpeaker(node);
    if (without_ == Without::kSpeakerDisk) world_.DiskOf(node).files.clear();
  }
  void StartSpeaker(const std::string& node) {
    if (world_.speaker(node) == nullptr) world_.StartSpeaker(node);
  }
  // Cuts a file short, as a disk does that lies about fsync.
  void Tear(const std::string& node) {
    for (auto& [name, content] : world_.DiskOf(node).files)
      content.resize(Pick(content.size() + 1));
  }

  void HealAll() {
    Say("everything heals");
    StartController();
    world_.streams().delay = nullptr;
    world_.cluster().SetAway(false);
    for (const std::string& node : world_.SpeakerHosts()) {
      world_.streams().SetBlocked(node, false);
      world_.DiskOf(node).fault = nullptr;
      for (const Machine& leaf : kLeaves) world_.network().Heal(node, leaf.name);
      StartSpeaker(node);
    }
    for (const Machine& machine : kNodes) world_.cluster().Apply(MakeNode(machine, true));
  }

  World world_;
  Judge judge_;
  const Without without_;
  std::vector<std::string> services_;
  int next_service_ = 0;
};

// The tail of the event log that led to the first violation.
std::string Story(Trial& run) {
  const std::vector<std::string>& lines = run.world().log().lines();
  size_t end = lines.size();
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find(" judge: ") != std::string::npos) {
      end = i + 1;
      break;
    }
  }
  const size_t begin = end > 60 ? end - 60 : 0;
  return absl::StrJoin(lines.begin() + static_cast<int64_t>(begin),
                       lines.begin() + static_cast<int64_t>(end), "\n");
}

TEST(SimulationTest, ALongTimeOfFaultsLosesNothing) {
  const uint64_t seed = 20260102;
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Trial run(seed, Without::kNothing);
  run.Go(kLong);
  EXPECT_THAT(run.judge().violations(), IsEmpty()) << Story(run);
  EXPECT_GT(run.judge().withdrawals_seen(), kWithdrawals);
  std::printf("%zu log lines, %llu withdrawals, all of them ordered\n",
              run.world().log().lines().size(),
              static_cast<unsigned long long>(run.judge().withdrawals_seen()));
}

TEST(SimulationTest, OneSeedOneEventLog) {
  std::vector<uint64_t> hashes;
  for (int i = 0; i < 2; ++i) {
    Trial run(7, Without::kNothing);
    run.Go(absl::Minutes(5));
    hashes.push_back(run.world().log().hash());
    EXPECT_THAT(run.judge().violations(), IsEmpty()) << Story(run);
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  Trial other(8, Without::kNothing);
  other.Go(absl::Minutes(5));
  EXPECT_NE(other.world().log().hash(), hashes[0]);
}

TEST(SimulationTest, ManySeeds) {
  for (uint64_t seed = 100; seed < 100 + kSeeds; ++seed) {
    Trial run(seed, Without::kNothing);
    run.Go(absl::Minutes(5));
    ASSERT_THAT(run.judge().violations(), IsEmpty()) << "seed " << seed << "\n" << Story(run);
  }
}

TEST(SimulationTest, SpeakersThatForgetTheirPlanAreNoticed) {
  Trial run(7, Without::kSpeakerDisk);
  run.Go(absl::Minutes(20));
  EXPECT_THAT(run.judge().violations(), Not(IsEmpty()));
}

TEST(SimulationTest, LostServiceStatusesAreNoticed) {
  Trial run(7, Without::kServiceStatuses);
  run.Go(absl::Minutes(20));
  EXPECT_THAT(run.judge().violations(), Not(IsEmpty()));
}

}  // namespace
}  // namespace openelb::simulation

// Single faults, one at a time, and exactly what each may and may not do.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/network/v1alpha2/names.h"
#include "controller/saved_state.h"
#include "e2e/simulation/world.h"

namespace openelb::simulation {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
const IpPrefix kVip = IpPrefix::Host(Ip("172.22.0.2"));

class ScenarioTest : public ::testing::Test {
 protected:
  ScenarioTest() {
    world_.AddRouter("leaf1", "192.168.0.2", 65001);
    world_.AddSpeakerHost("master1", "192.168.0.3");
    world_.cluster().Apply(Node("master1", "192.168.0.3", "leaf1"));
    world_.cluster().Apply(Node("worker1", "192.168.0.4", ""));
    conf_.meta.name = network::kBgpConfName;
    conf_.as = 65000;
    conf_.listen_port = -1;
    world_.cluster().Apply(conf_);
    peer_.meta.name = "leaf1";
    peer_.neighbor_address = "192.168.0.2";
    peer_.peer_as = 65001;
    peer_.hold_time_s = 9;
    peer_.connect_retry_s = 1;
    world_.cluster().Apply(peer_);
    network::Eip eip;
    eip.meta.name = "pool";
    eip.address = "172.22.0.2-172.22.0.10";
    world_.cluster().Apply(eip);
    world_.cluster().Apply(Service(kube::TrafficPolicy::kCluster));
    world_.cluster().Apply(Slice({{"master1", true}, {"worker1", true}}));
  }

  static kube::Node Node(const std::string& name, absl::string_view address,
                         const std::string& rack) {
    kube::Node node;
    node.meta.name = name;
    if (!rack.empty()) node.meta.labels[network::kRack.openelb] = rack;
    node.internal_ips = {Ip(address)};
    return node;
  }
  static kube::Service Service(kube::TrafficPolicy policy) {
    kube::Service service;
    service.meta.name = "web";
    service.meta.namespace_ = "default";
    service.meta.annotations = {{network::kLoadBalancer.openelb, "openelb"},
                                {network::kEipName.openelb, "pool"}};
    service.type = "LoadBalancer";
    service.external_traffic_policy = policy;
    service.ports = {{.name = "http", .protocol = "TCP", .port = 80}};
    return service;
  }
  static kube::EndpointSlice Slice(const std::map<std::string, bool>& ready_on) {
    kube::EndpointSlice slice;
    slice.meta.name = "web";
    slice.meta.namespace_ = "default";
    slice.meta.labels[kube::kServiceNameLabel] = "web";
    slice.address_type = "IPv4";
    for (const auto& [node, ready] : ready_on) {
      slice.endpoints.push_back({.addresses = {"10.244.0.1"}, .node_name = node, .ready = ready});
    }
    return slice;
  }

  void StartAll() {
    world_.StartController();
    world_.StartSpeaker("master1");
    world_.RunFor(absl::Seconds(5));
  }
  std::vector<IpAddress> Hops() { return world_.router("leaf1").NextHops(kVip); }
  uint64_t Withdrawals() { return world_.router("leaf1").withdrawals(); }

  World world_{1};
  network::BgpConf conf_;
  network::BgpPeer peer_;
};

TEST_F(ScenarioTest, ManifestsInRoutesOut) {
  StartAll();
  EXPECT_THAT(Hops(), ElementsAre(Ip("192.168.0.3"), Ip("192.168.0.4")));
  EXPECT_THAT(world_.cluster().services().begin()->second.ips, ElementsAre("172.22.0.2"));
  EXPECT_EQ(world_.cluster().eips().at("pool").usage, 1);
  EXPECT_EQ(world_.cluster().peers().at("leaf1").nodes.at("master1").session_state, "ESTABLISHED");
}

TEST_F(ScenarioTest, AControllerThatLostItsFactsWithdrawsNothing) {
  StartAll();
  world_.CrashController();
  world_.DiskOf("controller").files.erase(kSavedStateFile);
  world_.StartController();
  world_.RunFor(absl::Seconds(30));
  EXPECT_THAT(Hops(), ElementsAre(Ip("192.168.0.3"), Ip("192.168.0.4")));
  EXPECT_EQ(Withdrawals(), 0U);
}

// The status folder is wiped, or a backup of it restored, and the Services' statuses with it.
TEST_F(ScenarioTest, AStoreThatForgotMovesNoAddress) {
  StartAll();
  const auto old_disk = world_.DiskOf("controller").files;
  kube::Service newer = Service(kube::TrafficPolicy::kCluster);
  newer.meta.name = "another";
  kube::EndpointSlice slice = Slice({{"master1", true}});
  slice.meta.name = slice.meta.labels[kube::kServiceNameLabel] = "another";
  world_.cluster().Apply(newer);
  world_.cluster().Apply(slice);
  world_.RunFor(absl::Seconds(2));
  const IpPrefix second = IpPrefix::Host(Ip("172.22.0.3"));
  ASSERT_FALSE(world_.router("leaf1").NextHops(second).empty());
  for (const auto& disk : {decltype(old_disk)(), old_disk}) {
    world_.CrashController();
    world_.DiskOf("controller").files = disk;
    world_.cluster().LoseStatuses();
    world_.cluster().Delete(KeyOf(Object(Service(kube::TrafficPolicy::kCluster))));
    world_.RunFor(absl::Seconds(1));
    world_.StartController();
    world_.RunFor(absl::Seconds(30));
    // The first address would be free: "web" is gone.
    EXPECT_THAT(world_.cluster().services().at({"Service", "default", "another"}).ips,
                ElementsAre("172.22.0.3"));
    EXPECT_FALSE(world_.router("leaf1").NextHops(second).empty());
  }
}

TEST_F(ScenarioTest, ReadinessThatFallsWhileTheSourceLagsWaitsToSettle) {
  world_.cluster().Apply(Service(kube::TrafficPolicy::kLocal));
  StartAll();
  world_.cluster().SetAway(true);
  world_.cluster().Apply(Slice({{"master1", true}, {"worker1", false}}));
  world_.RunFor(absl::Seconds(5));
  world_.cluster().SetAway(false);
  world_.RunFor(absl::Seconds(9));
  EXPECT_THAT(Hops(), ElementsAre(Ip("192.168.0.3"), Ip("192.168.0.4")));
  world_.RunFor(absl::Seconds(2));
  EXPECT_THAT(Hops(), ElementsAre(Ip("192.168.0.3")));
}

// Every kubelet falls silent for long and is heard of again: Nodes turn Ready before their Pods do.
TEST_F(ScenarioTest, NodesThatReturnBeforeTheirPodsLoseNoAddress) {
  StartAll();
  const auto set_nodes = [&](kube::ConditionStatus ready) {
    for (kube::Node node :
         {Node("master1", "192.168.0.3", "leaf1"), Node("worker1", "192.168.0.4", "")}) {
      node.ready = ready;
      world_.cluster().Apply(node);
    }
  };
  set_nodes(kube::ConditionStatus::kUnknown);
  world_.cluster().Apply(Slice({{"master1", false}, {"worker1", false}}));
  world_.RunFor(absl::Seconds(30));
  set_nodes(kube::ConditionStatus::kTrue);
  world_.RunFor(absl::Seconds(9));
  EXPECT_THAT(Hops(), ElementsAre(Ip("192.168.0.3"), Ip("192.168.0.4")));
  EXPECT_EQ(Withdrawals(), 0U);
  world_.RunFor(absl::Seconds(2));
  EXPECT_THAT(Hops(), IsEmpty()) << "Pods that are not ready for long";
}

TEST_F(ScenarioTest, AServiceThatOptsOutLosesOnlyWhatWeWrote) {
  StartAll();
  kube::Service service = Service(kube::TrafficPolicy::kCluster);
  service.meta.annotations.clear();
  world_.cluster().Apply(service);
  world_.RunFor(absl::Seconds(1));
  EXPECT_THAT(world_.cluster().services(), IsEmpty());
  EXPECT_THAT(Hops(), IsEmpty());
  EXPECT_THAT(world_.cluster().events(), Contains(Field(&ClusterEvent::reason, "ReleaseIP")));
}

TEST_F(ScenarioTest, ALargerEpochOfAnEarlierControllerIsPassed) {
  StartAll();
  world_.CrashController();
  world_.DiskOf("controller").files["epoch"] = "0\n";
  world_.StartController();
  world_.RunFor(absl::Seconds(2));
  world_.CrashController();
  world_.DiskOf("controller").files.erase("epoch");
  world_.StartController();
  world_.cluster().Apply(Node("worker2", "192.168.0.6", ""));
  world_.RunFor(absl::Seconds(15));
  EXPECT_THAT(Hops(), ElementsAre(Ip("192.168.0.3"), Ip("192.168.0.4"), Ip("192.168.0.6")));
}

TEST_F(ScenarioTest, ANodeWithoutARackIsNamedOnceItLasts) {
  StartAll();
  EXPECT_THAT(world_.cluster().events(), Not(Contains(Field(&ClusterEvent::warning, true))));
  world_.cluster().Apply(Node("stray", "10.9.9.9", ""));
  world_.RunFor(absl::Seconds(2));
  EXPECT_THAT(world_.cluster().events(),
              Contains(Field(&ClusterEvent::about, ObjectKey{"Node", "", "stray"})));
}

TEST_F(ScenarioTest, ARackThatLosesItsSecondSpeakerIsNamedOnceThatLasts) {
  const auto told = [this] {
    std::vector<std::string> told;
    for (const ClusterEvent& event : world_.cluster().events()) {
      if (event.about == ObjectKey{network::BgpConf::kKind, "", network::kBgpConfName})
        told.push_back(event.reason);
    }
    return told;
  };
  world_.AddSpeakerHost("master2", "192.168.0.5");
  world_.cluster().Apply(Node("master2", "192.168.0.5", "leaf1"));
  StartAll();
  world_.RunFor(absl::Seconds(15));
  world_.StartSpeaker("master2");
  world_.RunFor(absl::Minutes(2));
  EXPECT_THAT(told(), IsEmpty()) << "a roll-out";
  world_.StopSpeaker("master2");
  world_.RunFor(absl::Seconds(5));
  world_.StartSpeaker("master2");
  world_.RunFor(absl::Minutes(2));
  EXPECT_THAT(told(), IsEmpty()) << "an upgrade";
  world_.CrashSpeaker("master2");
  world_.RunFor(absl::Minutes(2));
  EXPECT_THAT(told(), ElementsAre("RackWithoutRedundancy"));
  world_.StartSpeaker("master2");
  world_.RunFor(absl::Minutes(2));
  EXPECT_THAT(told(), ElementsAre("RackWithoutRedundancy", "RackRedundant"));
  EXPECT_THAT(Hops(), ElementsAre(Ip("192.168.0.3"), Ip("192.168.0.4"), Ip("192.168.0.5")));
}

TEST_F(ScenarioTest, ADeletedObjectTakesNoOthersStatusAlong) {
  network::Eip eip;
  eip.meta.name = "leaf1";  // as the BgpPeer
  eip.address = "10.0.0.1";
  world_.cluster().Apply(eip);
  StartAll();
  // One batch: the peer's new field makes its status due, the Eip of the same name goes.
  peer_.fields_ignored = {"spec.conf.vrf"};
  world_.cluster().Apply(peer_);
  world_.cluster().Delete({network::Eip::kKind, "", "leaf1"});
  world_.RunFor(absl::Seconds(1));
  EXPECT_THAT(world_.cluster().peers().at("leaf1").conditions,
              Contains(Field(&kube::Condition::type, "FieldsIgnored")));
}

TEST_F(ScenarioTest, AnEditOfTheAsResetsOneSpeakerOfARackAtATime) {
  world_.AddSpeakerHost("master2", "192.168.0.5");
  world_.cluster().Apply(Node("master2", "192.168.0.5", "leaf1"));
  StartAll();
  world_.StartSpeaker("master2");
  world_.RunFor(absl::Seconds(5));
  conf_.as = 65009;
  world_.cluster().Apply(conf_);
  int fewest = 2;
  world_.RunFor(absl::Seconds(20), [&] {
    int up = 0;
    for (const char* node : {"192.168.0.3", "192.168.0.5"})
      up += world_.router("leaf1").Established(Ip(node)) ? 1 : 0;
    fewest = std::min(fewest, up);
  });
  EXPECT_EQ(fewest, 1);
  EXPECT_EQ(world_.router("leaf1").open(Ip("192.168.0.3")).as(), 65009U);
  EXPECT_EQ(world_.router("leaf1").open(Ip("192.168.0.5")).as(), 65009U);
}

}  // namespace
}  // namespace openelb::simulation

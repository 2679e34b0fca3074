#include "speaker/vrrp/instance.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/vrrp/test_segment.h"

namespace openelb::vrrp {
namespace {

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class InstanceTest : public testing::Test {
 protected:
  InstanceTest() : node(net.StartIdle("n1")), instance(node.instance) {}

  RouterConfig Config(uint8_t vrid, const IpAddress& address) const {
    RouterConfig config = net.Config(100);
    config.vrid = vrid;
    config.family = address.family();
    config.addresses = {address};
    return config;
  }
  // A packet as it comes from 192.168.50.2.
  void Receive(uint8_t vrid, uint8_t priority, std::vector<IpAddress> addresses, int ttl = 255) {
    const IpAddress source = Ip("192.168.50.2");
    const IpAddress group = MulticastGroup(Family::kV4);
    const Bytes payload = SerializeAdvertisement(
        {3, vrid, priority, absl::Milliseconds(100), std::move(addresses)}, source, group);
    instance.OnVrrpPacket({io::SimVrrpSegment::kIndex, source, group, ttl, payload});
  }
  RouterView View() const { return instance.Routers().at(0); }

  const IpAddress one = Ip("192.168.50.100");
  const IpAddress two = Ip("192.168.50.101");
  const IpAddress six = Ip("2001:db8::100");
  TestSegment net;
  TestNode& node;
  Instance& instance;
};

TEST_F(InstanceTest, HoldsTheAddressesOfAllItsActiveRouters) {
  EXPECT_TRUE(instance.Apply({Config(1, one), Config(2, two), Config(1, six)}, {}).empty());
  EXPECT_EQ(instance.Routers().size(), 3u);
  net.RunFor(absl::Seconds(1));
  const IpAddress own = VirtualLinkLocal(1);
  EXPECT_EQ(net.segment.Held("n1"), (std::set<IpAddress>{one, two, six, own}));
  EXPECT_THAT(node.announced, testing::UnorderedElementsAre(one, two, six, own));
  EXPECT_EQ(instance.Routers().back().addresses, std::vector<IpAddress>{six});

  // One is gone: it says so, and the others notice nothing.
  const uint64_t active = instance.counters().became_active;
  EXPECT_TRUE(instance.Apply({Config(2, two), Config(1, six)}, {}).empty());
  EXPECT_EQ(net.segment.Held("n1"), (std::set<IpAddress>{two, six, own}));
  EXPECT_EQ(node.released, std::vector<IpAddress>{one});
  EXPECT_EQ(instance.counters().releases_sent, 1u);
  net.RunFor(absl::Seconds(1));
  EXPECT_EQ(instance.counters().became_active, active);

  instance.Stop();
  EXPECT_TRUE(net.segment.Held("n1").empty());
  EXPECT_EQ(instance.counters().releases_sent, 3u);
  EXPECT_TRUE(instance.Routers().empty());
  EXPECT_EQ(instance.NextWakeup(), absl::InfiniteDuration());
}

TEST_F(InstanceTest, AnAddressMovesFromOneRouterToAnotherWithoutLeavingTheNic) {
  RouterConfig both = Config(1, one);
  both.addresses = {one, two};
  instance.Apply({both, Config(2, Ip("192.168.50.102"))}, {});
  net.RunFor(absl::Seconds(1));
  node.released.clear();
  RouterConfig second = Config(2, Ip("192.168.50.102"));
  second.addresses.push_back(two);
  instance.Apply({Config(1, one), second}, {});
  EXPECT_TRUE(node.released.empty());
  EXPECT_TRUE(net.segment.Held("n1").contains(two));
}

TEST_F(InstanceTest, RefusesWhatIsWrongAndKeepsWhatWorked) {
  instance.Apply({Config(1, one)}, {});
  net.RunFor(absl::Seconds(1));
  RouterConfig wrong = Config(1, one);
  wrong.priority = 255;
  std::vector<absl::Status> errors = instance.Apply({wrong, Config(2, two), Config(2, two)}, {});
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].message(),
            "VRRP router vip (VRID 1, IPv4, eth0): priority 255, it must be 1..254");
  EXPECT_EQ(errors[1].message(),
            "VRRP router vip (VRID 2, IPv4, eth0): another router has the same VRID, family and "
            "interface");
  EXPECT_EQ(View().state, RouterState::kActive);
  EXPECT_EQ(instance.Routers().size(), 2u);
}

TEST_F(InstanceTest, RemovesWhatAnEarlierProcessLeft) {
  instance.Apply({Config(1, one)}, {});
  net.RunFor(absl::Seconds(1));
  net.Kill("n1");
  EXPECT_EQ(net.segment.Held("n1"), std::set<IpAddress>{one});
  net.StartIdle("n1");
  EXPECT_TRUE(net.segment.Held("n1").empty());
}

TEST_F(InstanceTest, SaysWhyARouterCannotRun) {
  RouterConfig missing = Config(1, one);
  missing.interface = "eth9";
  instance.Apply({missing}, {});
  EXPECT_EQ(View().problem, "interface eth9 does not exist");
  EXPECT_EQ(View().state, RouterState::kInitialize);

  instance.Apply({Config(1, one)}, {});
  EXPECT_EQ(View().problem, "");
  net.RunFor(absl::Seconds(1));
  const int changes = node.router_changes;
  net.segment.SetCarrier("n1", false);
  net.RunFor(absl::Milliseconds(1));
  EXPECT_EQ(View().problem, "interface eth0 has no carrier");
  EXPECT_EQ(node.router_changes, changes + 1);
  EXPECT_TRUE(net.segment.Held("n1").empty());
  net.segment.SetCarrier("n1", true);
  net.RunFor(absl::Seconds(1));
  EXPECT_EQ(View().state, RouterState::kActive);

  net.segment.AddHost("bare", {});
  TestNode& bare = net.StartIdle("bare");
  bare.instance.Apply({Config(1, one), Config(1, six)}, {});
  EXPECT_EQ(bare.instance.Routers().at(0).problem, "interface eth0 has no IPv4 address");
  EXPECT_EQ(bare.instance.Routers().at(1).problem, "interface eth0 has no IPv6 link-local address");
}

TEST_F(InstanceTest, TriesAgainToHold) {
  net.segment.SetHoldWorks("n1", false);
  instance.Apply({Config(1, one)}, {});
  net.RunFor(absl::Milliseconds(500));
  EXPECT_EQ(View().state, RouterState::kActive);
  EXPECT_EQ(View().problem, "Hold does not work");
  EXPECT_EQ(instance.counters().hold_errors, 1u);
  net.segment.SetHoldWorks("n1", true);
  net.RunFor(Instance::kRetry);
  EXPECT_EQ(View().problem, "");
  EXPECT_EQ(net.segment.Held("n1"), std::set<IpAddress>{one});
}

TEST_F(InstanceTest, CountsAndReportsRoutersOfOthers) {
  instance.Apply({Config(1, one)}, {});
  Receive(7, 90, {two});
  Receive(7, 91, {two});
  EXPECT_EQ(instance.counters().dropped.at("foreign_vrid"), 2u);
  EXPECT_TRUE(instance.Heard().empty()) << "it may be ours yet";
  net.RunFor(Instance::kBelieveAfter);
  Receive(7, 90, {two});
  Receive(7, 91, {two});
  EXPECT_EQ(node.heard_changes, 1) << "a priority alone is no news";
  const HeardRouter seven{{"eth0", Family::kV4, 7}, Ip("192.168.50.2"), 3, 91, {two}};
  EXPECT_EQ(instance.Heard(), std::vector<HeardRouter>{seven});

  // Our own VRID with none of our addresses is someone else's too.
  Receive(1, 90, {one, two});
  EXPECT_EQ(instance.Heard().size(), 1u);
  Receive(1, 90, {two});
  net.RunFor(Instance::kBelieveAfter);
  ASSERT_EQ(instance.Heard().size(), 2u);
  EXPECT_EQ(instance.Heard()[0].key.vrid, 1);
  EXPECT_EQ(instance.counters().received, 1u);
  EXPECT_EQ(instance.counters().dropped.at("foreign_vrid"), 5u);

  net.RunFor(Instance::kHeardFor);
  EXPECT_TRUE(instance.Heard().empty());
  EXPECT_EQ(node.heard_changes, 3);
}

// It would silence ours without serving what ours serves.
TEST_F(InstanceTest, ARouterOfOthersWithOurIdDoesNotSilenceOurs) {
  const auto hear_for_a_second = [this] {
    for (int i = 0; i < 10; ++i) {
      Receive(1, 254, {two});
      net.RunFor(absl::Milliseconds(100));
    }
  };
  instance.Apply({Config(1, one)}, {});
  hear_for_a_second();
  EXPECT_EQ(View().state, RouterState::kActive) << "as Backup it waits for nobody";
  hear_for_a_second();
  Receive(1, 0, {two});
  EXPECT_EQ(View().state, RouterState::kActive);
  EXPECT_EQ(net.segment.Held("n1"), std::set<IpAddress>{one});
  EXPECT_EQ(instance.counters().received, 0u);
  Receive(1, 254, {two, one});
  EXPECT_EQ(View().state, RouterState::kBackup) << "that one has ours as well";
}

TEST_F(InstanceTest, ListensWhereNoneOfItsRoutersIs) {
  instance.Apply({}, {"eth0"});
  net.Start("n2", net.Config(100));
  net.RunFor(absl::Seconds(2));
  ASSERT_EQ(instance.Heard().size(), 1u);
  EXPECT_EQ(instance.Heard()[0].key, (RouterKey{"eth0", Family::kV4, 51}));
  // Once it is ours, it is no longer of others.
  instance.Apply({net.Config(50)}, {});
  EXPECT_TRUE(instance.Heard().empty());
}

// The plan that brings a router here may come after its first packet.
TEST_F(InstanceTest, NeverTellsOfARouterThatIsSoonItsOwn) {
  instance.Apply({}, {"eth0"});
  net.Start("n2", net.Config(100));
  net.RunFor(absl::Milliseconds(900));
  instance.Apply({net.Config(50)}, {});
  net.RunFor(absl::Minutes(1));
  EXPECT_EQ(node.heard_changes, 0);
}

// So whoever is told sees that it was forgotten when ours came, and is heard nevertheless.
TEST_F(InstanceTest, TellsAnewOfOthersThatHaveTheIdOfOneThatCame) {
  instance.Apply({}, {"eth0"});
  const auto hear_for_a_second = [this] {
    for (int i = 0; i <= 10; ++i) {
      Receive(1, 90, {two});
      net.RunFor(absl::Milliseconds(100));
    }
  };
  hear_for_a_second();
  EXPECT_EQ(instance.Heard().size(), 1u);
  instance.Apply({Config(1, one)}, {});
  Receive(1, 90, {two});
  EXPECT_TRUE(instance.Heard().empty());
  hear_for_a_second();
  EXPECT_EQ(instance.Heard().size(), 1u);
  EXPECT_EQ(node.heard_changes, 3);
}

TEST_F(InstanceTest, CountsWhatItDropsByReason) {
  instance.Apply({Config(1, one)}, {});
  Receive(1, 90, {one}, 64);
  instance.OnVrrpPacket(
      {io::SimVrrpSegment::kIndex, Ip("192.168.50.2"), Ip("224.0.0.18"), 255, {}});
  EXPECT_EQ(instance.counters().dropped,
            (std::map<std::string, uint64_t>{{"ttl", 1}, {"length", 1}}));
}

TEST_F(InstanceTest, TellsWhoIsActiveWhenThatChanges) {
  instance.Apply({Config(1, one)}, {});
  const int changes = node.router_changes;
  Receive(1, 90, {one});
  EXPECT_EQ(View().active, Ip("192.168.50.2"));
  Receive(1, 90, {one});
  EXPECT_EQ(node.router_changes, changes + 1);
  Receive(1, 0, {one});
  EXPECT_EQ(View().active, std::nullopt);
  EXPECT_EQ(node.router_changes, changes + 2);
}

}  // namespace
}  // namespace openelb::vrrp

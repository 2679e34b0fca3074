#include "speaker/bfd/instance.h"

#include <gmock/gmock.h>

#include <set>

#include "speaker/bfd/test_node.h"

namespace openelb::bfd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const absl::Duration kMs = absl::Milliseconds(1);
constexpr uint16_t kPort = Instance::kPort;

Authentication Keys(std::vector<Key> keys) {
  return {AuthenticationType::kMeticulousKeyedSha1, std::move(keys)};
}

// Two nodes that watch each other.
class InstanceTest : public testing::Test {
 protected:
  void Watch(const SessionConfig& config = {}) { Watch(config, config); }
  void Watch(const SessionConfig& at_1, const SessionConfig& at_2) {
    EXPECT_THAT(segment[1].instance().Apply({segment[1].Watching(2, at_1)}), ElementsAre());
    EXPECT_THAT(segment[2].instance().Apply({segment[2].Watching(1, at_2)}), ElementsAre());
  }
  void BringUp(const SessionConfig& config = {}) {
    Watch(config);
    segment.Run(absl::Seconds(2));
    ASSERT_TRUE(Up());
    Forget();
  }
  bool Up() { return segment[1].StateOf(2) == State::kUp && segment[2].StateOf(1) == State::kUp; }
  void Forget() {
    segment[1].changes.clear();
    segment[2].changes.clear();
  }
  // No node noticed anything.
  bool Quiet() { return segment[1].changes.empty() && segment[2].changes.empty(); }

  TestSegment segment{2};
};

TEST_F(InstanceTest, TheHandshakeTakesRoundTripsNotSeconds) {
  Watch();
  segment.Run(10 * kMs);
  EXPECT_TRUE(Up());
  segment.Run(absl::Seconds(60));
  EXPECT_TRUE(Up());
  EXPECT_EQ(segment[1].changes.back().transition.reason, Reason::kHandshake);
  EXPECT_LE(segment[1].changes.size(), 2u) << "Init, if that, and Up";
}

TEST_F(InstanceTest, ACutTakesBothEndsDownWithinTheDetectionTime) {
  BringUp();
  segment.network.Cut("1", "2");
  const absl::Duration cut = segment.scheduler.Monotonic();
  segment.Run(absl::Seconds(3));
  for (int node : {1, 2}) {
    ASSERT_EQ(segment[node].changes.size(), 1u);
    const TestNode::Change& change = segment[node].changes[0];
    EXPECT_EQ(change.transition,
              (Transition{State::kUp, State::kDown, Reason::kDetectionTimeExpired}));
    EXPECT_GE(change.at - cut, 200 * kMs);
    EXPECT_LE(change.at - cut, 301 * kMs);
    EXPECT_EQ(change.key, TestNode::KeyOf(3 - node));
  }
  segment.network.Heal("1", "2");
  segment.Run(1010 * kMs);
  EXPECT_TRUE(Up());
}

TEST_F(InstanceTest, AOneWayCutTakesBothEndsDown) {
  BringUp();
  segment.network.CutOneWay("1", "2");
  segment.Run(310 * kMs);
  ASSERT_EQ(segment[2].changes.size(), 1u);
  EXPECT_EQ(segment[2].changes[0].transition.reason, Reason::kDetectionTimeExpired);
  ASSERT_GE(segment[1].changes.size(), 1u);
  EXPECT_EQ(segment[1].changes[0].transition.reason, Reason::kNeighborSignaledDown);
}

TEST_F(InstanceTest, TwoLostPacketsInARowAreNoLoss) {
  BringUp();
  for (int i = 0; i < 50; ++i) {
    segment.network.Cut("1", "2");
    segment.Run(149 * kMs);  // two packets at most, and the third comes within 100 ms
    segment.network.Heal("1", "2");
    segment.Run(300 * kMs);
  }
  EXPECT_TRUE(Quiet());
}

TEST_F(InstanceTest, AStoppedProcessIsMissedAndFoundAgain) {
  BringUp();
  segment[1].stopped = true;
  segment.network.CutOneWay("2", "1");  // nor does it read
  segment.Run(310 * kMs);
  ASSERT_EQ(segment[2].changes.size(), 1u);
  EXPECT_EQ(segment[2].changes[0].transition.reason, Reason::kDetectionTimeExpired);
  segment[1].stopped = false;
  segment.network.Heal("1", "2");
  segment.Run(1100 * kMs);
  EXPECT_TRUE(Up());
}

TEST_F(InstanceTest, ARestartedNeighbourShowsAtOnceAndWithAuthenticationInTwiceTheTime) {
  for (const Authentication& keys : {Authentication{}, Keys({{1, "k"}})}) {
    BringUp({.authentication = keys});
    segment[1].Restart(&segment.network);
    segment[1].instance().Apply({segment[1].Watching(2, {.authentication = keys})});
    segment.Run(10 * kMs);
    const bool authenticated = keys.type != AuthenticationType::kNone;
    EXPECT_EQ(Up(), !authenticated);
    segment.Run(2000 * kMs);
    EXPECT_TRUE(Up());
    ASSERT_FALSE(segment[2].changes.empty());
    EXPECT_EQ(segment[2].changes[0].transition.reason,
              authenticated ? Reason::kDetectionTimeExpired : Reason::kNeighborSignaledDown);
    EXPECT_EQ(segment[2].instance().counters().DroppedFor(Drop::kAuthenticationSequence) > 0,
              authenticated);
  }
}

TEST_F(InstanceTest, TimersAreRenegotiatedLive) {
  BringUp();
  const auto detection = [&](int node) {
    return segment[node].instance().Sessions()[0].detection_time;
  };
  EXPECT_EQ(detection(1), 300 * kMs);
  struct Row {
    SessionConfig at_1;
    SessionConfig at_2;
    int detection_at_1;
    int detection_at_2;
  };
  const Row rows[] = {
      {{.desired_min_tx = 500 * kMs}, {}, 300, 1500},
      {{.desired_min_tx = 50 * kMs}, {}, 300, 300},
      {{.desired_min_tx = 50 * kMs, .required_min_rx = 50 * kMs},
       {.desired_min_tx = 50 * kMs, .required_min_rx = 50 * kMs},
       150,
       150},
      {{.required_min_rx = 400 * kMs, .detect_mult = 5}, {.detect_mult = 2}, 800, 500},
      {{}, {}, 300, 300},
  };
  for (const Row& row : rows) {
    Watch(row.at_1, row.at_2);
    segment.Run(absl::Seconds(5));
    EXPECT_EQ(detection(1), row.detection_at_1 * kMs);
    EXPECT_EQ(detection(2), row.detection_at_2 * kMs);
    EXPECT_TRUE(Quiet()) << "no change of timers costs the session";
  }
}

TEST_F(InstanceTest, ChangesThatReachTheEndsAtAnyTimesCostNothing) {
  BringUp();
  SeededRandom random(3);
  const auto pick = [&](uint64_t most) { return 1 + static_cast<int>(random.Next64() % most); };
  for (int i = 0; i < 300; ++i) {
    const int node = pick(2);
    segment[node].instance().Apply(
        {segment[node].Watching(3 - node, {.desired_min_tx = 10 * pick(50) * kMs,
                                           .required_min_rx = 10 * pick(50) * kMs,
                                           .detect_mult = static_cast<uint8_t>(2 + pick(3))})});
    segment.network.SetDelay("1", "2", pick(5) * kMs);
    segment.Run(pick(1000) * kMs);
    ASSERT_TRUE(Quiet()) << "change " << i;
  }
}

TEST_F(InstanceTest, KeysAreRolledWithoutALoss) {
  const Key old_key{1, "old"};
  const Key new_key{2, "new"};
  BringUp({.authentication = Keys({old_key})});
  for (const std::vector<Key>& keys :
       {std::vector{old_key, new_key}, {new_key, old_key}, {new_key}}) {
    for (int node : {1, 2}) {
      segment[node].instance().Apply(
          {segment[node].Watching(3 - node, {.authentication = Keys(keys)})});
      segment.Run(absl::Seconds(2));
    }
  }
  EXPECT_TRUE(Quiet());
  EXPECT_TRUE(Up());
}

TEST_F(InstanceTest, AWrongOrMissingKeyNeverComesUp) {
  for (const Authentication& other :
       {Keys({{1, "wrong"}}), Keys({{2, "right"}}), Authentication{}}) {
    Watch({.authentication = Keys({{1, "right"}})}, {.authentication = other});
    segment.Run(absl::Seconds(5));
    EXPECT_EQ(segment[1].StateOf(2), State::kDown);
    EXPECT_EQ(segment[2].StateOf(1), State::kDown);
  }
  const Counters& counters = segment[1].instance().counters();
  EXPECT_GT(counters.DroppedFor(Drop::kAuthenticationDigest), 0u);
  EXPECT_GT(counters.DroppedFor(Drop::kAuthenticationKeyId), 0u);
  EXPECT_GT(counters.DroppedFor(Drop::kMissingAuthentication), 0u);
  EXPECT_GT(segment[2].instance().counters().DroppedFor(Drop::kUnexpectedAuthentication), 0u);
  EXPECT_EQ(counters.received, 0u);
}

// An AdminDown that was really sent, heard again later, must end nothing.
TEST_F(InstanceTest, ReplayedPacketsAreRefused) {
  std::vector<std::pair<io::Datagram, std::string>> heard;
  segment.network.SetTap([&](absl::string_view from, absl::string_view, const io::Datagram& d) {
    if (from == "1") heard.emplace_back(d, std::string(d.data.begin(), d.data.end()));
  });
  BringUp({.authentication = Keys({{1, "k"}})});
  const SessionConfig down{.authentication = Keys({{1, "k"}}), .admin_down = true};
  segment[1].instance().Apply({segment[1].Watching(2, down)});
  segment.Run(absl::Seconds(1));
  EXPECT_EQ(segment[2].StateOf(1), State::kDown);
  Watch({.authentication = Keys({{1, "k"}})});
  segment.Run(absl::Seconds(5));
  ASSERT_TRUE(Up());
  Forget();
  segment.network.SetTap(nullptr);
  ASSERT_GT(heard.size(), 30u);
  const uint64_t before = segment[2].instance().counters().received;
  for (auto& [datagram, data] : heard) {
    datagram.data = {reinterpret_cast<const uint8_t*>(data.data()), data.size()};
    segment.network.Inject("2", datagram, kPort);
  }
  EXPECT_EQ(segment[2].instance().counters().received, before);
  EXPECT_GT(segment[2].instance().counters().DroppedFor(Drop::kAuthenticationSequence), 30u);
  segment.Run(absl::Seconds(1));
  EXPECT_TRUE(Quiet());
}

TEST_F(InstanceTest, AdminDownIsSeenAsSuchAndOver) {
  BringUp();
  segment[1].instance().Apply({segment[1].Watching(2, {.admin_down = true})});
  segment.Run(10 * kMs);
  ASSERT_EQ(segment[2].changes.size(), 1u);
  EXPECT_EQ(segment[2].changes[0].transition,
            (Transition{State::kUp, State::kDown, Reason::kNeighborAdminDown}));
  EXPECT_EQ(segment[2].instance().Sessions()[0].remote_state, State::kAdminDown);
  EXPECT_EQ(segment[2].instance().Sessions()[0].remote_diagnostic, Diagnostic::kAdminDown);
  segment.Run(absl::Seconds(10));
  EXPECT_EQ(segment[2].changes.size(), 1u);
  Watch();
  segment.Run(absl::Seconds(2));
  EXPECT_TRUE(Up());
}

TEST_F(InstanceTest, StopHandsOver) {
  BringUp();
  segment[1].instance().Stop();
  segment.Run(10 * kMs);
  ASSERT_EQ(segment[2].changes.size(), 1u);
  EXPECT_EQ(segment[2].changes[0].transition.reason, Reason::kNeighborAdminDown);
  EXPECT_EQ(segment[1].changes.back().transition.reason, Reason::kAdminDown);
  EXPECT_TRUE(segment[1].instance().Sessions().empty());
  EXPECT_EQ(segment[1].instance().NextWakeup(), absl::InfiniteDuration());
  Watch();
  segment.Run(absl::Seconds(2));
  EXPECT_TRUE(Up()) << "it may start anew";
}

TEST_F(InstanceTest, ARemovedSessionGoesOnUntilThePeerHasHeardOfItToo) {
  BringUp();
  segment[1].instance().Apply({});
  EXPECT_TRUE(segment[1].instance().Sessions().empty());
  segment.Run(Instance::kLinger - 10 * kMs);
  EXPECT_TRUE(Quiet());
  segment[1].instance().Apply({segment[1].Watching(2)});
  segment.Run(2 * Instance::kLinger);
  EXPECT_TRUE(Quiet()) << "configured again, it has never been down";
  EXPECT_TRUE(Up());

  segment[1].instance().Apply({});
  segment.Run(Instance::kLinger + 10 * kMs);
  ASSERT_EQ(segment[2].changes.size(), 1u);
  EXPECT_EQ(segment[2].changes[0].transition.reason, Reason::kNeighborAdminDown);
  EXPECT_EQ(segment[1].instance().NextWakeup(), absl::InfiniteDuration());
  segment[2].instance().Apply({});
  segment.Run(absl::Seconds(1));
  EXPECT_EQ(segment[2].instance().NextWakeup(), absl::InfiniteDuration()) << "it was down";
  EXPECT_TRUE(segment[1].changes.empty()) << "nobody asked any more";
}

TEST_F(InstanceTest, PacketsThatAreNotForASessionAreCounted) {
  BringUp();
  const Packet good{.state = State::kDown, .my_discriminator = 5};
  const io::Datagram from_1{.interface = "eth0",
                            .local = TestNode::Address(2),
                            .remote = TestNode::Address(1),
                            .ttl = 255};
  const auto changed = [](auto value, const auto& change) {
    change(&value);
    return value;
  };
  struct Row {
    io::Datagram datagram;
    Packet packet;
    Drop reason;
  };
  const Row rows[] = {
      {changed(from_1, [](auto* d) { d->ttl = 254; }), good, Drop::kTtl},
      {changed(from_1, [](auto* d) { d->ttl = 0; }), good, Drop::kTtl},
      {from_1, changed(good, [](auto* p) { p->my_discriminator = 0; }), Drop::kMyDiscriminatorZero},
      {from_1, changed(good, [](auto* p) { p->your_discriminator = 9; }),
       Drop::kUnknownDiscriminator},
      {from_1, changed(good, [](auto* p) { p->state = State::kInit; }),
       Drop::kYourDiscriminatorZero},
      {from_1, changed(good, [](auto* p) { p->state = State::kUp; }), Drop::kYourDiscriminatorZero},
      {changed(from_1, [](auto* d) { d->remote = TestNode::Address(3); }), good,
       Drop::kUnknownPeer},
  };
  Instance& instance = segment[2].instance();
  for (const Row& row : rows) {
    const uint64_t before = instance.counters().DroppedFor(row.reason);
    const Bytes octets = EncodePacket(row.packet);
    io::Datagram datagram = row.datagram;
    datagram.data = octets;
    segment.network.Inject("2", datagram, kPort);
    EXPECT_EQ(instance.counters().DroppedFor(row.reason), before + 1) << DropName(row.reason);
  }
  EXPECT_TRUE(Quiet());
}

// Someone else on the link who has seen the discriminators.
TEST_F(InstanceTest, ADiscriminatorFromAnotherAddressOrInterfaceIsRefused) {
  uint32_t theirs = 0;
  segment.network.SetTap([&](absl::string_view from, absl::string_view, const io::Datagram& d) {
    Packet packet;
    std::span<const uint8_t> octets;
    if (from == "1" && !DecodePacket(d.data, &packet, &octets).has_value()) {
      theirs = packet.your_discriminator;
    }
  });
  BringUp();
  ASSERT_NE(theirs, 0u);
  const Bytes octets =
      EncodePacket({.state = State::kDown, .my_discriminator = 5, .your_discriminator = theirs});
  segment.network.Inject("2",
                         {.interface = "eth0",
                          .local = TestNode::Address(2),
                          .remote = TestNode::Address(3),
                          .ttl = 255,
                          .data = octets},
                         kPort);
  EXPECT_EQ(segment[2].instance().counters().DroppedFor(Drop::kWrongPeer), 1u);
  segment[2].instance().OnDatagram({.interface = "eth1",
                                    .local = TestNode::Address(2),
                                    .remote = TestNode::Address(1),
                                    .ttl = 255,
                                    .data = octets});
  EXPECT_EQ(segment[2].instance().counters().DroppedFor(Drop::kWrongPeer), 2u);
  EXPECT_TRUE(Quiet());
}

TEST_F(InstanceTest, BadConfigurationIsNamedAndLeavesTheRest) {
  BringUp();
  const TestNode& node = segment[1];
  PeerConfig bad = node.Watching(2, {.desired_min_tx = kMs});
  PeerConfig self = node.Watching(1);
  PeerConfig family = node.Watching(4);
  family.local = IpAddress::Parse("fe80::1").value();
  PeerConfig nowhere = node.Watching(5);
  nowhere.key.interface.clear();
  EXPECT_THAT(
      segment[1].instance().Apply({bad, node.Watching(3), node.Watching(3), self, family, nowhere}),
      ElementsAre(HasSubstr("with 10.0.0.2 on eth0: transmit interval 1ms"),
                  HasSubstr("with 10.0.0.3 on eth0: is named twice"),
                  HasSubstr("with 10.0.0.1 on eth0: the peer's address is our own"),
                  HasSubstr("with 10.0.0.4 on eth0: local address fe80::1 is not"),
                  HasSubstr("interface is empty")));
  segment.Run(2 * Instance::kLinger);
  EXPECT_TRUE(Quiet()) << "the session with 2 goes on as it was";
  EXPECT_EQ(segment[1].instance().Sessions().size(), 2u);
}

TEST_F(InstanceTest, AMissingInterfaceIsAProblemUntilItComes) {
  segment.network.SetAddresses("1", {});
  Watch();
  segment.Run(absl::Seconds(3));
  EXPECT_EQ(segment[1].StateOf(2), State::kDown);
  EXPECT_THAT(segment[1].instance().Sessions()[0].problem, HasSubstr("on eth0"));
  EXPECT_GT(segment[1].instance().counters().send_errors, 0u);
  segment.network.SetAddresses("1", {{"eth0", TestNode::Address(1), 24}});
  segment.Run(absl::Seconds(2));
  EXPECT_TRUE(Up());
  EXPECT_EQ(segment[1].instance().Sessions()[0].problem, "");

  Forget();
  segment.network.SetAddresses("1", {});
  segment.Run(absl::Seconds(2));
  EXPECT_THAT(segment[1].instance().Sessions()[0].problem, HasSubstr("on eth0, 10.0.0.1 port"));
  ASSERT_FALSE(segment[2].changes.empty());
  segment.network.SetAddresses("1", {{"eth0", TestNode::Address(1), 24}});
  segment[1].instance().OnInterfacesChanged();
  segment.Run(absl::Seconds(2));
  EXPECT_TRUE(Up());
}

TEST_F(InstanceTest, AChangedLocalAddressIsSentFromAtOnce) {
  BringUp();
  const IpAddress second = TestNode::Address(9);
  segment.network.SetAddresses("1", {{"eth0", TestNode::Address(1), 24}, {"eth0", second, 24}});
  PeerConfig config = segment[1].Watching(2);
  config.local = second;
  segment[1].instance().Apply({config});
  std::set<IpAddress> sources;
  segment.network.SetTap([&](absl::string_view from, absl::string_view, const io::Datagram& d) {
    if (from == "1") sources.insert(d.remote);
  });
  segment.Run(absl::Seconds(1));
  EXPECT_THAT(sources, ElementsAre(second));
  EXPECT_GT(segment[2].instance().counters().DroppedFor(Drop::kWrongPeer), 0u)
      << "to its peer it is another";
}

TEST(InstanceSegmentTest, SessionsOfANodeAreIndependent) {
  constexpr int kNodes = 6;
  TestSegment segment(kNodes);
  std::set<uint16_t> ports;
  segment.network.SetTap([&](absl::string_view from, absl::string_view, const io::Datagram& d) {
    if (from == "1") ports.insert(d.remote_port);
  });
  for (int node = 1; node <= kNodes; ++node) {
    std::vector<PeerConfig> peers;
    for (int peer = 1; peer <= kNodes; ++peer) {
      if (peer != node) peers.push_back(segment[node].Watching(peer));
    }
    ASSERT_THAT(segment[node].instance().Apply(peers), ElementsAre());
  }
  segment.Run(absl::Seconds(2));
  for (int node = 1; node <= kNodes; ++node) {
    for (const SessionView& view : segment[node].instance().Sessions()) {
      EXPECT_EQ(view.state, State::kUp) << node << " with " << view.key.ToString();
    }
    segment[node].changes.clear();
  }
  EXPECT_EQ(ports.size(), static_cast<size_t>(kNodes - 1)) << "each sends from its own port";
  for (uint16_t port : ports) EXPECT_GE(port, 49152);
  segment.network.Cut("1", "2");
  segment.Run(absl::Seconds(1));
  EXPECT_EQ(segment[1].changes.size(), 1u);
  EXPECT_EQ(segment[2].changes.size(), 1u);
  for (int node = 3; node <= kNodes; ++node) EXPECT_TRUE(segment[node].changes.empty());
  const auto& transitions = segment[1].instance().counters().transitions;
  EXPECT_EQ(transitions.at({"Up", "handshake"}), 5u);
  EXPECT_EQ(transitions.at({"Down", "detection_time_expired"}), 1u);
}

}  // namespace
}  // namespace openelb::bfd

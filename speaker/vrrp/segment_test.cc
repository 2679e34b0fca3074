// Two and three speakers on a segment: who is Active, how long a change takes, and that the
// segment never settles on two.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/vrrp/test_segment.h"

namespace openelb::vrrp {
namespace {

constexpr absl::Duration kDelay = absl::Milliseconds(1);  // of a packet
constexpr absl::Duration kLong = absl::Seconds(5);

absl::Duration Skew(int priority, absl::Duration interval) {
  return interval * (256 - priority) / 256;
}

struct Variant {
  const char* name;
  int version;
  absl::Duration interval;
  bool v6;
  bool unicast;
};
void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class SegmentTest : public testing::TestWithParam<Variant> {
 protected:
  SegmentTest() {
    if (GetParam().v6) net.address = IpAddress::Parse("2001:db8::100").value();
  }
  RouterConfig Config(uint8_t priority, bool preempt = false) const {
    RouterConfig config = net.Config(priority);
    config.version = GetParam().version;
    config.interval = GetParam().interval;
    config.preempt = preempt;
    if (GetParam().unicast) {
      for (int i = 1; i <= 3; ++i) {
        config.unicast_peers.push_back(IpAddress::FromV4(0xc0a83200 + i));
      }
    }
    return config;
  }
  absl::Duration interval() const { return GetParam().interval; }
  // What the Active holds.
  std::vector<IpAddress> All() const {
    if (!GetParam().v6) return {net.address};
    return {VirtualLinkLocal(Config(100).vrid), net.address};
  }

  TestSegment net;
};

TEST_P(SegmentTest, TheHighestPriorityWinsAColdStart) {
  net.Start("n1", Config(100));
  net.Start("n2", Config(250));
  net.Start("n3", Config(200));
  net.RunFor(kLong + 10 * interval());
  EXPECT_EQ(net.Holders(), "n2");
  EXPECT_EQ(net.several, absl::ZeroDuration());
  EXPECT_EQ(net.nobody, 3 * interval() + Skew(250, interval()));
  EXPECT_EQ(net.nodes["n2"]->announced, All());
  for (const char* name : {"n1", "n3"}) {
    const RouterView view = net.nodes[name]->instance.Routers().at(0);
    EXPECT_EQ(view.state, RouterState::kBackup);
    EXPECT_EQ(view.active, net.address.is_v6() ? IpAddress::Parse("fe80::2").value()
                                               : IpAddress::FromV4(0xc0a83202));
    EXPECT_EQ(view.active_priority, 250);
  }
}

TEST_P(SegmentTest, EqualPrioritiesAreDecidedByTheHigherAddress) {
  net.Start("n1", Config(100));
  net.Start("n2", Config(100));
  net.Start("n3", Config(100));
  net.RunFor(kLong + 10 * interval());
  EXPECT_EQ(net.Holders(), "n3");
  // All time out in one moment, and are told better one packet later.
  EXPECT_EQ(net.several, kDelay);
}

TEST_P(SegmentTest, TheBestBackupTakesOverWhenTheActiveFallsSilent) {
  net.Start("n1", Config(100));
  net.Start("n2", Config(250));
  net.Start("n3", Config(200));
  net.RunFor(kLong + 10 * interval());
  ASSERT_EQ(net.Holders(), "n2");
  net.ResetCounts();
  // Its cable: it notices and lets go.
  net.segment.SetCarrier("n2", false);
  net.RunFor(kLong + 10 * interval());
  EXPECT_EQ(net.Holders(), "n3");
  EXPECT_EQ(net.StateOf("n2"), RouterState::kInitialize);
  // Silence counts from its last packet, which was up to an interval ago.
  EXPECT_LE(net.nobody, 3 * interval() + Skew(200, interval()) + kDelay);
  EXPECT_GE(net.nobody, 2 * interval());
}

TEST_P(SegmentTest, AReturningNodeTakesNothingBackUnlessPreemptIsOn) {
  for (const bool preempt : {false, true}) {
    SCOPED_TRACE(preempt);
    net.Start("n1", Config(100, preempt));
    net.RunFor(10 * interval());
    net.Start("n2", Config(250, preempt));
    net.RunFor(10 * interval());
    EXPECT_EQ(net.Holders(), preempt ? "n2" : "n1");
    EXPECT_EQ(net.several, preempt ? kDelay : absl::ZeroDuration());
    if (preempt) break;
    net.nodes["n1"]->instance.Stop();
    net.nodes["n2"]->instance.Stop();
    net.RunFor(interval());
    net.ResetCounts();
  }
}

TEST_P(SegmentTest, AnOrderlyStopHandsOverWithinTheSkew) {
  net.Start("n1", Config(100));
  net.Start("n2", Config(250));
  net.Start("n3", Config(200));
  net.RunFor(10 * interval());
  ASSERT_EQ(net.Holders(), "n2");
  net.ResetCounts();
  net.nodes["n2"]->instance.Stop();
  EXPECT_EQ(net.Holders(), "");
  EXPECT_THAT(net.nodes["n2"]->released, testing::UnorderedElementsAreArray(All()));
  net.RunFor(10 * interval());
  EXPECT_EQ(net.Holders(), "n3");
  const absl::Duration second = absl::Seconds(1);
  EXPECT_EQ(net.nobody, kDelay + Skew(200, GetParam().version == 2 ? second : interval()));
  EXPECT_EQ(net.several, absl::ZeroDuration());
}

TEST_P(SegmentTest, APartitionHasAnActiveOnEachSideAndHealsToOne) {
  net.Start("n1", Config(100));
  net.Start("n2", Config(250));
  net.Start("n3", Config(200));
  net.RunFor(10 * interval());
  net.segment.Cut("n2", "n1");
  net.segment.Cut("n2", "n3");
  net.RunFor(10 * interval());
  EXPECT_EQ(net.Holders(), "n2 n3");
  net.segment.Heal("n2", "n1");
  net.segment.Heal("n2", "n3");
  net.ResetCounts();
  net.nodes["n2"]->announced.clear();
  net.RunFor(10 * interval());
  EXPECT_EQ(net.Holders(), "n2");
  EXPECT_LE(net.several, interval() + 2 * kDelay);
  EXPECT_EQ(net.nobody, absl::ZeroDuration());
}

// Whoever hears the other first, neighbours believe the one that stays: it has the last word.
TEST_P(SegmentTest, NeighboursFollowWhoStaysAfterAPartition) {
  for (int step = 0; step < 20; ++step) {
    SCOPED_TRACE(step);
    net.Start("n1", Config(100));
    net.Start("n2", Config(250));
    net.RunFor(10 * interval());
    net.segment.Cut("n2", "n1");
    net.RunFor(10 * interval() + interval() * step / 20);
    ASSERT_EQ(net.Holders(), "n1 n2");
    const absl::Duration healed = net.clock.Monotonic();
    net.segment.Heal("n2", "n1");
    net.RunFor(kLong + 10 * interval());
    EXPECT_EQ(net.Holders(), "n2");
    EXPECT_GE(net.nodes["n2"]->announced_at, healed);
    EXPECT_GE(net.nodes["n2"]->announced_at, net.nodes["n1"]->announced_at);
    for (auto& [name, node] : net.nodes) node->instance.Stop();
    net.RunFor(interval());
  }
}

TEST_P(SegmentTest, ASlowBackupDoesNotTakeItsOwnDelayForSilence) {
  net.Start("n1", Config(100));
  net.Start("n2", Config(250));
  net.RunFor(10 * interval());
  ASSERT_EQ(net.Holders(), "n2");
  net.segment.SetSlow("n1", true);
  net.RunFor(20 * interval());
  EXPECT_EQ(net.Holders(), "n2");
  EXPECT_EQ(net.nodes["n1"]->instance.counters().became_active, 0u);
}

// Every change of the three nodes, in every order: one holder at the end of each.
TEST_P(SegmentTest, SettlesOnOneAfterWhateverHappens) {
  for (const bool preempt : {false, true}) {
    for (int first = 0; first < 3; ++first) {
      for (int i = 0; i < 3; ++i) net.Start(TestSegment::Name(i + 1), Config(100 + i, preempt));
      net.RunFor(10 * interval());
      for (int turn = 0; turn < 6; ++turn) {
        const std::string name = TestSegment::Name((first + turn) % 3 + 1);
        switch (turn % 3) {
          case 0:
            net.segment.SetCarrier(name, false);
            net.RunFor(10 * interval());
            net.segment.SetCarrier(name, true);
            break;
          case 1:
            net.nodes[name]->instance.Stop();
            net.RunFor(interval() / 2);
            net.nodes[name]->instance.Apply({Config(200, preempt)}, {});
            break;
          default:
            net.Kill(name);
            net.RunFor(interval() / 3);
            net.Start(name, Config(50, preempt));
        }
        net.RunFor(10 * interval());
        EXPECT_EQ(net.segment.Holders(net.address).size(), 1u) << name << " turn " << turn;
      }
      for (auto& [name, node] : net.nodes) node->instance.Stop();
      net.RunFor(interval());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SegmentTest,
                         testing::Values(Variant{"V3", 3, absl::Milliseconds(100), false, false},
                                         Variant{"V3Slow", 3, absl::Seconds(1), false, false},
                                         Variant{"V3Ipv6", 3, absl::Milliseconds(100), true, false},
                                         Variant{"V3Unicast", 3, absl::Milliseconds(100), false,
                                                 true},
                                         Variant{"V2", 2, absl::Seconds(1), false, false}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace openelb::vrrp

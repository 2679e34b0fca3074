#include "speaker/vrrp/router.h"

#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openelb::vrrp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

const IpAddress kSelf = Ip("192.168.50.5");
const IpAddress kLower = Ip("192.168.50.4");
const IpAddress kHigher = Ip("192.168.50.6");
const IpAddress kVirtual = Ip("192.168.50.100");
const IpAddress kVirtual2 = Ip("192.168.50.101");
constexpr absl::Duration kInterval = absl::Milliseconds(100);

RouterConfig Config() {
  RouterConfig config;
  config.interface = "eth0";
  config.name = "vip";
  config.vrid = 51;
  config.priority = 128;
  config.interval = kInterval;
  config.addresses = {kVirtual};
  return config;
}

// One router, with the world around it played by hand.
class Bench {
 public:
  explicit Bench(const RouterConfig& config = Config()) : router(config, &counters) {}

  void Start() {
    router.SetLink(kSelf, now);
    router.Start(now);
  }
  void StartActive() {
    Start();
    Advance(router.NextWakeup() - now);
    Take();
  }
  void Advance(absl::Duration time) {
    const absl::Duration end = now + time;
    while (router.NextWakeup() <= end) {
      now = router.NextWakeup();
      router.Tick(now);
    }
    now = end;
  }
  void Hear(const IpAddress& source, uint8_t priority, absl::Duration interval = kInterval,
            int version = 3) {
    router.Receive({source, MulticastGroup(Family::kV4), kTtl},
                   {version, 51, priority, interval, router.config().addresses}, now);
  }
  // What the router has asked for since the last call, such as "send 128, hold 1, announce 1".
  std::string Take() {
    RouterOutput output = router.TakeOutput();
    std::vector<std::string> parts;
    for (const auto& transition : output.transitions) {
      parts.push_back(std::string(ReasonName(transition.reason)));
      last_text = transition.text;
    }
    for (const auto& send : output.send) {
      EXPECT_EQ(send.source, kSelf);
      Advertisement message;
      EXPECT_EQ(ParseAdvertisement({send.source, send.destination, kTtl}, send.payload, &message),
                std::nullopt);
      parts.push_back(absl::StrCat("send ", int{message.priority}));
      last_sent = message;
      destinations.push_back(send.destination);
    }
    if (output.held_changed) parts.push_back(absl::StrCat("hold ", router.held().size()));
    if (!output.announce.empty()) {
      parts.push_back(absl::StrCat("announce ", output.announce.size()));
    }
    return absl::StrJoin(parts, ", ");
  }

  Counters counters;
  Router router;
  absl::Duration now = absl::Seconds(1000);
  std::string last_text;
  Advertisement last_sent;
  std::vector<IpAddress> destinations;
};

// (256 - 128) / 256 of 100 ms, and three intervals more.
constexpr absl::Duration kSkew = absl::Milliseconds(50);
constexpr absl::Duration kDown = absl::Milliseconds(350);

// RFC 9568 6.4, event by event.
TEST(RouterTest, TakesEachTransitionOfSection64) {
  const RouterState initialize = RouterState::kInitialize;
  const RouterState backup = RouterState::kBackup;
  const RouterState active = RouterState::kActive;
  struct Row {
    const char* name;
    RouterState from;
    bool preempt;
    std::function<void(Bench*)> event;
    RouterState to;
    std::string output;
    absl::Duration wakeup;  // from the event on
  };
  const absl::Duration never = absl::InfiniteDuration();
  const auto hear = [](const IpAddress& source, uint8_t priority) {
    return [=](Bench* bench) { bench->Hear(source, priority); };
  };
  const auto tick = [](Bench* bench) { bench->Advance(bench->router.NextWakeup() - bench->now); };
  const auto start = [](Bench* bench) { bench->Start(); };
  const auto stop = [](Bench* bench) { bench->router.Stop(); };
  const auto cut = [](Bench* bench) { bench->router.SetLink(std::nullopt, bench->now); };
  const Row rows[] = {
      // 6.4.1 Initialize
      {"startup", initialize, false, start, backup, "started", kDown},
      {"packet", initialize, false, hear(kHigher, 200), initialize, "", never},
      {"shutdown", initialize, false, stop, initialize, "", never},
      // 6.4.2 Backup
      {"shutdown", backup, false, stop, initialize, "stopped", never},
      {"link down", backup, false, cut, initialize, "link_down", never},
      {"Active_Down_Timer", backup, false, tick, active,
       "active_silent, send 128, hold 1, announce 1", kInterval},
      {"priority 0", backup, false, hear(kHigher, 0), backup, "", kSkew},
      {"priority 0", backup, true, hear(kHigher, 0), backup, "", kSkew},
      {"higher priority", backup, false, hear(kLower, 129), backup, "", kDown},
      {"higher priority", backup, true, hear(kLower, 129), backup, "", kDown},
      {"same priority", backup, true, hear(kLower, 128), backup, "", kDown},
      {"lower priority", backup, false, hear(kHigher, 127), backup, "", kDown},
      {"lower priority", backup, true, hear(kHigher, 127), backup, "", absl::Milliseconds(340)},
      // 6.4.3 Active
      {"shutdown", active, false, stop, initialize, "stopped, send 0, hold 0", never},
      {"link down", active, false, cut, initialize, "link_down, hold 0", never},
      {"Adver_Timer", active, false, tick, active, "send 128", kInterval},
      {"priority 0", active, false, hear(kHigher, 0), active, "send 128", kInterval},
      {"higher priority", active, false, hear(kLower, 129), backup,
       "higher_priority, send 128, hold 0", kDown},
      {"same priority, higher address", active, false, hear(kHigher, 128), backup,
       "higher_address, send 128, hold 0", kDown},
      {"same priority, lower address", active, false, hear(kLower, 128), active, "send 128",
       kInterval},
      {"lower priority", active, true, hear(kHigher, 127), active, "send 128", kInterval},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(absl::StrCat(RouterStateName(row.from), ", ", row.name, ", ",
                              row.preempt ? "preempt" : "nopreempt"));
    RouterConfig config = Config();
    config.preempt = row.preempt;
    Bench bench(config);
    if (row.from == backup) bench.Start();
    if (row.from == active) bench.StartActive();
    ASSERT_EQ(bench.router.state(), row.from);
    if (row.from != initialize) bench.Advance(absl::Milliseconds(10));
    bench.Take();
    row.event(&bench);
    EXPECT_EQ(bench.router.state(), row.to);
    EXPECT_EQ(bench.Take(), row.output);
    EXPECT_EQ(bench.router.NextWakeup() - bench.now, row.wakeup);
    EXPECT_EQ(bench.router.held().size(), row.to == active ? 1u : 0u);
  }
}

TEST(RouterTest, StartsWhenTheLinkComes) {
  Bench bench;
  bench.router.Start(bench.now);
  EXPECT_EQ(bench.router.state(), RouterState::kInitialize);
  bench.router.SetLink(kSelf, bench.now);
  EXPECT_EQ(bench.Take(), "started");
  bench.router.SetLink(kSelf, bench.now);
  EXPECT_EQ(bench.Take(), "") << "nothing changed";
  EXPECT_EQ(bench.last_text,
            "VRRP router vip (VRID 51, IPv4, eth0): INITIALIZE to BACKUP: started");
}

TEST(RouterTest, TakesOverAfterTheSkewWhenTheActiveReleases) {
  Bench bench;
  bench.Start();
  bench.Hear(kHigher, 200);
  EXPECT_EQ(bench.router.active(), kHigher);
  EXPECT_EQ(bench.router.active_priority(), 200);
  bench.Hear(kHigher, 0);
  EXPECT_EQ(bench.router.active(), std::nullopt);
  bench.Take();
  bench.Advance(kSkew - absl::Milliseconds(1));
  EXPECT_EQ(bench.Take(), "");
  bench.Advance(absl::Milliseconds(1));
  EXPECT_EQ(bench.Take(), "active_released, send 128, hold 1, announce 1");
  EXPECT_THAT(bench.last_text, HasSubstr("192.168.50.6 has released the addresses"));
  EXPECT_EQ(bench.router.active(), kSelf);
  EXPECT_EQ(bench.counters.releases_received, 1u);
}

TEST(RouterTest, AnotherBackupThatWasFasterIsFollowed) {
  Bench bench;
  bench.Start();
  bench.Hear(kHigher, 0);
  bench.Hear(kLower, 200);
  bench.Advance(kSkew);
  EXPECT_EQ(bench.router.state(), RouterState::kBackup);
  EXPECT_EQ(bench.router.NextWakeup() - bench.now, kDown - kSkew);
}

TEST(RouterTest, LearnsTheIntervalOfTheActiveInVersion3) {
  Bench bench;
  bench.Start();
  bench.Hear(kHigher, 200, absl::Seconds(2));
  EXPECT_EQ(bench.router.SkewTime(), absl::Seconds(1));
  EXPECT_EQ(bench.router.ActiveDownInterval(), absl::Seconds(7));
  EXPECT_EQ(bench.router.NextWakeup() - bench.now, absl::Seconds(7));
  // As Active it keeps its own pace; the next start forgets what was learned.
  bench.Advance(absl::Seconds(7));
  EXPECT_EQ(bench.router.NextWakeup() - bench.now, kInterval);
  bench.Take();
  EXPECT_EQ(bench.last_sent.interval, kInterval);
  bench.router.Stop();
  bench.router.Start(bench.now);
  EXPECT_EQ(bench.router.ActiveDownInterval(), kDown);
}

TEST(RouterTest, Version2HasItsOwnSkewAndIntervalAndMeetsARivalWithSilence) {
  RouterConfig config = Config();
  config.version = 2;
  config.interval = absl::Seconds(2);
  Bench bench(config);
  bench.Start();
  EXPECT_EQ(bench.router.SkewTime(), absl::Milliseconds(500)) << "of a second, not of the interval";
  EXPECT_EQ(bench.router.ActiveDownInterval(), absl::Milliseconds(6500));
  bench.Advance(absl::Seconds(1));
  bench.Hear(kHigher, 200, absl::Seconds(1), 2);
  EXPECT_EQ(bench.counters.dropped["other_interval"], 1u);
  EXPECT_EQ(bench.router.NextWakeup() - bench.now, absl::Milliseconds(5500));
  bench.Hear(kHigher, 200, absl::Seconds(2), 2);
  EXPECT_EQ(bench.router.NextWakeup() - bench.now, absl::Milliseconds(6500));
  bench.Advance(absl::Milliseconds(6500));
  EXPECT_EQ(bench.Take(), "started, active_silent, send 128, hold 1, announce 1");
  EXPECT_EQ(bench.last_sent.version, 2);
  bench.Advance(absl::Milliseconds(1500));
  bench.Hear(kLower, 100, absl::Seconds(2), 2);
  EXPECT_EQ(bench.Take(), "announce 1");
}

TEST(RouterTest, DropsWhatIsNotForIt) {
  struct Case {
    const char* reason;
    IpAddress source;
    int version;
  };
  for (const Case& test : {Case{"own_address", kSelf, 3}, Case{"other_version", kHigher, 2},
                           Case{"not_a_peer", kLower, 3}}) {
    RouterConfig config = Config();
    if (test.source == kLower) config.unicast_peers = {kHigher};
    Bench bench(config);
    bench.StartActive();
    bench.Hear(test.source, 255, absl::Seconds(1), test.version);
    EXPECT_EQ(bench.router.state(), RouterState::kActive) << test.reason;
    EXPECT_EQ(bench.counters.dropped[test.reason], 1u);
    EXPECT_EQ(bench.counters.received, 0u);
  }
}

TEST(RouterTest, SpeaksWithEachUnicastPeer) {
  RouterConfig config = Config();
  config.unicast_peers = {kHigher, kLower};
  Bench bench(config);
  bench.Start();
  bench.Advance(kDown);
  bench.Take();
  EXPECT_EQ(bench.destinations, (std::vector<IpAddress>{kHigher, kLower}));
  bench.Hear(kHigher, 200);
  EXPECT_EQ(bench.router.state(), RouterState::kBackup);
}

TEST(RouterTest, ChangesWithoutLeavingActive) {
  struct Row {
    const char* name;
    std::function<void(RouterConfig*)> change;
    std::string output;
  };
  const Row rows[] = {
      {"nothing", [](RouterConfig*) {}, ""},
      {"priority", [](RouterConfig* config) { config->priority = 7; }, "send 7"},
      {"interval", [](RouterConfig* config) { config->interval = absl::Seconds(1); }, "send 128"},
      {"another address", [](RouterConfig* config) { config->addresses.push_back(kVirtual2); },
       "send 128, hold 2, announce 1"},
      {"other addresses", [](RouterConfig* config) { config->addresses = {kVirtual2}; },
       "send 128, hold 1, announce 1"},
      {"fewer", [](RouterConfig* config) { config->addresses.erase(config->addresses.begin()); },
       "send 128, hold 1"},
      {"unicast", [](RouterConfig* config) { config->unicast_peers = {kLower}; }, "send 128"},
      {"version",
       [](RouterConfig* config) {
         config->version = 2;
         config->interval = absl::Seconds(1);
       },
       "send 128"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    RouterConfig config = Config();
    if (row.name == std::string("fewer")) config.addresses.push_back(kVirtual2);
    Bench bench(config);
    bench.StartActive();
    row.change(&config);
    bench.router.Configure(config, bench.now);
    EXPECT_EQ(bench.Take(), row.output);
    EXPECT_EQ(bench.router.state(), RouterState::kActive);
    EXPECT_EQ(bench.router.NextWakeup() - bench.now, config.interval);
  }
}

TEST(RouterTest, ABackupWithAnotherPriorityHasAnotherSkewAtOnce) {
  Bench bench;
  bench.Start();
  bench.Hear(kHigher, 200);
  bench.Advance(absl::Milliseconds(300));
  bench.Take();
  RouterConfig config = Config();
  config.priority = 254;
  bench.router.Configure(config, bench.now);
  EXPECT_EQ(bench.Take(), "");
  EXPECT_EQ(bench.router.NextWakeup() - bench.now, kInterval * 2 / 256);
}

TEST(RouterTest, AnnouncesAgainAfterARivalButNotForEachOfItsPackets) {
  Bench bench;
  bench.StartActive();
  bench.Advance(absl::Seconds(1));
  bench.Take();
  bench.Hear(kLower, 100);
  EXPECT_EQ(bench.Take(), "send 128, announce 1");
  bench.Hear(kLower, 100);
  EXPECT_EQ(bench.Take(), "send 128");
  EXPECT_EQ(bench.counters.rivals, 2u);
  for (int i = 1; i < 10; ++i) {
    bench.Advance(kInterval);
    EXPECT_EQ(bench.Take(), "send 128") << i;
  }
  bench.Advance(kInterval);
  EXPECT_EQ(bench.Take(), "send 128, announce 1") << "the rival may have announced meanwhile";
  bench.Advance(20 * kInterval);
  EXPECT_EQ(bench.Take().find("announce"), std::string::npos) << "its silence is believed";
}

TEST(RouterTest, KeepsItsBeat) {
  Bench bench;
  bench.StartActive();
  const absl::Duration first = bench.router.NextWakeup();
  bench.now = first + absl::Milliseconds(30);
  bench.router.Tick(bench.now);
  EXPECT_EQ(bench.router.NextWakeup(), first + kInterval);
  bench.now = first + absl::Seconds(5);
  bench.router.Tick(bench.now);
  EXPECT_EQ(bench.Take(), "send 128, send 128") << "what was missed is not made up for";
  EXPECT_EQ(bench.router.NextWakeup(), bench.now + kInterval);
}

TEST(RouterTest, ListsWhatFitsAndHoldsAll) {
  RouterConfig config = Config();
  config.family = Family::kV6;
  config.addresses.clear();
  for (uint64_t i = 0; i < 100; ++i) {
    config.addresses.push_back(
        IpAddress::FromOrdinal(Family::kV6, Ip("2001:db8::").Ordinal() + 1 + i));
  }
  Counters counters;
  Router router(config, &counters);
  absl::Duration now;
  router.SetLink(Ip("fe80::5"), now);
  router.Start(now);
  now = router.NextWakeup();
  router.Tick(now);
  const RouterOutput output = router.TakeOutput();
  ASSERT_EQ(output.send.size(), 1u);
  EXPECT_EQ(output.send[0].destination, Ip("ff02::12"));
  EXPECT_LE(output.send[0].payload.size() + 40, 1280u);
  EXPECT_EQ(output.announce.size(), 101u) << "with its own";
  EXPECT_EQ(router.held().size(), 101u);
}

// RFC 9568 5.2.9.
TEST(RouterTest, AnIpv6RouterListsALinkLocalAddressOfItsOwnFirst) {
  const IpAddress own = VirtualLinkLocal(51);
  EXPECT_EQ(own, Ip("fe80::6f65:6c62:0:33"));
  EXPECT_TRUE(own.IsLinkLocal());
  EXPECT_TRUE(IsVirtualLinkLocal(own));
  for (const char* other : {"fe80::33", "2001:db8::33", "192.168.50.51", "::"})
    EXPECT_FALSE(IsVirtualLinkLocal(Ip(other))) << other;

  const IpAddress service = Ip("2001:db8::100");
  RouterConfig config = Config();
  config.family = Family::kV6;
  for (const std::vector<IpAddress>& planned : {std::vector{service}, std::vector{service, own}}) {
    config.addresses = planned;
    Counters counters;
    Router router(config, &counters);
    absl::Duration now;
    router.SetLink(Ip("fe80::5"), now);
    router.Start(now);
    EXPECT_TRUE(router.held().empty());
    const struct {
      std::vector<IpAddress> listed;
      bool same;
    } kNeighbours[] = {
        {{own, service}, true},
        {{service}, true},  // of an older version
        {{Ip("fe80::51"), service}, false},
        {{own, service, Ip("2001:db8::101")}, false},
    };
    for (const auto& neighbour : kNeighbours) {
      const uint64_t mismatches = counters.address_mismatches;
      router.Receive({Ip("fe80::6"), MulticastGroup(Family::kV6), kTtl},
                     {3, 51, 200, kInterval, neighbour.listed}, now);
      EXPECT_EQ(counters.address_mismatches - mismatches, neighbour.same ? 0u : 1u);
      EXPECT_EQ(router.active(), Ip("fe80::6"));
    }
    now = router.NextWakeup();
    router.Tick(now);
    const RouterOutput output = router.TakeOutput();
    Advertisement sent;
    ASSERT_EQ(output.send.size(), 1u);
    EXPECT_EQ(ParseAdvertisement({Ip("fe80::5"), MulticastGroup(Family::kV6), kTtl},
                                 output.send[0].payload, &sent),
              std::nullopt);
    EXPECT_THAT(sent.addresses, ElementsAre(own, service));
    EXPECT_THAT(router.held(), ElementsAre(own, service));
    EXPECT_THAT(output.announce, ElementsAre(own, service));
  }
}

TEST(RouterTest, CountsAPeerWithOtherAddresses) {
  Bench bench;
  bench.Start();
  bench.router.Receive({kHigher, MulticastGroup(Family::kV4), kTtl},
                       {3, 51, 200, kInterval, {kVirtual2}}, bench.now);
  EXPECT_EQ(bench.counters.address_mismatches, 1u);
  EXPECT_EQ(bench.router.active(), kHigher) << "it is the Active all the same";
}

TEST(RouterConfigTest, NamesWhatIsWrong) {
  struct Case {
    const char* message;
    std::function<void(RouterConfig*)> change;
  };
  const Case cases[] = {
      {"interface is empty", [](RouterConfig* config) { config->interface.clear(); }},
      {"vrid 0, it must be 1..255", [](RouterConfig* config) { config->vrid = 0; }},
      {"version 4, it must be 3, or 2 for IPv4", [](RouterConfig* config) { config->version = 4; }},
      {"version 2, it must be 3",
       [](RouterConfig* config) {
         config->family = Family::kV6;
         config->version = 2;
       }},
      {"priority 0, it must be 1..254", [](RouterConfig* config) { config->priority = 0; }},
      {"priority 255,", [](RouterConfig* config) { config->priority = 255; }},
      {"interval 0, it must be 10ms..40.95s in steps of 10ms",
       [](RouterConfig* config) { config->interval = absl::ZeroDuration(); }},
      {"interval 15ms,", [](RouterConfig* config) { config->interval = absl::Milliseconds(15); }},
      {"interval 41s,", [](RouterConfig* config) { config->interval = absl::Seconds(41); }},
      {"interval 100ms, it must be 1s..4m15s in steps of 1s",
       [](RouterConfig* config) { config->version = 2; }},
      {"no address", [](RouterConfig* config) { config->addresses.clear(); }},
      {"address 192.168.50.100 twice",
       [](RouterConfig* config) { config->addresses = {kVirtual, kVirtual}; }},
      {"address 2001:db8::1 cannot be held by a router of IPv4",
       [](RouterConfig* config) { config->addresses = {Ip("2001:db8::1")}; }},
      {"address 224.0.0.1 cannot",
       [](RouterConfig* config) { config->addresses = {Ip("224.0.0.1")}; }},
      {"unicast peer fe80::1 is no IPv4 address of a host",
       [](RouterConfig* config) { config->unicast_peers = {Ip("fe80::1")}; }},
  };
  EXPECT_TRUE(CheckRouterConfig(Config()).ok());
  for (const Case& test : cases) {
    RouterConfig config = Config();
    test.change(&config);
    EXPECT_THAT(std::string(CheckRouterConfig(config).message()), HasSubstr(test.message));
  }
}

}  // namespace
}  // namespace openelb::vrrp

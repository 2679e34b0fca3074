#include "speaker/layer2/responder.h"

#include <algorithm>
#include <functional>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/layer2/test_frames.h"

namespace openelb::layer2 {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::IsEmpty;
using testing::Le;

const IpAddress kV4 = Ip("192.168.0.100");
const IpAddress kV6 = Ip("2001:db8::64");
const IpAddress kClientV4 = Ip("192.168.0.9");
const IpAddress kClientV6 = Ip("2001:db8::9");
const MacAddress kOurs = Mac(0x0a);
const MacAddress kClient = Mac(0x0c);
const MacAddress kRival = Mac(0x0d);

io::Interface Eth0() {
  return {.index = 2,
          .name = "eth0",
          .mac = kOurs,
          .mtu = 1500,
          .up = true,
          .carrier = true,
          .addresses = {{"eth0", Ip("192.168.0.3"), 24}, {"eth0", Ip("fe80::a"), 64}}};
}

// A responder and its time.
struct Bench {
  explicit Bench(Timing timing = {}, Answering answering = Answering::kHere)
      : responder(std::move(timing), &random, &counters, answering) {
    responder.SetInterface(Eth0(), now);
  }
  // Lets `duration` pass and returns what was sent meanwhile.
  std::vector<std::string> Pass(absl::Duration duration) {
    const absl::Duration end = now + duration;
    while (responder.NextWakeup() <= end) {
      now = std::max(now, responder.NextWakeup());
      responder.Tick(now);
      Collect();
    }
    now = end;
    return std::exchange(sent, {});
  }
  std::vector<std::string> Receive(const Bytes& frame) {
    responder.OnFrame(frame, now);
    Collect();
    return std::exchange(sent, {});
  }
  void Collect() {
    ResponderOutput output = responder.TakeOutput();
    for (const std::string& text : Describe(output.frames)) sent.push_back(text);
    probed.insert(probed.end(), output.probed.begin(), output.probed.end());
    conflicts.insert(conflicts.end(), output.conflicts.begin(), output.conflicts.end());
    for (const GroupChange& change : output.groups) {
      groups.push_back((change.join ? "+" : "-") + change.group.ToString());
    }
  }

  SeededRandom random{1};
  Counters counters;
  Responder responder;
  absl::Duration now = absl::Seconds(100);
  std::vector<std::string> sent;
  std::vector<std::string> groups;
  std::vector<ProbeResult> probed;
  std::vector<Conflict> conflicts;
};

TEST(ResponderTest, AReminderIsOneFrameBeyondTheOthers) {
  Bench bench;
  for (const IpAddress& address : {kV4, kV6}) {
    bench.responder.Remind(address, bench.now);
    EXPECT_THAT(bench.Pass(absl::Minutes(1)), IsEmpty()) << "not owned";
    bench.responder.Own(address, bench.now);
    bench.responder.Remind(address, bench.now);
    EXPECT_EQ(bench.Pass(absl::ZeroDuration()).size(), 1u) << "announced anyway";
    const size_t rest = bench.Pass(absl::Seconds(4)).size();
    bench.responder.Remind(address, bench.now);
    EXPECT_EQ(bench.Pass(absl::Seconds(1)).size(), 1u);
    bench.responder.Announce(address, bench.now);
    EXPECT_EQ(bench.Pass(absl::Milliseconds(200)).size(), address.is_v4() ? 4u : 3u);
    bench.responder.Remind(address, bench.now);
    EXPECT_EQ(bench.Pass(absl::ZeroDuration()).size(), 1u);
    EXPECT_EQ(bench.Pass(absl::Seconds(4)).size(), rest - (address.is_v4() ? 3u : 2u))
        << "the others follow as if nothing had been";
    bench.responder.Stop(address);
  }
}

TEST(ResponderTest, WhatDidNotLeaveIsSentATickLater) {
  for (const IpAddress& address : {kV4, kV6}) {
    Bench bench(
        {.announce_after = {absl::ZeroDuration()}, .announce_every = absl::InfiniteDuration()});
    const IpAddress probed = address.is_v4() ? Ip("192.168.0.101") : Ip("2001:db8::65");
    bench.responder.Own(address, bench.now);
    bench.responder.Probe(probed, bench.now);
    bench.responder.Tick(bench.now);
    const std::vector<Bytes> frames = bench.responder.TakeFrames();
    ASSERT_EQ(frames.size(), 2u);
    for (int round = 0; round < 3; ++round) {
      bench.responder.TakeBack(frames, bench.now);
      EXPECT_THAT(bench.Pass(absl::Milliseconds(4)), IsEmpty());
      EXPECT_EQ(bench.Pass(absl::Milliseconds(1)), Describe(frames));
    }
    bench.responder.TakeBack(frames, bench.now);
    bench.responder.Stop(address);
    bench.responder.TakeBack(frames, bench.now);
    bench.responder.Stop(probed);
    EXPECT_THAT(bench.Pass(absl::Minutes(5)), IsEmpty());
  }
}

TEST(ResponderTest, AnswersWhoeverAsks) {
  Bench bench;
  for (const IpAddress& address : {kV4, kV6}) bench.responder.Own(address, bench.now);
  bench.Pass(absl::Minutes(5));
  const Bytes gratuitous =
      SerializePacket(arp::MakeGratuitous(arp::Operation::kRequest, kClientV4, kClient));
  const struct {
    const char* what;
    Bytes frame;
    std::vector<std::string> answers;
  } cases[] = {
      {"broadcast", ArpRequest(kV4, kClient, kClientV4), {"reply 192.168.0.100 is 0a to 0c"}},
      {"unicast", ArpRequest(kV4, kClient, kClientV4, kOurs), {"reply 192.168.0.100 is 0a to 0c"}},
      {"RFC 5227 probe",
       ArpRequest(kV4, kClient, Ip("0.0.0.0")),
       {"reply 192.168.0.100 is 0a to 0c"}},
      {"an address next to it", ArpRequest(Ip("192.168.0.101"), kClient, kClientV4), {}},
      {"the node's own address", ArpRequest(Ip("192.168.0.3"), kClient, kClientV4), {}},
      {"to another station", ArpRequest(kV4, kClient, kClientV4, kRival), {}},
      {"our own, come back", ArpRequest(kV4, kOurs, Ip("192.168.0.3")), {}},
      {"a reply",
       SerializePacket(arp::MakeReply({.sender_mac = kOurs, .target = kClientV4}, kClient)),
       {}},
      {"someone's announcement", gratuitous, {}},
      {"multicast solicitation",
       Solicitation(kV6, kClient, kClientV6, true),
       {"advertisement 2001:db8::64 is 0a to 0c so"}},
      {"without the sender's MAC",
       Solicitation(kV6, kClient, kClientV6, false),
       {"advertisement 2001:db8::64 is 0a to 0c so"}},
      {"unicast solicitation",
       Solicitation(kV6, kClient, kClientV6, true, true, kOurs),
       {"advertisement 2001:db8::64 is 0a to 0c so"}},
      {"unicast without the MAC",
       Solicitation(kV6, kClient, kClientV6, false, true, kOurs),
       {"advertisement 2001:db8::64 is 0a to 0c so"}},
      {"to another station", Solicitation(kV6, kClient, kClientV6, true, true, kRival), {}},
      {"duplicate address detection",
       SerializePacket(ndp::MakeProbe(kV6, kClient)),
       {"advertisement 2001:db8::64 is 0a to all-nodes o"}},
      {"same group, another address",
       Solicitation(Ip("2001:db8:1::64"), kClient, kClientV6, true),
       {}},
  };
  for (const auto& c : cases) EXPECT_EQ(bench.Receive(c.frame), c.answers) << c.what;
  EXPECT_EQ(bench.counters.arp_answers, 3u);
  EXPECT_EQ(bench.counters.ndp_answers, 5u);
  std::map<IpAddress, AddressCounts> counts;
  bench.responder.AddCounts(&counts);
  EXPECT_EQ(counts[kV4].answers, 3u);
  EXPECT_EQ(counts[kV6].answers, 5u);
  EXPECT_EQ(counts[kV4].announcements + counts[kV6].announcements, bench.counters.announcements);
  bench.responder.Stop(kV4);
  bench.responder.Own(kV4, bench.now);
  counts.clear();
  bench.responder.AddCounts(&counts);
  EXPECT_EQ(counts[kV4], AddressCounts{}) << "since it was taken";
  EXPECT_THAT(bench.conflicts, IsEmpty());
}

TEST(ResponderTest, AnswersAsARouterWhereTheNodeIsOne) {
  Bench bench;
  io::Interface interface = Eth0();
  interface.ipv6_router = true;
  bench.responder.SetInterface(interface, bench.now);
  bench.responder.Own(kV6, bench.now);
  EXPECT_THAT(bench.Pass({}), ElementsAre("advertisement 2001:db8::64 is 0a to all-nodes ro"));
  EXPECT_THAT(bench.Receive(Solicitation(kV6, kClient, kClientV6, true)),
              ElementsAre("advertisement 2001:db8::64 is 0a to 0c rso"));
}

TEST(ResponderTest, CountsWhatIsMalformed) {
  Bench bench;
  bench.responder.Own(kV4, bench.now);
  bench.Pass({});
  Bytes frame = ArpRequest(kV4, kClient, kClientV4);
  frame[15] = 6;
  EXPECT_THAT(bench.Receive(frame), IsEmpty());
  frame = Solicitation(kV6, kClient, kClientV6, true);
  frame[21] = 64;
  EXPECT_THAT(bench.Receive(frame), IsEmpty());
  EXPECT_THAT(bench.Receive({}), IsEmpty());
  const auto& counters = bench.counters;
  EXPECT_EQ(counters.arp_errors[static_cast<size_t>(arp::PacketError::kHardwareType)], 1u);
  EXPECT_EQ(counters.arp_errors[static_cast<size_t>(arp::PacketError::kTruncated)], 1u);
  EXPECT_EQ(counters.ndp_errors[static_cast<size_t>(ndp::PacketError::kHopLimit)], 1u);
}

TEST(ResponderTest, AnnouncesInABurstAndThenNowAndThen) {
  Bench bench;
  bench.responder.Own(kV4, bench.now);
  EXPECT_THAT(bench.Pass({}), ElementsAre("gratuitous request 192.168.0.100 is 0a to all"));
  // Later ones come with a reply and a question.
  EXPECT_THAT(
      bench.Pass(absl::Milliseconds(100)),
      ElementsAre("gratuitous request 192.168.0.100 is 0a to all",
                  "gratuitous reply 192.168.0.100 is 0a to all", "probe 192.168.0.100 by 0a"));
  EXPECT_EQ(bench.Pass(absl::Milliseconds(400)).size(), 3u) << "after 0.5 s";
  EXPECT_EQ(bench.Pass(absl::Milliseconds(500)).size(), 3u) << "after 1 s";
  EXPECT_EQ(bench.Pass(absl::Seconds(2)).size(), 3u) << "after 3 s";
  EXPECT_THAT(bench.Pass(absl::Seconds(44)), IsEmpty());
  // Every 45 to 75 s, three frames each.
  EXPECT_THAT(bench.Pass(absl::Minutes(10)).size(), AllOf(Ge(24u), Le(39u)));
  bench.responder.Own(kV4, bench.now);
  EXPECT_THAT(bench.Pass({}), IsEmpty()) << "already owned";
  bench.responder.Announce(kV4, bench.now);
  EXPECT_EQ(bench.Pass({}).size(), 1u);
  bench.responder.Stop(kV4);
  EXPECT_THAT(bench.Pass(absl::Hours(1)), IsEmpty());
  EXPECT_THAT(bench.Receive(ArpRequest(kV4, kClient, kClientV4)), IsEmpty());
}

TEST(ResponderTest, AnnouncesIpv6WithAQuestionInTheNodesName) {
  Bench bench;
  bench.responder.Own(kV6, bench.now);
  EXPECT_THAT(bench.Pass({}), ElementsAre("advertisement 2001:db8::64 is 0a to all-nodes o"));
  EXPECT_THAT(bench.Pass(absl::Milliseconds(100)),
              ElementsAre("advertisement 2001:db8::64 is 0a to all-nodes o",
                          "solicitation 2001:db8::64 by fe80::a"));
  io::Interface bare = Eth0();
  bare.addresses.clear();
  bench.responder.SetInterface(bare, bench.now);
  EXPECT_THAT(bench.Pass(absl::Milliseconds(400)),
              ElementsAre("advertisement 2001:db8::64 is 0a to all-nodes o"))
      << "nothing to ask with";
}

TEST(ResponderTest, RepeatsOnlyIfTold) {
  Timing timing;
  timing.announce_after = {absl::ZeroDuration()};
  timing.announce_every = absl::InfiniteDuration();
  Bench bench(timing);
  bench.responder.Own(kV4, bench.now);
  EXPECT_EQ(bench.Pass(absl::Hours(9)).size(), 1u);
  EXPECT_EQ(bench.responder.NextWakeup(), absl::InfiniteDuration());
}

// 5,000 addresses: all announced soon, at a bounded rate, before any is announced again; then as
// many small bursts as there are addresses, spread over the interval.
TEST(ResponderTest, PacesThousandsOfAddresses) {
  constexpr int kAddresses = 5000;
  Bench bench;
  for (int i = 0; i < kAddresses; ++i) {
    bench.responder.Own(IpAddress::FromV4(0x0a000000 + static_cast<uint32_t>(i)), bench.now);
  }
  const absl::Duration start = bench.now;
  std::set<std::string> announced;
  std::vector<std::string> all;
  while (announced.size() < size_t{kAddresses}) {
    bench.now = std::max(bench.now, bench.responder.NextWakeup());
    bench.responder.Tick(bench.now);
    bench.Collect();
    ASSERT_LE(bench.sent.size(), 102u) << "frames in one tick";
    announced.insert(bench.sent.begin(), bench.sent.end());
    all.insert(all.end(), bench.sent.begin(), bench.sent.end());
    bench.sent.clear();
    // Questions are answered meanwhile.
    ASSERT_EQ(bench.Receive(ArpRequest(Ip("10.0.19.135"), kClient, kClientV4)).size(), 1u);
  }
  EXPECT_LE(bench.now - start, absl::Milliseconds(250));
  EXPECT_EQ(all.size(), announced.size()) << "one was announced twice before another once";
  bench.Pass(absl::Seconds(80));
  // 5,000 addresses at 3 frames a minute: 250 frames/s on average.
  size_t most = 0;
  for (int second = 0; second < 40; ++second) {
    most = std::max(most, bench.Pass(absl::Seconds(1)).size());
  }
  EXPECT_LT(most, 1000u);
}

// Ticks that come late, as on a busy machine, do not lower the rate; a pause earns no burst.
TEST(ResponderTest, MakesUpForLateTicks) {
  constexpr int kAddresses = 5000;
  Bench bench;
  bench.now += absl::Seconds(100);
  for (int i = 0; i < kAddresses; ++i) {
    bench.responder.Own(IpAddress::FromV4(0x0a000000 + static_cast<uint32_t>(i)), bench.now);
  }
  struct Case {
    absl::Duration after;
    size_t frames;
  };
  for (const Case& c : {Case{absl::ZeroDuration(), 100}, Case{absl::Milliseconds(5), 100},
                        Case{absl::Milliseconds(12), 240}, Case{absl::Milliseconds(4), 0},
                        Case{absl::Milliseconds(1), 100}, Case{absl::Milliseconds(60), 500},
                        Case{absl::Milliseconds(5), 100}}) {
    bench.now += c.after;
    bench.responder.Tick(bench.now);
    bench.Collect();
    EXPECT_EQ(std::exchange(bench.sent, {}).size(), c.frames) << c.after;
  }
}

TEST(ResponderTest, JoinsEachGroupOnce) {
  Bench bench;
  const IpAddress same = Ip("2001:db8:1::64");
  bench.responder.Own(kV6, bench.now);
  bench.responder.Own(same, bench.now);
  bench.responder.Own(kV4, bench.now);
  bench.Collect();
  EXPECT_THAT(bench.groups, ElementsAre("+ff02::1:ff00:64"));
  EXPECT_THAT(bench.responder.Groups(), ElementsAre(Ip("ff02::1:ff00:64")));
  bench.responder.Stop(kV6);
  bench.Collect();
  EXPECT_EQ(bench.groups.size(), 1u);
  bench.responder.Stop(same);
  bench.responder.Stop(same);
  bench.Collect();
  EXPECT_THAT(bench.groups, ElementsAre("+ff02::1:ff00:64", "-ff02::1:ff00:64"));
  EXPECT_FALSE(bench.responder.idle());
  bench.responder.Stop(kV4);
  EXPECT_TRUE(bench.responder.idle());
}

TEST(ResponderTest, IsSilentWhileNoFramesPass) {
  const std::function<void(io::Interface*)> faults[] = {
      [](io::Interface* interface) { interface->up = false; },
      [](io::Interface* interface) { interface->carrier = false; },
      [](io::Interface* interface) { interface->mac = MacAddress(); },
  };
  for (const auto& fault : faults) {
    Bench bench;
    bench.responder.Own(kV4, bench.now);
    bench.Pass(absl::Seconds(10));
    io::Interface interface = Eth0();
    fault(&interface);
    bench.responder.SetInterface(interface, bench.now);
    EXPECT_THAT(bench.Receive(ArpRequest(kV4, kClient, kClientV4)), IsEmpty());
    EXPECT_THAT(bench.Receive(Solicitation(kV6, kClient, kClientV6, true)), IsEmpty());
    EXPECT_THAT(bench.Pass(absl::Minutes(5)), IsEmpty());
    EXPECT_EQ(bench.responder.NextWakeup(), absl::InfiniteDuration());
    bench.responder.SetInterface(Eth0(), bench.now);
    EXPECT_EQ(bench.Pass({}).size(), 1u) << "announced anew";
  }
}

TEST(ResponderTest, AnnouncesAnotherMac) {
  Bench bench;
  bench.responder.Own(kV4, bench.now);
  bench.Pass(absl::Seconds(10));
  io::Interface interface = Eth0();
  bench.responder.SetInterface(interface, bench.now);
  EXPECT_THAT(bench.Pass({}), IsEmpty()) << "nothing changed";
  interface.mac = Mac(0x0b);
  bench.responder.SetInterface(interface, bench.now);
  EXPECT_THAT(bench.Pass({}), ElementsAre("gratuitous request 192.168.0.100 is 0b to all"));
}

TEST(ResponderTest, ProbesBeforeItClaims) {
  for (const IpAddress& address : {kV4, kV6}) {
    Bench bench;
    bench.responder.Probe(address, bench.now);
    bench.responder.Probe(address, bench.now);
    const std::string probe = "probe " + address.ToString() + " by 0a";
    EXPECT_THAT(bench.Pass(absl::Milliseconds(500)), ElementsAre(probe, probe, probe));
    EXPECT_THAT(bench.Receive(ArpRequest(kV4, kClient, kClientV4)), IsEmpty()) << "not owned yet";
    EXPECT_THAT(bench.Receive(Solicitation(kV6, kClient, kClientV6, true)), IsEmpty());
    EXPECT_THAT(bench.probed, IsEmpty());
    EXPECT_THAT(bench.Pass(absl::Milliseconds(100)), IsEmpty());
    EXPECT_THAT(bench.probed, ElementsAre(ProbeResult{address, ProbeOutcome::kFree, {}}));
    EXPECT_TRUE(bench.responder.idle());
  }
}

TEST(ResponderTest, HearsWhoHasWhatItProbes) {
  arp::Packet probe = arp::MakeProbe(kV4, kOurs);
  ndp::Packet answer = ndp::MakeUnsolicited(kV6, kRival, false);
  ndp::Packet bare_answer = answer;
  bare_answer.link_layer = std::nullopt;
  const struct {
    const char* what;
    IpAddress address;
    Bytes frame;
    ProbeOutcome outcome;
  } cases[] = {
      {"a reply", kV4, SerializePacket(MakeReply(probe, kRival)), ProbeOutcome::kTaken},
      {"an announcement", kV4,
       SerializePacket(arp::MakeGratuitous(arp::Operation::kRequest, kV4, kRival)),
       ProbeOutcome::kTaken},
      {"it asks for others", kV4, ArpRequest(kClientV4, kRival, kV4), ProbeOutcome::kTaken},
      {"another probe", kV4, SerializePacket(arp::MakeProbe(kV4, kRival)),
       ProbeOutcome::kContended},
      {"an advertisement", kV6, SerializePacket(answer), ProbeOutcome::kTaken},
      {"an advertisement without MAC", kV6, SerializePacket(bare_answer), ProbeOutcome::kTaken},
      {"it asks for others", kV6, Solicitation(kClientV6, kRival, kV6, true), ProbeOutcome::kTaken},
      {"another probe", kV6, SerializePacket(ndp::MakeProbe(kV6, kRival)),
       ProbeOutcome::kContended},
  };
  for (const auto& c : cases) {
    Bench bench;
    bench.responder.Probe(c.address, bench.now);
    bench.Pass({});
    bench.Receive(SerializePacket(probe));  // comes back to us
    bench.Receive(SerializePacket(ndp::MakeProbe(kV6, kOurs)));
    EXPECT_THAT(bench.probed, IsEmpty()) << c.what;
    bench.Receive(c.frame);
    EXPECT_THAT(bench.probed, ElementsAre(ProbeResult{c.address, c.outcome, kRival})) << c.what;
    EXPECT_THAT(bench.Pass(absl::Minutes(1)), IsEmpty()) << c.what;
    EXPECT_EQ(bench.probed.size(), 1u) << c.what;
  }
}

TEST(ResponderTest, StartsAProbeOverWhenFramesPassAgain) {
  Bench bench;
  bench.responder.SetInterface({}, bench.now);
  bench.responder.Probe(kV4, bench.now);
  EXPECT_THAT(bench.Pass(absl::Minutes(1)), IsEmpty());
  EXPECT_THAT(bench.probed, IsEmpty()) << "nobody was asked";
  bench.responder.SetInterface(Eth0(), bench.now);
  EXPECT_EQ(bench.Pass(absl::Seconds(1)).size(), 3u);
  EXPECT_EQ(bench.probed.size(), 1u);
}

TEST(ResponderTest, OwnAndStopEndAProbe) {
  Bench bench;
  bench.responder.Probe(kV4, bench.now);
  bench.Pass(absl::Milliseconds(250));
  bench.responder.Own(kV4, bench.now);
  EXPECT_EQ(bench.Pass({}).size(), 1u);
  EXPECT_TRUE(bench.responder.Owns(kV4));
  bench.responder.Probe(kV4, bench.now);
  EXPECT_TRUE(bench.responder.Owns(kV4)) << "already owned";
  bench.responder.Probe(kV6, bench.now);
  bench.responder.Stop(kV6);
  bench.Pass(absl::Minutes(1));
  EXPECT_THAT(bench.probed, IsEmpty());
  EXPECT_THAT(bench.responder.Owned(), ElementsAre(kV4));
}

TEST(ResponderTest, ReportsARivalOnceAndThenNowAndThen) {
  Bench bench;
  bench.responder.Own(kV4, bench.now);
  bench.Pass(absl::Seconds(10));
  const Bytes claim = SerializePacket(arp::MakeGratuitous(arp::Operation::kReply, kV4, kRival));
  for (int i = 0; i < 100; ++i) bench.Receive(claim);
  EXPECT_THAT(bench.conflicts, ElementsAre(Conflict{kV4, kRival, ConflictPhase::kBegun}));
  EXPECT_EQ(bench.counters.conflicts, 100u);
  bench.conflicts.clear();
  for (int i = 0; i < 30; ++i) {
    bench.Pass(absl::Milliseconds(100));
    bench.Receive(claim);
  }
  EXPECT_EQ(bench.conflicts.size(), 3u) << "once a second";
  EXPECT_EQ(bench.conflicts.back(), (Conflict{kV4, kRival, ConflictPhase::kGoesOn}));
  bench.conflicts.clear();
  // A second one is told apart.
  bench.Receive(SerializePacket(arp::MakeGratuitous(arp::Operation::kReply, kV4, Mac(0x0e))));
  EXPECT_THAT(bench.conflicts, ElementsAre(Conflict{kV4, Mac(0x0e), ConflictPhase::kBegun}));
  bench.conflicts.clear();
  bench.Pass(absl::Minutes(2));
  bench.Receive(claim);
  bench.conflicts.clear();
  bench.Pass(absl::Minutes(2));
  EXPECT_THAT(bench.conflicts, ElementsAre(Conflict{kV4, Mac(0x0e), ConflictPhase::kOver}));
  bench.conflicts.clear();
  bench.Pass(absl::Minutes(2));
  EXPECT_THAT(bench.conflicts, ElementsAre(Conflict{kV4, kRival, ConflictPhase::kOver}));
  EXPECT_TRUE(bench.responder.Owns(kV4)) << "who gives way is decided elsewhere";
}

TEST(ResponderTest, HearsRivalsOfIpv6) {
  Bench bench;
  bench.responder.Own(kV6, bench.now);
  bench.Receive(SerializePacket(ndp::MakeUnsolicited(kV6, kRival, false)));
  bench.Receive(Solicitation(kClientV6, Mac(0x0e), kV6, true));
  EXPECT_THAT(bench.conflicts, ElementsAre(Conflict{kV6, kRival, ConflictPhase::kBegun},
                                           Conflict{kV6, Mac(0x0e), ConflictPhase::kBegun}));
  bench.responder.Stop(kV6);
  bench.conflicts.clear();
  bench.Pass(absl::Hours(1));
  EXPECT_THAT(bench.conflicts, IsEmpty());
}

TEST(ResponderTest, WhatTheKernelAnswersForIsAnnouncedAndWatchedAlone) {
  Bench bench({}, Answering::kByKernel);
  for (const IpAddress& address : {kV4, kV6}) bench.responder.Own(address, bench.now);
  EXPECT_THAT(bench.Pass(absl::ZeroDuration()),
              ElementsAre("gratuitous request 192.168.0.100 is 0a to all",
                          "advertisement 2001:db8::64 is 0a to all-nodes o"));
  EXPECT_THAT(bench.Receive(ArpRequest(kV4, kClient, kClientV4)), IsEmpty());
  EXPECT_THAT(bench.Receive(Solicitation(kV6, kClient, kClientV6, true)), IsEmpty());
  EXPECT_EQ(bench.counters.arp_answers + bench.counters.ndp_answers, 0u);
  bench.Receive(SerializePacket(arp::MakeGratuitous(arp::Operation::kReply, kV4, kRival)));
  EXPECT_THAT(bench.conflicts, ElementsAre(Conflict{kV4, kRival, ConflictPhase::kBegun}));
}

TEST(ResponderTest, TellsOnlySoManyRivalsApart) {
  Bench bench;
  bench.responder.Own(kV4, bench.now);
  for (uint8_t i = 0; i < 100; ++i) {
    bench.Receive(
        SerializePacket(arp::MakeGratuitous(arp::Operation::kRequest, kV4, Mac(0x80 + i))));
  }
  EXPECT_EQ(bench.conflicts.size(), Responder::kMaxRivals);
  EXPECT_EQ(bench.counters.conflicts, 100u);
}

}  // namespace
}  // namespace openelb::layer2

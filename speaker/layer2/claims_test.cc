#include "speaker/layer2/claims.h"

#include <gmock/gmock.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "speaker/io/sim_udp.h"

namespace openelb::layer2 {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Duration kS = absl::Seconds(1);
constexpr uint16_t kPort = Claims::kPort;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

// A node whose wall clock is wrong.
class SteppedClock final : public Clock {
 public:
  explicit SteppedClock(const Clock* right) : right_(right) {}
  absl::Duration Monotonic() const override { return right_->Monotonic(); }
  absl::Time Wall() const override { return right_->Wall() + step; }

  absl::Duration step;

 private:
  const Clock* const right_;
};

// Node N has 10.0.0.N and fd00::N on eth0.
class Node final : public ClaimsObserver {
 public:
  Node(int number, io::SimUdp* network, Scheduler* scheduler)
      : clock(scheduler),
        number_(number),
        network_(network),
        random_(static_cast<uint64_t>(number)),
        logger_(&sink_, scheduler) {
    network->SetAddresses(Name(), {{"eth0", Address(number), 24}, {"eth0", Six(number), 64}});
    Start();
  }
  // A new process takes the place of this one.
  void Start() {
    claims.reset();
    udp_ = network_->Start(Name());
    claims = std::make_unique<Claims>(udp_.get(), &clock, &random_, &logger_, this);
  }
  std::string Name() const { return std::to_string(number_); }
  static IpAddress Address(int number) { return Ip(absl::StrCat("10.0.0.", number)); }
  static IpAddress Six(int number) { return Ip(absl::StrCat("fd00::", number)); }
  static link::BfdName Peer(int number) { return {"eth0", Address(number)}; }

  void Know(const std::vector<int>& others, const std::string& secret = "secret") {
    std::map<link::BfdName, link::BfdSession> peers;
    for (int other : others) {
      peers[Peer(other)] = {.local = Address(number_), .secret = secret};
      peers[{"eth0", Six(other)}] = {.local = Six(number_), .secret = secret};
    }
    claims->Apply(peers);
  }
  void Say(int to, const std::vector<Claim>& what) { Say(Peer(to), what); }
  void Say(const link::BfdName& to, const std::vector<Claim>& what) {
    said_[to] = what;
    claims->Send(to, what);
  }
  void OnAsked(const link::BfdName& from) override {
    ++asked;
    claims->Send(from, said_[from]);
  }
  void OnClaims(const link::BfdName& from, std::span<const Claim> what) override {
    for (const Claim& claim : what) {
      heard.push_back(absl::StrCat(from.peer.ToString(), ": ", claim.address.ToString(), " turn ",
                                   claim.turn, " rank ", claim.rank));
    }
  }

  std::vector<std::string> heard;
  int asked = 0;
  SteppedClock clock;

 private:
  const int number_;
  io::SimUdp* const network_;
  SeededRandom random_;
  std::map<link::BfdName, std::vector<Claim>> said_;
  NullLogSink sink_;
  Logger logger_;
  std::unique_ptr<io::Udp> udp_;

 public:
  std::unique_ptr<Claims> claims;  // goes before what it uses
};

class ClaimsTest : public testing::Test {
 protected:
  ClaimsTest() {
    network.SetTap([this](absl::string_view from, absl::string_view, const io::Datagram& datagram) {
      if (from != "1") return;
      last = {datagram.data.begin(), datagram.data.end()};
      ++datagrams;
    });
    one.Know({2});
    two.Know({1, 3});
    three.Know({2});
    Meet();
  }
  // One and two know each other from here on.
  void Meet() {
    for (const bool six : {false, true}) {
      one.Say(six ? link::BfdName{"eth0", Node::Six(2)} : Node::Peer(2), something);
      two.Say(six ? link::BfdName{"eth0", Node::Six(1)} : Node::Peer(1), something);
    }
    Run(kS);
    Forget();
  }
  void Forget() {
    for (Node* node : {&one, &two}) {
      node->heard.clear();
      node->asked = 0;
    }
    datagrams = 0;
  }
  void Run(absl::Duration time) {
    const absl::Duration end = scheduler.Monotonic() + time;
    while (scheduler.Monotonic() < end) {
      absl::Duration next = end;
      for (const Node* node : {&one, &two}) next = std::min(next, node->claims->NextWakeup());
      if (!scheduler.Step(next)) scheduler.RunUntil(next);
      for (Node* node : {&one, &two}) node->claims->Tick();
    }
  }
  // Delivers octets to node 2 as if they came from node 1, but for what the caller changes.
  io::Datagram FromOne(const Bytes& octets) const {
    return {.interface = "eth0",
            .local = Node::Address(2),
            .remote = Node::Address(1),
            .remote_port = kPort,
            .ttl = 255,
            .data = octets};
  }
  // As the clock of node 1 goes wrong while it is away.
  void RestartOne(absl::Duration step) {
    one.clock.step += step;
    one.Start();
    one.Know({2});
  }
  uint64_t Dropped(ClaimDrop reason) const { return two.claims->counters().DroppedFor(reason); }

  const std::vector<Claim> something = {{Ip("172.22.0.2"), 5, 1}};
  Scheduler scheduler;
  io::SimUdp network{&scheduler, 7};
  Node one{1, &network, &scheduler};
  Node two{2, &network, &scheduler};
  Node three{3, &network, &scheduler};
  Bytes last;  // datagram of node 1
  int datagrams = 0;
};

TEST_F(ClaimsTest, OneHearsWhatTheOtherSays) {
  const uint64_t sent = one.claims->counters().sent;
  const uint64_t received = two.claims->counters().received;
  one.Say(2, {{Ip("172.22.0.2"), 5, 1}, {Ip("fd00:1::2"), 7, 2}});
  one.claims->Send({"eth0", Node::Six(2)}, something);
  Run(kS);
  EXPECT_THAT(two.heard,
              ElementsAre("10.0.0.1: 172.22.0.2 turn 5 rank 1", "10.0.0.1: fd00:1::2 turn 7 rank 2",
                          "fd00::1: 172.22.0.2 turn 5 rank 1"));
  EXPECT_THAT(one.heard, IsEmpty());
  EXPECT_THAT(three.heard, IsEmpty());
  EXPECT_EQ(one.claims->counters().sent, sent + 2);
  EXPECT_EQ(two.claims->counters().received, received + 2);
  EXPECT_EQ(one.claims->NextWakeup(), absl::InfiniteDuration());
}

TEST_F(ClaimsTest, ManyClaimsTakeSeveralDatagramsAndNoneTakesNone) {
  one.Say(2, {});
  EXPECT_EQ(datagrams, 0);
  std::vector<Claim> many;
  for (uint32_t i = 0; i < 1000; ++i) many.push_back({IpAddress::FromV4(0xac160000U + i), 1, 1});
  many.push_back({Ip("fd00:1::2"), 1, 1});
  one.Say(2, many);
  EXPECT_EQ(datagrams, 13);
  Run(kS);
  ASSERT_EQ(two.heard.size(), 1001u);
  EXPECT_EQ(two.heard.back(), "10.0.0.1: fd00:1::2 turn 1 rank 1");
}

TEST_F(ClaimsTest, WhoIsNotInThePlanIsNeitherToldNorHeard) {
  one.Say(3, something);
  EXPECT_EQ(datagrams, 0);
  two.Know({3});
  one.Say(2, something);
  Run(kS);
  EXPECT_THAT(two.heard, IsEmpty());
  EXPECT_EQ(two.asked, 0);
  EXPECT_EQ(Dropped(ClaimDrop::kUnknownPeer), 1u);
}

TEST_F(ClaimsTest, WrongDatagramsAreDroppedForTheirReason) {
  one.Say(2, something);
  const Bytes good = last;
  Run(kS);
  ASSERT_EQ(two.heard.size(), 1u);
  struct Row {
    ClaimDrop reason;
    std::function<void(io::Datagram*, Bytes*)> change;
  };
  const Row rows[] = {
      {ClaimDrop::kTtl, [](io::Datagram* d, Bytes*) { d->ttl = 254; }},
      {ClaimDrop::kTtl, [](io::Datagram* d, Bytes*) { d->ttl = 0; }},
      {ClaimDrop::kUnknownPeer, [](io::Datagram* d, Bytes*) { d->remote = Node::Address(9); }},
      {ClaimDrop::kLength, [](io::Datagram*, Bytes* o) { o->resize(71); }},
      {ClaimDrop::kMagic, [](io::Datagram*, Bytes* o) { (*o)[0] = 0; }},
      {ClaimDrop::kVersion, [](io::Datagram*, Bytes* o) { (*o)[4] = 2; }},
      {ClaimDrop::kDigest, [](io::Datagram*, Bytes* o) { o->back() ^= 1; }},
      {ClaimDrop::kDigest, [](io::Datagram* d, Bytes*) { d->remote = Node::Address(3); }},
      {ClaimDrop::kContent,
       [](io::Datagram*, Bytes* o) {
         *o = EncodeClaims({.life = 1}, {}, {Node::Address(1), Node::Address(2)}, "secret");
       }},
      {ClaimDrop::kReplay, [](io::Datagram*, Bytes*) {}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(ClaimDropName(row.reason)));
    Bytes octets = good;
    io::Datagram datagram = FromOne(octets);
    row.change(&datagram, &octets);
    datagram.data = octets;
    const uint64_t before = Dropped(row.reason);
    network.Inject("2", datagram, kPort);
    EXPECT_EQ(Dropped(row.reason), before + 1);
  }
  EXPECT_EQ(two.heard.size(), 1u);
  one.Say(2, something);
  Run(kS);
  EXPECT_EQ(two.heard.size(), 2u) << "the wrong ones changed nothing";
}

TEST_F(ClaimsTest, ANameIsItsInterfaceToo) {
  one.Say(2, something);
  io::Datagram elsewhere = FromOne(last);
  elsewhere.interface = "eth1";
  two.claims->OnDatagram(elsewhere);
  EXPECT_EQ(Dropped(ClaimDrop::kUnknownPeer), 1u);
}

// Two that do not know each other yet, whoever speaks first.
TEST_F(ClaimsTest, WhatComesBeforeTheyKnowEachOtherIsAskedForOnce) {
  for (Node* node : {&one, &two}) node->Start();
  one.Know({2});
  two.Know({1, 3});
  std::vector<Claim> many;
  for (uint32_t i = 0; i < 1000; ++i) many.push_back({IpAddress::FromV4(0xac160000U + i), 1, 1});
  one.Say(2, many);
  Run(kS);
  EXPECT_EQ(two.heard.size(), 1000u);
  EXPECT_EQ(one.asked, 1);
  EXPECT_EQ(two.asked, 0);
  two.Say(1, something);
  Run(kS);
  EXPECT_EQ(one.heard.size(), 1u);
  EXPECT_EQ(one.asked + two.asked, 1) << "they know each other by now";
}

TEST_F(ClaimsTest, AProcessIsHeardAtOnceWhateverItsClockSays) {
  size_t heard = 0;
  for (const absl::Duration step : {absl::Hours(1), -absl::Hours(2), -absl::Hours(24 * 365),
                                    absl::Hours(24 * 3650), absl::ZeroDuration()}) {
    one.clock.step += step;
    one.Say(2, something);
    Run(absl::Milliseconds(10));
    EXPECT_EQ(two.heard.size(), ++heard) << "a step";
    RestartOne(step);
    one.Say(2, something);
    Run(absl::Milliseconds(10));
    EXPECT_EQ(two.heard.size(), ++heard) << "a restart";
    RestartOne(-step);
    two.Say(1, something);
    Run(kS);
  }
}

TEST_F(ClaimsTest, NothingIsTakenTwiceNotEvenAfterARestartOfEither) {
  std::vector<Bytes> old;
  network.SetTap([&](absl::string_view from, absl::string_view, const io::Datagram& datagram) {
    if (from == "1") old.emplace_back(datagram.data.begin(), datagram.data.end());
  });
  one.Say(2, something);
  one.Say(2, something);
  Run(kS);
  ASSERT_EQ(two.heard.size(), 2u);
  const auto play_again = [&] {
    Forget();
    network.Cut("1", "2");
    for (const Bytes& octets : std::vector<Bytes>(old)) {
      network.Inject("2", FromOne(octets), kPort);
      Run(kS);
    }
    network.Heal("1", "2");
    EXPECT_THAT(two.heard, IsEmpty());
    EXPECT_EQ(two.asked, 0) << "an old question neither";
  };
  play_again();
  EXPECT_EQ(Dropped(ClaimDrop::kReplay), 2u);
  RestartOne(absl::ZeroDuration());
  one.Say(2, something);
  Run(kS);
  ASSERT_EQ(two.heard.size(), 1u);
  play_again();
  one.Say(2, something);
  Run(kS);
  EXPECT_EQ(two.heard.size(), 1u) << "who was imitated is heard as before";
  two.Start();
  two.Know({1, 3});
  play_again();
  one.Say(2, something);
  Run(kS);
  EXPECT_EQ(two.heard.size(), 1u);
  play_again();
  two.Know({3});
  two.Know({1, 3});
  play_again();
}

// What is played again makes a node ask, but not often.
TEST_F(ClaimsTest, OldDatagramsMakeNobodyTalk) {
  one.Say(2, something);
  const Bytes old = last;
  Run(kS);
  two.Start();
  two.Know({1, 3});
  const uint64_t sent = two.claims->counters().sent;
  for (int i = 0; i < 1000; ++i) network.Inject("2", FromOne(old), kPort);
  EXPECT_EQ(two.claims->counters().sent, sent + 1);
  EXPECT_EQ(Dropped(ClaimDrop::kUnproven), 1000u);
}

TEST_F(ClaimsTest, OfTwoThatComeInTheWrongOrderTheNewerCounts) {
  const std::vector<Claim> other = {{Ip("172.22.0.2"), 5, 0}};
  network.Cut("1", "2");
  one.Say(2, something);
  const Bytes first = last;
  one.Say(2, other);
  const Bytes second = last;
  Run(kS);
  network.Heal("1", "2");
  for (const Bytes& octets : {second, first}) network.Inject("2", FromOne(octets), kPort);
  EXPECT_THAT(two.heard, ElementsAre("10.0.0.1: 172.22.0.2 turn 5 rank 0"));
  EXPECT_EQ(Dropped(ClaimDrop::kReplay), 1u);
  one.Say(2, something);
  Run(kS);
  EXPECT_EQ(two.heard.size(), 2u);
}

TEST_F(ClaimsTest, ANewSecretLosesNothingThoughPlansComeApart) {
  int said = 0;
  const auto speak_for = [&](int seconds) {
    for (int i = 0; i < seconds; ++i) {
      one.Say(2, something);
      two.Say(1, something);
      ++said;
      Run(kS);
    }
  };
  one.Know({2}, "new");
  speak_for(9);
  two.Know({1}, "new");
  speak_for(60);
  EXPECT_EQ(two.heard.size(), static_cast<size_t>(said));
  EXPECT_EQ(one.heard.size(), static_cast<size_t>(said));
}

TEST_F(ClaimsTest, AnOldSecretIsAcceptedForHalfAMinute) {
  two.Know({1}, "new");
  Run(29 * kS);
  one.Say(2, something);
  Run(kS);
  EXPECT_EQ(two.heard.size(), 1u);
  one.Say(2, something);
  Run(kS);
  EXPECT_EQ(two.heard.size(), 1u);
  EXPECT_EQ(Dropped(ClaimDrop::kDigest), 1u);
}

TEST_F(ClaimsTest, AnAddressThatIsNotThereYetIsTriedAgain) {
  network.SetAddresses("1", {});
  one.claims->OnInterfacesChanged();
  one.Say(2, something);
  EXPECT_EQ(one.claims->counters().send_errors, 1u);
  EXPECT_EQ(one.claims->NextWakeup(), scheduler.Monotonic() + kS);
  network.SetAddresses("1", {{"eth0", Node::Address(1), 24}, {"eth0", Node::Six(1), 64}});
  Run(kS);
  one.Say(2, something);
  two.Say(1, something);
  Run(kS);
  EXPECT_EQ(two.heard.size(), 1u);
  EXPECT_EQ(one.heard.size(), 1u);
  EXPECT_EQ(one.claims->NextWakeup(), absl::InfiniteDuration());
}

// What waits to be read in a socket is lost with it.
TEST_F(ClaimsTest, SocketsOutliveChangesOfOtherAddresses) {
  const uint64_t opened = network.opened();
  network.SetAddresses(
      "1",
      {{"eth0", Node::Address(1), 24}, {"eth0", Node::Six(1), 64}, {"eth0", Ip("10.0.0.200"), 32}});
  one.claims->OnInterfacesChanged();
  EXPECT_EQ(network.opened(), opened);
  network.SetAddresses("1", {{"eth0", Node::Six(1), 64}});
  one.claims->OnInterfacesChanged();
  network.SetAddresses("1", {{"eth0", Node::Address(1), 24}, {"eth0", Node::Six(1), 64}});
  one.claims->OnInterfacesChanged();
  EXPECT_EQ(network.opened(), opened + 1);
}

TEST_F(ClaimsTest, ASocketThatCannotSendIsReplaced) {
  network.SetAddresses("1", {});
  EXPECT_EQ(one.claims->Send(Node::Peer(2), something), 0u) << "to be said again";
  EXPECT_EQ(one.claims->counters().send_errors, 1u);
  EXPECT_LE(one.claims->NextWakeup(), scheduler.Monotonic());
  network.SetAddresses("1", {{"eth0", Node::Address(1), 24}, {"eth0", Node::Six(1), 64}});
  one.claims->Tick();
  one.Say(2, something);
  Run(kS);
  EXPECT_EQ(two.heard.size(), 1u);
}

}  // namespace
}  // namespace openelb::layer2

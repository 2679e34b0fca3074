#include "speaker/bfd/session.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace openelb::bfd {
namespace {

using testing::HasSubstr;

constexpr uint32_t kOurs = 0x11111111;
constexpr uint32_t kTheirs = 0x22222222;
const absl::Duration kMs = absl::Milliseconds(1);

// A session and its neighbour, who is played by hand.
class Bench {
 public:
  explicit Bench(const SessionConfig& config = {}) : session(config, kOurs, &random) {}

  // What the session sends and goes through from now until `time` has passed.
  void Run(absl::Duration time) {
    const absl::Duration end = now + time;
    Collect();
    while (session.NextWakeup() <= end) {
      ASSERT_LT(++steps, 100'000) << "the session wants to wake up for ever";
      now = std::max(now, session.NextWakeup());
      session.Tick(now);
      Collect();
    }
    now = end;
  }
  void Receive(const Packet& packet) {
    const Bytes octets = EncodePacket(packet);
    EXPECT_EQ(session.OnPacket(packet, octets, now), std::nullopt);
    Collect();
  }
  // Through the handshake, polls answered; forgets what was sent on the way.
  void BringUp() {
    Run(absl::ZeroDuration());
    Receive(From(State::kInit));
    Packet answer = From(State::kUp);
    answer.final = true;
    Receive(answer);
    ASSERT_EQ(session.state(), State::kUp);
    Forget();
  }
  void Forget() {
    sent.clear();
    transitions.clear();
  }
  Packet From(State state) const {
    return {.state = state,
            .my_discriminator = kTheirs,
            .your_discriminator = kOurs,
            .desired_min_tx = 100 * kMs,
            .required_min_rx = 100 * kMs};
  }
  // The packets sent, with the time of each.
  struct Sent {
    absl::Duration at;
    Packet packet;
  };

  absl::Duration now = absl::Hours(1);
  int steps = 0;
  SeededRandom random{1};
  Session session;
  std::vector<Sent> sent;
  std::vector<Transition> transitions;

 private:
  void Collect() {
    SessionOutput output = session.TakeOutput();
    for (const Bytes& octets : output.packets) {
      Packet packet;
      std::span<const uint8_t> delimited;
      ASSERT_EQ(DecodePacket(octets, &packet, &delimited), std::nullopt);
      sent.push_back({now, packet});
    }
    transitions.insert(transitions.end(), output.transitions.begin(), output.transitions.end());
  }
};

// Brings a new session into a state.
void Lead(Bench* bench, State state) {
  if (state == State::kAdminDown) {
    bench->session.Configure({.admin_down = true}, bench->now);
  } else if (state == State::kInit) {
    bench->Run(absl::ZeroDuration());
    bench->Receive(bench->From(State::kDown));
  } else if (state == State::kUp) {
    bench->BringUp();
  } else {
    bench->Run(absl::ZeroDuration());
  }
  bench->Run(absl::ZeroDuration());
  ASSERT_EQ(bench->session.state(), state);
  bench->Forget();
}

TEST(SessionTest, EveryStateAnswersEveryState) {
  struct Row {
    State from;
    State packet;
    State to;
    Reason reason = Reason::kHandshake;
    Diagnostic diagnostic = Diagnostic::kNone;
  };
  const Row rows[] = {
      {State::kDown, State::kAdminDown, State::kDown},
      {State::kDown, State::kDown, State::kInit},
      {State::kDown, State::kInit, State::kUp},
      {State::kDown, State::kUp, State::kDown},
      {State::kInit, State::kAdminDown, State::kDown, Reason::kNeighborAdminDown,
       Diagnostic::kNeighborSignaledDown},
      {State::kInit, State::kDown, State::kInit},
      {State::kInit, State::kInit, State::kUp},
      {State::kInit, State::kUp, State::kUp},
      {State::kUp, State::kAdminDown, State::kDown, Reason::kNeighborAdminDown,
       Diagnostic::kNeighborSignaledDown},
      {State::kUp, State::kDown, State::kDown, Reason::kNeighborSignaledDown,
       Diagnostic::kNeighborSignaledDown},
      {State::kUp, State::kInit, State::kUp},
      {State::kUp, State::kUp, State::kUp},
      {State::kAdminDown, State::kAdminDown, State::kAdminDown},
      {State::kAdminDown, State::kDown, State::kAdminDown},
      {State::kAdminDown, State::kInit, State::kAdminDown},
      {State::kAdminDown, State::kUp, State::kAdminDown},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(StateName(row.from)) + " gets " + std::string(StateName(row.packet)));
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(Lead(&bench, row.from));
    bench.Receive(bench.From(row.packet));
    EXPECT_EQ(bench.session.state(), row.to);
    EXPECT_EQ(bench.session.remote_state(), row.packet);
    if (row.from == row.to) {
      EXPECT_TRUE(bench.transitions.empty());
      EXPECT_TRUE(bench.sent.empty()) << "nothing new to tell";
      continue;
    }
    EXPECT_THAT(bench.transitions, testing::ElementsAre(Transition{row.from, row.to, row.reason}));
    ASSERT_EQ(bench.sent.size(), 1u) << "a change is told at once";
    EXPECT_EQ(bench.sent[0].packet.state, row.to);
    EXPECT_EQ(bench.sent[0].packet.diagnostic, row.diagnostic);
    EXPECT_EQ(bench.sent[0].packet.your_discriminator, kTheirs);
  }
}

TEST(SessionTest, SilenceTakesInitAndUpDown) {
  for (State state : {State::kInit, State::kUp}) {
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(Lead(&bench, state));
    bench.Run(299 * kMs);
    EXPECT_EQ(bench.session.state(), state);
    bench.Run(1 * kMs);
    EXPECT_THAT(bench.transitions, testing::ElementsAre(Transition{state, State::kDown,
                                                                   Reason::kDetectionTimeExpired}));
    const Packet& last = bench.sent.back().packet;
    EXPECT_EQ(last.diagnostic, Diagnostic::kDetectionTimeExpired);
    EXPECT_EQ(last.your_discriminator, 0u) << "the neighbour may have started anew";
    EXPECT_EQ(last.state, State::kDown);
    EXPECT_EQ(bench.session.remote_discriminator(), 0u);
  }
}

TEST(SessionTest, AnyPacketInTimeKeepsTheSession) {
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(bench.BringUp());
  for (int i = 0; i < 50; ++i) {
    bench.Run(299 * kMs);
    bench.Receive(bench.From(State::kUp));
  }
  EXPECT_EQ(bench.session.state(), State::kUp);
  EXPECT_TRUE(bench.transitions.empty());
}

TEST(SessionTest, DetectionTimeIsTheNeighboursMultiplierTimesTheSlowerEnd) {
  struct Row {
    uint8_t their_mult;
    int their_tx;
    int our_rx;
    int expected;
  };
  for (const Row& row : {Row{3, 100, 100, 300},
                         {5, 100, 100, 500},
                         {3, 200, 100, 600},
                         {3, 50, 100, 300},
                         {1, 50, 400, 400}}) {
    Bench bench({.required_min_rx = row.our_rx * kMs, .detect_mult = 9});
    ASSERT_NO_FATAL_FAILURE(bench.BringUp());
    Packet packet = bench.From(State::kUp);
    packet.detect_mult = row.their_mult;
    packet.desired_min_tx = row.their_tx * kMs;
    bench.Receive(packet);
    EXPECT_EQ(bench.session.DetectionTime(), row.expected * kMs);
  }
}

TEST(SessionTest, PacketsAreJitteredAndSlowWhileNotUp) {
  struct Row {
    State state;
    uint8_t mult;
    int their_rx;
    int shortest;
    int longest;
  };
  for (const Row& row : {Row{State::kDown, 3, 100, 750, 1000},
                         {State::kUp, 3, 100, 75, 100},
                         {State::kUp, 1, 100, 75, 90},
                         {State::kUp, 3, 400, 300, 400},
                         {State::kUp, 3, 10, 75, 100},
                         {State::kAdminDown, 3, 100, 750, 1000}}) {
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(Lead(&bench, row.state));
    bench.session.Configure({.detect_mult = row.mult, .admin_down = row.state == State::kAdminDown},
                            bench.now);
    absl::Duration previous = -absl::InfiniteDuration();
    absl::Duration shortest = absl::InfiniteDuration();
    absl::Duration longest;
    for (int i = 0; i < 300; ++i) {
      if (row.state == State::kUp) {
        Packet packet = bench.From(State::kUp);
        packet.required_min_rx = row.their_rx * kMs;
        bench.Receive(packet);
      }
      bench.Run(200 * kMs);
      for (const Bench::Sent& sent : bench.sent) {
        // The first ones were sent before the configuration and the neighbour said otherwise.
        if (i > 5 && previous > absl::ZeroDuration()) {
          shortest = std::min(shortest, sent.at - previous);
          longest = std::max(longest, sent.at - previous);
        }
        previous = sent.at;
      }
      bench.Forget();
    }
    SCOPED_TRACE(std::string(StateName(row.state)) + " mult " + std::to_string(row.mult));
    const absl::Duration width = (row.longest - row.shortest) * kMs;
    EXPECT_GE(shortest, row.shortest * kMs);
    EXPECT_LE(shortest, row.shortest * kMs + width / 4);
    EXPECT_LE(longest, row.longest * kMs);
    EXPECT_GE(longest, row.longest * kMs - width / 4);
  }
}

TEST(SessionTest, SlowIsSaidWhileNotUpAndTheRestByAPollOnceUp) {
  Bench bench;
  bench.Run(absl::ZeroDuration());
  EXPECT_EQ(bench.sent[0].packet.desired_min_tx, absl::Seconds(1));
  EXPECT_EQ(bench.sent[0].packet.required_min_rx, 100 * kMs);
  EXPECT_EQ(bench.sent[0].packet.required_min_echo_rx, absl::ZeroDuration());
  EXPECT_EQ(bench.sent[0].packet.your_discriminator, 0u);
  bench.Receive(bench.From(State::kInit));
  EXPECT_EQ(bench.sent.back().packet.desired_min_tx, 100 * kMs);
  EXPECT_TRUE(bench.sent.back().packet.poll);
  bench.Run(150 * kMs);
  EXPECT_TRUE(bench.sent.back().packet.poll) << "until the answer comes";
  Packet answer = bench.From(State::kUp);
  answer.final = true;
  bench.Receive(answer);
  bench.Run(150 * kMs);
  EXPECT_FALSE(bench.sent.back().packet.poll);
}

TEST(SessionTest, APollIsAnsweredAtOnceInEveryStateButAdminDown) {
  for (State state : {State::kDown, State::kInit, State::kUp, State::kAdminDown}) {
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(Lead(&bench, state));
    Packet poll = bench.From(state == State::kDown ? State::kUp : State::kInit);
    poll.poll = true;
    bench.Receive(poll);
    if (state == State::kAdminDown) {
      EXPECT_TRUE(bench.sent.empty());
      continue;
    }
    ASSERT_EQ(bench.sent.size(), 1u);
    EXPECT_TRUE(bench.sent[0].packet.final);
    EXPECT_FALSE(bench.sent[0].packet.poll);
    EXPECT_EQ(bench.sent[0].packet.state, bench.session.state());
  }
}

TEST(SessionTest, SendingLessOftenWaitsForThePollMoreOftenDoesNot) {
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(bench.BringUp());
  bench.session.Configure({.desired_min_tx = 500 * kMs}, bench.now);
  EXPECT_EQ(bench.session.TransmitInterval(), 100 * kMs);
  bench.Run(100 * kMs);
  EXPECT_TRUE(bench.sent.back().packet.poll);
  EXPECT_EQ(bench.sent.back().packet.desired_min_tx, 500 * kMs);
  Packet answer = bench.From(State::kUp);
  answer.final = true;
  bench.Receive(answer);
  EXPECT_EQ(bench.session.TransmitInterval(), 500 * kMs);

  Packet fast = bench.From(State::kUp);
  fast.required_min_rx = 10 * kMs;
  bench.Receive(fast);
  bench.session.Configure({.desired_min_tx = 50 * kMs}, bench.now);
  EXPECT_EQ(bench.session.TransmitInterval(), 50 * kMs);
  EXPECT_TRUE(bench.transitions.empty());
}

TEST(SessionTest, ExpectingMoreOftenWaitsForThePollLessOftenDoesNot) {
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(bench.BringUp());
  Packet answer = bench.From(State::kUp);
  answer.desired_min_tx = 10 * kMs;
  bench.Receive(answer);
  bench.session.Configure({.required_min_rx = 50 * kMs}, bench.now);
  EXPECT_EQ(bench.session.DetectionTime(), 300 * kMs);
  answer.final = true;
  bench.Receive(answer);
  EXPECT_EQ(bench.session.DetectionTime(), 150 * kMs);
  bench.session.Configure({.required_min_rx = 200 * kMs}, bench.now);
  EXPECT_EQ(bench.session.DetectionTime(), 600 * kMs);
}

TEST(SessionTest, AChangeDuringAPollIsPolledForAgain) {
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(bench.BringUp());
  bench.session.Configure({.desired_min_tx = 300 * kMs}, bench.now);
  bench.Run(100 * kMs);
  bench.session.Configure({.desired_min_tx = 700 * kMs}, bench.now);
  Packet answer = bench.From(State::kUp);
  answer.final = true;
  bench.Receive(answer);
  EXPECT_EQ(bench.session.TransmitInterval(), 100 * kMs) << "the answer was to the first values";
  bench.Forget();
  bench.Run(100 * kMs);
  ASSERT_FALSE(bench.sent.empty());
  EXPECT_TRUE(bench.sent.back().packet.poll);
  bench.Receive(answer);
  EXPECT_EQ(bench.session.TransmitInterval(), 700 * kMs);
}

TEST(SessionTest, ANeighbourInDemandModeGetsOnlyPolls) {
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(bench.BringUp());
  Packet demand = bench.From(State::kUp);
  demand.demand = true;
  bench.Receive(demand);
  bench.Run(299 * kMs);
  EXPECT_TRUE(bench.sent.empty());
  bench.Receive(demand);
  bench.session.Configure({.required_min_rx = 150 * kMs}, bench.now);
  bench.Run(100 * kMs);
  ASSERT_FALSE(bench.sent.empty());
  EXPECT_TRUE(bench.sent.back().packet.poll);
  demand.final = true;
  bench.Receive(demand);
  bench.Forget();
  bench.Run(299 * kMs);
  EXPECT_TRUE(bench.sent.empty());
  demand.state = State::kDown;  // no longer Up at both ends: demand mode is off
  bench.Receive(demand);
  EXPECT_EQ(bench.sent.size(), 1u);
}

TEST(SessionTest, ANeighbourThatWantsNothingGetsOnlyAnswers) {
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(bench.BringUp());
  Packet deaf = bench.From(State::kUp);
  deaf.required_min_rx = absl::ZeroDuration();
  bench.Receive(deaf);
  bench.Run(299 * kMs);
  EXPECT_TRUE(bench.sent.empty());
  deaf.poll = true;
  bench.Receive(deaf);
  ASSERT_EQ(bench.sent.size(), 1u);
  EXPECT_TRUE(bench.sent[0].packet.final);
}

TEST(SessionTest, OurAdminDownIsToldAtOnceAndAgain) {
  Bench bench;
  ASSERT_NO_FATAL_FAILURE(bench.BringUp());
  bench.session.Configure({.admin_down = true}, bench.now);
  bench.Run(2500 * kMs);
  EXPECT_THAT(bench.transitions,
              testing::ElementsAre(Transition{State::kUp, State::kAdminDown, Reason::kAdminDown}));
  ASSERT_GE(bench.sent.size(), 3u);
  for (const Bench::Sent& sent : bench.sent) {
    EXPECT_EQ(sent.packet.state, State::kAdminDown);
    EXPECT_EQ(sent.packet.diagnostic, Diagnostic::kAdminDown);
  }
  EXPECT_EQ(bench.sent[0].packet.your_discriminator, kTheirs);
  bench.Forget();
  bench.session.Configure({}, bench.now);
  bench.Run(absl::ZeroDuration());
  EXPECT_THAT(bench.transitions,
              testing::ElementsAre(Transition{State::kAdminDown, State::kDown, Reason::kEnabled}));
  EXPECT_EQ(bench.sent.back().packet.state, State::kDown);
}

TEST(SessionTest, ASessionMayStartAdminDown) {
  Bench bench({.admin_down = true});
  bench.Run(absl::ZeroDuration());
  ASSERT_EQ(bench.sent.size(), 1u);
  EXPECT_EQ(bench.sent[0].packet.state, State::kAdminDown);
  EXPECT_TRUE(bench.transitions.empty());
}

TEST(SessionTest, SequenceNumbersAreForgottenAfterTwiceTheDetectionTime) {
  const Authentication keys{AuthenticationType::kMeticulousKeyedSha1, {{1, "k"}}};
  Bench bench({.authentication = keys});
  const auto receive = [&](uint32_t sequence) {
    Packet packet = bench.From(State::kDown);
    packet.authenticated = true;
    Bytes octets = EncodePacket(packet);
    Sign(keys, sequence, &octets);
    return bench.session.OnPacket(packet, octets, bench.now);
  };
  EXPECT_EQ(receive(1000), std::nullopt);
  EXPECT_EQ(receive(1001), std::nullopt);
  EXPECT_EQ(receive(1001), Drop::kAuthenticationSequence) << "played again";
  bench.Run(599 * kMs);
  EXPECT_EQ(receive(5), Drop::kAuthenticationSequence);
  bench.Run(1 * kMs);
  EXPECT_EQ(receive(5), std::nullopt) << "the neighbour has started anew";
}

TEST(SessionTest, ADroppedPacketChangesNothing) {
  Bench bench({.authentication = {AuthenticationType::kMeticulousKeyedSha1, {{1, "k"}}}});
  bench.Run(absl::ZeroDuration());
  EXPECT_TRUE(bench.sent[0].packet.authenticated);
  const Packet packet = bench.From(State::kDown);
  EXPECT_EQ(bench.session.OnPacket(packet, EncodePacket(packet), bench.now),
            Drop::kMissingAuthentication);
  EXPECT_EQ(bench.session.state(), State::kDown);
  EXPECT_EQ(bench.session.remote_discriminator(), 0u);
}

TEST(SessionTest, ConfigurationsAreChecked) {
  struct Row {
    SessionConfig config;
    const char* error;
  };
  const Row rows[] = {
      {{.desired_min_tx = 9 * kMs}, "transmit interval 9ms is not within 10ms..1m"},
      {{.required_min_rx = absl::Seconds(61)}, "receive interval 1m1s is not within 10ms..1m"},
      {{.detect_mult = 0}, "detect multiplier 0"},
      {{.authentication = {AuthenticationType::kKeyedSha1, {}}}, "there is no key"},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(std::string(CheckSessionConfig(row.config).message()), HasSubstr(row.error));
  }
  EXPECT_TRUE(CheckSessionConfig({}).ok());
  EXPECT_EQ(SessionConfig().desired_min_tx * SessionConfig().detect_mult, 300 * kMs);
}

}  // namespace
}  // namespace openelb::bfd

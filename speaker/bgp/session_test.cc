#include "speaker/bgp/session.h"

#include <gmock/gmock.h>

#include "speaker/bgp/test_session.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Brings a session into `state`.
void Enter(SessionState state, Bench* bench) {
  if (state == SessionState::kIdle) {
    bench->config.peer.admin_down = true;
    bench->Make();
    bench->Start();
    return;
  }
  bench->Start();
  if (state == SessionState::kActive) {
    bench->session->OnClosed(kDialled, absl::UnavailableError("connection refused"), bench->now);
    bench->Pump();
  }
  if (state >= SessionState::kOpenSent) bench->Connect();
  if (state >= SessionState::kOpenConfirm) bench->Receive(bench->Open());
  if (state >= SessionState::kEstablished) bench->Receive(Bench::Keepalive());
  ASSERT_EQ(bench->session->state(), state);
  bench->TakeSent();
}

struct Event {
  const char* name;
  void (*run)(Bench*);
};

TEST(SessionTest, EveryEventInEveryState) {
  const Event open{"OPEN", [](Bench* b) { b->Receive(b->Open()); }};
  const Event keepalive{"KEEPALIVE", [](Bench* b) { b->Receive(Bench::Keepalive()); }};
  const Event update{"UPDATE", [](Bench* b) { b->Receive(EmptyUpdate()); }};
  const Event notification{"NOTIFICATION", [](Bench* b) {
                             b->Receive(Framed(MessageType::kNotification, Hex("0602")));
                           }};
  const Event refresh{"ROUTE-REFRESH", [](Bench* b) {
                        b->Receive(Framed(MessageType::kRefresh, Hex("0001 00 01")));
                      }};
  const Event garbage{"garbage", [](Bench* b) { b->Receive(Hex("00")); }};
  const Event lost{"connection closed", [](Bench* b) { b->Lose(); }};
  const Event accepted{"peer connects", [](Bench* b) { b->Accept(); }};
  const Event hold{"hold timer", [](Bench* b) {
                     b->now += absl::Minutes(4);
                     b->session->Tick(b->now);
                     for (auto& t : b->session->TakeOutput().close) b->Read(t.last_words, t.conn);
                   }};
  const Event admin_down{"admin down", [](Bench* b) {
                           b->config.peer.admin_down = true;
                           b->session->Configure(b->config, b->now);
                           b->Pump();
                         }};
  const Event admin_up{"admin up", [](Bench* b) {
                         b->config.peer.admin_down = false;
                         b->session->Configure(b->config, b->now);
                         b->Pump();
                       }};
  const Event stop{"stop", [](Bench* b) {
                     b->session->Stop(cease::kPeerDeconfigured);
                     b->Pump();
                   }};
  constexpr SessionState kIdle = SessionState::kIdle;
  constexpr SessionState kConnect = SessionState::kConnect;
  constexpr SessionState kActive = SessionState::kActive;
  constexpr SessionState kOpenSent = SessionState::kOpenSent;
  constexpr SessionState kOpenConfirm = SessionState::kOpenConfirm;
  constexpr SessionState kEstablished = SessionState::kEstablished;
  const struct {
    SessionState state;
    Event event;
    SessionState next;
    std::vector<std::string> sent;
  } kTable[] = {
      {kIdle, accepted, kIdle, {}},
      {kIdle, admin_down, kIdle, {}},
      {kIdle, admin_up, kActive, {}},
      {kIdle, stop, kIdle, {}},

      {kConnect, lost, kActive, {}},
      {kConnect, accepted, kOpenSent, {"2 OPEN"}},
      {kConnect, admin_down, kIdle, {}},
      {kConnect, stop, kIdle, {}},

      {kActive, accepted, kOpenSent, {"2 OPEN"}},
      {kActive, admin_down, kIdle, {}},
      {kActive, stop, kIdle, {}},

      {kOpenSent, open, kOpenConfirm, {"1 KEEPALIVE"}},
      {kOpenSent,
       keepalive,
       kActive,
       {"1 Finite State Machine Error/Unexpected Message in OpenSent"}},
      {kOpenSent, update, kActive, {"1 Finite State Machine Error/Unexpected Message in OpenSent"}},
      {kOpenSent,
       refresh,
       kActive,
       {"1 Finite State Machine Error/Unexpected Message in OpenSent"}},
      {kOpenSent, notification, kActive, {}},
      {kOpenSent, garbage, kActive, {"1 Message Header Error/Connection Not Synchronized"}},
      {kOpenSent, lost, kActive, {}},
      {kOpenSent, accepted, kOpenSent, {"2 OPEN"}},
      {kOpenSent, hold, kActive, {"1 Hold Timer Expired"}},
      {kOpenSent, admin_down, kIdle, {"1 Cease/Administrative Shutdown"}},
      {kOpenSent, stop, kIdle, {"1 Cease/Peer De-configured"}},

      {kOpenConfirm,
       open,
       kActive,
       {"1 Finite State Machine Error/Unexpected Message in OpenConfirm"}},
      {kOpenConfirm, keepalive, kEstablished, {"1 UPDATE"}},
      {kOpenConfirm,
       update,
       kActive,
       {"1 Finite State Machine Error/Unexpected Message in OpenConfirm"}},
      {kOpenConfirm,
       refresh,
       kActive,
       {"1 Finite State Machine Error/Unexpected Message in OpenConfirm"}},
      {kOpenConfirm, notification, kActive, {}},
      {kOpenConfirm, garbage, kActive, {"1 Message Header Error/Connection Not Synchronized"}},
      {kOpenConfirm, lost, kActive, {}},
      {kOpenConfirm, accepted, kOpenConfirm, {"2 OPEN"}},
      {kOpenConfirm, hold, kActive, {"1 Hold Timer Expired"}},
      {kOpenConfirm, admin_down, kIdle, {"1 Cease/Administrative Shutdown"}},
      {kOpenConfirm, stop, kIdle, {"1 Cease/Peer De-configured"}},

      {kEstablished,
       open,
       kActive,
       {"1 Finite State Machine Error/Unexpected Message in Established"}},
      {kEstablished, keepalive, kEstablished, {}},
      {kEstablished, update, kEstablished, {}},
      {kEstablished, refresh, kEstablished, {"1 UPDATE"}},
      {kEstablished, notification, kActive, {}},
      {kEstablished, garbage, kActive, {"1 Message Header Error/Connection Not Synchronized"}},
      {kEstablished, lost, kActive, {}},
      {kEstablished, accepted, kEstablished, {}},
      {kEstablished, hold, kActive, {"1 Hold Timer Expired"}},
      {kEstablished, admin_down, kIdle, {"1 Cease/Administrative Shutdown"}},
      {kEstablished, stop, kIdle, {"1 Cease/Peer De-configured"}},
  };
  for (const auto& c : kTable) {
    SCOPED_TRACE(absl::StrCat(c.event.name, " in ", SessionStateName(c.state)));
    Bench bench;
    ASSERT_NO_FATAL_FAILURE(Enter(c.state, &bench));
    c.event.run(&bench);
    EXPECT_EQ(bench.session->state(), c.next);
    EXPECT_EQ(bench.sent, c.sent);
    // Whatever happens to a session that may run, it comes back.
    if (c.next != kActive) continue;
    bench.Advance(absl::Seconds(1));
    EXPECT_EQ(bench.session->state(), kConnect);
  }
}

TEST(SessionTest, ComesUpAndSaysSo) {
  Bench bench;
  bench.Establish();
  EXPECT_THAT(bench.TakeSent(), ElementsAre("1 OPEN", "1 KEEPALIVE", "1 UPDATE"));
  EXPECT_EQ(bench.transitions.back().text,
            "BgpPeer leaf1 (10.0.0.1): established with AS 65001, identifier 10.0.0.1, hold time "
            "90 s, IPv4 unicast with ADD-PATH");
  EXPECT_EQ(bench.session->rib()->prefixes(), 1u);
  EXPECT_EQ((bench.counters.transitions[{"ESTABLISHED", "confirmed"}]), 1u);
  EXPECT_EQ(bench.session->sent().open, 1u);
  EXPECT_EQ(bench.session->sent().update, 1u);
  EXPECT_EQ(bench.session->received().keepalive, 1u);
}

TEST(SessionTest, EnforcesTheHoldTimer) {
  Bench bench;
  bench.config.peer.hold_time_s = 9;
  bench.Make();
  bench.Establish();
  bench.TakeSent();
  for (int i = 0; i < 10; ++i) {
    bench.Advance(absl::Seconds(8));
    bench.Receive(Bench::Keepalive());
    ASSERT_EQ(bench.session->state(), SessionState::kEstablished);
  }
  // UPDATEs count as well.
  bench.Advance(absl::Seconds(8));
  bench.Receive(EmptyUpdate());
  bench.Advance(absl::Milliseconds(8999));
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  bench.Advance(absl::Milliseconds(1));
  EXPECT_EQ(bench.session->state(), SessionState::kActive);
  EXPECT_EQ(bench.sent.back(), "1 Hold Timer Expired");
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): nothing came from the peer for 9 s (sent NOTIFICATION Hold "
            "Timer Expired)");
}

TEST(SessionTest, SendsKeepalivesWithJitter) {
  Bench bench;
  bench.config.peer.hold_time_s = 9;
  bench.Make();
  bench.Establish();
  bench.TakeSent();
  for (int i = 0; i < 100; ++i) {
    bench.Receive(Bench::Keepalive());
    bench.Advance(absl::Seconds(3));
  }
  // 300 s at 2.25 to 3 s each.
  EXPECT_GE(bench.sent.size(), 100u);
  EXPECT_LE(bench.sent.size(), 134u);
  // A configured interval acts live, but never beyond a third of the hold time.
  bench.TakeSent();
  bench.config.peer.keepalive_s = 1;
  bench.session->ConfigureLive(bench.config, bench.now);
  bench.Advance(absl::Seconds(1));
  bench.TakeSent();
  bench.Advance(absl::Seconds(4));
  EXPECT_GE(bench.TakeSent().size(), 4u);
  bench.config.peer.keepalive_s = 60;
  bench.session->ConfigureLive(bench.config, bench.now);
  EXPECT_EQ(bench.session->confirmed()->keepalive, absl::Seconds(3));
}

TEST(SessionTest, HoldTimeZeroMeansNoTimers) {
  Bench bench;
  bench.config.peer.hold_time_s = 0;
  bench.Make();
  bench.Establish();
  bench.TakeSent();
  EXPECT_EQ(bench.session->NextWakeup(), absl::InfiniteDuration());
  bench.Advance(absl::Hours(10));
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  EXPECT_THAT(bench.sent, IsEmpty());
}

TEST(SessionTest, BacksOffUnderItsCeiling) {
  Bench bench;
  bench.config.peer.connect_retry_s = 3;
  bench.Make();
  bench.Start();
  std::vector<absl::Duration> waits;
  for (int i = 0; i < 10; ++i) {
    bench.session->OnClosed(kDialled, absl::UnavailableError("connection refused"), bench.now);
    bench.Pump();
    waits.push_back(bench.session->NextWakeup() - bench.now);
    bench.Advance(waits.back());
    ASSERT_EQ(bench.session->state(), SessionState::kConnect);
  }
  absl::Duration base = Backoff::kFirst;
  for (absl::Duration wait : waits) {
    EXPECT_GE(wait, base * 0.75);
    EXPECT_LE(wait, base);
    base = std::min(base * 2, absl::Seconds(3));
  }
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): cannot connect to port 179: connection refused");
}

TEST(SessionTest, ForgetsBackOffOnceStable) {
  for (absl::Duration up : {absl::Seconds(1), absl::Seconds(20)}) {
    Bench bench;
    bench.Start();
    for (int i = 0; i < 5; ++i) {
      bench.session->OnClosed(kDialled, absl::UnavailableError("refused"), bench.now);
      bench.Pump();
      bench.Advance(bench.session->NextWakeup() - bench.now);
    }
    bench.Connect();
    bench.Receive(bench.Open());
    bench.Receive(Bench::Keepalive());
    bench.Advance(up);
    bench.Lose();
    const absl::Duration wait = bench.session->NextWakeup() - bench.now;
    EXPECT_EQ(wait <= Backoff::kFirst, up > absl::Seconds(10));
  }
}

TEST(SessionTest, GivesUpAttemptsThatHang) {
  Bench bench;
  bench.Start();
  bench.Advance(absl::Seconds(5));
  EXPECT_EQ(bench.session->state(), SessionState::kActive);
  EXPECT_THAT(bench.closed, ElementsAre(kDialled));
  EXPECT_THAT(bench.session->last_error(), HasSubstr("no answer from port 179 within 5s"));
  bench.Advance(absl::Seconds(1));
  EXPECT_EQ(bench.dials, 2);
}

TEST(SessionTest, PassiveNeverDials) {
  Bench bench;
  bench.config.peer.passive = true;
  bench.Make();
  bench.Start();
  bench.Advance(absl::Hours(1));
  EXPECT_EQ(bench.dials, 0);
  EXPECT_EQ(bench.session->state(), SessionState::kActive);
  EXPECT_TRUE(bench.Accept());
  bench.Receive(bench.Open(), kAccepted);
  bench.Receive(Bench::Keepalive(), kAccepted);
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  bench.config.peer.passive = false;
  bench.session->Configure(bench.config, bench.now);
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  bench.Advance(absl::Seconds(1));
  EXPECT_EQ(bench.dials, 0);
}

TEST(SessionTest, ReportsAPeerThatSaysNothing) {
  Bench bench;
  bench.Start();
  bench.Connect();
  bench.Advance(absl::Seconds(5));
  EXPECT_EQ(bench.session->state(), SessionState::kOpenSent);
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): connected, but the peer has sent no OPEN for 5s");
  EXPECT_THAT(bench.notes, ElementsAre(bench.session->last_error()));
  bench.Advance(absl::Minutes(4));
  EXPECT_THAT(bench.sent, ElementsAre("1 OPEN", "1 Hold Timer Expired"));
}

TEST(SessionTest, NamesWhatIsWrongWithAnOpen) {
  Bench bench;
  bench.config.peer.remote_as = 65002;
  bench.Make();
  bench.Start();
  bench.Connect();
  bench.Receive(bench.Open());
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): AS mismatch: peerAs is 65002, the peer's OPEN says 65001 "
            "(sent NOTIFICATION OPEN Message Error/Bad Peer AS)");
  EXPECT_EQ(bench.counters.notifications_sent["OPEN Message Error/Bad Peer AS"], 1u);
  EXPECT_EQ((bench.counters.transitions[{"ACTIVE", "bad_open"}]), 1u);
}

TEST(SessionTest, ShowsWhatThePeerSays) {
  Bench bench;
  bench.Establish();
  bench.Receive(Framed(MessageType::kNotification, Hex("0602 05 68656c6c6f")));
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): the peer sent NOTIFICATION Cease/Administrative Shutdown: "
            "\"hello\"");
  EXPECT_EQ(bench.counters.notifications_received["Cease/Administrative Shutdown"], 1u);
}

TEST(SessionTest, ToleratesWhatRfc7606Tolerates) {
  Bench bench;
  bench.Establish();
  bench.Receive(Framed(MessageType::kUpdate, Hex("0000 0004 400101 07")));
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  EXPECT_EQ(bench.counters.tolerated_errors["UPDATE Message Error/Invalid ORIGIN Attribute"], 1u);
  EXPECT_THAT(bench.notes, ElementsAre(HasSubstr("ORIGIN is 7")));
  bench.Receive(Framed(MessageType::kUpdate, Hex("0009 00 0000")));
  EXPECT_EQ(bench.session->state(), SessionState::kActive);
  EXPECT_EQ(bench.sent.back(), "1 UPDATE Message Error/Malformed Attribute List");
}

TEST(SessionTest, LiveChangesKeepTheSession) {
  Bench bench;
  bench.Establish();
  bench.TakeSent();
  SessionConfig config = bench.config;
  config.peer.connect_retry_s = 1;
  config.peer.ttl = 5;
  config.peer.name = "renamed";
  config.peer.passive = true;
  config.peer.remote_port = 1179;
  config.peer.families[0].send_max = 1;
  EXPECT_FALSE(bench.session->NeedsReset(config));
  bench.session->Configure(config, bench.now);
  bench.Pump();
  EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
  EXPECT_THAT(bench.sent, IsEmpty());
  EXPECT_EQ(bench.session->config(), config);
}

TEST(SessionTest, ChangesOfTheOpenResetTheSession) {
  const struct {
    const char* field;
    void (*change)(SessionConfig*);
  } kCases[] = {
      {"local AS", [](SessionConfig* c) { c->peer.local_as = 64999; }},
      {"peerAs", [](SessionConfig* c) { c->peer.remote_as = 64999; }},
      {"routerId", [](SessionConfig* c) { c->router_id = 9; }},
      {"holdTime", [](SessionConfig* c) { c->peer.hold_time_s = 30; }},
      {"afiSafis", [](SessionConfig* c) { c->peer.families[0].add_path_send = false; }},
      {"afiSafis", [](SessionConfig* c) { c->peer.families.push_back({Family::kV6, false, 0}); }},
      {"authPassword", [](SessionConfig* c) { c->peer.md5_password = "s3cret"; }},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.field);
    Bench bench;
    bench.Establish();
    bench.TakeSent();
    SessionConfig config = bench.config;
    c.change(&config);
    config.peer.ttl = 9;
    ASSERT_TRUE(bench.session->NeedsReset(config));
    // Until its turn comes, only the live part acts.
    bench.session->ConfigureLive(config, bench.now);
    bench.Pump();
    EXPECT_EQ(bench.session->state(), SessionState::kEstablished);
    EXPECT_EQ(bench.session->config().peer.ttl, 9);
    EXPECT_TRUE(bench.session->NeedsReset(config));
    bench.session->Configure(config, bench.now);
    bench.Pump();
    EXPECT_THAT(bench.sent, ElementsAre("1 Cease/Other Configuration Change"));
    EXPECT_THAT(bench.session->last_error(), HasSubstr(c.field));
    EXPECT_EQ(bench.session->config(), config);
    bench.Start();
    EXPECT_EQ(bench.session->state(), SessionState::kConnect);
  }
}

TEST(SessionTest, HeldDownSaysWhy) {
  Bench bench;
  bench.Establish();
  bench.config.peer.held_down = "policy gobgp.conf cannot be applied";
  bench.session->Configure(bench.config, bench.now);
  bench.Pump();
  EXPECT_EQ(bench.session->state(), SessionState::kIdle);
  EXPECT_EQ(bench.session->last_error(),
            "BgpPeer leaf1 (10.0.0.1): held down: policy gobgp.conf cannot be applied");
  EXPECT_FALSE(bench.Accept());
  bench.Advance(absl::Hours(1));
  EXPECT_EQ(bench.dials, 1);
}

TEST(SessionTest, LastWordsFollowTheMessageUnderWay) {
  Bench bench;
  bench.Establish();
  bench.session->Touch({}, {});
  // Half of a KEEPALIVE has left when the session is stopped.
  bench.now += absl::Seconds(30);
  bench.session->Tick(bench.now);
  ASSERT_EQ(bench.session->Pending(kDialled, bench.now).size(), 19u);
  bench.session->OnTaken(kDialled, 7);
  bench.session->Stop(cease::kAdministrativeShutdown);
  const SessionOutput output = bench.session->TakeOutput();
  ASSERT_EQ(output.close.size(), 1u);
  EXPECT_EQ(output.close[0].last_words.size(), 12u + 21u);
}

}  // namespace
}  // namespace openelb::bgp

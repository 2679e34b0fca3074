#include "speaker/bgp/session.h"

#include <gmock/gmock.h>

#include "speaker/bgp/attributes.h"
#include "speaker/bgp/test_bytes.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

constexpr io::ConnId kDialled = 1;
constexpr io::ConnId kAccepted = 2;

// A session with the world played by hand: attempts to dial get the id kDialled.
class Bench {
 public:
  explicit Bench(uint32_t router_id = 0x0a000003) {
    config.router_id = router_id;
    config.peer.address = Ip("10.0.0.1");
    config.peer.name = "leaf1";
    config.peer.remote_as = 65001;
    config.peer.local_as = 65000;
    config.peer.hold_time_s = 90;
    config.peer.connect_retry_s = 120;
    config.peer.families = {{Family::kV4, true, 0}};
    config.peer.scope = "s";
    plan.groups["g"] = {{.node = "a", .address = Ip("10.0.0.3")}};
    const IpPrefix prefix = IpPrefix::Parse("172.22.0.2/32").value();
    plan.routes[prefix].groups["s"] = "g";
    Make();
  }
  void Make() { session = std::make_unique<Session>(config, &plan, &random, &counters); }

  // Carries out what the session wants, and collects what it says.
  void Pump() {
    for (SessionOutput output = session->TakeOutput(); !output.empty();
         output = session->TakeOutput()) {
      for (auto& t : output.transitions) transitions.push_back(t);
      for (auto& note : output.notes) notes.push_back(note);
      for (auto& close : output.close) {
        closed.push_back(close.conn);
        Read(close.last_words, close.conn);
      }
      if (output.dial) {
        ++dials;
        session->OnDialling(dial_id, now);
      }
    }
    for (io::ConnId conn : session->connections()) {
      for (;;) {
        const std::span<const uint8_t> pending = session->Pending(conn, now);
        if (pending.empty()) break;
        Read(Bytes(pending.begin(), pending.end()), conn);
        session->OnTaken(conn, pending.size());
      }
    }
  }
  void Read(const Bytes& octets, io::ConnId conn) {
    Framer framer;
    framer.Append(octets);
    std::optional<MessageError> error;
    while (auto message = framer.Next(&error)) {
      std::string text(MessageTypeName(message->type));
      if (message->type == MessageType::kNotification) {
        text = NotificationName(DecodeNotification(message->body));
      }
      sent.push_back(absl::StrCat(conn, " ", text));
    }
    EXPECT_FALSE(error.has_value());
  }
  void Advance(absl::Duration time) {
    const absl::Duration end = now + time;
    while (session->NextWakeup() <= end) {
      now = std::max(now, session->NextWakeup());
      session->Tick(now);
      Pump();
    }
    now = end;
    session->Tick(now);
    Pump();
  }
  void Start() {
    session->Tick(now);
    Pump();
  }
  void Connect() {
    session->OnConnected(dial_id, now);
    Pump();
  }
  bool Accept(io::ConnId conn = kAccepted) {
    const bool taken = session->OnAccepted(conn, now);
    Pump();
    return taken;
  }
  void Receive(const Bytes& octets, io::ConnId conn) {
    session->OnData(conn, octets, now);
    Pump();
  }
  void Receive(const Bytes& octets) { Receive(octets, conn()); }
  void Lose(const absl::Status& why = absl::OkStatus()) {
    session->OnClosed(conn(), why, now);
    Pump();
  }
  // The connection the tests speak on.
  io::ConnId conn() const {
    const auto conns = session->connections();
    return conns.empty() ? kDialled : conns.front();
  }
  OpenMessage PeerOpen() const {
    OpenMessage open;
    open.two_octet_as = 65001;
    open.hold_time = 90;
    open.identifier = peer_id;
    open.four_octet_as = 65001;
    open.multiprotocol = {{1, 1}};
    open.add_path = {{{1, 1}, AddPathOffer::kReceive}};
    return open;
  }
  Bytes Open() const {
    Bytes out;
    EncodeOpen(PeerOpen(), &out);
    return out;
  }
  static Bytes Keepalive() {
    Bytes out;
    EncodeKeepalive(&out);
    return out;
  }
  void Establish() {
    Start();
    Connect();
    Receive(Open());
    Receive(Keepalive());
    ASSERT_EQ(session->state(), SessionState::kEstablished);
  }
  std::vector<std::string> TakeSent() { return std::exchange(sent, {}); }

  link::PlanState plan;
  SessionConfig config;
  SeededRandom random{7};
  Counters counters;
  absl::Duration now = absl::Seconds(1000);
  uint32_t peer_id = 0x0a000001;
  io::ConnId dial_id = kDialled;
  std::unique_ptr<Session> session;
  std::vector<SessionOutput::Transition> transitions;
  std::vector<std::string> notes;
  std::vector<io::ConnId> closed;
  std::vector<std::string> sent;
  int dials = 0;
};

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

const Bytes kEmptyUpdate = Framed(MessageType::kUpdate, Hex("0000 0000"));

TEST(SessionTest, EveryEventInEveryState) {
  const Event open{"OPEN", [](Bench* b) { b->Receive(b->Open()); }};
  const Event keepalive{"KEEPALIVE", [](Bench* b) { b->Receive(Bench::Keepalive()); }};
  const Event update{"UPDATE", [](Bench* b) { b->Receive(kEmptyUpdate); }};
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
  bench.Receive(kEmptyUpdate);
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
  for (int i = 0; i < 8; ++i) {
    bench.session->OnClosed(kDialled, absl::UnavailableError("connection refused"), bench.now);
    bench.Pump();
    waits.push_back(bench.session->NextWakeup() - bench.now);
    bench.Advance(waits.back());
    ASSERT_EQ(bench.session->state(), SessionState::kConnect);
  }
  absl::Duration base = absl::Milliseconds(250);
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
    EXPECT_EQ(wait <= absl::Milliseconds(250), up > absl::Seconds(10));
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

// ---- two connections ----

// The peer's identifier decides: 10.0.0.1 loses to our 10.0.0.3, so the dialled connection stays;
// 10.0.0.9 wins, so the accepted one does.
class CollisionTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  CollisionTest() {
    bench_.peer_id = GetParam();
    winner_ = GetParam() < 0x0a000003 ? kDialled : kAccepted;
    loser_ = winner_ == kDialled ? kAccepted : kDialled;
    bench_.Start();
    bench_.Accept();
    bench_.Connect();
    bench_.TakeSent();
  }
  Bench bench_;
  io::ConnId winner_;
  io::ConnId loser_;
};

INSTANTIATE_TEST_SUITE_P(BothOutcomes, CollisionTest, testing::Values(0x0a000001, 0x0a000009));

TEST_P(CollisionTest, LoserIsClosedBeforeItIsAnswered) {
  bench_.Receive(bench_.Open(), winner_);
  bench_.Receive(bench_.Open(), loser_);
  EXPECT_THAT(bench_.sent, ElementsAre(absl::StrCat(winner_, " KEEPALIVE"),
                                       absl::StrCat(loser_,
                                                    " Cease/Connection Collision "
                                                    "Resolution")));
  bench_.Receive(Bench::Keepalive(), winner_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_EQ(bench_.session->confirmed()->conn, winner_);
}

TEST_P(CollisionTest, AnsweredLoserWaitsForTheWinner) {
  bench_.Receive(bench_.Open(), loser_);
  bench_.Receive(bench_.Open(), winner_);
  EXPECT_THAT(bench_.closed, IsEmpty());
  // The peer confirms both before it has seen both OPENs; it may even send routes already.
  bench_.Receive(Bench::Keepalive(), loser_);
  bench_.Receive(kEmptyUpdate, loser_);
  EXPECT_EQ(bench_.session->state(), SessionState::kOpenConfirm);
  bench_.Receive(Bench::Keepalive(), winner_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_EQ(bench_.session->confirmed()->conn, winner_);
  EXPECT_THAT(bench_.closed, ElementsAre(loser_));
}

TEST_P(CollisionTest, LoserGoesOnWhenTheWinnerDies) {
  bench_.Receive(bench_.Open(), loser_);
  bench_.Receive(bench_.Open(), winner_);
  bench_.Receive(Bench::Keepalive(), loser_);
  bench_.Receive(Framed(MessageType::kNotification, Hex("0607")), winner_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_EQ(bench_.session->confirmed()->conn, loser_);
  EXPECT_EQ(bench_.session->last_error(), "");
}

TEST_P(CollisionTest, EstablishedLoserLeavesTheWinnerItsChance) {
  bench_.Receive(bench_.Open(), loser_);
  bench_.Receive(Bench::Keepalive(), loser_);
  EXPECT_EQ(bench_.session->confirmed()->conn, loser_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_THAT(bench_.closed, IsEmpty());
  // The peer decided for the winner: the session moves without ever being without a connection.
  bench_.Receive(bench_.Open(), winner_);
  bench_.Receive(Bench::Keepalive(), winner_);
  EXPECT_EQ(bench_.session->state(), SessionState::kEstablished);
  EXPECT_EQ(bench_.session->confirmed()->conn, winner_);
  EXPECT_THAT(bench_.closed, ElementsAre(loser_));
  EXPECT_EQ(bench_.session->rib()->prefixes(), 1u);
}

TEST_P(CollisionTest, SilentWinnerIsClosedInTheEnd) {
  bench_.Receive(bench_.Open(), loser_);
  bench_.Receive(Bench::Keepalive(), loser_);
  bench_.Advance(absl::Seconds(10));
  EXPECT_THAT(bench_.closed, ElementsAre(winner_));
  EXPECT_EQ(bench_.session->confirmed()->conn, loser_);
  EXPECT_EQ(bench_.session->last_error(), "");
}

TEST_P(CollisionTest, EstablishedWinnerClosesTheOther) {
  bench_.Receive(bench_.Open(), winner_);
  bench_.Receive(Bench::Keepalive(), winner_);
  EXPECT_THAT(bench_.closed, ElementsAre(loser_));
  EXPECT_FALSE(bench_.Accept(3));
}

TEST(SessionCollisionTest, EqualIdentifiersGoByAs) {
  for (uint32_t local_as : {64000u, 65500u}) {
    Bench bench;
    bench.config.peer.local_as = local_as;
    bench.Make();
    bench.peer_id = bench.config.router_id;
    bench.Start();
    bench.Accept();
    bench.Connect();
    const io::ConnId winner = local_as > 65001 ? kDialled : kAccepted;
    bench.Receive(bench.Open(), winner);
    bench.Receive(bench.Open(), winner == kDialled ? kAccepted : kDialled);
    bench.Receive(Bench::Keepalive(), winner);
    ASSERT_EQ(bench.session->state(), SessionState::kEstablished);
    EXPECT_EQ(bench.session->confirmed()->conn, winner);
    EXPECT_THAT(bench.notes, ElementsAre(HasSubstr("identifier clash")));
  }
}

TEST(SessionCollisionTest, ANewInboundConnectionReplacesTheLast) {
  Bench bench;
  bench.config.peer.passive = true;
  bench.Make();
  bench.Start();
  for (io::ConnId conn = 10; conn < 1010; ++conn) EXPECT_TRUE(bench.Accept(conn));
  EXPECT_THAT(bench.session->connections(), ElementsAre(1009));
  EXPECT_EQ(bench.closed.size(), 999u);
}

// ---- what is on the wire ----

TEST(WireMarkTest, FollowsAcknowledgements) {
  WireMark mark;
  absl::Duration now = absl::Seconds(1);
  EXPECT_FALSE(mark.waiting());
  EXPECT_EQ(mark.NextPoll(), absl::InfiniteDuration());
  mark.OnTaken({1, 1}, 100, now);
  mark.OnTaken({1, 2}, 200, now);
  mark.OnTaken({1, 3}, 300, now);
  EXPECT_EQ(mark.NextPoll(), now + absl::Milliseconds(1));
  EXPECT_FALSE(mark.OnAcknowledged(99, now));
  EXPECT_TRUE(mark.OnAcknowledged(150, now));
  EXPECT_EQ(mark.on_wire(), (plan::Generation{1, 1}));
  // Generation 2 was never waited for by itself.
  EXPECT_FALSE(mark.OnAcknowledged(200, now));
  EXPECT_TRUE(mark.OnAcknowledged(300, now));
  EXPECT_EQ(mark.on_wire(), (plan::Generation{1, 3}));
  EXPECT_FALSE(mark.waiting());
  // Nothing new, nothing to wait for.
  mark.OnTaken({1, 3}, 300, now);
  EXPECT_FALSE(mark.waiting());
  mark.OnTaken({1, 4}, 400, now);
  mark.OnAcknowledged(300, now + absl::Seconds(1));
  EXPECT_EQ(mark.NextPoll(), now + absl::Seconds(1) + absl::Milliseconds(10));
}

}  // namespace
}  // namespace openelb::bgp

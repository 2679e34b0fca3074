// The state machine as one table: each event of RFC 4271 8.1 (with those of RFC 2918 and 7313) in
// each state of 8.2.2, with the next state and what is sent.
//
// Where we leave the letter: an error leads to ACTIVE, where the back-off runs, instead of IDLE
// with its IdleHoldTimer (8.1.3); IDLE means that the session may not run. A NOTIFICATION is never
// answered by a NOTIFICATION, and none is sent before our OPEN (SendNOTIFICATIONwithoutOPEN is
// false). While the DelayOpenTimer runs, a table of its own holds. Collisions (event 23) have
// collision_test.cc.
#include <gmock/gmock.h>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "speaker/bgp/test_session.h"

namespace openelb::bgp {
namespace {

constexpr SessionState kIdle = SessionState::kIdle;
constexpr SessionState kConnect = SessionState::kConnect;
constexpr SessionState kActive = SessionState::kActive;
constexpr SessionState kOpenSent = SessionState::kOpenSent;
constexpr SessionState kOpenConfirm = SessionState::kOpenConfirm;
constexpr SessionState kEstablished = SessionState::kEstablished;
constexpr SessionState kStates[] = {kIdle,     kConnect,     kActive,
                                    kOpenSent, kOpenConfirm, kEstablished};

// Brings a session into `state`.
void Enter(SessionState state, Bench* bench) {
  if (state == kIdle) {
    bench->config.peer.admin_down = true;
    bench->Make();
    bench->Start();
    return;
  }
  bench->Start();
  if (state == kActive) {
    bench->session->OnClosed(kDialled, absl::UnavailableError("connection refused"), bench->now);
    bench->Pump();
  }
  if (state >= kOpenSent) bench->Connect();
  if (state >= kOpenConfirm) bench->Receive(bench->Open());
  if (state >= kEstablished) bench->Receive(Bench::Keepalive());
  ASSERT_EQ(bench->session->state(), state);
  bench->TakeSent();
}

void SetAdminDown(Bench* bench, bool down) {
  bench->config.peer.admin_down = down;
  bench->session->Configure(bench->config, bench->now);
  bench->Pump();
}

void Deconfigure(Bench* bench) {
  bench->session->Stop({ErrorCode::kCease, cease::kPeerDeconfigured});
  bench->Pump();
}

// The session's clock jumps; what it asks to be closed is read.
void Jump(Bench* bench, absl::Duration time) {
  bench->now += time;
  bench->session->Tick(bench->now);
  bench->Pump();
}

// The timer that is due next, if it is due within 5 s.
void NextTimer(Bench* bench) {
  const absl::Duration due = bench->session->NextWakeup();
  if (due <= bench->now + absl::Seconds(5)) Jump(bench, due - bench->now);
}

// The peer's OPEN with one octet of its body changed.
void SpoiltOpen(Bench* bench, size_t at, uint8_t octet) {
  Bytes open = bench->Open();
  open[kHeaderLength + at] = octet;
  bench->Receive(open);
}

void Send(Bench* bench, MessageType type, absl::string_view hex) {
  bench->Receive(Framed(type, Hex(hex)));
}

struct Next {
  SessionState state;
  const char* sent = "";  // "CONNECTION MESSAGE", joined by commas
};
struct Row {
  const char* event;
  void (*run)(Bench*);
  Next next[std::size(kStates)];  // in the order of kStates
};

constexpr char kFsm1[] = "1 Finite State Machine Error/Unexpected Message in OpenSent";
constexpr char kFsm2[] = "1 Finite State Machine Error/Unexpected Message in OpenConfirm";
constexpr char kFsm3[] = "1 Finite State Machine Error/Unexpected Message in Established";
constexpr char kShutdown[] = "1 Cease/Administrative Shutdown";
constexpr char kDeconfigured[] = "1 Cease/Peer De-configured";
constexpr char kNotSynchronized[] = "1 Message Header Error/Connection Not Synchronized";
constexpr char kBadLength[] = "1 Message Header Error/Bad Message Length";
constexpr char kBadType[] = "1 Message Header Error/Bad Message Type";
constexpr char kExpired[] = "1 Hold Timer Expired";

const Row kTable[] = {
    {"1, 3 Start",
     [](Bench* b) { SetAdminDown(b, false); },
     {{kActive}, {kConnect}, {kActive}, {kOpenSent}, {kOpenConfirm}, {kEstablished}}},
    {"2 ManualStop",
     [](Bench* b) { SetAdminDown(b, true); },
     {{kIdle}, {kIdle}, {kIdle}, {kIdle, kShutdown}, {kIdle, kShutdown}, {kIdle, kShutdown}}},
    {"4, 6 the peer is passive from now on",
     [](Bench* b) {
       b->config.peer.passive = true;
       b->session->Configure(b->config, b->now);
       b->Pump();
       NextTimer(b);
     },
     {{kIdle}, {kActive}, {kActive}, {kOpenSent}, {kOpenConfirm}, {kEstablished}}},
    {"8 AutomaticStop",
     Deconfigure,
     {{kIdle},
      {kIdle},
      {kIdle},
      {kIdle, kDeconfigured},
      {kIdle, kDeconfigured},
      {kIdle, kDeconfigured}}},
    {"9 ConnectRetryTimer_Expires",
     NextTimer,
     {{kIdle}, {kActive}, {kConnect}, {kOpenSent}, {kOpenConfirm}, {kEstablished}}},
    {"10 HoldTimer_Expires",
     [](Bench* b) { Jump(b, absl::Minutes(4)); },
     {{kIdle},
      {kActive},
      {kConnect},
      {kActive, kExpired},
      {kActive, kExpired},
      {kActive, kExpired}}},
    {"11 KeepaliveTimer_Expires",
     [](Bench* b) { Jump(b, absl::Seconds(30)); },
     {{kIdle},
      {kActive},
      {kConnect},
      {kOpenSent},
      {kOpenConfirm, "1 KEEPALIVE"},
      {kEstablished, "1 KEEPALIVE"}}},
    {"16 Tcp_CR_Acked",
     [](Bench* b) { b->Connect(); },
     {{kIdle}, {kOpenSent, "1 OPEN"}, {kActive}, {kOpenSent}, {kOpenConfirm}, {kEstablished}}},
    {"17 TcpConnectionConfirmed",
     [](Bench* b) { b->Accept(); },
     {{kIdle},
      {kOpenSent, "2 OPEN"},
      {kOpenSent, "2 OPEN"},
      {kOpenSent, "2 OPEN"},
      {kOpenConfirm, "2 OPEN"},
      {kEstablished}}},
    {"18 TcpConnectionFails",
     [](Bench* b) { b->Lose(); },
     {{kIdle}, {kActive}, {kActive}, {kActive}, {kActive}, {kActive}}},
    {"19 BGPOpen",
     [](Bench* b) { b->Receive(b->Open()); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kOpenConfirm, "1 KEEPALIVE"},
      {kActive, kFsm2},
      {kActive, kFsm3}}},
    {"21 BGPHeaderErr, marker",
     [](Bench* b) { b->Receive(Hex("00")); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kActive, kNotSynchronized},
      {kActive, kNotSynchronized},
      {kActive, kNotSynchronized}}},
    {"21 BGPHeaderErr, length",
     [](Bench* b) { b->Receive(Hex("ffffffffffffffffffffffffffffffff 0012 04")); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kActive, kBadLength},
      {kActive, kBadLength},
      {kActive, kBadLength}}},
    {"21 BGPHeaderErr, type",
     [](Bench* b) { b->Receive(Hex("ffffffffffffffffffffffffffffffff 0013 09")); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kActive, kBadType},
      {kActive, kBadType},
      {kActive, kBadType}}},
    {"22 BGPOpenMsgErr, version",
     [](Bench* b) { SpoiltOpen(b, 0, 3); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kActive, "1 OPEN Message Error/Unsupported Version Number"},
      {kActive, kFsm2},
      {kActive, kFsm3}}},
    {"22 BGPOpenMsgErr, hold time",
     [](Bench* b) { SpoiltOpen(b, 4, 1); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kActive, "1 OPEN Message Error/Unacceptable Hold Time"},
      {kActive, kFsm2},
      {kActive, kFsm3}}},
    {"22 BGPOpenMsgErr, length of the parameters",
     [](Bench* b) { SpoiltOpen(b, 9, 200); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kActive, "1 OPEN Message Error"},
      {kActive, kFsm2},
      {kActive, kFsm3}}},
    {"24 NotifMsgVerErr",
     [](Bench* b) { Send(b, MessageType::kNotification, "0201 0004"); },
     {{kIdle}, {kConnect}, {kActive}, {kActive}, {kActive}, {kActive}}},
    {"25 NotifMsg",
     [](Bench* b) { Send(b, MessageType::kNotification, "0602"); },
     {{kIdle}, {kConnect}, {kActive}, {kActive}, {kActive}, {kActive}}},
    {"26 KeepAliveMsg",
     [](Bench* b) { b->Receive(Bench::Keepalive()); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kActive, kFsm1},
      {kEstablished, "1 UPDATE"},
      {kEstablished}}},
    {"27 UpdateMsg",
     [](Bench* b) { b->Receive(EmptyUpdate()); },
     {{kIdle}, {kConnect}, {kActive}, {kActive, kFsm1}, {kActive, kFsm2}, {kEstablished}}},
    {"28 UpdateMsgErr",
     [](Bench* b) { Send(b, MessageType::kUpdate, "00ff 0000"); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kActive, kFsm1},
      {kActive, kFsm2},
      {kActive, "1 UPDATE Message Error/Malformed Attribute List"}}},
    {"ROUTE-REFRESH",
     [](Bench* b) { Send(b, MessageType::kRefresh, "0001 00 01"); },
     {{kIdle},
      {kConnect},
      {kActive},
      {kActive, kFsm1},
      {kActive, kFsm2},
      {kEstablished, "1 UPDATE"}}},
    {"ROUTE-REFRESH with more than a family",
     [](Bench* b) { Send(b, MessageType::kRefresh, "0001 00 01 0180"); },
     {{kIdle}, {kConnect}, {kActive}, {kActive, kFsm1}, {kActive, kFsm2}, {kActive, kBadLength}}},
};

TEST(FsmTableTest, EveryEventInEveryState) {
  for (const Row& row : kTable) {
    for (size_t i = 0; i < std::size(kStates); ++i) {
      SCOPED_TRACE(absl::StrCat(row.event, " in ", SessionStateName(kStates[i])));
      Bench bench;
      ASSERT_NO_FATAL_FAILURE(Enter(kStates[i], &bench));
      row.run(&bench);
      EXPECT_EQ(bench.session->state(), row.next[i].state);
      EXPECT_EQ(absl::StrJoin(bench.sent, ", "), row.next[i].sent);
      // Whatever happens to a session that may run, it comes back.
      if (row.next[i].state != kActive || bench.config.peer.passive) continue;
      bench.Advance(absl::Seconds(1));
      EXPECT_EQ(bench.session->state(), kConnect);
    }
  }
}

// The same while our OPEN waits for the peer's, on a connection that was dialled (CONNECT) and on
// one that was accepted (ACTIVE).
constexpr uint16_t kDelay = 10;

struct DelayedRow {
  const char* event;
  void (*run)(Bench*);
  SessionState dialled;
  SessionState accepted;
  const char* sent = "";  // messages on the connection, joined by commas
};

const DelayedRow kDelayedTable[] = {
    {"1, 3, 5, 7 Start", [](Bench* b) { SetAdminDown(b, false); }, kConnect, kActive},
    {"2 ManualStop", [](Bench* b) { SetAdminDown(b, true); }, kIdle, kIdle},
    {"8 AutomaticStop", Deconfigure, kIdle, kIdle},
    {"9, 10, 11 before DelayOpenTimer_Expires",
     [](Bench* b) { Jump(b, absl::Seconds(kDelay - 1)); }, kConnect, kActive},
    {"12 DelayOpenTimer_Expires", [](Bench* b) { b->Advance(absl::Seconds(kDelay)); }, kOpenSent,
     kOpenSent, "OPEN"},
    {"12 DelayOpenTimer_Expires, then 19 BGPOpen",
     [](Bench* b) {
       b->Advance(absl::Seconds(kDelay));
       b->Receive(b->Open());
     },
     kOpenConfirm, kOpenConfirm, "OPEN, KEEPALIVE"},
    {"17 TcpConnectionConfirmed", [](Bench* b) { b->Accept(9); }, kConnect, kActive},
    {"18 TcpConnectionFails", [](Bench* b) { b->Lose(); }, kActive, kActive},
    {"20 BGPOpen with DelayOpenTimer running", [](Bench* b) { b->Receive(b->Open()); },
     kOpenConfirm, kOpenConfirm, "OPEN, KEEPALIVE"},
    {"21 BGPHeaderErr", [](Bench* b) { b->Receive(Hex("00")); }, kActive, kActive},
    {"22 BGPOpenMsgErr", [](Bench* b) { SpoiltOpen(b, 0, 3); }, kActive, kActive},
    {"24 NotifMsgVerErr", [](Bench* b) { Send(b, MessageType::kNotification, "0201 0004"); },
     kActive, kActive},
    {"25 NotifMsg", [](Bench* b) { Send(b, MessageType::kNotification, "0602"); }, kActive,
     kActive},
    {"26 KeepAliveMsg", [](Bench* b) { b->Receive(Bench::Keepalive()); }, kActive, kActive},
    {"27 UpdateMsg", [](Bench* b) { b->Receive(EmptyUpdate()); }, kActive, kActive},
    {"28 UpdateMsgErr", [](Bench* b) { Send(b, MessageType::kUpdate, "00ff 0000"); }, kActive,
     kActive},
    {"ROUTE-REFRESH", [](Bench* b) { Send(b, MessageType::kRefresh, "0001 00 01"); }, kActive,
     kActive},
};

TEST(FsmTableTest, EveryEventWhileTheOpenIsDelayed) {
  for (const DelayedRow& row : kDelayedTable) {
    for (bool dialled : {true, false}) {
      SCOPED_TRACE(absl::StrCat(row.event, dialled ? ", dialled" : ", accepted"));
      Bench bench;
      bench.config.peer.delay_open_s = kDelay;
      bench.config.peer.passive = !dialled;
      bench.Make();
      bench.Start();
      if (dialled) {
        bench.Connect();
      } else {
        ASSERT_TRUE(bench.Accept());
      }
      ASSERT_EQ(bench.session->state(), dialled ? kConnect : kActive);
      ASSERT_THAT(bench.TakeSent(), testing::IsEmpty());
      row.run(&bench);
      EXPECT_EQ(bench.session->state(), dialled ? row.dialled : row.accepted);
      std::string sent = absl::StrJoin(bench.sent, ", ");
      EXPECT_EQ(absl::StrReplaceAll(sent, {{dialled ? "1 " : "2 ", ""}}), row.sent);
    }
  }
}

}  // namespace
}  // namespace openelb::bgp

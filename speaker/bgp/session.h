#pragma once
// One BGP session: the state machine of RFC 4271 section 8 for one peer of the plan, without
// sockets or a clock. Time, octets and events of connections come in; octets to send and what the
// shell is to do come out.
//
//   state        leaves it when                                         to
//   IDLE         the plan lets the session run                          CONNECT; passive: ACTIVE
//   CONNECT      connected (our OPEN is sent; see DelayOpen)            OPENSENT
//                the attempt fails or takes 5 s                         ACTIVE, back-off
//   ACTIVE       back-off is over (not when passive)                    CONNECT
//   CONNECT, ACTIVE  the peer connects (our OPEN is sent)               OPENSENT
//   OPENSENT     a good OPEN comes (KEEPALIVE is sent)                  OPENCONFIRM
//   OPENCONFIRM  a KEEPALIVE comes                                      ESTABLISHED
//   OPENSENT and later  hold timer, bad or unexpected message           ACTIVE, NOTIFICATION sent
//   OPENCONFIRM and later  the peer takes nothing (RFC 9687)            ACTIVE, NOTIFICATION sent
//                NOTIFICATION comes, the connection ends                ACTIVE, back-off
//   all          administratively down, held down, stopped              IDLE, Cease sent
//   ESTABLISHED  suspended, and the peer keeps the routes (RFC 4724)    IDLE, nothing sent
//
// DelayOpen (RFC 4271 8.1.1). With delay_open_s, a connection stays in CONNECT, or ACTIVE when it
// was accepted, until the peer's OPEN comes (ours and a KEEPALIVE answer: OPENCONFIRM) or the time
// is over (ours is sent: OPENSENT). Nothing else is said on it meanwhile, no NOTIFICATION either.
//
// Two connections (RFC 4271 6.8). The session keeps one it dialled and one it accepted until it is
// clear which stays: the one dialled by the end with the larger identifier (between equal ones, the
// larger AS: RFC 6286 2.3), or whichever survives. To never lose both, a connection on which our
// KEEPALIVE has gone out, so that the peer may already count on it, is closed for the other's sake
// only when that other is ESTABLISHED.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/base/random.h"
#include "speaker/bgp/adj_rib_out.h"
#include "speaker/bgp/backoff.h"
#include "speaker/bgp/connection.h"
#include "speaker/bgp/counters.h"
#include "speaker/bgp/marks.h"
#include "speaker/bgp/wire_mark.h"
#include "speaker/io/io.h"
#include "speaker/link/plan_state.h"

namespace openelb::bgp {

enum class SessionState : uint8_t {
  kIdle,
  kConnect,
  kActive,
  kOpenSent,
  kOpenConfirm,
  kEstablished
};
absl::string_view SessionStateName(SessionState state);  // "ESTABLISHED"

// Why a session changed its state.
enum class Reason : uint8_t {
  kStarted,
  kDialling,
  kConnected,
  kAccepted,
  kDelayOver,
  kOpenReceived,
  kConfirmed,
  kDialFailed,
  kConnectionClosed,
  kNotificationReceived,
  kHoldTimerExpired,
  kSendHoldTimerExpired,
  kBadMessage,
  kBadOpen,
  kCollision,
  kConfigurationChanged,
  kAdminDown,
  kHeldDown,
  kStopped,
  kSuspended,
};
absl::string_view ReasonName(Reason reason);  // "hold_timer_expired"

struct SessionConfig {
  link::BgpPeer peer;
  uint32_t router_id = 0;
  // Traffic to what was announced went on while this process was away (F of RFC 4724).
  bool forwarding_kept = true;
  bool operator==(const SessionConfig&) const = default;
};

// What a session wants of its shell, in this order.
struct SessionOutput {
  struct Close {
    io::ConnId conn;
    Bytes last_words;  // to be written before, as far as they are taken
  };
  struct Transition {
    SessionState from;
    SessionState to;
    Reason reason;
    std::string text;  // one sentence that names the peer's object and address
  };
  std::vector<Transition> transitions;
  std::vector<std::string> notes;  // sentences about what went wrong without a change of state
  std::vector<Close> close;
  bool dial = false;  // OnDialling follows
  bool empty() const { return transitions.empty() && notes.empty() && close.empty() && !dial; }
};

class Session {
 public:
  // `plan` outlives the session; it changes only right before Touch. `counters` are shared by all
  // sessions of a speaker. The session starts in IDLE; Tick starts it.
  Session(SessionConfig config, const link::PlanState* plan, Random* random, Counters* counters);

  // ---- configuration ----
  // True when the session is ESTABLISHED and `config` differs in what our OPEN says, in whom we
  // expect, in the password, or in TCP-AO keys that do not roll over: it would have to go down.
  bool NeedsReset(const SessionConfig& config) const;
  // Takes all of `config`, with a reset (Cease, Other Configuration Change) where it needs one.
  void Configure(const SessionConfig& config, absl::Duration now);
  // Takes what acts live and leaves the rest as it is.
  void ConfigureLive(const SessionConfig& config, absl::Duration now);
  // Ends connections with Cease, Other Configuration Change, and begins anew.
  void Reset(absl::string_view what, absl::Duration now);
  // The plan changed; `prefixes` as RouteIndex::Update returned them.
  void Touch(const link::PlanChanges& changes, std::span<const IpPrefix> prefixes);
  // Ends the session with this Cease; it stays IDLE. The peer is to keep no routes.
  void Stop(const Notification& cease);
  // The same for a speaker that will be back: a peer that keeps the routes meanwhile is told
  // nothing, any other one is stopped with `cease`.
  void Suspend(const Notification& cease);
  // What keeps the peer away may be gone: a session that waits dials again now.
  void RetryNow(absl::Duration now);
  // The peer is not where it was dialled last: gives up an attempt to connect and begins anew.
  void DialAnew(absl::Duration now);

  // ---- events ----
  void OnDialling(io::ConnId conn, absl::Duration now);
  // `local`: this end's address.
  void OnConnected(io::ConnId conn, absl::Duration now, const IpAddress& local = {});
  // False: the session must stay down or has no use for the connection; the shell closes it.
  bool OnAccepted(io::ConnId conn, absl::Duration now, const IpAddress& local = {});
  void OnData(io::ConnId conn, std::span<const uint8_t> data, absl::Duration now);
  void OnClosed(io::ConnId conn, const absl::Status& why, absl::Duration now);
  void Tick(absl::Duration now);
  absl::Duration NextWakeup() const;

  // ---- output ----
  SessionOutput TakeOutput();
  // Octets to write next; UPDATEs are built only when nothing else waits. Valid until the next
  // call.
  std::span<const uint8_t> Pending(io::ConnId conn, absl::Duration now);
  // TCP took `octets` of them.
  void OnTaken(io::ConnId conn, size_t octets, absl::Duration now);
  // The connection whose acknowledgements are of interest, if any.
  std::optional<io::ConnId> AwaitsAcknowledgement() const;
  // Its peer has acknowledged `octets` in total. True when on_wire() moved.
  bool OnAcknowledged(uint64_t octets, absl::Duration now);
  absl::Duration NextAcknowledgementPoll() const { return wire_.NextPoll(); }

  // ---- view ----
  SessionState state() const { return state_; }
  const SessionConfig& config() const { return config_; }
  // Connections in use, the attempt to dial included.
  std::vector<io::ConnId> connections() const;
  // Why the session last went down or does not come up; empty: it never failed.
  const std::string& last_error() const { return last_error_; }
  // The connection in OPENCONFIRM or ESTABLISHED that stands for the session; nullptr: none.
  const Connection* confirmed() const;
  const AdjRibOut* rib() const { return rib_.get(); }  // nullptr unless ESTABLISHED
  const std::optional<plan::Generation>& on_wire() const { return wire_.on_wire(); }
  const MessageCounts& sent() const { return sent_; }
  const MessageCounts& received() const { return received_; }
  // "BgpPeer leaf1 (192.168.0.2): what"
  std::string Sentence(absl::string_view what) const;

 private:
  Connection* Find(io::ConnId conn);
  std::unique_ptr<Connection>& Slot(bool dialled) { return dialled ? dialled_ : accepted_; }
  // Of two connections, the one dialled by the end with the larger identifier stays.
  bool DialledStays(const OpenMessage& peer) const;

  void StartOrStop(absl::Duration now);
  bool MayDial() const;
  // Waits grow to connectRetry, or to `ceiling` where that is less.
  void ScheduleRetry(absl::Duration now, absl::Duration ceiling = absl::InfiniteDuration());
  void AbortDial();
  void Open(io::ConnId conn, bool dialled, const IpAddress& local, absl::Duration now);
  void SendOpen(Connection* connection, absl::Duration now);
  void TickConnection(Connection* connection, absl::Duration now);

  void Dispatch(Connection* connection, const Message& message, absl::Duration now);
  void OnOpen(Connection* connection, const Message& message, absl::Duration now);
  void OnConfirm(Connection* connection, absl::Duration now);
  void OnUpdate(Connection* connection, const Message& message, absl::Duration now);
  void OnRefresh(Connection* connection, const Message& message, absl::Duration now);
  void Establish(Connection* connection, absl::Duration now);

  // Ends one connection because of an error of the peer.
  void Fail(Connection* connection, const MessageError& error, Reason reason, absl::Duration now);
  // Ends one connection and goes on with the other, or tries again later.
  void Drop(Connection* connection, const std::optional<Notification>& notification, Reason reason,
            absl::string_view what, absl::Duration now);
  // Takes a connection out of its slot, with `notification` as last words.
  void Close(Connection* connection, const std::optional<Notification>& notification);
  void CloseAll(const Notification& cease);
  // Writes UPDATEs and marks of `connection`, which is ESTABLISHED, into its outbox.
  void Fill(Connection* connection, absl::Duration now);

  // Works out the state; a change is put out.
  void SetState(Reason reason, absl::string_view what);
  static void Count(MessageType type, MessageCounts* counts, MessageCounts* totals);

  SessionConfig config_;
  const link::PlanState* plan_;
  Random* random_;
  Counters* counters_;

  SessionState state_ = SessionState::kIdle;
  bool running_ = false;  // the plan lets it run, and it has been started
  bool stopped_ = false;
  std::optional<io::ConnId> dialling_;
  absl::Duration dial_deadline_;
  std::unique_ptr<Connection> dialled_;
  std::unique_ptr<Connection> accepted_;
  Backoff backoff_;
  absl::Duration retry_at_ = absl::InfiniteDuration();
  absl::Duration established_at_;
  bool was_established_ = false;    // in this process
  std::unique_ptr<AdjRibOut> rib_;  // while ESTABLISHED
  std::optional<Marks> marks_;      // the same
  WireMark wire_;
  MessageCounts sent_;
  MessageCounts received_;
  std::string last_error_;
  SessionOutput output_;
};

}  // namespace openelb::bgp

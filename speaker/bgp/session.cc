// Configuration, timers and output of a session; session_messages.cc has its connections and
// messages.
#include "speaker/bgp/session.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace openelb::bgp {
namespace {

// How long one attempt to connect may take: a lost SYN is better tried anew than waited for.
constexpr absl::Duration kDialTimeout = absl::Seconds(5);
// A peer that has sent no OPEN for this long after connecting is reported.
constexpr absl::Duration kSilence = absl::Seconds(5);
// How much is taken from the Adj-RIB-Out at a time.
constexpr size_t kBurst = size_t{64} * 1024;

// RFC 4271 calls these what OPEN carries or decides; the others are part of the connection.
bool SameSession(const SessionConfig& a, const SessionConfig& b) {
  return OpenTerms(a.peer, a.router_id) == OpenTerms(b.peer, b.router_id) &&
         a.peer.md5_password == b.peer.md5_password &&
         TcpAoRollsOver(a.peer.tcp_ao_keys, b.peer.tcp_ao_keys) &&
         a.peer.update_source == b.peer.update_source;
}

std::string Changes(const SessionConfig& a, const SessionConfig& b) {
  std::string text;
  const auto note = [&](bool same, absl::string_view name) {
    if (!same) absl::StrAppend(&text, text.empty() ? "" : ", ", name);
  };
  const OpenTerms old_terms(a.peer, a.router_id);
  const OpenTerms new_terms(b.peer, b.router_id);
  note(old_terms.local_as == new_terms.local_as, "local AS");
  note(old_terms.remote_as == new_terms.remote_as, "peerAs");
  note(old_terms.router_id == new_terms.router_id, "routerId");
  note(old_terms.hold_time == new_terms.hold_time, "holdTime");
  note(old_terms.families == new_terms.families, "afiSafis");
  note(old_terms.graceful_restart == new_terms.graceful_restart, "gracefulRestart");
  note(a.peer.md5_password == b.peer.md5_password, "authPassword");
  note(TcpAoRollsOver(a.peer.tcp_ao_keys, b.peer.tcp_ao_keys), "authKeys");
  note(a.peer.update_source == b.peer.update_source, "updateSource");
  return text;
}

}  // namespace

absl::string_view SessionStateName(SessionState state) {
  constexpr const char* kNames[] = {"IDLE",     "CONNECT",     "ACTIVE",
                                    "OPENSENT", "OPENCONFIRM", "ESTABLISHED"};
  return kNames[static_cast<size_t>(state)];
}

absl::string_view ReasonName(Reason reason) {
  constexpr const char* kNames[] = {"started",
                                    "dialling",
                                    "connected",
                                    "accepted",
                                    "delay_over",
                                    "open_received",
                                    "confirmed",
                                    "dial_failed",
                                    "connection_closed",
                                    "notification_received",
                                    "hold_timer_expired",
                                    "send_hold_timer_expired",
                                    "bad_message",
                                    "bad_open",
                                    "collision",
                                    "configuration_changed",
                                    "admin_down",
                                    "held_down",
                                    "stopped",
                                    "suspended"};
  static_assert(std::size(kNames) == static_cast<size_t>(Reason::kSuspended) + 1);
  return kNames[static_cast<size_t>(reason)];
}

Session::Session(SessionConfig config, const link::PlanState* plan, Random* random,
                 Counters* counters)
    : config_(std::move(config)), plan_(plan), random_(random), counters_(counters) {}

std::string Session::Sentence(absl::string_view what) const {
  const link::BgpPeer& peer = config_.peer;
  return absl::StrCat("BgpPeer ", peer.name, " (", peer.neighbor.ToString(), "): ", what);
}

// ---- configuration ----

bool Session::NeedsReset(const SessionConfig& config) const {
  return state_ == SessionState::kEstablished && !SameSession(config_, config);
}

void Session::Configure(const SessionConfig& config, absl::Duration now) {
  if (!SameSession(config_, config)) {
    Reset(absl::StrCat("reset to apply ", Changes(config_, config)), now);
    config_.router_id = config.router_id;
    config_.peer.local_as = config.peer.local_as;
    config_.peer.remote_as = config.peer.remote_as;
    config_.peer.hold_time_s = config.peer.hold_time_s;
    config_.peer.md5_password = config.peer.md5_password;
    config_.peer.tcp_ao_keys = config.peer.tcp_ao_keys;
    config_.peer.update_source = config.peer.update_source;
    config_.peer.families = config.peer.families;
    config_.peer.graceful_restart = config.peer.graceful_restart;
  }
  ConfigureLive(config, now);
}

void Session::ConfigureLive(const SessionConfig& config, absl::Duration now) {
  const link::BgpPeer before = config_.peer;
  link::BgpPeer peer = config.peer;
  peer.local_as = before.local_as;
  peer.remote_as = before.remote_as;
  peer.hold_time_s = before.hold_time_s;
  peer.md5_password = before.md5_password;
  if (!TcpAoRollsOver(before.tcp_ao_keys, peer.tcp_ao_keys)) peer.tcp_ao_keys = before.tcp_ao_keys;
  peer.update_source = before.update_source;
  peer.families = before.families;
  peer.graceful_restart = before.graceful_restart;
  for (link::PeerFamily& family : peer.families) {
    for (const link::PeerFamily& changed : config.peer.families) {
      if (changed.family != family.family) continue;
      family.send_max = changed.send_max;
      family.link_local_next_hop = changed.link_local_next_hop;
    }
  }
  config_.peer = std::move(peer);

  if (config_.peer.remote_port != before.remote_port || config_.peer.passive != before.passive ||
      config_.peer.tcp_ao_keys != before.tcp_ao_keys) {
    DialAnew(now);
  }
  for (Connection* connection : {dialled_.get(), accepted_.get()}) {
    if (connection != nullptr && connection->state >= ConnectionState::kOpenConfirm) {
      connection->SetKeepalive(config_.peer.keepalive_s);
      if (connection->keepalive > absl::ZeroDuration()) {
        connection->keepalive_at = std::min(connection->keepalive_at, now + connection->keepalive);
      }
    }
  }
  if (rib_) rib_->SetPolicy(AdjRibOut::Policy(config_.peer));
  StartOrStop(now);
}

void Session::Reset(absl::string_view what, absl::Duration now) {
  if (dialled_ || accepted_) {
    last_error_ = Sentence(what);
    CloseAll({ErrorCode::kCease, cease::kConfigurationChange});
    SetState(Reason::kConfigurationChanged, what);
  }
  AbortDial();
  backoff_.Reset();
  retry_at_ = now;
}

void Session::Touch(const link::PlanChanges& changes, std::span<const IpPrefix> prefixes) {
  if (rib_) rib_->Touch(changes, prefixes);
}

void Session::Stop(const Notification& cease) {
  stopped_ = true;
  running_ = false;
  CloseAll(cease);
  SetState(Reason::kStopped, "stopped");
}

void Session::Suspend(const Notification& cease) {
  Connection* connection = Find(confirmed() == nullptr ? io::ConnId{} : confirmed()->conn);
  if (state_ != SessionState::kEstablished || !connection->negotiated.keeps_routes) {
    return Stop(cease);
  }
  stopped_ = true;
  running_ = false;
  Close(connection, std::nullopt);
  CloseAll(cease);
  SetState(Reason::kSuspended, "suspended: the peer keeps the routes for the restart time");
}

void Session::StartOrStop(absl::Duration now) {
  const bool may_run = !stopped_ && !config_.peer.admin_down && config_.peer.held_down.empty();
  if (may_run && !running_) {
    running_ = true;
    last_error_.clear();
    backoff_.Reset();
    retry_at_ = now;
    SetState(Reason::kStarted, "started");
  } else if (!may_run && !stopped_) {
    running_ = false;
    const bool admin = config_.peer.admin_down;
    const std::string what =
        admin ? "administratively down" : absl::StrCat("held down: ", config_.peer.held_down);
    last_error_ = Sentence(what);
    CloseAll(ShutdownNotification(
        admin ? absl::StrCat("BgpPeer ", config_.peer.name, ": adminDown is set") : what));
    SetState(admin ? Reason::kAdminDown : Reason::kHeldDown, what);
  }
}

void Session::DialAnew(absl::Duration now) {
  AbortDial();
  backoff_.Reset();
  retry_at_ = now;
  SetState(Reason::kConfigurationChanged, "connects anew");
}

void Session::RetryNow(absl::Duration now) {
  if (retry_at_ == absl::InfiniteDuration()) return;
  backoff_.Reset();
  retry_at_ = now;
}

// ---- timers ----

bool Session::MayDial() const {
  return running_ && !config_.peer.passive && !dialling_.has_value() && dialled_ == nullptr &&
         confirmed() == nullptr;
}

void Session::OnDialling(io::ConnId conn, absl::Duration now) {
  dialling_ = conn;
  dial_deadline_ = now + kDialTimeout;
  SetState(Reason::kDialling, "connecting");
}

void Session::ScheduleRetry(absl::Duration now, absl::Duration ceiling) {
  const absl::Duration connect_retry = absl::Seconds(std::max(1u, config_.peer.connect_retry_s));
  retry_at_ = now + backoff_.Next(std::min(connect_retry, ceiling), random_);
}

void Session::Tick(absl::Duration now) {
  if (!running_) StartOrStop(now);
  for (bool dialled : {true, false}) {
    if (Connection* connection = Slot(dialled).get()) TickConnection(connection, now);
  }
  if (dialling_.has_value() && now >= dial_deadline_) {
    AbortDial();
    const std::string what = absl::StrCat("no answer from port ", config_.peer.remote_port,
                                          " within ", absl::FormatDuration(kDialTimeout));
    last_error_ = Sentence(what);
    ScheduleRetry(now);
    SetState(Reason::kDialFailed, what);
  }
  if (marks_.has_value()) marks_->Tick(now);
  if (now >= retry_at_ && MayDial()) {
    retry_at_ = absl::InfiniteDuration();
    output_.dial = true;
  }
}

void Session::TickConnection(Connection* connection, absl::Duration now) {
  if (now >= connection->open_at) {
    SendOpen(connection, now);
    return SetState(Reason::kDelayOver, "the peer has sent no OPEN within delayOpenTime");
  }
  if (now >= connection->hold_deadline) {
    if (connection->state != ConnectionState::kOpenSent) {
      Fail(
          connection,
          {{ErrorCode::kHoldTimer, 0},
           absl::StrCat("nothing came from the peer for ", connection->negotiated.hold_time, " s")},
          Reason::kHoldTimerExpired, now);
    } else if (confirmed() != nullptr) {
      Close(connection, Notification{ErrorCode::kCease, cease::kCollision});
    } else {
      Fail(connection,
           {{ErrorCode::kHoldTimer, 0},
            absl::StrCat("connected, but the peer sent no OPEN for ",
                         absl::FormatDuration(kOpenHoldTime))},
           Reason::kHoldTimerExpired, now);
    }
    return;
  }
  if (now >= connection->send_hold_deadline) {
    return Fail(connection,
                {{ErrorCode::kSendHoldTimer, 0},
                 absl::StrCat("the peer has taken nothing of what waits for it for ",
                              absl::FormatDuration(kSendHoldTime), " or longer")},
                Reason::kSendHoldTimerExpired, now);
  }
  if (connection->KeepAlive(now, random_)) Count(MessageType::kKeepalive, &sent_, &counters_->sent);
  if (connection->state == ConnectionState::kOpenSent && !connection->silence_reported &&
      now >= connection->opened + kSilence) {
    connection->silence_reported = true;
    if (confirmed() != nullptr) return;
    last_error_ = Sentence(absl::StrCat("connected, but the peer has sent no OPEN for ",
                                        absl::FormatDuration(kSilence)));
    output_.notes.push_back(last_error_);
  }
}

absl::Duration Session::NextWakeup() const {
  absl::Duration next = MayDial() ? retry_at_ : absl::InfiniteDuration();
  if (dialling_.has_value()) next = std::min(next, dial_deadline_);
  if (marks_.has_value()) next = std::min(next, marks_->NextWakeup());
  for (const Connection* connection : {dialled_.get(), accepted_.get()}) {
    if (connection == nullptr) continue;
    next = std::min(next, connection->NextTimer());
    if (connection->state == ConnectionState::kOpenSent && !connection->silence_reported) {
      next = std::min(next, connection->opened + kSilence);
    }
  }
  return next;
}

// ---- output ----

void Session::SetState(Reason reason, absl::string_view what) {
  SessionState state = running_ ? SessionState::kActive : SessionState::kIdle;
  if (dialling_.has_value()) state = SessionState::kConnect;
  if (dialled_ != nullptr) state = SessionState::kConnect;
  for (const Connection* connection : {dialled_.get(), accepted_.get()}) {
    if (connection == nullptr || connection->state == ConnectionState::kDelayed) continue;
    state = std::max(state, static_cast<SessionState>(static_cast<int>(SessionState::kActive) +
                                                      static_cast<int>(connection->state)));
  }
  if (state == state_) return;
  output_.transitions.push_back({state_, state, reason, Sentence(what)});
  ++counters_->transitions[{std::string(SessionStateName(state)), std::string(ReasonName(reason))}];
  state_ = state;
}

SessionOutput Session::TakeOutput() { return std::exchange(output_, SessionOutput()); }

std::span<const uint8_t> Session::Pending(io::ConnId conn, absl::Duration now) {
  Connection* connection = Find(conn);
  if (connection == nullptr) return {};
  if (connection->outbox.empty() && connection->state == ConnectionState::kEstablished) {
    Fill(connection, now);
    if (connection->outbox.empty()) {
      wire_.OnTaken(plan_->generation, connection->outbox.taken(), now);
    }
  }
  return connection->outbox.pending();
}

void Session::Fill(Connection* connection, absl::Duration now) {
  uint64_t updates = rib_->updates();
  uint64_t refreshes = 0;
  const uint64_t withdrawn = rib_->withdrawn();
  Bytes* out = connection->outbox.tail();
  do {
    rib_->Fill(kBurst, out);
    if (!rib_->idle()) break;
    const Marks::Said said = marks_->OnIdle(now, out);
    for (Family family : said.again) rib_->Resend(family);
    updates -= said.updates;
    refreshes += said.refreshes;
  } while (out->empty() && !rib_->idle());
  for (MessageCounts* counts : {&sent_, &counters_->sent}) {
    counts->update += rib_->updates() - updates;
    counts->refresh += refreshes;
    counts->withdrawn_prefixes += rib_->withdrawn() - withdrawn;
  }
}

void Session::OnTaken(io::ConnId conn, size_t octets, absl::Duration now) {
  if (Connection* connection = Find(conn)) connection->Take(octets, now);
}

std::optional<io::ConnId> Session::AwaitsAcknowledgement() const {
  if (!wire_.waiting() || rib_ == nullptr) return std::nullopt;
  return confirmed()->conn;
}

bool Session::OnAcknowledged(uint64_t octets, absl::Duration now) {
  return wire_.OnAcknowledged(octets, now);
}

// ---- view ----

std::vector<io::ConnId> Session::connections() const {
  std::vector<io::ConnId> conns;
  if (dialling_.has_value()) conns.push_back(*dialling_);
  if (dialled_) conns.push_back(dialled_->conn);
  if (accepted_) conns.push_back(accepted_->conn);
  return conns;
}

const Connection* Session::confirmed() const {
  const Connection* best = nullptr;
  for (const Connection* connection : {dialled_.get(), accepted_.get()}) {
    if (connection == nullptr || connection->state < ConnectionState::kOpenConfirm) continue;
    if (best == nullptr || connection->state > best->state) best = connection;
  }
  return best;
}

}  // namespace openelb::bgp

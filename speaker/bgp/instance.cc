#include "speaker/bgp/instance.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "speaker/bgp/update_source.h"

namespace openelb::bgp {
namespace {

// A session that is reset to apply a change gets that long before the next one's turn.
constexpr absl::Duration kResetPatience = absl::Seconds(30);
// How long resets wait for a controller's word.
constexpr absl::Duration kTurnPatience = absl::Minutes(2);
// Stands for an attempt to connect that ended before there was a socket.
constexpr io::ConnId kNoConnection = 0;

bool Failed(Reason reason) {
  switch (reason) {
    case Reason::kDialFailed:
    case Reason::kConnectionClosed:
    case Reason::kNotificationReceived:
    case Reason::kHoldTimerExpired:
    case Reason::kSendHoldTimerExpired:
    case Reason::kBadMessage:
    case Reason::kBadOpen:
      return true;
    default:
      return false;
  }
}

io::TcpAuth AuthOf(const link::BgpPeer& peer) { return {peer.md5_password, peer.tcp_ao_keys}; }

}  // namespace

Instance::Instance(io::Io* io, const Clock* clock, Random* random, Logger* logger,
                   Observer* observer)
    : io_(io),
      clock_(clock),
      random_(random),
      logger_(logger),
      observer_(observer),
      listeners_(io, random, logger) {}

Instance::~Instance() = default;

Instance::Peer::Peer(SessionConfig config, const link::PlanState* plan, Random* random,
                     Counters* counters)
    : session(std::move(config), plan, random, counters) {}

// ---- plans ----

void Instance::Apply(const link::PlanState& plan, const link::PlanChanges& changes) {
  const bool all = plan_ == nullptr || changes.instance;
  plan_ = &plan;
  const std::vector<IpPrefix> touched = index_.Update(plan, changes);
  for (const auto& [address, peer] : peers_) peer->session.Touch(changes, touched);

  if (all) listeners_.Configure(plan.instance, now());
  std::set<Neighbor> neighbors = changes.peers;
  if (all) {
    for (const auto& [neighbor, peer] : plan.peers) neighbors.insert(neighbor);
    for (const auto& [neighbor, peer] : peers_) neighbors.insert(neighbor);
  }
  for (const Neighbor& neighbor : neighbors) {
    if (plan.instance.has_value() && plan.peers.contains(neighbor)) {
      ApplyPeer(neighbor);
    } else {
      RemovePeer(neighbor);
    }
  }
  AdvanceResets();
  for (const auto& [address, peer] : peers_) Pump(peer.get());
  Notify();
}

void Instance::ApplyPeer(const Neighbor& neighbor) {
  const SessionConfig config{plan_->peers.at(neighbor), plan_->instance->router_id,
                             forwarding_kept_};
  std::unique_ptr<Peer>& peer = peers_[neighbor];
  const bool added = peer == nullptr;
  if (added) peer = std::make_unique<Peer>(config, plan_, random_, &counters_);
  if (peer->address().has_value()) SetAuth(*peer->address(), AuthOf(config.peer));
  if (added) {
    peer->down_since = clock_->Wall();
    peer->session.Tick(now());
    changed_.insert(neighbor);
    return;
  }
  Session& session = peer->session;
  if (session.config() == config) return;
  if (session.config().peer.ttl != config.peer.ttl ||
      session.config().peer.min_ttl != config.peer.min_ttl) {
    for (io::ConnId conn : session.connections()) {
      // An error leaves the old value; packets that do not arrive show as a lost session.
      (void)io_->SetTtl(conn, config.peer.ttl, config.peer.min_ttl);
    }
  }
  const TcpAoKeys keys = session.config().peer.tcp_ao_keys;
  if (session.NeedsReset(config)) {
    session.ConfigureLive(config, now());
    if (std::find(resets_.begin(), resets_.end(), neighbor) == resets_.end()) {
      resets_.push_back(neighbor);
    }
  } else {
    session.Configure(config, now());
  }
  RollOver(peer.get(), keys);
  session.Tick(now());
  changed_.insert(neighbor);
}

void Instance::RemovePeer(const Neighbor& neighbor) {
  const auto peer = peers_.find(neighbor);
  if (peer == peers_.end()) return;
  if (peer->second->address().has_value()) SetAuth(*peer->second->address(), {});
  peer->second->session.Stop({ErrorCode::kCease, cease::kPeerDeconfigured});
  Pump(peer->second.get());
  peers_.erase(peer);
  changed_.insert(neighbor);
}

void Instance::SetAuth(const IpAddress& address, const io::TcpAuth& auth) {
  const auto known = auth_.find(address);
  if (known == auth_.end() ? auth.empty()
                           : known->second.auth == auth && known->second.problem.empty()) {
    return;
  }
  const absl::Status status = io_->SetListenerAuth(address, auth);
  if (auth.empty()) {
    auth_.erase(address);
  } else {
    auth_[address] = {auth, status.ok() ? "" : std::string(status.message())};
    if (!status.ok()) {
      logger_->Damped(absl::StrCat("bgp auth ", address.ToString()),
                      "BGP password or keys for inbound connections refused", status.message(),
                      {{"address", address.ToString()}});
    }
  }
}

// What the kernel did not take costs a session that is up nothing, unless a key was to go.
void Instance::RollOver(Peer* peer, const TcpAoKeys& before) {
  Session& session = peer->session;
  const TcpAoKeys& keys = session.config().peer.tcp_ao_keys;
  if (keys == before) return;
  for (const io::ConnId conn : session.connections()) {
    const absl::Status status = io_->SetAoKeys(conn, keys);
    if (status.ok()) continue;
    logger_->Damped(absl::StrCat("bgp keys ", peer->neighbor().ToString()),
                    "BGP keys of a connection cannot be changed", status.message(),
                    {{"peer", session.config().peer.name}});
    if (TcpAoKeysBesides(before, keys).empty()) continue;
    return session.Reset(absl::StrCat("reset to apply authKeys: ", status.message()), now());
  }
}

void Instance::SetResetTurn(bool turn) {
  if (turn == reset_turn_) return;
  reset_turn_ = turn;
  AdvanceResets();
  Notify();
}

void Instance::AdvanceResets() {
  for (;;) {
    if (resetting_.has_value()) {
      const auto peer = peers_.find(resetting_->peer);
      const bool waits =
          peer != peers_.end() && peer->second->session.state() != SessionState::kEstablished &&
          peer->second->session.state() != SessionState::kIdle && now() < resetting_->deadline;
      if (waits) return;
      resetting_.reset();
    }
    if (resets_.empty()) {
      turn_deadline_ = absl::InfiniteDuration();
      return;
    }
    if (!reset_turn_ && now() < turn_deadline_) {
      turn_deadline_ = std::min(turn_deadline_, now() + kTurnPatience);
      return;
    }
    const Neighbor neighbor = resets_.front();
    resets_.pop_front();
    const auto peer = peers_.find(neighbor);
    if (peer == peers_.end()) continue;
    Session& session = peer->second->session;
    const SessionConfig config{plan_->peers.at(neighbor), plan_->instance->router_id,
                               forwarding_kept_};
    if (session.NeedsReset(config)) resetting_ = Resetting{neighbor, now() + kResetPatience};
    session.Configure(config, now());
    session.Tick(now());
    Pump(peer->second.get());
  }
}

bool Instance::Drain() {
  // A session that goes down now takes its routes along at once.
  resets_.clear();
  resetting_.reset();
  bool heard = false;
  for (const auto& [neighbor, peer] : peers_) {
    SessionConfig config = peer->session.config();
    config.peer.attributes.graceful_shutdown = true;
    peer->session.Configure(config, now());
    heard |= peer->session.rib() != nullptr && peer->session.rib()->paths() > 0;
    Pump(peer.get());
  }
  Notify();
  return heard;
}

void Instance::Stop(StopFor what) {
  listeners_.Configure(std::nullopt, now());
  for (const auto& [address, peer] : peers_) {
    if (what == StopFor::kRestart) {
      peer->session.Suspend(ShutdownNotification("the speaker restarts"));
    } else {
      peer->session.Stop(ShutdownNotification("the speaker leaves"));
    }
    Pump(peer.get());
    if (peer->address().has_value()) SetAuth(*peer->address(), {});
  }
  peers_.clear();
  resets_.clear();
  resetting_.reset();
  plan_ = nullptr;
  Notify();
}

// ---- sessions ----

void Instance::Pump(Peer* peer) {
  Session& session = peer->session;
  for (SessionOutput output = session.TakeOutput(); !output.empty();
       output = session.TakeOutput()) {
    Report(peer, output);
    for (const SessionOutput::Close& close : output.close) {
      if (!close.last_words.empty()) io_->Write(close.conn, close.last_words);
      io_->Close(close.conn);
      conns_.erase(close.conn);
    }
    if (output.dial) Dial(peer);
  }
  Flush(peer);
}

absl::StatusOr<std::optional<IpAddress>> Instance::Source(const link::BgpPeer& config) const {
  if (config.update_source.empty()) return std::nullopt;
  return UpdateSource(config, io_->OwnAddresses());
}

void Instance::Dial(Peer* peer) {
  Session& session = peer->session;
  const link::BgpPeer& config = session.config().peer;
  const std::optional<IpAddress> remote = peer->address();
  auto source = Source(config);
  if (!remote.has_value()) {
    source = absl::UnavailableError(
        absl::StrCat("no router has advertised itself on interface ", config.neighbor.interface));
  }
  if (!source.ok()) {
    session.OnDialling(kNoConnection, now());
    session.OnClosed(kNoConnection, source.status(), now());
    return;
  }
  const io::ConnId conn = io_->Dial({.remote = *remote,
                                     .port = config.remote_port,
                                     .auth = AuthOf(config),
                                     .ttl = config.ttl,
                                     .min_ttl = config.min_ttl,
                                     .source = *source,
                                     .interface = config.neighbor.interface});
  conns_[conn] = config.neighbor;
  session.OnDialling(conn, now());
}

void Instance::Flush(Peer* peer) {
  Session& session = peer->session;
  for (io::ConnId conn : session.connections()) {
    for (;;) {
      const std::span<const uint8_t> pending = session.Pending(conn, now());
      if (pending.empty()) break;
      const size_t size = pending.size();
      const size_t taken = io_->Write(conn, pending);
      session.OnTaken(conn, taken, now());
      if (taken < size) break;
    }
  }
  if (session.rib() != nullptr) {
    for (const auto& [group, problem] : session.rib()->problems()) {
      logger_->Damped(absl::StrCat("bgp ", peer->neighbor().ToString(), " group ", group),
                      "BGP routes cannot be announced", session.Sentence(problem));
    }
  }
  if (const std::optional<io::ConnId> conn = session.AwaitsAcknowledgement()) {
    if (session.OnAcknowledged(io_->Acknowledged(*conn), now())) advanced_.insert(peer->neighbor());
  }
}

void Instance::Report(Peer* peer, const SessionOutput& output) {
  const std::string address = peer->neighbor().ToString();
  const std::string& name = peer->session.config().peer.name;
  const std::string key = absl::StrCat("bgp ", address);
  for (const SessionOutput::Transition& transition : output.transitions) {
    const Logger::Fields fields = {{"peer", name},
                                   {"address", address},
                                   {"state", SessionStateName(transition.to)},
                                   {"reason", ReasonName(transition.reason)},
                                   {"why", transition.text}};
    if (transition.to == SessionState::kEstablished) {
      peer->up_since = clock_->Wall();
      logger_->Recovered(key, "BGP session recovers", {{"peer", name}, {"address", address}});
      logger_->Info("BGP session up", fields);
    } else if (transition.from == SessionState::kEstablished) {
      peer->down_since = clock_->Wall();
      logger_->Warning("BGP session down", fields);
    } else if (Failed(transition.reason)) {
      logger_->Damped(key, "BGP session does not come up", transition.text,
                      {{"peer", name}, {"address", address}});
    } else {
      logger_->Debug("BGP session", fields);
    }
    changed_.insert(peer->neighbor());
  }
  for (const std::string& note : output.notes) {
    logger_->Damped(absl::StrCat(key, " note"), "BGP session", note,
                    {{"peer", name}, {"address", address}});
    changed_.insert(peer->neighbor());
  }
}

void Instance::Tick() {
  for (const auto& [address, peer] : peers_) {
    peer->session.Tick(now());
    Pump(peer.get());
  }
  AdvanceResets();
  listeners_.Tick(now());
  Notify();
}

absl::Duration Instance::NextWakeup() const {
  absl::Duration next = listeners_.NextWakeup();
  for (const auto& [address, peer] : peers_) {
    next = std::min({next, peer->session.NextWakeup(), peer->session.NextAcknowledgementPoll()});
  }
  if (resetting_.has_value()) next = std::min(next, resetting_->deadline);
  if (!resetting_.has_value() && !resets_.empty()) next = std::min(next, turn_deadline_);
  return next;
}

void Instance::Notify() {
  const std::set<Neighbor> changed = std::exchange(changed_, {});
  const std::set<Neighbor> advanced = std::exchange(advanced_, {});
  for (const Neighbor& peer : changed) observer_->OnSessionChanged(peer);
  for (const Neighbor& peer : advanced) observer_->OnWireAdvanced(peer);
}

// ---- events ----

Instance::Peer* Instance::Find(io::ConnId conn) {
  const auto neighbor = conns_.find(conn);
  return neighbor == conns_.end() ? nullptr : peers_.at(neighbor->second).get();
}

void Instance::OnConnected(io::ConnId conn, const IpAddress& local) {
  Peer* peer = Find(conn);
  if (peer == nullptr) return;
  peer->session.OnConnected(conn, now(), local);
  Pump(peer);
  Notify();
}

Instance::Peer* Instance::FindCaller(io::ConnId conn, const IpAddress& remote) {
  const bool link_local = remote.is_v6() && remote.IsLinkLocal();
  const std::string interface = link_local ? io_->InterfaceOf(conn) : "";
  auto peer = peers_.find({remote, interface});
  if (peer == peers_.end() && link_local) peer = peers_.find(Neighbor::Unnumbered(interface));
  return peer == peers_.end() ? nullptr : peer->second.get();
}

void Instance::Meet(Peer* peer, const IpAddress& router) {
  if (peer->router == router) return;
  if (peer->router.has_value()) SetAuth(*peer->router, {});
  peer->router = router;
  SetAuth(router, AuthOf(peer->session.config().peer));
}

void Instance::OnRouter(const std::string& interface, const IpAddress& router) {
  const auto found = peers_.find(Neighbor::Unnumbered(interface));
  if (found == peers_.end()) return;
  Peer* peer = found->second.get();
  Session& session = peer->session;
  if (peer->router == router || session.state() == SessionState::kEstablished) return;
  Meet(peer, router);
  session.DialAnew(now());
  session.Tick(now());
  Pump(peer);
  Notify();
}

std::string Instance::WrongEnd(const IpAddress& local, const link::BgpPeer& config) const {
  const auto source = Source(config);
  if (!source.ok()) return std::string(source.status().message());
  if (!source->has_value() || **source == local) return "";
  return absl::StrCat("the peer connected to ", local.ToString(), ", not to updateSource \"",
                      config.update_source, "\"");
}

std::string Instance::Unprotected(io::ConnId conn, const IpAddress& remote,
                                  const link::BgpPeer& config) {
  const io::TcpAuth auth = AuthOf(config);
  if (auth.empty()) return "";
  const auto asked = auth_.find(remote);
  if (asked == auth_.end() || asked->second.auth != auth)
    return "the password or keys were not asked for yet when the peer connected";
  if (!asked->second.problem.empty()) return asked->second.problem;
  if (auth.ao_keys.empty()) return "";
  return std::string(io_->SetAoKeys(conn, auth.ao_keys).message());
}

void Instance::OnAccepted(io::ConnId conn, const IpAddress& local, const IpAddress& remote) {
  Peer* peer = FindCaller(conn, remote);
  if (peer == nullptr) {
    return Reject(conn, remote, cease::kConnectionRejected, "no BgpPeer has this address");
  }
  Session& session = peer->session;
  const link::BgpPeer& config = session.config().peer;
  if (const std::string why = WrongEnd(local, config); !why.empty()) {
    return Reject(conn, remote, cease::kConnectionRejected, session.Sentence(why));
  }
  if (const std::string why = Unprotected(conn, remote, config); !why.empty()) {
    return Reject(conn, remote, cease::kConnectionRejected, session.Sentence(why));
  }
  if (!session.OnAccepted(conn, now(), local)) {
    const bool up = session.state() == SessionState::kEstablished;
    return Reject(
        conn, remote, up ? cease::kCollision : cease::kConnectionRejected,
        session.Sentence(up ? "the session is established already" : "the session must stay down"));
  }
  conns_[conn] = config.neighbor;
  if (config.neighbor.unnumbered()) Meet(peer, remote);
  (void)io_->SetTtl(conn, config.ttl, config.min_ttl);
  Pump(peer);
  Notify();
}

void Instance::Reject(io::ConnId conn, const IpAddress& remote, uint8_t cease_subcode,
                      absl::string_view why) {
  const Notification notification{ErrorCode::kCease, cease_subcode};
  Bytes message;
  EncodeNotification(notification, &message);
  io_->Write(conn, message);
  io_->Close(conn);
  ++counters_.rejected_connections;
  ++counters_.notifications_sent[NotificationName(notification)];
  ++counters_.sent.notification;
  logger_->Damped("bgp rejected connections", "BGP connection rejected", why,
                  {{"address", remote.ToString()}});
}

void Instance::OnData(io::ConnId conn, std::span<const uint8_t> data) {
  Peer* peer = Find(conn);
  if (peer == nullptr) return;
  peer->session.OnData(conn, data, now());
  AdvanceResets();
  Pump(peer);
  Notify();
}

void Instance::OnWritable(io::ConnId conn) {
  Peer* peer = Find(conn);
  if (peer == nullptr) return;
  Flush(peer);
  Notify();
}

void Instance::OnClosed(io::ConnId conn, const absl::Status& why) {
  Peer* peer = Find(conn);
  if (peer == nullptr) return;
  conns_.erase(conn);
  peer->session.OnClosed(conn, why, now());
  Pump(peer);
  Notify();
}

void Instance::OnInterfacesChanged() {
  for (const auto& [address, peer] : peers_) {
    peer->session.RetryNow(now());
    peer->session.Tick(now());
    Pump(peer.get());
  }
  Notify();
}

}  // namespace openelb::bgp

#include "speaker/bfd/instance.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"

namespace openelb::bfd {
namespace {

constexpr int kTtl = 255;
// RFC 5881 section 4.
constexpr uint16_t kFirstSourcePort = 49152;
constexpr uint16_t kSourcePorts = 65535 - kFirstSourcePort + 1;
constexpr int kPortAttempts = 3;
// Between attempts to open a socket.
constexpr absl::Duration kRetry = absl::Seconds(1);

// Why a session cannot be as configured; empty: it can.
std::string Check(const PeerConfig& config) {
  if (config.key.interface.empty()) return "interface is empty";
  if (config.local.family() != config.key.peer.family()) {
    return absl::StrCat("local address ", config.local.ToString(), " is not of the peer's family");
  }
  if (config.local == config.key.peer) return "the peer's address is our own";
  return std::string(CheckSessionConfig(config.session).message());
}

}  // namespace

std::string SessionKey::ToString() const {
  return absl::StrCat(peer.ToString(), " on ", interface);
}

Instance::Instance(io::Udp* udp, const Clock* clock, Random* random, Logger* logger,
                   Observer* observer)
    : udp_(udp), clock_(clock), random_(random), logger_(logger), observer_(observer) {}

Instance::~Instance() {
  for (auto& [key, peer] : peers_) CloseSender(&peer);
  for (auto& [link, listener] : listeners_) {
    if (listener.socket.has_value()) udp_->Close(*listener.socket);
  }
}

// ---- configuration ----

std::vector<std::string> Instance::Apply(const std::vector<PeerConfig>& peers) {
  std::vector<std::string> errors;
  std::set<SessionKey> named;
  for (const PeerConfig& config : peers) {
    const bool first = named.insert(config.key).second;
    const std::string error = first ? Check(config) : "is named twice";
    if (!error.empty()) {
      errors.push_back(absl::StrCat("BFD session with ", config.key.ToString(), ": ", error));
      continue;
    }
    auto found = peers_.find(config.key);
    if (found == peers_.end()) {
      const uint32_t discriminator = NewDiscriminator();
      auto [added, unused] =
          peers_.try_emplace(config.key, config, discriminator, random_, clock_->Wall());
      by_discriminator_[discriminator] = &added->second;
      continue;
    }
    Peer* peer = &found->second;
    if (peer->config.local != config.local) CloseSender(peer);
    peer->config = config;
    peer->ends_at = absl::InfiniteDuration();
    peer->session.Configure(config.session, now());
  }
  for (auto& [key, peer] : peers_) {
    if (!named.contains(key)) peer.ends_at = std::min(peer.ends_at, now() + kLinger);
  }
  OpenSockets();
  Tick();
  return errors;
}

uint32_t Instance::NewDiscriminator() {
  uint32_t discriminator = 0;
  do {
    discriminator = static_cast<uint32_t>(random_->Next64());
  } while (discriminator == 0 || by_discriminator_.contains(discriminator));
  return discriminator;
}

void Instance::Stop() {
  for (auto& [key, peer] : peers_) {
    End(&peer);
    CloseSender(&peer);
  }
  peers_.clear();
  by_discriminator_.clear();
  OpenSockets();
  Notify();
}

// ---- time ----

void Instance::Tick() {
  if (retry_at_ <= now()) OpenSockets();
  for (auto& [key, peer] : peers_) {
    peer.session.Tick(now());
    Pump(&peer);
  }
  RemoveEnded();
  Notify();
}

absl::Duration Instance::NextWakeup() const {
  absl::Duration next = retry_at_;
  for (const auto& [key, peer] : peers_) {
    next = std::min({next, peer.session.NextWakeup(), peer.ends_at});
  }
  return next;
}

void Instance::RemoveEnded() {
  bool removed = false;
  for (auto it = peers_.begin(); it != peers_.end();) {
    Peer& peer = it->second;
    const bool lingers = peer.session.state() == State::kUp && peer.ends_at > now();
    if (peer.ends_at == absl::InfiniteDuration() || lingers) {
      ++it;
      continue;
    }
    End(&peer);
    CloseSender(&peer);
    by_discriminator_.erase(peer.session.discriminator());
    it = peers_.erase(it);
    removed = true;
  }
  if (removed) OpenSockets();
}

void Instance::End(Peer* peer) {
  SessionConfig last = peer->config.session;
  last.admin_down = true;
  peer->session.Configure(last, now());
  Pump(peer);
}

// ---- packets ----

void Instance::OnDatagram(const io::Datagram& datagram) {
  const std::optional<Drop> drop = Dispatch(datagram);
  if (drop.has_value()) {
    ++counters_.dropped[static_cast<size_t>(*drop)];
    logger_->Debug("dropped a BFD packet", {{"peer", datagram.remote.ToString()},
                                            {"interface", datagram.interface},
                                            {"reason", DropName(*drop)}});
    return;
  }
  ++counters_.received;
  RemoveEnded();
  Notify();
}

// RFC 5880 6.8.6, in its order.
std::optional<Drop> Instance::Dispatch(const io::Datagram& datagram) {
  if (datagram.ttl != kTtl) return Drop::kTtl;
  Packet packet;
  std::span<const uint8_t> octets;
  std::optional<Drop> drop = DecodePacket(datagram.data, &packet, &octets);
  if (drop.has_value()) return drop;
  Drop unknown{};
  Peer* peer = Find(datagram, packet, &unknown);
  if (peer == nullptr) return unknown;
  drop = peer->session.OnPacket(packet, octets, now());
  Pump(peer);
  return drop;
}

Instance::Peer* Instance::Find(const io::Datagram& datagram, const Packet& packet, Drop* drop) {
  const SessionKey sender{datagram.remote, datagram.interface};
  if (packet.your_discriminator == 0) {
    *drop = Drop::kYourDiscriminatorZero;
    if (packet.state != State::kDown && packet.state != State::kAdminDown) return nullptr;
    *drop = Drop::kUnknownPeer;
    auto found = peers_.find(sender);
    return found == peers_.end() ? nullptr : &found->second;
  }
  *drop = Drop::kUnknownDiscriminator;
  auto found = by_discriminator_.find(packet.your_discriminator);
  if (found == by_discriminator_.end()) return nullptr;
  *drop = Drop::kWrongPeer;
  return found->second->config.key == sender ? found->second : nullptr;
}

void Instance::Pump(Peer* peer) {
  const SessionOutput output = peer->session.TakeOutput();
  const SessionKey& key = peer->config.key;
  for (const Bytes& packet : output.packets) {
    if (!peer->socket.has_value()) {
      ++counters_.send_errors;
      continue;
    }
    const absl::Status sent = udp_->Send(*peer->socket, key.peer, kPort, packet);
    if (sent.ok()) {
      ++counters_.sent;
      if (peer->problem.empty()) continue;
      peer->problem.clear();
      logger_->Recovered(key.ToString(), "sends BFD packets",
                         {{"peer", key.peer.ToString()}, {"interface", key.interface}});
      continue;
    }
    ++counters_.send_errors;
    CloseSender(peer);
    peer->problem = std::string(sent.message());
    logger_->Damped(key.ToString(), "cannot send BFD packets", peer->problem,
                    {{"peer", key.peer.ToString()}, {"interface", key.interface}});
    retry_at_ = std::min(retry_at_, now() + kRetry);
  }
  const bool configured = peer->ends_at == absl::InfiniteDuration();
  for (const Transition& transition : output.transitions) {
    ++counters_.transitions[{std::string(StateName(transition.to)),
                             std::string(ReasonName(transition.reason))}];
    peer->since = clock_->Wall();
    logger_->Info("BFD session changed", {{"peer", key.peer.ToString()},
                                          {"interface", key.interface},
                                          {"from", StateName(transition.from)},
                                          {"to", StateName(transition.to)},
                                          {"reason", ReasonName(transition.reason)}});
    if (configured) changes_.emplace_back(key, transition);
  }
}

void Instance::Notify() {
  for (const auto& [key, transition] : std::exchange(changes_, {})) {
    observer_->OnSessionChanged(key, transition);
  }
}

// ---- sockets ----

Instance::Link Instance::LinkOf(const PeerConfig& config) {
  return {config.key.interface, config.key.peer.family()};
}

void Instance::OnInterfacesChanged() {
  // A sender that is gone shows when it sends.
  for (auto& [link, listener] : listeners_) {
    if (!listener.socket.has_value() || udp_->Lives(*listener.socket)) continue;
    udp_->Close(*listener.socket);
    listener.socket.reset();
  }
  OpenSockets();
}

void Instance::OpenSockets() {
  std::set<Link> links;
  for (const auto& [key, peer] : peers_) links.insert(LinkOf(peer.config));
  std::erase_if(listeners_, [&](const auto& entry) {
    if (links.contains(entry.first)) return false;
    if (entry.second.socket.has_value()) udp_->Close(*entry.second.socket);
    return true;
  });
  bool missing = false;
  for (const Link& link : links) {
    Listener& listener = listeners_[link];
    if (!listener.socket.has_value()) OpenListener(link, &listener);
    missing |= !listener.socket.has_value();
  }
  for (auto& [key, peer] : peers_) {
    if (!peer.socket.has_value()) OpenSender(&peer);
    missing |= !peer.socket.has_value();
  }
  retry_at_ = missing ? now() + kRetry : absl::InfiniteDuration();
}

void Instance::OpenListener(const Link& link, Listener* listener) {
  const auto& [interface, family] = link;
  const absl::StatusOr<io::UdpId> socket =
      udp_->Open({interface, IpAddress::FromOrdinal(family, 0), kPort});
  const std::string key = absl::StrCat("listen ", interface, " ", FamilyName(family));
  if (socket.ok()) {
    listener->socket = *socket;
    listener->problem.clear();
    logger_->Recovered(key, "receives BFD packets", {{"interface", interface}});
    return;
  }
  listener->problem = std::string(socket.status().message());
  logger_->Damped(key, "cannot receive BFD packets", listener->problem, {{"interface", interface}});
}

void Instance::OpenSender(Peer* peer) {
  const SessionKey& key = peer->config.key;
  absl::StatusOr<io::UdpId> socket = absl::UnknownError("");
  for (int attempt = 0; attempt < kPortAttempts && !socket.ok(); ++attempt) {
    const auto port = static_cast<uint16_t>(kFirstSourcePort + random_->Next64() % kSourcePorts);
    socket = udp_->Open({key.interface, peer->config.local, port});
  }
  if (socket.ok()) {
    peer->socket = *socket;  // whether it can send shows when it does
    return;
  }
  peer->problem = std::string(socket.status().message());
  logger_->Damped(key.ToString(), "cannot send BFD packets", peer->problem,
                  {{"peer", key.peer.ToString()}, {"interface", key.interface}});
}

void Instance::CloseSender(Peer* peer) {
  if (peer->socket.has_value()) udp_->Close(*peer->socket);
  peer->socket.reset();
}

// ---- view ----

std::vector<SessionView> Instance::Sessions() const {
  std::vector<SessionView> views;
  for (const auto& [key, peer] : peers_) {
    if (peer.ends_at != absl::InfiniteDuration()) continue;
    const Session& session = peer.session;
    const auto listener = listeners_.find(LinkOf(peer.config));
    const bool deaf = listener != listeners_.end() && !listener->second.problem.empty();
    views.push_back({.key = key,
                     .state = session.state(),
                     .remote_state = session.remote_state(),
                     .diagnostic = session.diagnostic(),
                     .remote_diagnostic = session.remote_diagnostic(),
                     .since = peer.since,
                     .detection_time = session.DetectionTime(),
                     .transmit_interval = session.TransmitInterval(),
                     .problem = deaf ? listener->second.problem : peer.problem});
  }
  return views;
}

}  // namespace openelb::bfd

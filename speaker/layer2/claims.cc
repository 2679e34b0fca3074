#include "speaker/layer2/claims.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"

namespace openelb::layer2 {
namespace {

constexpr int kTtl = 255;
// Between attempts to open a socket.
constexpr absl::Duration kRetry = absl::Seconds(1);

}  // namespace

Claims::Claims(io::Udp* udp, const Clock* clock, Random* random, Logger* logger,
               ClaimsObserver* observer)
    : udp_(udp),
      clock_(clock),
      random_(random),
      logger_(logger),
      observer_(observer),
      life_(RandomNumber()) {
  udp_->SetHandler(this);
}

Claims::~Claims() {
  for (auto& [local, socket] : sockets_) CloseSocket(&socket);
}

void Claims::Apply(const std::map<link::BfdName, link::BfdSession>& peers) {
  std::erase_if(peers_, [&](const auto& entry) { return !peers.contains(entry.first); });
  for (const auto& [name, session] : peers) {
    const bfd::Key key{.secret = session.secret};
    auto entry = peers_.find(name);
    if (entry == peers_.end()) {
      Peer peer{.local = {}, .secrets = bfd::KeyRoll(key, kAcceptOld), .question = RandomNumber()};
      entry = peers_.emplace(name, std::move(peer)).first;
    }
    entry->second.local = {name.interface, session.local};
    entry->second.secrets.Change(key, now());
  }
  OpenSockets();
}

void Claims::OnInterfacesChanged() {
  for (auto& [local, socket] : sockets_) {
    if (socket.has_value() && !udp_->Lives(*socket)) CloseSocket(&socket);
  }
  OpenSockets();
}

void Claims::Tick() {
  if (retry_at_ <= now()) OpenSockets();
}

// ---- datagrams ----

size_t Claims::Send(const link::BfdName& to, std::span<const Claim> claims) {
  const auto peer = peers_.find(to);
  if (peer == peers_.end()) return claims.size();
  size_t sent = 0;
  while (sent < claims.size()) {
    const std::span<const Claim> rest = claims.subspan(sent);
    const size_t count = ClaimsThatFit(rest);
    if (!SendOne(to, peer->second, rest.first(count), peer->second.asked)) break;
    sent += count;
  }
  return sent;
}

bool Claims::SendOne(const link::BfdName& to, const Peer& peer, std::span<const Claim> claims,
                     uint64_t answer) {
  std::optional<io::UdpId>& socket = sockets_[peer.local];
  if (!socket.has_value()) {
    ++counters_.send_errors;
    return true;
  }
  const ClaimStamp stamp{
      .life = life_, .number = ++number_, .question = peer.question, .answer = answer};
  const std::string secret = peer.secrets.Keys(now()).front().secret;
  const absl::Status sent = udp_->Send(
      *socket, to.peer, kPort, EncodeClaims(stamp, claims, {peer.local.second, to.peer}, secret));
  const std::string key = absl::StrCat("claims to ", to.peer.ToString(), " on ", to.interface);
  if (sent.ok()) {
    ++counters_.sent;
    logger_->Recovered(key, "sends claims again", {{"peer", to.peer.ToString()}});
    return true;
  }
  ++counters_.send_errors;
  logger_->Damped(key, "cannot send claims", sent.message(), {{"peer", to.peer.ToString()}});
  if (!absl::IsResourceExhausted(sent)) {
    CloseSocket(&socket);
    retry_at_ = now();
  }
  return false;
}

void Claims::OnDatagram(const io::Datagram& datagram) {
  ClaimMessage message;
  const std::optional<ClaimDrop> drop = Accept(datagram, &message);
  if (drop.has_value()) {
    ++counters_.dropped[static_cast<size_t>(*drop)];
    logger_->Debug("dropped a datagram of claims", {{"peer", datagram.remote.ToString()},
                                                    {"interface", datagram.interface},
                                                    {"reason", ClaimDropName(*drop)}});
    return;
  }
  ++counters_.received;
  const link::BfdName from{datagram.interface, datagram.remote};
  message.claims.empty() ? observer_->OnAsked(from) : observer_->OnClaims(from, message.claims);
}

std::optional<ClaimDrop> Claims::Accept(const io::Datagram& datagram, ClaimMessage* message) {
  if (datagram.ttl != kTtl) return ClaimDrop::kTtl;
  const auto peer = peers_.find({datagram.interface, datagram.remote});
  if (peer == peers_.end()) return ClaimDrop::kUnknownPeer;
  std::vector<std::string> secrets;
  for (const bfd::Key& key : peer->second.secrets.Keys(now())) secrets.push_back(key.secret);
  const ClaimWay way{datagram.remote, peer->second.local.second};
  const std::optional<ClaimDrop> drop = DecodeClaims(datagram.data, way, secrets, message);
  if (drop.has_value()) return drop;
  return CheckStamp(peer->first, message->stamp, &peer->second);
}

std::optional<ClaimDrop> Claims::CheckStamp(const link::BfdName& from, const ClaimStamp& stamp,
                                            Peer* peer) {
  if (stamp.life == peer->life) {
    if (stamp.number <= peer->number) return ClaimDrop::kReplay;
  } else if (stamp.answer == peer->question) {
    peer->life = stamp.life;
    peer->question = RandomNumber();
  } else {
    // What we answer may be the question of one long gone: that makes no difference to others.
    if (peer->ask_at <= now()) {
      peer->ask_at = now() + kAskEvery;
      SendOne(from, *peer, {}, stamp.question);
    }
    return ClaimDrop::kUnproven;
  }
  peer->number = stamp.number;
  peer->asked = stamp.question;
  return std::nullopt;
}

// ---- sockets ----

void Claims::OpenSockets() {
  std::set<Local> locals;
  for (const auto& [name, peer] : peers_) locals.insert(peer.local);
  for (auto& [local, socket] : sockets_) {
    if (!locals.contains(local)) CloseSocket(&socket);
  }
  std::erase_if(sockets_, [&](const auto& entry) { return !locals.contains(entry.first); });
  retry_at_ = absl::InfiniteDuration();
  for (const Local& local : locals) {
    std::optional<io::UdpId>& socket = sockets_[local];
    if (socket.has_value()) continue;
    const auto& [interface, address] = local;
    const absl::StatusOr<io::UdpId> opened = udp_->Open({interface, address, kPort});
    const std::string key = absl::StrCat("claims ", interface, " ", address.ToString());
    if (opened.ok()) {
      socket = *opened;
      logger_->Recovered(key, "exchanges claims", {{"interface", interface}});
      continue;
    }
    retry_at_ = now() + kRetry;
    logger_->Damped(key, "cannot exchange claims", opened.status().message(),
                    {{"interface", interface}});
  }
}

void Claims::CloseSocket(std::optional<io::UdpId>* socket) {
  if (socket->has_value()) udp_->Close(**socket);
  socket->reset();
}

}  // namespace openelb::layer2

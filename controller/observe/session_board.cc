#include "controller/observe/session_board.h"

#include <algorithm>

namespace openelb::observe {
namespace {

using PeersByKey = std::map<std::pair<std::string, std::string>, const plan::v1::PeerObserved*>;

// By BgpPeer name and address.
PeersByKey Index(const plan::v1::Observed& observed) {
  PeersByKey peers;
  for (const auto& peer : observed.peers()) peers[{peer.name(), peer.address()}] = &peer;
  return peers;
}

bool Established(const plan::v1::PeerObserved& peer) {
  return peer.session_state() == "ESTABLISHED";
}

bool AnyEstablished(const plan::v1::Observed& observed) {
  return std::any_of(observed.peers().begin(), observed.peers().end(), Established);
}

// Whether anything but counters and times differs.
bool SameState(const plan::v1::PeerObserved& a, const plan::v1::PeerObserved& b) {
  return a.session_state() == b.session_state() && a.admin_down() == b.admin_down() &&
         a.last_error() == b.last_error() && a.peer_as() == b.peer_as() &&
         a.local_as() == b.local_as() && a.peer_router_id() == b.peer_router_id() &&
         a.negotiated_hold_time_s() == b.negotiated_hold_time_s();
}

bool SameProblem(const plan::v1::Layer2Problem& a, const plan::v1::Layer2Problem& b) {
  return a.address() == b.address() && a.message() == b.message() && a.duplicate() == b.duplicate();
}

absl::Time FromProto(bool present, const google::protobuf::Timestamp& stamp) {
  if (!present) return absl::InfinitePast();
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

network::MessageCounts FromProto(const plan::v1::MessageCounts& counts) {
  return {.notification = counts.notification(),
          .update = counts.update(),
          .open = counts.open(),
          .keepalive = counts.keepalive(),
          .refresh = counts.refresh(),
          .withdraw_prefix = counts.withdrawn_prefixes()};
}

network::NodePeerStatus FromProto(const plan::v1::PeerObserved& peer) {
  return {.neighbor_address = peer.address(),
          .peer_as = peer.peer_as(),
          .local_as = peer.local_as(),
          .router_id = peer.peer_router_id(),
          .session_state = peer.session_state(),
          .admin_down = peer.admin_down(),
          .sent = FromProto(peer.sent()),
          .received = FromProto(peer.received()),
          .keepalive_s = peer.keepalive_s(),
          .negotiated_hold_time_s = peer.negotiated_hold_time_s(),
          .uptime = FromProto(peer.has_up_since(), peer.up_since()),
          .downtime = FromProto(peer.has_down_since(), peer.down_since()),
          .last_error = peer.last_error(),
          .announced_prefixes = peer.announced_prefixes()};
}

}  // namespace

void SessionBoard::MarkDue(const std::string& peer, absl::Duration when) {
  const auto [it, added] = due_.emplace(peer, when);
  if (!added) it->second = std::min(it->second, when);
}

std::vector<SessionChange> SessionBoard::Update(const std::string& node,
                                                const plan::v1::Observed& observed,
                                                absl::Duration now) {
  std::vector<SessionChange> changes;
  const bool first = !nodes_.contains(node);
  const plan::v1::Observed before = nodes_[node];
  if (before.router_id() != observed.router_id() || before.local_as() != observed.local_as()) {
    conf_due_ = true;
  }
  if (!std::ranges::equal(before.problems(), observed.problems())) problems_changed_ = true;
  if (!std::ranges::equal(before.layer2_problems(), observed.layer2_problems(), SameProblem)) {
    problems_changed_ = true;
  }
  if (first || silent_.erase(node) > 0 || AnyEstablished(before) != AnyEstablished(observed))
    ready_changed_ = true;
  const PeersByKey old_peers = Index(before);
  const PeersByKey new_peers = Index(observed);
  for (const auto& [key, peer] : new_peers) {
    const auto old = old_peers.find(key);
    const bool was_up = old != old_peers.end() && Established(*old->second);
    if (was_up != Established(*peer) && !first) {
      changes.push_back({.node = node,
                         .peer = peer->name(),
                         .address = peer->address(),
                         .established = !was_up,
                         .error = peer->last_error()});
    }
    const bool same = old != old_peers.end() && SameState(*old->second, *peer);
    MarkDue(peer->name(), same ? now + kCounterInterval : now);
  }
  for (const auto& [key, peer] : old_peers) {
    if (!new_peers.contains(key)) MarkDue(peer->name(), now);
  }
  nodes_[node] = observed;
  return changes;
}

void SessionBoard::Forget(const std::string& node) {
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return;
  for (const auto& peer : it->second.peers()) MarkDue(peer.name(), absl::ZeroDuration());
  if (it->second.problems_size() > 0) problems_changed_ = true;
  nodes_.erase(it);
  silent_.erase(node);
  conf_due_ = true;
  ready_changed_ = true;
}

void SessionBoard::OnSilent(const std::string& node) {
  if (Heard(node) && silent_.insert(node).second) ready_changed_ = true;
}

std::set<std::string> SessionBoard::TakeDuePeers(absl::Duration now) {
  std::set<std::string> due;
  for (auto it = due_.begin(); it != due_.end();) {
    if (it->second <= now) {
      due.insert(it->first);
      it = due_.erase(it);
    } else {
      ++it;
    }
  }
  return due;
}

bool SessionBoard::TakeConfDue() { return std::exchange(conf_due_, false); }

bool SessionBoard::TakeProblemsChanged() { return std::exchange(problems_changed_, false); }

bool SessionBoard::TakeReadyChanged() { return std::exchange(ready_changed_, false); }

bool SessionBoard::HasSession(absl::string_view node) const {
  const auto it = nodes_.find(node);
  return it != nodes_.end() && AnyEstablished(it->second);
}

std::map<std::string, bool> SessionBoard::Sessions(absl::string_view node) const {
  std::map<std::string, bool> sessions;
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return sessions;
  for (const plan::v1::PeerObserved& peer : it->second.peers()) {
    if (!peer.admin_down()) sessions[peer.address()] = Established(peer);
  }
  return sessions;
}

std::set<std::string> SessionBoard::SessionsDown(absl::string_view node) const {
  std::set<std::string> down;
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return down;
  for (const plan::v1::PeerObserved& peer : it->second.peers()) {
    if (!Established(peer)) down.insert(peer.address());
  }
  return down;
}

std::optional<absl::Duration> SessionBoard::NextDue() const {
  std::optional<absl::Duration> next;
  for (const auto& [peer, when] : due_) next = next ? std::min(*next, when) : when;
  return next;
}

network::BgpPeerStatus SessionBoard::PeerStatus(absl::string_view peer, Counts counts) const {
  network::BgpPeerStatus status;
  for (const auto& [node, observed] : nodes_) {
    if (!counts(node)) continue;
    for (const auto& p : observed.peers()) {
      if (p.name() != peer) continue;
      status.nodes[node] = FromProto(p);
      if (Established(p)) ++status.established;
    }
  }
  return status;
}

network::BgpConfStatus SessionBoard::ConfStatus(Counts counts) const {
  network::BgpConfStatus status;
  for (const auto& [node, observed] : nodes_) {
    if (!counts(node)) continue;
    status.nodes[node] = {.router_id = observed.router_id(), .as = observed.local_as()};
  }
  return status;
}

std::map<std::string, std::vector<std::string>> SessionBoard::Problems() const {
  std::map<std::string, std::vector<std::string>> problems;
  for (const auto& [node, observed] : nodes_) {
    if (observed.problems_size() > 0) {
      problems[node] = {observed.problems().begin(), observed.problems().end()};
    }
  }
  return problems;
}

std::map<std::string, std::map<std::string, plan::v1::Layer2Problem>> SessionBoard::Layer2Problems()
    const {
  std::map<std::string, std::map<std::string, plan::v1::Layer2Problem>> problems;
  for (const auto& [node, observed] : nodes_) {
    for (const auto& problem : observed.layer2_problems())
      problems[problem.address()][node] = problem;
  }
  return problems;
}

uint64_t SessionBoard::OnWire(absl::string_view node, uint64_t epoch) const {
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return 0;
  std::optional<uint64_t> oldest;
  for (const auto& peer : it->second.peers()) {
    if (!Established(peer)) continue;
    const uint64_t counter = peer.on_wire().epoch() == epoch ? peer.on_wire().counter() : 0;
    oldest = std::min(oldest.value_or(counter), counter);
  }
  return oldest.value_or(0);
}

}  // namespace openelb::observe

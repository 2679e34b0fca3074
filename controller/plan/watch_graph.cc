#include "controller/plan/watch_graph.h"

#include <algorithm>

namespace openelb::plan {

const std::vector<std::string>& WatchGraph::Seat(const std::string& address,
                                                 const std::string& owner,
                                                 std::span<const std::string> standing) {
  Remove(address);
  std::vector<std::string>& ranks = ranks_[address];
  ranks = {owner};
  for (const std::string& candidate : standing) {
    if (ranks.size() == kRanks) break;
    if (Fits(ranks, candidate, kMaxSessions)) Join(&ranks, candidate);
  }
  return ranks;
}

const std::vector<std::string>& WatchGraph::Fill(const std::string& address,
                                                 std::span<const std::string> eligible) {
  std::vector<std::string>& ranks = ranks_.at(address);
  const std::string owner = ranks.front();
  // The i-th eligible node after the owner, around the end.
  const auto start = static_cast<size_t>(std::upper_bound(eligible.begin(), eligible.end(), owner) -
                                         eligible.begin());
  const auto after = [&](size_t i) -> const std::string& {
    return eligible[(start + i) % eligible.size()];
  };
  const size_t reach = std::min(kReach, eligible.size());
  while (ranks.size() < kRanks) {
    const size_t most = ranks.size() == 1 ? kMaxSessions : kThirdRankSessions;
    const std::string* best = nullptr;
    uint32_t least = 0;
    for (size_t i = 0; i < reach; ++i) {
      if (!Fits(ranks, after(i), most)) continue;
      const Peer shared = Between(owner, after(i));
      const uint32_t used = ranks.size() == 1 ? shared.inherits : shared.addresses;
      if (best != nullptr && used >= least) continue;
      best = &after(i);
      least = used;
    }
    for (size_t i = reach; i < eligible.size() && best == nullptr; ++i) {
      if (Fits(ranks, after(i), most)) best = &after(i);
    }
    if (best == nullptr) break;
    Join(&ranks, *best);
  }
  return ranks;
}

void WatchGraph::Remove(const std::string& address) {
  const auto found = ranks_.find(address);
  if (found == ranks_.end()) return;
  std::vector<std::string>& ranks = found->second;
  if (ranks.size() > 1) --nodes_[ranks[0]][ranks[1]].inherits;
  for (; ranks.size() > 1; ranks.pop_back()) {
    const std::string& last = ranks.back();
    for (size_t i = 0; i + 1 < ranks.size(); ++i) Disconnect(ranks[i], last);
  }
  ranks_.erase(found);
}

std::vector<std::string> WatchGraph::PeersOf(const std::string& node) const {
  std::vector<std::string> peers;
  if (const Node* found = Find(node); found != nullptr) {
    for (const auto& [name, peer] : *found) peers.push_back(name);
  }
  return peers;
}

bool WatchGraph::Fits(const std::vector<std::string>& ranks, const std::string& candidate,
                      size_t most) const {
  if (std::find(ranks.begin(), ranks.end(), candidate) != ranks.end()) return false;
  const auto degree = [this](const std::string& name) {
    const Node* node = Find(name);
    return node == nullptr ? 0 : node->size();
  };
  size_t fresh = 0;
  for (const std::string& member : ranks) {
    if (Between(candidate, member).addresses > 0) continue;
    if (degree(member) >= most) return false;
    ++fresh;
  }
  return fresh == 0 || degree(candidate) + fresh <= most;
}

void WatchGraph::Join(std::vector<std::string>* ranks, const std::string& candidate) {
  for (const std::string& member : *ranks) {
    if (++nodes_[member][candidate].addresses == 1) ++sessions_;
    ++nodes_[candidate][member].addresses;
  }
  if (ranks->size() == 1) ++nodes_[ranks->front()][candidate].inherits;
  ranks->push_back(candidate);
}

void WatchGraph::Disconnect(const std::string& a, const std::string& b) {
  if (DropEnd(a, b)) --sessions_;
  DropEnd(b, a);
}

bool WatchGraph::DropEnd(const std::string& from, const std::string& to) {
  const auto node = nodes_.find(from);
  const auto peer = node->second.find(to);
  if (--peer->second.addresses > 0) return false;
  node->second.erase(peer);
  if (node->second.empty()) nodes_.erase(node);
  return true;
}

WatchGraph::Peer WatchGraph::Between(const std::string& node, const std::string& peer) const {
  const Node* found = Find(node);
  if (found == nullptr) return {};
  const auto end = found->find(peer);
  return end == found->end() ? Peer{} : end->second;
}

const WatchGraph::Node* WatchGraph::Find(const std::string& name) const {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : &found->second;
}

}  // namespace openelb::plan

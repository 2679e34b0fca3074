#include "controller/push/reset_turns.h"

#include <algorithm>

namespace openelb::push {

void ResetTurns::OnPending(const std::string& node, const std::string& rack, uint32_t pending) {
  if (pending == 0) {
    OnDetached(node);
    return;
  }
  const auto [it, added] = waiting_.try_emplace(node, Waiting{rack, next_order_});
  if (added) ++next_order_;
  if (it->second.rack != rack) {
    OnDetached(node);
    waiting_[node] = {rack, next_order_++};
  }
}

void ResetTurns::OnDetached(const std::string& node) {
  const auto it = waiting_.find(node);
  if (it == waiting_.end()) return;
  if (const auto turn = turns_.find(it->second.rack);
      turn != turns_.end() && turn->second.node == node) {
    turns_.erase(turn);
  }
  waiting_.erase(it);
}

std::set<std::string> ResetTurns::Holders(absl::Duration now) {
  for (auto it = turns_.begin(); it != turns_.end();) {
    if (it->second.until > now) {
      ++it;
      continue;
    }
    // To the end of the queue: it tries again after the others.
    waiting_[it->second.node].order = next_order_++;
    it = turns_.erase(it);
  }
  std::map<std::string, const std::pair<const std::string, Waiting>*> first;  // by rack
  for (const auto& entry : waiting_) {
    auto& chosen = first[entry.second.rack];
    if (chosen == nullptr || entry.second.order < chosen->second.order) chosen = &entry;
  }
  std::set<std::string> holders;
  for (const auto& [rack, entry] : first) {
    const auto [turn, added] = turns_.try_emplace(rack, Turn{entry->first, now + kResetTurn});
    holders.insert(turn->second.node);
  }
  return holders;
}

absl::Duration ResetTurns::NextDue() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [rack, turn] : turns_) next = std::min(next, turn.until);
  return next;
}

}  // namespace openelb::push

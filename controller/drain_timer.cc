#include "controller/drain_timer.h"

#include <algorithm>

namespace openelb {

DrainTimer::Turn DrainTimer::Follow(const std::set<std::string>& draining, absl::Duration now) {
  std::erase_if(until_, [&](const auto& entry) { return !draining.contains(entry.first); });
  Turn turn;
  for (const std::string& node : draining) {
    const auto [entry, begun] = until_.try_emplace(node, now + drain_time_);
    if (begun) turn.begun.insert(node);
    if (entry->second <= now) turn.over.insert(node);
  }
  return turn;
}

absl::Duration DrainTimer::NextDue() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [node, until] : until_) next = std::min(next, until);
  return next;
}

}  // namespace openelb

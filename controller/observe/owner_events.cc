#include "controller/observe/owner_events.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::observe {

bool OwnerEvents::Allow(absl::Duration now) {
  tokens_ = std::min(kBurst, tokens_ + kPerSecond * absl::ToDoubleSeconds(now - refilled_));
  refilled_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

std::vector<ClusterEvent> OwnerEvents::OnMoves(const std::vector<OwnerMove>& moves,
                                               absl::Duration now) {
  std::vector<ClusterEvent> events;
  for (const OwnerMove& move : moves) {
    bool told = true;
    for (const std::string& service : move.services) {
      told = told && Allow(now);
      if (!told) break;
      const std::string planned = move.planned.empty() ? "none" : move.planned;
      events.push_back(
          {.about = ServiceKeyOf(service),
           .reason = "OwnerChanged",
           .message = absl::StrCat(move.address.ToString(), " is answered for by node ", move.owner,
                                   " (planned: ", planned, ")")});
    }
    if (told) continue;
    ++left_out_[move.pool][move.owner];
    due_ = std::min(due_, now + kCollect);
  }
  return events;
}

std::vector<ClusterEvent> OwnerEvents::TakeDue(absl::Duration now) {
  std::vector<ClusterEvent> events;
  if (now < due_) return events;
  due_ = absl::InfiniteDuration();
  for (const auto& [pool, by_node] : left_out_) {
    const auto format = [](std::string* out, const auto& entry) {
      absl::StrAppend(out, entry.second, " are answered for by node ", entry.first);
    };
    events.push_back(
        {.about = {network::Eip::kKind, "", pool},
         .reason = "OwnersChanged",
         .message = absl::StrCat("more addresses changed their owner than Events tell: ",
                                 absl::StrJoin(by_node, ", ", format))});
  }
  left_out_.clear();
  return events;
}

}  // namespace openelb::observe

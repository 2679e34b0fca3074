#include "speaker/layer2/neighbors.h"

#include <algorithm>

namespace openelb::layer2 {
namespace {

void SetUp(Neighbor* neighbor, absl::Duration now) {
  const bool was_away = neighbor->liveness == Liveness::kLost || now - neighbor->since > kNew;
  *neighbor = {Liveness::kUp, now, was_away};
}

}  // namespace

void Neighbors::Apply(const std::map<link::BfdName, link::BfdSession>& planned,
                      absl::Duration now) {
  std::erase_if(neighbors_, [&](const auto& entry) { return !planned.contains(entry.first); });
  for (const auto& [name, session] : planned) {
    neighbors_.try_emplace(name, Neighbor{Liveness::kUnknown, now});
  }
}

bool Neighbors::OnSession(const link::BfdName& name, const bfd::Transition& transition,
                          absl::Duration now) {
  const auto it = neighbors_.find(name);
  if (it == neighbors_.end()) return false;
  const bool was_up = it->second.liveness == Liveness::kUp;
  const bool is_up = transition.to == bfd::State::kUp;
  if (was_up == is_up) return false;
  if (is_up) {
    SetUp(&it->second, now);
  } else if (transition.reason == bfd::Reason::kNeighborAdminDown) {
    it->second = {Liveness::kUnknown, -absl::InfiniteDuration()};
  } else {
    it->second = {Liveness::kLost, now};
  }
  return true;
}

std::vector<link::BfdName> Neighbors::Refresh(const std::vector<bfd::SessionView>& sessions,
                                              absl::Duration now) {
  std::vector<link::BfdName> changed;
  for (const bfd::SessionView& session : sessions) {
    const auto it = neighbors_.find({session.key.interface, session.key.peer});
    if (it == neighbors_.end() || it->second.liveness != Liveness::kUnknown) continue;
    if (session.state != bfd::State::kUp) continue;
    SetUp(&it->second, now);
    changed.push_back(it->first);
  }
  return changed;
}

Neighbor Neighbors::Find(const link::BfdName& name) const {
  const auto it = neighbors_.find(name);
  return it == neighbors_.end() ? Neighbor{Liveness::kUnknown, -absl::InfiniteDuration()}
                                : it->second;
}

bool Neighbors::AnyUnknown() const {
  return std::any_of(neighbors_.begin(), neighbors_.end(),
                     [](const auto& entry) { return entry.second.liveness == Liveness::kUnknown; });
}

}  // namespace openelb::layer2

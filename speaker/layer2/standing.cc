#include "speaker/layer2/standing.h"

#include <algorithm>
#include <tuple>

namespace openelb::layer2 {
namespace {

using Action = Verdict::Action;

// Every other node that is ranked is there, and has told what it answers for.
bool AllHeard(const Standing& standing, const Surroundings& around) {
  const std::vector<link::Layer2Rank>& ranks = standing.planned.ranks;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    if (rank == standing.rank) continue;
    if (!ranks[rank].bfd_peer) return false;
    const Neighbor other =
        around.neighbors.Find({standing.planned.interface, *ranks[rank].bfd_peer});
    if (other.liveness != Liveness::kUp || other.since + kTold > around.now) return false;
  }
  return true;
}

bool GaveUp(const Standing& standing, const IpAddress& peer) {
  const auto said = standing.said.find(peer);
  return said != standing.said.end() && said->second.rank == 0;
}

}  // namespace

Verdict Judge(const Standing& standing, const Surroundings& around) {
  const link::Layer2Address& planned = standing.planned;
  absl::Duration patient_until = -absl::InfiniteDuration();
  bool unknown = false;
  for (size_t rank = 0; rank < standing.rank; ++rank) {
    const std::optional<IpAddress>& peer = planned.ranks[rank].bfd_peer;
    if (!peer) return {Action::kStandBy};  // only the plan can tell
    if (GaveUp(standing, *peer)) continue;
    const Neighbor better = around.neighbors.Find({planned.interface, *peer});
    if (better.liveness == Liveness::kUp) return {Action::kStandBy};
    if (better.liveness == Liveness::kLost) continue;
    unknown = true;
    patient_until =
        std::max(patient_until, better.since + kPatience * static_cast<int>(standing.rank));
  }
  if (Claimant(standing, around.neighbors)) return {Action::kStandBy};
  if (planned.ranks.size() > 1 && !around.frames_pass) return {Action::kAsk};
  if (unknown) return {Action::kAsk, patient_until};
  if (!standing.unsure) return {Action::kAnswer};
  // The plan's owner, and the controller means it: a station that answers is none of the others.
  const bool foreign = standing.station && AllHeard(standing, around);
  const bool alone = planned.ranks.size() == 1;
  if (standing.rank == 0 && around.confirmed && (alone || foreign)) return {Action::kAnswer};
  return {Action::kAsk};
}

bool IsWatched(const Standing& standing, const Neighbors& neighbors) {
  const link::Layer2Address& planned = standing.planned;
  for (size_t rank = 0; rank < standing.rank; ++rank) {
    const std::optional<IpAddress>& peer = planned.ranks[rank].bfd_peer;
    if (!peer || GaveUp(standing, *peer)) continue;
    if (neighbors.Find({planned.interface, *peer}).liveness == Liveness::kUp) return true;
  }
  return Claimant(standing, neighbors).has_value();
}

void Note(const IpAddress& peer, const Claim& claim, Standing* standing) {
  standing->said[peer] = claim;
  if (claim.rank == 0) return;
  for (auto it = standing->said.begin(); it != standing->said.end();) {
    const auto& [other, said] = *it;
    if (other == peer || said.rank == 0) {
      ++it;
    } else if (Outranks(claim, said, peer < other)) {
      it = standing->said.erase(it);
    } else {
      standing->said.erase(peer);
      return;
    }
  }
}

std::optional<IpAddress> Claimant(const Standing& standing, const Neighbors& neighbors) {
  for (const auto& [peer, claim] : standing.said) {
    if (claim.rank == 0) continue;
    const Neighbor neighbor = neighbors.Find({standing.planned.interface, peer});
    if (neighbor.liveness == Liveness::kUp) return peer;
  }
  return std::nullopt;
}

bool Outranks(const Claim& theirs, const Claim& ours, bool they_first) {
  return std::tuple(ours.turn, theirs.rank, !they_first) <
         std::tuple(theirs.turn, ours.rank, they_first);
}

}  // namespace openelb::layer2

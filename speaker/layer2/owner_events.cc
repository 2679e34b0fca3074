// What an owner hears from neighbours, the wire and the clock.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "speaker/layer2/owner.h"

namespace openelb::layer2 {
namespace {

// Between questions about an address that somebody answers for; the next rank asks a little later,
// so that two do not take each other's question for a claim again and again.
constexpr absl::Duration kAskAgain = absl::Seconds(5);
constexpr absl::Duration kAskAgainPerRank = absl::Seconds(1);
// How long after a neighbour is back it is met on the wire, if its claims and ours were lost. By
// then its session is up at both ends.
constexpr absl::Duration kRemindAfter = absl::Milliseconds(500);
// Between looks at sessions that are not up yet.
constexpr absl::Duration kRefresh = absl::Milliseconds(500);
// How long other nodes have to say that the station that was heard is theirs.
constexpr absl::Duration kNameRivalAfter = absl::Seconds(2);

bool FramesPassOver(const io::Interface& interface) { return interface.up && interface.carrier; }

}  // namespace

// ---- neighbours ----

void Owner::OnSessionChanged(const bfd::SessionKey& key, const bfd::Transition& transition) {
  const link::BfdName name{key.interface, key.peer};
  if (neighbors_.OnSession(name, transition, Now())) OnNeighbor(name);
}

void Owner::OnNeighbor(const link::BfdName& name) {
  const Neighbor neighbor = neighbors_.Find(name);
  const bool up = neighbor.liveness == Liveness::kUp;
  if (!up) {
    refresh_at_ = std::min(refresh_at_, Now() + kRefresh);
    if (!leaving_) outbox_.erase(name);  // it is told when it is back
  }
  const auto addresses = of_neighbor_.find(name);
  if (addresses == of_neighbor_.end()) return;
  for (const IpAddress& address : addresses->second) {
    const auto entry = held_.find(address);
    Standing& standing = entry->second.standing;
    // That it gave the address up holds until it is back, that it has it until it is gone. (The
    // claim of one whose session is up may be here before ours is.)
    const auto said = standing.said.find(name.peer);
    if (said != standing.said.end() && up == (said->second.rank == 0)) standing.said.erase(said);
    if (entry->second.state == State::kOwned) {
      if (!up) continue;
      SayClaim(entry, &name);
      if (neighbor.was_away) layer2_.Remind(name.interface, address, kRemindAfter);
      continue;
    }
    ReviewSoon(entry);
  }
}

void Owner::OnClaims(const link::BfdName& from, std::span<const Claim> claims) {
  for (const Claim& claim : claims) OnClaim(from, claim);
}

void Owner::OnAsked(const link::BfdName& from) {
  const auto addresses = of_neighbor_.find(from);
  if (addresses == of_neighbor_.end()) return;
  for (const IpAddress& address : addresses->second) {
    const auto entry = held_.find(address);
    if (entry->second.state == State::kOwned) SayClaim(entry, &from);
  }
}

void Owner::OnClaim(const link::BfdName& from, const Claim& claim) {
  const auto entry = held_.find(claim.address);
  if (entry == held_.end() || entry->second.standing.planned.interface != from.interface) return;
  Held& held = entry->second;
  if (held.state != State::kOwned) {
    Note(from.peer, claim, &held.standing);
    if (claim.rank == 0) held.standing.unsure = false;  // it is known who had it until now
    return Review(entry);
  }
  if (claim.rank == 0) {
    held.standing.said[from.peer] = claim;
    return;
  }
  rivals_.erase(claim.address);  // one of ours: no news for people
  EndProblem(claim.address);
  const bool they_first = from.peer < locals_[from];
  if (!leaving_ && !Outranks(claim, OurClaim(entry), they_first)) {
    held.standing.said.erase(from.peer);  // it will stop, and does not say so
    layer2_.Announce(from.interface, claim.address);
    SayClaim(entry);  // to those who heard the other as well
    return;
  }
  Note(from.peer, claim, &held.standing);
  seams_.log->Info("address left to another node",
                   {{"address", claim.address.ToString()}, {"node", from.peer.ToString()}});
  LetGo(entry);
}

Claim Owner::OurClaim(Entry entry) const {
  const Standing& standing = entry->second.standing;
  const auto rank = static_cast<uint8_t>(std::min<size_t>(standing.rank + 1, UINT8_MAX));
  return {
      .address = entry->first, .turn = standing.planned.turn, .rank = leaving_ ? uint8_t{0} : rank};
}

void Owner::SayClaim(Entry entry, const link::BfdName* to) {
  const link::Layer2Address& planned = entry->second.standing.planned;
  for (const link::Layer2Rank& rank : planned.ranks) {
    if (!rank.bfd_peer || (to != nullptr && to->peer != *rank.bfd_peer)) continue;
    outbox_[{planned.interface, *rank.bfd_peer}].insert(entry->first);
  }
}

void Owner::SendClaims(size_t at_once) {
  if (outbox_.empty() || Now() < send_at_) return;
  for (auto& [to, addresses] : outbox_) {
    std::vector<Claim> claims;
    while (!addresses.empty() && claims.size() < at_once) {
      const auto entry = held_.find(addresses.extract(addresses.begin()).value());
      if (entry == held_.end()) continue;
      if (entry->second.state == State::kOwned || leaving_) claims.push_back(OurClaim(entry));
    }
    const size_t sent = claims_.Send(to, claims);
    // One that is away is told when it is back.
    if (neighbors_.Find(to).liveness != Liveness::kUp) continue;
    for (size_t i = sent; i < claims.size(); ++i) addresses.insert(claims[i].address);
  }
  std::erase_if(outbox_, [](const auto& entry) { return entry.second.empty(); });
  send_at_ = Now() + kClaimsPause;
}

void Owner::SayGoodbye() {
  for (const auto& [address, since] : owned_) SayClaim(held_.find(address));
  send_at_ = Now();
  SendClaims(held_.size());  // nobody may be here for the rest
  goodbye_at_ = owned_.empty() ? absl::InfiniteDuration() : Now() + goodbye_pause_;
  goodbye_pause_ *= 2;
}

// ---- the wire ----

void Owner::OnProbed(const std::string& interface, const ProbeResult& result) {
  const auto entry = held_.find(result.address);
  if (entry == held_.end() || entry->second.state != State::kAsked ||
      entry->second.standing.planned.interface != interface) {
    return;
  }
  if (result.outcome == ProbeOutcome::kFree) return Take(entry);
  OnTaken(entry, result.mac);
}

void Owner::OnTaken(Entry entry, const MacAddress& mac) {
  auto& [address, held] = *entry;
  Standing& standing = held.standing;
  held.state = State::kStandingBy;
  standing.unsure = !IsWatched(standing, neighbors_);
  standing.station = mac;
  const Verdict verdict = Judge(standing, {.neighbors = neighbors_,
                                           .confirmed = confirmed_,
                                           .frames_pass = FramesPass(standing.planned.interface),
                                           .now = Now()});
  if (verdict.action == Verdict::Action::kAnswer) return Take(entry);
  held.ask_again_at = Now() + kAskAgain + kAskAgainPerRank * static_cast<int>(standing.rank);
  Schedule(entry, held.ask_again_at);
  const bool alone = standing.planned.ranks.size() == 1;
  if (standing.rank == 0) {
    rivals_[address] = {mac, Now() + (alone ? absl::ZeroDuration() : kNameRivalAfter)};
  }
}

void Owner::OnConflict(const std::string& interface, const Conflict& conflict) {
  const auto entry = held_.find(conflict.address);
  if (entry == held_.end() || entry->second.state != State::kOwned) return;
  if (conflict.phase == ConflictPhase::kOver) return EndProblem(conflict.address);
  if (leaving_) return LetGo(entry);
  Standing& standing = entry->second.standing;
  if (standing.rank > 0 && MeetsAgain(standing)) return SayClaim(entry);
  if (standing.rank > 0) {
    // The owner that we took for lost, perhaps, whose sessions and claims something drops.
    LetGo(entry);
    standing.unsure = true;
    return Ask(entry);
  }
  // Right or wrong, the last announcement is what neighbours believe; the claims tell who is right.
  layer2_.Announce(interface, conflict.address);
  SayClaim(entry);
  const bool alone = standing.planned.ranks.size() == 1;
  rivals_.try_emplace(conflict.address, Rival{conflict.mac, Now() + (alone ? absl::ZeroDuration()
                                                                           : kNameRivalAfter)});
}

bool Owner::MeetsAgain(const Standing& standing) const {
  const link::Layer2Address& planned = standing.planned;
  return std::any_of(planned.ranks.begin(), planned.ranks.end(), [&](const link::Layer2Rank& rank) {
    if (!rank.bfd_peer) return false;
    const Neighbor other = neighbors_.Find({planned.interface, *rank.bfd_peer});
    return other.liveness == Liveness::kUp && other.was_away && Now() < other.since + kTold;
  });
}

void Owner::NameRivals() {
  for (auto it = rivals_.begin(); it != rivals_.end();) {
    const auto& [address, rival] = *it;
    if (rival.name_at > Now()) {
      ++it;
      continue;
    }
    const Held& held = held_.at(address);
    const std::string& interface = held.standing.planned.interface;
    if (held.state == State::kOwned) {
      SetProblem(address, {.sentence = absl::StrCat("another station, ", rival.mac.ToString(),
                                                    ", answers for it on ", interface),
                           .duplicate = true});
    } else if (!Claimant(held.standing, neighbors_)) {
      SetProblem(address,
                 {.sentence = absl::StrCat("station ", rival.mac.ToString(), " answers for it on ",
                                           interface, "; standing by until it stops"),
                  .duplicate = true});
    }
    it = rivals_.erase(it);
  }
}

// A link that was gone is another place: somebody may have taken over meanwhile.
void Owner::OnInterfacesChanged() {
  claims_.OnInterfacesChanged();
  watch_.OnInterfacesChanged();
  std::map<std::string, bool> before = std::exchange(frames_pass_, {});
  for (const io::Interface& interface : layer2_.Interfaces()) {
    if (!interface.addresses.empty()) frames_pass_[interface.name] = FramesPassOver(interface);
  }
  if (frames_pass_ == before) return;
  changed_ = true;
  for (auto entry = held_.begin(); entry != held_.end(); ++entry) {
    Held& held = entry->second;
    const std::string& interface = held.standing.planned.interface;
    const auto was = before.find(interface);
    if (FramesPass(interface) == (was != before.end() && was->second)) continue;
    if (held.state == State::kFailed) ReviewSoon(entry);
    if (held.standing.planned.ranks.size() == 1) continue;
    held.standing.unsure = true;
    held.standing.said.clear();
    if (held.state == State::kOwned) LetGo(entry);
    ReviewSoon(entry);
  }
}

bool Owner::FramesPass(const std::string& interface) const {
  const auto it = frames_pass_.find(interface);
  return it != frames_pass_.end() && it->second;
}

std::set<std::string> Owner::no_carrier() const {
  std::set<std::string> names;
  for (const auto& [name, passes] : frames_pass_) {
    if (!passes) names.insert(name);
  }
  return names;
}

// ---- time ----

void Owner::Tick() {
  watch_.Tick();
  claims_.Tick();
  layer2_.Tick();
  if (refresh_at_ <= Now()) {
    for (const link::BfdName& name : neighbors_.Refresh(watch_.Sessions(), Now())) {
      OnNeighbor(name);
    }
    refresh_at_ = neighbors_.AnyUnknown() ? Now() + kRefresh : absl::InfiniteDuration();
  }
  ApplyPending();
  for (int i = 0; i < kSlice && !due_.empty() && due_.begin()->first <= Now(); ++i) {
    const auto entry = held_.find(due_.begin()->second);
    Schedule(entry, absl::InfiniteDuration());
    if (entry->second.state == State::kFailed) entry->second.state = State::kStandingBy;
    Review(entry);
  }
  if (!rivals_.empty()) NameRivals();
  if (settled_at_ <= Now()) UpdateTakenOver();
  if (goodbye_at_ <= Now()) SayGoodbye();
  SendClaims();
}

absl::Duration Owner::NextWakeup() const {
  absl::Duration next = std::min({watch_.NextWakeup(), claims_.NextWakeup(), layer2_.NextWakeup(),
                                  refresh_at_, settled_at_, goodbye_at_});
  if (!due_.empty()) next = std::min(next, due_.begin()->first);
  for (const auto& [address, rival] : rivals_) next = std::min(next, rival.name_at);
  if (!outbox_.empty()) next = std::min(next, send_at_);
  if (!pending_.empty()) next = Now();
  return next;
}

void Owner::UpdateTakenOver() {
  settled_at_ = absl::InfiniteDuration();
  std::set<IpAddress> taken;
  for (const auto& [address, since] : owned_) {
    const Held& held = held_.at(address);
    if (held.standing.rank == 0) continue;
    if (held.owned_at + kSettled <= Now()) {
      taken.insert(address);
    } else {
      settled_at_ = std::min(settled_at_, held.owned_at + kSettled);
    }
  }
  if (taken == taken_over_) return;
  taken_over_ = std::move(taken);
  changed_ = true;
}

void Owner::SetProblem(const IpAddress& address, AddressProblem problem) {
  const auto it = problems_.find(address);
  if (it != problems_.end() && it->second == problem) return;
  changed_ = true;
  seams_.log->Warning("address not as planned",
                      {{"address", address.ToString()}, {"error", problem.sentence}});
  problems_[address] = std::move(problem);
}

void Owner::EndProblem(const IpAddress& address) {
  if (problems_.erase(address) == 0) return;
  changed_ = true;
  seams_.log->Info("address is well again", {{"address", address.ToString()}});
}

}  // namespace openelb::layer2

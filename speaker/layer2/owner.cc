#include "speaker/layer2/owner.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "speaker/bfd/key_roll.h"

namespace openelb::layer2 {
namespace {

using Action = Verdict::Action;

constexpr absl::Duration kRetry = absl::Seconds(5);

bfd::PeerConfig ToPeerConfig(const link::BfdName& name, const link::BfdSession& session) {
  return {.key = {name.peer, name.interface},
          .local = session.local,
          .session = {.desired_min_tx = session.desired_min_tx,
                      .required_min_rx = session.required_min_rx,
                      .detect_mult = session.detect_mult,
                      .authentication = bfd::SharedSecret(session.secret)}};
}

}  // namespace

Owner::Owner(OwnerOptions options, Seams seams)
    : options_(std::move(options)),
      seams_(std::move(seams)),
      layer2_(seams_.packets, seams_.clock, seams_.random, this, options_.timing),
      claims_(seams_.claims, seams_.clock, seams_.random, seams_.log, this),
      watch_(seams_.bfd, seams_.clock, seams_.random, seams_.log, this) {
  OnInterfacesChanged();
}

Owner::~Owner() = default;

// ---- the plan ----

void Owner::Apply(const link::PlanState& plan, const link::PlanChanges& changes, bool confirmed) {
  const bool start = !std::exchange(started_, true);
  confirmed_ |= confirmed;
  if (changes.bfd) ApplySessions(plan);
  for (const IpAddress& address : changes.layer2) {
    const auto planned = plan.layer2.find(address);
    Pending& pending = pending_[address];
    pending.planned.reset();
    if (planned != plan.layer2.end()) pending.planned = planned->second;
    pending.start |= start;
    pending.confirmed = confirmed;
  }
}

void Owner::ApplyPending() {
  for (int i = 0; i < kSlice && !pending_.empty(); ++i) {
    const auto next = pending_.extract(pending_.begin());
    ApplyAddress(next.key(), next.mapped());
  }
}

void Owner::ApplySessions(const link::PlanState& plan) {
  std::vector<bfd::PeerConfig> peers;
  locals_.clear();
  for (const auto& [name, session] : plan.bfd) {
    peers.push_back(ToPeerConfig(name, session));
    locals_[name] = session.local;
  }
  neighbors_.Apply(plan.bfd, Now());
  claims_.Apply(plan.bfd);
  watch_.Apply(peers);
  refresh_at_ = neighbors_.AnyUnknown() ? Now() : absl::InfiniteDuration();
}

void Owner::ApplyAddress(const IpAddress& address, const Pending& pending) {
  const link::Layer2Address* planned = pending.planned ? &*pending.planned : nullptr;
  auto entry = held_.find(address);
  size_t rank = 0;
  if (planned != nullptr) {
    const auto ours = std::find_if(planned->ranks.begin(), planned->ranks.end(),
                                   [this](const auto& each) { return each.node == options_.node; });
    if (ours == planned->ranks.end())
      planned = nullptr;
    else
      rank = static_cast<size_t>(ours - planned->ranks.begin());
  }
  if (planned == nullptr) {
    if (entry == held_.end()) return;
    LetGo(entry);
    SetIndexed(entry, false);
    Schedule(entry, absl::InfiniteDuration());
    EndProblem(address);
    held_.erase(entry);
    return;
  }
  const bool added = entry == held_.end();
  if (added) entry = held_.emplace(address, Held{}).first;
  Standing& standing = entry->second.standing;
  const link::Layer2Address before = added ? link::Layer2Address{} : standing.planned;
  const bool moved =
      added || before.turn != planned->turn || before.ranks.front() != planned->ranks.front();
  if (!added && ((moved && rank != 0) || before.interface != planned->interface)) LetGo(entry);
  if (!added) SetIndexed(entry, false);
  standing.planned = *planned;
  standing.rank = rank;
  SetIndexed(entry, true);
  const bool news = pending.confirmed && !pending.start;
  if (!news) standing.unsure |= added;
  if (moved && rank == 0 && news) {
    standing.said.clear();
    standing.unsure = false;
    Take(entry);
  } else {
    Review(entry);
  }
  if (entry->second.state == State::kOwned) settled_at_ = Now();
}

void Owner::SetIndexed(Entry entry, bool indexed) {
  const link::Layer2Address& planned = entry->second.standing.planned;
  for (const link::Layer2Rank& rank : planned.ranks) {
    if (!rank.bfd_peer) continue;
    const link::BfdName name{planned.interface, *rank.bfd_peer};
    if (indexed) {
      of_neighbor_[name].insert(entry->first);
    } else if (const auto it = of_neighbor_.find(name); it != of_neighbor_.end()) {
      it->second.erase(entry->first);
      if (it->second.empty()) of_neighbor_.erase(it);
    }
  }
}

void Owner::Confirm() {
  if (std::exchange(confirmed_, true)) return;
  for (auto entry = held_.begin(); entry != held_.end(); ++entry) ReviewSoon(entry);
}

void Owner::Stop() {
  leaving_ = true;
  pending_.clear();
  for (auto entry = held_.begin(); entry != held_.end(); ++entry) {
    if (entry->second.state == State::kOwned) {
      Schedule(entry, absl::InfiniteDuration());
    } else {
      LetGo(entry);
    }
  }
  SayGoodbye();
  watch_.Stop();
}

// ---- one address ----

void Owner::Review(Entry entry) {
  Held& held = entry->second;
  if (held.state == State::kOwned || leaving_) return;
  Standing& standing = held.standing;
  if (IsWatched(standing, neighbors_)) standing.unsure = false;
  const Verdict verdict = Judge(standing, {.neighbors = neighbors_,
                                           .confirmed = confirmed_,
                                           .frames_pass = FramesPass(standing.planned.interface),
                                           .now = Now()});
  switch (verdict.action) {
    case Action::kAnswer:
      if (!options_.probe_before_claim) return Take(entry);
      return Ask(entry);
    case Action::kAsk:
      if (held.state == State::kStandingBy && verdict.not_before > Now()) {
        return Schedule(entry, verdict.not_before);
      }
      return Ask(entry);
    case Action::kStandBy:
      if (held.state == State::kStandingBy) return;
      LetGo(entry);
      return;
  }
}

void Owner::ReviewSoon(Entry entry) {
  if (entry->second.state != State::kOwned) Schedule(entry, Now());
}

void Owner::Take(Entry entry) {
  auto& [address, held] = *entry;
  if (held.state == State::kOwned) return;
  const std::string& interface = held.standing.planned.interface;
  const absl::Status status = layer2_.Own(interface, address);
  if (!status.ok()) return Fail(entry, status);
  held.state = State::kOwned;
  held.standing.unsure = false;
  held.standing.station.reset();
  rivals_.erase(address);
  Schedule(entry, absl::InfiniteDuration());
  held.owned_at = Now();
  owned_[address] = seams_.clock->Wall();
  changed_ = true;
  if (held.standing.rank > 0) settled_at_ = std::min(settled_at_, Now() + kSettled);
  EndProblem(address);
  SayClaim(entry);
  seams_.log->Info("address owned", {{"address", address.ToString()},
                                     {"interface", interface},
                                     {"rank", held.standing.rank + 1}});
}

void Owner::Ask(Entry entry) {
  auto& [address, held] = *entry;
  if (held.state == State::kAsked) return;
  if (held.ask_again_at > Now()) return Schedule(entry, held.ask_again_at);
  const absl::Status status = layer2_.Probe(held.standing.planned.interface, address);
  if (!status.ok()) return Fail(entry, status);
  held.state = State::kAsked;
  Schedule(entry, absl::InfiniteDuration());
}

void Owner::LetGo(Entry entry) {
  auto& [address, held] = *entry;
  const std::string& interface = held.standing.planned.interface;
  layer2_.Stop(interface, address);
  if (held.state == State::kOwned) {
    owned_.erase(address);
    changed_ = true;
    seams_.log->Info("address no longer owned",
                     {{"address", address.ToString()}, {"interface", interface}});
    if (taken_over_.erase(address) > 0) changed_ = true;
  }
  EndProblem(address);
  rivals_.erase(address);
  held.state = State::kStandingBy;
  Schedule(entry, absl::InfiniteDuration());
}

void Owner::Fail(Entry entry, const absl::Status& status) {
  entry->second.state = State::kFailed;
  Schedule(entry, Now() + kRetry);
  SetProblem(entry->first, {.sentence = std::string(status.message())});
}

void Owner::Schedule(Entry entry, absl::Duration due) {
  Held& held = entry->second;
  due_.erase({held.due, entry->first});
  held.due = due;
  if (due < absl::InfiniteDuration()) due_.insert({due, entry->first});
}

}  // namespace openelb::layer2

#include "speaker/layer2/owner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::layer2 {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(5);

}  // namespace

Owner::Owner(std::string node, io::PacketIo* io, const Clock* clock, Random* random, Logger* log)
    : node_(std::move(node)), clock_(clock), log_(log), layer2_(io, clock, random, this) {}

Owner::~Owner() = default;

void Owner::Apply(const link::PlanState& plan, const std::set<IpAddress>& changed, bool confirmed) {
  for (const IpAddress& address : changed) {
    const auto planned = plan.layer2.find(address);
    const bool ours = planned != plan.layer2.end() && planned->second.ranks.front().node == node_;
    const auto held = held_.find(address);
    if (held != held_.end() && (!ours || held->second.interface != planned->second.interface)) {
      LetGo(address);
    } else if (held != held_.end() && held->second.state == State::kOwned) {
      continue;
    }
    if (ours) Take(address, planned->second.interface, /*probe=*/!confirmed);
  }
}

void Owner::Stop() {
  while (!held_.empty()) LetGo(held_.begin()->first);
}

void Owner::Take(const IpAddress& address, const std::string& interface, bool probe) {
  Held& held = held_[address];
  held.interface = interface;
  const absl::Status status =
      probe ? layer2_.Probe(interface, address) : layer2_.Own(interface, address);
  if (!status.ok()) {
    SetState(&held, State::kFailed);
    held.retry_at = clock_->Monotonic() + kRetry;
    retries_.insert(address);
    return SetProblem(address, std::string(status.message()));
  }
  SetState(&held, probe ? State::kProbed : State::kOwned);
  held.retry_at = absl::InfiniteDuration();
  retries_.erase(address);
  if (probe) return;
  SetProblem(address, "");
  log_->Info("address owned", {{"address", address.ToString()}, {"interface", interface}});
}

void Owner::LetGo(const IpAddress& address) {
  const auto it = held_.find(address);
  layer2_.Stop(it->second.interface, address);
  if (it->second.state == State::kOwned) {
    --owned_;
    log_->Info("address no longer owned",
               {{"address", address.ToString()}, {"interface", it->second.interface}});
  }
  held_.erase(it);
  retries_.erase(address);
  SetProblem(address, "");
}

void Owner::SetState(Held* held, State state) {
  if (held->state == State::kOwned) --owned_;
  held->state = state;
  if (state == State::kOwned) ++owned_;
}

void Owner::SetProblem(const IpAddress& address, std::string sentence) {
  const auto it = problems_.find(address);
  if (it == problems_.end() ? sentence.empty() : it->second == sentence) return;
  problems_changed_ = true;
  if (sentence.empty()) {
    log_->Info("address is well again", {{"address", address.ToString()}});
    problems_.erase(it);
    return;
  }
  log_->Warning("address not as planned", {{"address", address.ToString()}, {"error", sentence}});
  problems_[address] = std::move(sentence);
}

void Owner::OnProbed(const std::string& interface, const ProbeResult& result) {
  const auto it = held_.find(result.address);
  if (it == held_.end() || it->second.state != State::kProbed) return;
  if (result.outcome == ProbeOutcome::kFree) return Take(result.address, interface, false);
  SetState(&it->second, State::kStandingBy);
  it->second.retry_at = clock_->Monotonic() + kRetry;
  retries_.insert(result.address);
  SetProblem(result.address, absl::StrCat("station ", result.mac.ToString(), " answers for it on ",
                                          interface, "; standing by until a controller decides"));
}

void Owner::OnConflict(const std::string& interface, const Conflict& conflict) {
  const auto it = held_.find(conflict.address);
  if (it == held_.end() || it->second.state != State::kOwned) return;
  if (conflict.phase == ConflictPhase::kOver) return SetProblem(conflict.address, "");
  SetProblem(conflict.address, absl::StrCat("another station, ", conflict.mac.ToString(),
                                            ", answers for it on ", interface));
  // The plan made us the owner: the last announcement is what neighbours believe.
  layer2_.Announce(interface, conflict.address);
}

void Owner::OnInterfacesChanged() {
  const absl::Duration now = clock_->Monotonic();
  for (const IpAddress& address : retries_) held_.at(address).retry_at = now;
}

void Owner::Tick() {
  layer2_.Tick();
  const absl::Duration now = clock_->Monotonic();
  for (const IpAddress& address : std::set<IpAddress>(retries_)) {
    const Held& held = held_.at(address);
    if (held.retry_at > now) continue;
    Take(address, held.interface, /*probe=*/held.state == State::kStandingBy);
  }
}

absl::Duration Owner::NextWakeup() const {
  absl::Duration next = layer2_.NextWakeup();
  for (const IpAddress& address : retries_) next = std::min(next, held_.at(address).retry_at);
  return next;
}

}  // namespace openelb::layer2

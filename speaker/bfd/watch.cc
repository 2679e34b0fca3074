#include "speaker/bfd/watch.h"

#include <algorithm>

namespace openelb::bfd {
namespace {

// A list of several keys is rolled by whoever made it.
bool IsRolled(const Authentication& authentication) {
  return authentication.keys.size() == 1 && CheckAuthentication(authentication).ok();
}

}  // namespace

Watch::Watch(io::Udp* udp, const Clock* clock, Random* random, Logger* logger, Observer* observer)
    : clock_(clock), logger_(logger), instance_(udp, clock, random, logger, observer) {
  udp->SetHandler(&instance_);
}

void Watch::Apply(const std::vector<PeerConfig>& peers) {
  peers_ = peers;
  RollKeys();
  Configure();
}

void Watch::Stop() {
  instance_.Stop();
  peers_.clear();
  rolls_.clear();
  next_roll_ = absl::InfiniteDuration();
}

void Watch::Tick() {
  if (next_roll_ <= clock_->Monotonic()) Configure();
  instance_.Tick();
}

absl::Duration Watch::NextWakeup() const { return std::min(next_roll_, instance_.NextWakeup()); }

void Watch::RollKeys() {
  const absl::Duration now = clock_->Monotonic();
  std::set<SessionKey> down;
  for (const SessionView& session : instance_.Sessions()) {
    if (session.state != State::kUp) down.insert(session.key);
  }
  std::erase_if(rolls_, [now](const auto& entry) { return entry.second.ends_at <= now; });
  // A session that left the plan lingers, and may come back with another key.
  for (auto& [key, roll] : rolls_) roll.ends_at = std::min(roll.ends_at, now + Instance::kLinger);
  std::set<SessionKey> named;
  for (const PeerConfig& peer : peers_) {
    const Authentication& authentication = peer.session.authentication;
    if (!named.insert(peer.key).second || !IsRolled(authentication)) continue;
    const Key& newest = authentication.keys.front();
    Roll& roll = rolls_.try_emplace(peer.key, Roll{KeyRoll(newest)}).first->second;
    roll.keys.Change(newest, now, /*at_once=*/down.contains(peer.key));
    roll.ends_at = absl::InfiniteDuration();
  }
}

void Watch::Configure() {
  const absl::Duration now = clock_->Monotonic();
  next_roll_ = absl::InfiniteDuration();
  std::vector<PeerConfig> peers = peers_;
  for (PeerConfig& peer : peers) {
    Authentication* authentication = &peer.session.authentication;
    const auto roll = rolls_.find(peer.key);
    if (roll == rolls_.end() || !IsRolled(*authentication)) continue;
    authentication->keys = roll->second.keys.Keys(now);
    next_roll_ = std::min(next_roll_, roll->second.keys.NextChange(now));
  }
  std::set<std::string> errors;
  for (const std::string& error : instance_.Apply(peers)) {
    if (!errors_.contains(error)) logger_->Error("BFD session refused", {{"error", error}});
    errors.insert(error);
  }
  errors_ = std::move(errors);
}

}  // namespace openelb::bfd

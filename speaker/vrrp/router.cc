#include "speaker/vrrp/router.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::vrrp {
namespace {

// Packets stay within the least MTU of IPv6, 1280; what does not fit is held but not listed.
constexpr size_t kMaxAddresses6 = 77;
constexpr absl::Duration kMillisecond = absl::Milliseconds(1);

size_t MaxListed(Family family) { return family == Family::kV4 ? kMaxAddresses : kMaxAddresses6; }

std::vector<IpAddress> AllAddresses(const RouterConfig& config) {
  if (config.family == Family::kV4) return config.addresses;
  std::vector<IpAddress> all = {VirtualLinkLocal(config.vrid)};
  std::copy_if(config.addresses.begin(), config.addresses.end(), std::back_inserter(all),
               [&](const IpAddress& address) { return address != all.front(); });
  return all;
}

std::span<const IpAddress> Listed(std::span<const IpAddress> all) {
  return all.first(std::min(all.size(), MaxListed(all.front().family())));
}

// Whether it lists what ours does. An older version of ours does not know of the link-local one.
bool SameAddresses(std::span<const IpAddress> ours, const Advertisement& message) {
  const auto& theirs = message.addresses;
  if (IsVirtualLinkLocal(ours.front()) &&
      std::find(theirs.begin(), theirs.end(), ours.front()) == theirs.end()) {
    ours = ours.subspan(1);
  }
  return ours.size() == message.addresses.size() &&
         std::is_permutation(ours.begin(), ours.end(), message.addresses.begin());
}

std::string Describe(const std::optional<IpAddress>& source, int priority) {
  if (!source.has_value()) return "nobody";
  return absl::StrCat(source->ToString(), " (priority ", priority, ")");
}

}  // namespace

IpAddress VirtualLinkLocal(uint8_t vrid) {
  const uint8_t octets[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x6f, 0x65, 0x6c, 0x62, 0, 0, 0, vrid};
  return IpAddress::FromBytes(octets);
}

bool IsVirtualLinkLocal(const IpAddress& address) {
  return address.is_v6() && address == VirtualLinkLocal(address.bytes().back());
}

std::string SentenceOf(const RouterConfig& config, absl::string_view what) {
  return absl::StrCat("VRRP router ", config.name, " (VRID ", config.vrid, ", ",
                      FamilyName(config.family), ", ", config.interface, "): ", what);
}

absl::Status CheckRouterConfig(const RouterConfig& config) {
  const auto wrong = [&](const auto&... what) {
    return absl::InvalidArgumentError(SentenceOf(config, absl::StrCat(what...)));
  };
  if (config.interface.empty()) return wrong("interface is empty");
  if (config.vrid == 0) return wrong("vrid 0, it must be 1..255");
  if (config.version != 3 && !(config.version == 2 && config.family == Family::kV4)) {
    return wrong("version ", config.version, ", it must be 3, or 2 for IPv4");
  }
  if (config.priority == kPriorityRelease || config.priority == kPriorityOwner) {
    return wrong("priority ", int{config.priority}, ", it must be 1..254");
  }
  const absl::Duration step = config.version == 2 ? absl::Seconds(1) : absl::Milliseconds(10);
  const absl::Duration longest = config.version == 2 ? kMaxInterval2 : kMaxInterval3;
  if (config.interval < step || config.interval > longest ||
      config.interval % step != absl::ZeroDuration()) {
    return wrong("interval ", absl::FormatDuration(config.interval), ", it must be ",
                 absl::FormatDuration(step), "..", absl::FormatDuration(longest), " in steps of ",
                 absl::FormatDuration(step));
  }
  if (config.addresses.empty()) return wrong("no address");
  std::set<IpAddress> seen;
  for (const IpAddress& address : config.addresses) {
    if (address.family() != config.family || address.IsUnspecified() || address.IsLoopback() ||
        address.IsMulticast()) {
      return wrong("address ", address.ToString(), " cannot be held by a router of ",
                   FamilyName(config.family));
    }
    if (!seen.insert(address).second) return wrong("address ", address.ToString(), " twice");
  }
  for (const IpAddress& peer : config.unicast_peers) {
    if (peer.family() != config.family || peer.IsUnspecified() || peer.IsMulticast()) {
      return wrong("unicast peer ", peer.ToString(), " is no ", FamilyName(config.family),
                   " address of a host");
    }
  }
  return absl::OkStatus();
}

absl::string_view RouterStateName(RouterState state) {
  switch (state) {
    case RouterState::kInitialize:
      return "INITIALIZE";
    case RouterState::kBackup:
      return "BACKUP";
    case RouterState::kActive:
      return "ACTIVE";
  }
  return "unknown";
}

absl::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kStarted:
      return "started";
    case Reason::kActiveSilent:
      return "active_silent";
    case Reason::kActiveReleased:
      return "active_released";
    case Reason::kHigherPriority:
      return "higher_priority";
    case Reason::kHigherAddress:
      return "higher_address";
    case Reason::kLinkDown:
      return "link_down";
    case Reason::kStopped:
      return "stopped";
  }
  return "unknown";
}

Router::Router(RouterConfig config, Counters* counters)
    : config_(std::move(config)), all_addresses_(AllAddresses(config_)), counters_(counters) {}

// ---- starting, stopping, changing ----

void Router::Start(absl::Duration now) {
  running_ = true;
  StartOrStop(now);
}

void Router::Stop() {
  running_ = false;
  if (state_ == RouterState::kActive) Send(kPriorityRelease);
  BecomeInitialize(Reason::kStopped, "stopped");
}

void Router::SetLink(const std::optional<IpAddress>& primary, absl::Duration now) {
  primary_ = primary;
  StartOrStop(now);
}

void Router::StartOrStop(absl::Duration now) {
  if (!primary_.has_value()) {
    BecomeInitialize(Reason::kLinkDown, "the link is down or has no address to speak from");
  } else if (running_ && state_ == RouterState::kInitialize) {
    heard_.reset();
    learned_interval_.reset();
    released_ = false;
    silent_since_ = now;
    BecomeBackup(Reason::kStarted, "started");
  }
}

void Router::Configure(const RouterConfig& config, absl::Duration now) {
  if (config == config_) return;
  const RouterConfig old = std::exchange(config_, config);
  all_addresses_ = AllAddresses(config_);
  if (state_ != RouterState::kActive) return;
  if (old.addresses != config_.addresses) output_.held_changed = true;
  const std::set<IpAddress> known(old.addresses.begin(), old.addresses.end());
  for (const IpAddress& address : config_.addresses) {
    if (!known.contains(address)) output_.announce.push_back(address);
  }
  SendAndWait(now);
}

// ---- timers ----

absl::Duration Router::ActiveInterval() const {
  return config_.version == 3 ? learned_interval_.value_or(config_.interval) : config_.interval;
}

absl::Duration Router::SkewTime() const {
  const absl::Duration whole = config_.version == 3 ? ActiveInterval() : absl::Seconds(1);
  return whole * (256 - config_.priority) / 256;
}

absl::Duration Router::ActiveDownInterval() const { return 3 * ActiveInterval() + SkewTime(); }

absl::Duration Router::NextWakeup() const {
  switch (state_) {
    case RouterState::kInitialize:
      break;
    case RouterState::kBackup:
      return silent_since_ + (released_ ? SkewTime() : ActiveDownInterval());
    case RouterState::kActive:
      return send_at_;
  }
  return absl::InfiniteDuration();
}

void Router::Tick(absl::Duration now) {
  if (now < NextWakeup()) return;
  if (state_ == RouterState::kBackup) {
    BecomeActive(now);
  } else if (state_ == RouterState::kActive) {
    // On the beat, unless that is lost anyway.
    const absl::Duration next = send_at_ + config_.interval;
    Send(config_.priority);
    send_at_ = next > now ? next : now + config_.interval;
    AnnounceIfContested(now);
  }
}

// ---- packets ----

void Router::Receive(const PacketHeader& header, const Advertisement& message, absl::Duration now) {
  if (state_ == RouterState::kInitialize) return;
  if (header.source == primary_) return Drop("own_address");
  const std::vector<IpAddress>& peers = config_.unicast_peers;
  if (!peers.empty() && std::find(peers.begin(), peers.end(), header.source) == peers.end()) {
    return Drop("not_a_peer");
  }
  if (message.version != config_.version) return Drop("other_version");
  if (config_.version == 2 && message.interval != config_.interval) return Drop("other_interval");
  ++counters_->received;
  if (message.priority == kPriorityRelease) ++counters_->releases_received;
  if (!SameAddresses(Listed(all_addresses_), message)) ++counters_->address_mismatches;
  const Heard heard{header.source, message.priority};
  if (state_ == RouterState::kBackup) {
    ReceiveInBackup(heard, message.interval, now);
  } else {
    ReceiveInActive(heard, message.interval, now);
  }
}

void Router::ReceiveInBackup(const Heard& heard, absl::Duration interval, absl::Duration now) {
  if (heard.priority == kPriorityRelease) {
    heard_ = heard;
    released_ = true;
    silent_since_ = now;
  } else if (!config_.preempt || heard.priority >= config_.priority) {
    FollowActive(heard, interval, now);
  }
}

void Router::ReceiveInActive(const Heard& heard, absl::Duration interval, absl::Duration now) {
  if (heard.priority == kPriorityRelease) {
    SendAndWait(now);
    return;
  }
  const bool higher = heard.priority > config_.priority;
  if (higher || (heard.priority == config_.priority && heard.source > *primary_)) {
    // A last word beyond the RFC: neighbours may still believe what we told them, and only who
    // knows that there were two Actives tells them again. keepalived has it as an option,
    // vrrp_higher_prio_send_advert. Backups lose nothing by it, the one that stays answers.
    Send(config_.priority);
    FollowActive(heard, interval, now);
    BecomeBackup(higher ? Reason::kHigherPriority : Reason::kHigherAddress,
                 absl::StrCat(Describe(heard.source, heard.priority), " is Active"));
    return;
  }
  // Two were Active: what the other has told neighbours is to be put right.
  ++counters_->rivals;
  if (config_.version == 3) SendAndWait(now);
  contested_ = true;
  AnnounceIfContested(now);
}

void Router::AnnounceIfContested(absl::Duration now) {
  if (!contested_ || now < announce_again_at_) return;
  Announce(now);
}

void Router::FollowActive(const Heard& heard, absl::Duration interval, absl::Duration now) {
  heard_ = heard;
  learned_interval_ = interval;
  released_ = false;
  silent_since_ = now;
}

// ---- states ----

void Router::BecomeActive(absl::Duration now) {
  const std::string whom =
      heard_.has_value() ? Describe(heard_->source, heard_->priority) : Describe(std::nullopt, 0);
  SendAndWait(now);
  ++counters_->became_active;
  Announce(now);
  output_.held_changed = true;
  if (released_) {
    SetState(RouterState::kActive, Reason::kActiveReleased,
             absl::StrCat(heard_->source.ToString(), " has released the addresses"));
  } else {
    SetState(RouterState::kActive, Reason::kActiveSilent,
             absl::StrCat("nothing heard for ",
                          absl::FormatDuration(absl::Trunc(now - silent_since_, kMillisecond)),
                          ", last of ", whom));
  }
}

void Router::BecomeBackup(Reason reason, absl::string_view what) {
  if (state_ == RouterState::kActive) output_.held_changed = true;
  output_.announce.clear();
  SetState(RouterState::kBackup, reason, what);
}

void Router::BecomeInitialize(Reason reason, absl::string_view what) {
  if (state_ == RouterState::kInitialize) return;
  if (state_ == RouterState::kActive) output_.held_changed = true;
  output_.announce.clear();
  SetState(RouterState::kInitialize, reason, what);
}

void Router::SetState(RouterState state, Reason reason, absl::string_view what) {
  const RouterState from = std::exchange(state_, state);
  ++counters_->transitions[{std::string(RouterStateName(state)), std::string(ReasonName(reason))}];
  output_.transitions.push_back(
      {from, state, reason,
       SentenceOf(config_, absl::StrCat(RouterStateName(from), " to ", RouterStateName(state), ": ",
                                        what))});
}

// ---- output ----

void Router::Send(uint8_t priority) {
  const std::span<const IpAddress> listed = Listed(all_addresses_);
  const Advertisement message{
      config_.version, config_.vrid, priority, config_.interval, {listed.begin(), listed.end()}};
  std::vector<IpAddress> destinations = config_.unicast_peers;
  if (destinations.empty()) destinations.push_back(MulticastGroup(config_.family));
  for (const IpAddress& destination : destinations) {
    output_.send.push_back(
        {*primary_, destination, SerializeAdvertisement(message, *primary_, destination)});
    ++counters_->sent;
    if (priority == kPriorityRelease) ++counters_->releases_sent;
  }
}

void Router::Announce(absl::Duration now) {
  contested_ = false;
  announce_again_at_ = now + kAnnounceAgain;
  output_.announce = all_addresses_;
}

void Router::SendAndWait(absl::Duration now) {
  Send(config_.priority);
  send_at_ = now + config_.interval;
}

RouterOutput Router::TakeOutput() { return std::exchange(output_, {}); }

// ---- view ----

std::span<const IpAddress> Router::held() const {
  if (state_ != RouterState::kActive) return {};
  return all_addresses_;
}

std::optional<IpAddress> Router::active() const {
  if (state_ == RouterState::kActive) return primary_;
  if (state_ != RouterState::kBackup || released_ || !heard_.has_value()) return std::nullopt;
  return heard_->source;
}

uint8_t Router::active_priority() const {
  if (!active().has_value()) return 0;
  return state_ == RouterState::kActive ? config_.priority : heard_->priority;
}

}  // namespace openelb::vrrp

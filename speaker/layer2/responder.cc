#include "speaker/layer2/responder.h"

#include <algorithm>
#include <optional>
#include <set>

#include "speaker/layer2/ethernet.h"

namespace openelb::layer2 {
namespace {

bool FramesPass(const io::Interface& interface) {
  return interface.up && interface.carrier && interface.mac.IsStation();
}

bool IsIpv6(std::span<const uint8_t> frame) {
  return frame.size() >= 14 && (frame[12] << 8 | frame[13]) == kEtherTypeIpv6;
}

// The address that an announcement or a probe is about.
std::optional<IpAddress> TargetOf(std::span<const uint8_t> frame) {
  arp::Packet arp;
  ndp::Packet ndp;
  if (IsIpv6(frame)) {
    if (!ParsePacket(frame, &ndp)) return ndp.target;
  } else if (!ParsePacket(frame, &arp)) {
    return arp.target;
  }
  return std::nullopt;
}

}  // namespace

// ---- what is owned ----

void Responder::SetInterface(const io::Interface& interface, absl::Duration now) {
  const bool again =
      FramesPass(interface) && (!FramesPass(interface_) || interface.mac != interface_.mac);
  interface_ = interface;
  if (!again) return;
  for (auto it = addresses_.begin(); it != addresses_.end(); ++it) Restart(it, now);
}

void Responder::Own(const IpAddress& address, absl::Duration now) {
  auto it = addresses_.find(address);
  if (it == addresses_.end()) {
    Add(address, /*owned=*/true, now);
  } else if (!it->second.owned) {
    it->second.owned = true;
    Restart(it, now);
  }
}

void Responder::Probe(const IpAddress& address, absl::Duration now) {
  if (!addresses_.contains(address)) Add(address, /*owned=*/false, now);
}

void Responder::Announce(const IpAddress& address, absl::Duration now) {
  auto it = addresses_.find(address);
  if (it != addresses_.end() && it->second.owned) Restart(it, now);
}

void Responder::Remind(const IpAddress& address, absl::Duration due) {
  auto it = addresses_.find(address);
  if (it == addresses_.end() || !it->second.owned || it->second.due <= due) return;
  it->second.reminder = true;
  Schedule(it, due);
}

void Responder::TakeBack(std::span<const Bytes> frames, absl::Duration now) {
  std::set<IpAddress> targets;
  for (const Bytes& frame : frames) {
    if (const auto target = TargetOf(frame)) targets.insert(*target);
  }
  for (const IpAddress& target : targets) {
    auto it = addresses_.find(target);
    if (it == addresses_.end()) continue;
    if (it->second.sent > 0) --it->second.sent;
    Schedule(it, now + timing_.tick);
  }
}

void Responder::Stop(const IpAddress& address) {
  auto it = addresses_.find(address);
  if (it != addresses_.end()) Remove(it);
}

bool Responder::Owns(const IpAddress& address) const {
  auto it = addresses_.find(address);
  return it != addresses_.end() && it->second.owned;
}

std::vector<IpAddress> Responder::Owned() const {
  std::vector<IpAddress> owned;
  for (const auto& [address, state] : addresses_) {
    if (state.owned) owned.push_back(address);
  }
  return owned;
}

void Responder::AddCounts(std::map<IpAddress, AddressCounts>* counts) const {
  for (const auto& [address, state] : addresses_) {
    if (!state.owned) continue;
    AddressCounts& sum = (*counts)[address];
    sum.answers += state.counts.answers;
    sum.announcements += state.counts.announcements;
  }
}

std::vector<IpAddress> Responder::Groups() const {
  std::vector<IpAddress> groups;
  for (const auto& [group, count] : groups_) groups.push_back(group);
  return groups;
}

void Responder::Add(const IpAddress& address, bool owned, absl::Duration now) {
  Restart(addresses_.emplace(address, Address{.owned = owned}).first, now);
  if (address.is_v6()) {
    const IpAddress group = ndp::SolicitedNodeGroup(address);
    if (++groups_[group] == 1) output_.groups.push_back({group, /*join=*/true});
  }
}

void Responder::Remove(Addresses::iterator it) {
  const IpAddress address = it->first;
  due_.erase({it->second.due, address});
  rivals_due_.erase({it->second.rivals_due, address});
  addresses_.erase(it);
  if (address.is_v4()) return;
  auto group = groups_.find(ndp::SolicitedNodeGroup(address));
  if (--group->second > 0) return;
  output_.groups.push_back({group->first, /*join=*/false});
  groups_.erase(group);
}

// ---- announcements and probes ----

void Responder::Restart(Addresses::iterator it, absl::Duration now) {
  it->second.sent = 0;
  it->second.since = now;
  Schedule(it, now);
}

void Responder::Schedule(Addresses::iterator it, absl::Duration due) {
  due_.erase({it->second.due, it->first});
  it->second.due = due;
  if (due < absl::InfiniteDuration()) due_.insert({due, it->first});
}

absl::Duration Responder::NextAnnouncement(const Address& address, absl::Duration now) {
  if (address.sent < timing_.announce_after.size()) {
    return address.since + timing_.announce_after[address.sent];
  }
  return now + timing_.announce_every * (0.75 + random_->Uniform() / 2);
}

void Responder::Tick(absl::Duration now) {
  while (!rivals_due_.empty() && rivals_due_.begin()->first <= now) {
    ForgetRivals(addresses_.find(rivals_due_.begin()->second), now);
  }
  if (!FramesPass(interface_)) return;
  if (tick_end_ <= now) StartTick(now);
  while (!due_.empty() && due_.begin()->first <= now && tick_frames_ < timing_.frames_per_tick) {
    const size_t before = output_.frames.size();
    SendDue(addresses_.find(due_.begin()->second), now);
    tick_frames_ += static_cast<int>(output_.frames.size() - before);
  }
}

void Responder::StartTick(absl::Duration now) {
  const bool waited = tick_frames_ >= timing_.frames_per_tick;
  const double late = absl::FDivDuration(now - tick_end_, timing_.tick);
  tick_frames_ =
      waited
          ? -static_cast<int>(std::min<double>(late, timing_.late_ticks) * timing_.frames_per_tick)
          : 0;
  tick_end_ = now + timing_.tick;
}

absl::Duration Responder::NextWakeup() const {
  absl::Duration next = absl::InfiniteDuration();
  if (!rivals_due_.empty()) next = rivals_due_.begin()->first;
  if (!due_.empty() && FramesPass(interface_)) {
    const bool full = tick_frames_ >= timing_.frames_per_tick;
    next = std::min(next, full ? std::max(due_.begin()->first, tick_end_) : due_.begin()->first);
  }
  return next;
}

void Responder::SendDue(Addresses::iterator it, absl::Duration now) {
  Address& address = it->second;
  if (address.owned) {
    const bool reminder = std::exchange(address.reminder, false) && address.sent > 0;
    const bool brief = reminder || address.sent == 0;
    SendAnnouncement(it, brief);
    if (!brief) SendQuestion(it->first);
    if (!reminder) ++address.sent;
    Schedule(it, NextAnnouncement(address, now));
  } else if (address.sent < static_cast<size_t>(timing_.probes)) {
    SendProbe(it->first);
    ++address.sent;
    Schedule(it, now + timing_.probe_interval);
  } else {
    EndProbe(it, ProbeOutcome::kFree, MacAddress());
  }
}

void Responder::SendAnnouncement(Addresses::iterator it, bool brief) {
  const IpAddress& address = it->first;
  const size_t before = output_.frames.size();
  if (address.is_v4()) {
    for (arp::Operation operation : {arp::Operation::kRequest, arp::Operation::kReply}) {
      if (brief && operation == arp::Operation::kReply) break;
      output_.frames.push_back(
          SerializePacket(arp::MakeGratuitous(operation, address, interface_.mac)));
    }
  } else {
    output_.frames.push_back(
        SerializePacket(ndp::MakeUnsolicited(address, interface_.mac, interface_.ipv6_router)));
  }
  const size_t frames = output_.frames.size() - before;
  counters_->announcements += frames;
  it->second.counts.announcements += frames;
}

void Responder::SendProbe(const IpAddress& address) {
  output_.frames.push_back(address.is_v4()
                               ? SerializePacket(arp::MakeProbe(address, interface_.mac))
                               : SerializePacket(ndp::MakeProbe(address, interface_.mac)));
  ++counters_->probes;
}

// A probe of ARP is answered to its sender alone. A probe of IPv6 would be answered to all nodes,
// who would then take the rival for the owner; so the question is asked in the node's own name.
void Responder::SendQuestion(const IpAddress& address) {
  if (address.is_v4()) {
    SendProbe(address);
    return;
  }
  for (const InterfaceAddress& own : interface_.addresses) {
    if (!own.address.is_v6() || !own.address.IsLinkLocal()) continue;
    ndp::Packet question = ndp::MakeProbe(address, interface_.mac);
    question.source = own.address;
    question.link_layer = interface_.mac;
    output_.frames.push_back(SerializePacket(question));
    ++counters_->probes;
    return;
  }
}

// ---- what other stations say ----

void Responder::OnFrame(std::span<const uint8_t> frame, absl::Duration now) {
  if (IsIpv6(frame)) {
    ndp::Packet packet;
    if (const auto error = ParsePacket(frame, &packet)) {
      ++counters_->ndp_errors[static_cast<size_t>(*error)];
    } else {
      OnNdp(packet, now);
    }
  } else {
    arp::Packet packet;
    if (const auto error = ParsePacket(frame, &packet)) {
      ++counters_->arp_errors[static_cast<size_t>(*error)];
    } else {
      OnArp(packet, now);
    }
  }
}

bool Responder::IsForUs(const MacAddress& destination) const {
  return destination.IsMulticast() || destination == interface_.mac;
}

void Responder::OnArp(const arp::Packet& packet, absl::Duration now) {
  // Our own frames may come back over a loop in the network.
  if (!FramesPass(interface_) || packet.frame_source == interface_.mac ||
      packet.sender_mac == interface_.mac || !IsForUs(packet.frame_destination)) {
    return;
  }
  OnClaim(packet.sender, packet.sender_mac, now);
  if (packet.operation != arp::Operation::kRequest || packet.IsGratuitous()) return;
  auto it = addresses_.find(packet.target);
  if (it == addresses_.end()) return;
  if (it->second.owned) {
    if (answering_ == Answering::kByKernel) return;
    output_.frames.push_back(SerializePacket(MakeReply(packet, interface_.mac)));
    ++counters_->arp_answers;
    ++it->second.counts.answers;
  } else if (packet.IsProbe()) {
    EndProbe(it, ProbeOutcome::kContended, packet.sender_mac);
  }
}

void Responder::OnNdp(const ndp::Packet& packet, absl::Duration now) {
  const MacAddress sender = packet.link_layer.value_or(packet.frame_source);
  if (!FramesPass(interface_) || packet.frame_source == interface_.mac ||
      sender == interface_.mac || !IsForUs(packet.frame_destination)) {
    return;
  }
  if (packet.type == ndp::Type::kAdvertisement) {
    OnClaim(packet.target, sender, now);
    return;
  }
  OnClaim(packet.source, sender, now);
  auto it = addresses_.find(packet.target);
  if (it == addresses_.end()) return;
  if (it->second.owned) {
    if (answering_ == Answering::kByKernel) return;
    output_.frames.push_back(
        SerializePacket(MakeAnswer(packet, interface_.mac, interface_.ipv6_router)));
    ++counters_->ndp_answers;
    ++it->second.counts.answers;
  } else if (packet.IsProbe()) {
    EndProbe(it, ProbeOutcome::kContended, sender);
  }
}

void Responder::OnClaim(const IpAddress& address, const MacAddress& mac, absl::Duration now) {
  auto it = addresses_.find(address);
  if (it == addresses_.end()) return;
  if (!it->second.owned) {
    EndProbe(it, ProbeOutcome::kTaken, mac);
    return;
  }
  ++counters_->conflicts;
  std::map<MacAddress, Rival>& rivals = it->second.rivals;
  auto known = rivals.find(mac);
  if (known == rivals.end()) {
    if (rivals.size() == kMaxRivals) return;
    if (rivals.empty()) {
      it->second.rivals_due = now + timing_.conflict_over;
      rivals_due_.insert({it->second.rivals_due, address});
    }
    rivals[mac] = {.heard_at = now, .reported_at = now};
    output_.conflicts.push_back({address, mac, ConflictPhase::kBegun});
    return;
  }
  known->second.heard_at = now;
  if (now - known->second.reported_at < timing_.conflict_interval) return;
  known->second.reported_at = now;
  output_.conflicts.push_back({address, mac, ConflictPhase::kGoesOn});
}

void Responder::EndProbe(Addresses::iterator it, ProbeOutcome outcome, const MacAddress& mac) {
  output_.probed.push_back({it->first, outcome, mac});
  Remove(it);
}

void Responder::ForgetRivals(Addresses::iterator it, absl::Duration now) {
  auto& [address, state] = *it;
  rivals_due_.erase({state.rivals_due, address});
  absl::Duration next = absl::InfiniteDuration();
  for (auto rival = state.rivals.begin(); rival != state.rivals.end();) {
    const absl::Duration over = rival->second.heard_at + timing_.conflict_over;
    if (over <= now) {
      output_.conflicts.push_back({address, rival->first, ConflictPhase::kOver});
      rival = state.rivals.erase(rival);
    } else {
      next = std::min(next, over);
      ++rival;
    }
  }
  if (state.rivals.empty()) return;
  state.rivals_due = next;
  rivals_due_.insert({next, address});
}

}  // namespace openelb::layer2

#include "speaker/layer2/sim_neighbor.h"

namespace openelb::layer2 {
namespace {

constexpr int kInterface = io::SimSegment::kInterface;
// For so long after an update Linux takes no reply that was not meant for it (neigh/locktime).
constexpr absl::Duration kLockTime = absl::Seconds(1);

}  // namespace

SimNeighbor::SimNeighbor(io::SimSegment* segment, const Clock* clock, const std::string& name,
                         const MacAddress& mac, const IpAddress& v4, const IpAddress& v6)
    : clock_(clock), mac_(mac), v4_(v4), v6_(v6) {
  segment->AddStation(name, mac, {{"eth0", v4, 16}, {"eth0", v6, 64}});
  io_ = segment->Start(name);
  io_->SetHandler(this);
  (void)io_->Open(kInterface);
  Have(v4);
  Have(v6);
}

void SimNeighbor::Have(const IpAddress& address) {
  own_.insert(address);
  if (address.is_v6()) (void)io_->JoinGroup(kInterface, ndp::SolicitedNodeGroup(address));
}

void SimNeighbor::Send(const Bytes& frame) { (void)io_->Send(kInterface, frame); }

void SimNeighbor::Resolve(const IpAddress& address) {
  answers_[address].clear();
  cache_.try_emplace(address);  // what is asked for is known, if not yet by whom it is owned
  if (address.is_v4()) {
    arp::Packet request = arp::MakeProbe(address, mac_);
    request.sender = v4_;
    Send(SerializePacket(request));
  } else {
    ndp::Packet solicitation = ndp::MakeProbe(address, mac_);
    solicitation.source = v6_;
    solicitation.link_layer = mac_;
    Send(SerializePacket(solicitation));
  }
}

void SimNeighbor::Confirm(const IpAddress& address) {
  answers_[address].clear();
  const MacAddress to = LookUp(address).value_or(MacAddress());
  if (address.is_v4()) {
    arp::Packet request = arp::MakeProbe(address, mac_);
    request.sender = v4_;
    request.frame_destination = to;
    Send(SerializePacket(request));
  } else {
    ndp::Packet solicitation = ndp::MakeProbe(address, mac_);
    solicitation.source = v6_;
    solicitation.destination = address;
    solicitation.frame_destination = to;
    Send(SerializePacket(solicitation));
  }
}

std::optional<MacAddress> SimNeighbor::LookUp(const IpAddress& address) const {
  auto it = cache_.find(address);
  if (it == cache_.end() || it->second.mac.IsZero()) return std::nullopt;
  return it->second.mac;
}

void SimNeighbor::OnFrame(int, std::span<const uint8_t> frame) {
  arp::Packet arp;
  ndp::Packet ndp;
  if (!ParsePacket(frame, &arp).has_value()) {
    OnArp(arp);
  } else if (!ParsePacket(frame, &ndp).has_value()) {
    OnNdp(ndp);
  }
}

void SimNeighbor::OnArp(const arp::Packet& packet) {
  const bool reply = packet.operation == arp::Operation::kReply;
  const bool to_us = packet.target == v4_;
  if (reply && to_us) answers_[packet.sender].insert(packet.sender_mac);
  auto it = cache_.find(packet.sender);
  if (it != cache_.end()) {
    Entry& entry = it->second;
    const bool locked = !entry.mac.IsZero() && clock_->Monotonic() - entry.updated < kLockTime;
    // What Linux takes for a gratuitous ARP: a request, or a reply that names its sender twice.
    const bool gratuitous =
        packet.IsGratuitous() && (!reply || packet.target_mac == packet.sender_mac);
    if (gratuitous || !locked) entry = {packet.sender_mac, clock_->Monotonic()};
  }
  if (!reply && !packet.IsGratuitous() && own_.contains(packet.target)) {
    Send(SerializePacket(MakeReply(packet, mac_)));
  }
}

void SimNeighbor::OnNdp(const ndp::Packet& packet) {
  if (packet.type == ndp::Type::kSolicitation) {
    if (own_.contains(packet.target)) Send(SerializePacket(MakeAnswer(packet, mac_, false)));
    return;
  }
  if (packet.solicited) answers_[packet.target].insert(packet.frame_source);
  auto it = cache_.find(packet.target);
  if (it == cache_.end() || !packet.link_layer.has_value()) return;
  if (it->second.mac.IsZero() || packet.override_cache) {
    it->second = {*packet.link_layer, clock_->Monotonic()};
  }
}

}  // namespace openelb::layer2

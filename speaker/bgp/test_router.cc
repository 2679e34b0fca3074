#include "speaker/bgp/test_router.h"

#include <algorithm>
#include <set>

#include "speaker/bgp/attributes.h"

namespace openelb::bgp {

// Puts the routes of one UPDATE into a table.
class TestRouter::TableVisitor final : public UpdateVisitor {
 public:
  TableVisitor(TestRouter* router, const IpAddress& address, Neighbor* neighbor)
      : router_(router), address_(address), neighbor_(neighbor) {}

  void OnWithdrawn(const IpPrefix& prefix, uint32_t path_id) override {
    ++router_->withdrawals_;
    auto& paths = neighbor_->table[prefix];
    const IpAddress next_hop = paths.contains(path_id) ? paths[path_id].next_hop : IpAddress();
    paths.erase(path_id);
    if (paths.empty()) neighbor_->table.erase(prefix);
    Record(Change::Kind::kWithdrawn, prefix, path_id, next_hop);
  }
  void OnAttribute(uint8_t, uint8_t type, std::span<const uint8_t> value) override {
    if (type == attribute::kMpReach || type == attribute::kMpUnreach) return;
    attributes_[type] = Bytes(value.begin(), value.end());
    if (type == attribute::kNextHop) next_hop_ = IpAddress::FromBytes(value);
    // MP_REACH_NLRI comes before the attributes its routes carry.
    for (const auto& [prefix, path_id] : announced_) {
      neighbor_->table[prefix][path_id].attributes = attributes_;
    }
  }
  void OnAnnounced(const IpPrefix& prefix, uint32_t path_id,
                   const std::optional<IpAddress>& next_hop) override {
    const IpAddress address = next_hop.value_or(next_hop_);
    neighbor_->table[prefix][path_id] = {address, attributes_};
    announced_.emplace_back(prefix, path_id);
    Record(Change::Kind::kAnnounced, prefix, path_id, address);
  }

 private:
  void Record(Change::Kind kind, const IpPrefix& prefix, uint32_t id, const IpAddress& next_hop) {
    router_->changes_.push_back(
        {router_->clock_->Monotonic(), address_, kind, prefix, id, next_hop});
  }

  TestRouter* router_;
  const IpAddress& address_;
  Neighbor* neighbor_;
  std::map<uint8_t, Bytes> attributes_;
  IpAddress next_hop_;
  std::vector<std::pair<IpPrefix, uint32_t>> announced_;
};

TestRouter::TestRouter(io::Io* io, const Clock* clock, Options options)
    : io_(io), clock_(clock), options_(std::move(options)) {
  io_->SetHandler(this);
  const absl::Status status = io_->Listen({options_.listen, options_.port});
  if (!status.ok()) errors_.push_back(std::string(status.message()));
}

IpAddress* TestRouter::AddressOf(io::ConnId conn) {
  const auto address = conns_.find(conn);
  return address == conns_.end() ? nullptr : &address->second;
}

void TestRouter::OnAccepted(io::ConnId conn, const IpAddress&, const IpAddress& remote) {
  Neighbor& neighbor = neighbors_[remote];
  if (neighbor.connected) Down(remote, &neighbor);
  neighbor = Neighbor();
  neighbor.conn = conn;
  neighbor.connected = true;
  conns_[conn] = remote;
  if (options_.silent) return;
  OpenMessage open;
  open.two_octet_as = static_cast<uint16_t>(options_.as < 65536 ? options_.as : kAsTrans);
  open.hold_time = options_.hold_time;
  open.identifier = options_.router_id;
  if (options_.four_octet_as) open.four_octet_as = options_.as;
  open.route_refresh = true;
  for (Family family : options_.families) {
    const AfiSafi unicast{AfiOf(family), kSafiUnicast};
    open.multiprotocol.push_back(unicast);
    if (options_.add_path_receive) open.add_path.push_back({unicast, AddPathOffer::kReceive});
  }
  EncodeOpen(open, neighbor.outbox.tail());
  Flush(&neighbor);
}

void TestRouter::OnData(io::ConnId conn, std::span<const uint8_t> data) {
  const IpAddress* address = AddressOf(conn);
  if (address == nullptr) return;
  const IpAddress remote = *address;
  Neighbor& neighbor = neighbors_[remote];
  neighbor.framer.Append(data);
  std::optional<MessageError> error;
  while (const std::optional<Message> message = neighbor.framer.Next(&error)) {
    Handle(remote, &neighbor, *message);
    if (AddressOf(conn) == nullptr) return;
  }
  if (error.has_value()) errors_.push_back(error->reason);
  Flush(&neighbor);
}

void TestRouter::Handle(const IpAddress& address, Neighbor* neighbor, const Message& message) {
  const absl::Duration now = clock_->Monotonic();
  if (neighbor->hold > absl::ZeroDuration()) neighbor->hold_deadline = now + neighbor->hold;
  switch (message.type) {
    case MessageType::kOpen: {
      if (auto error = DecodeOpen(message.body, &neighbor->open)) errors_.push_back(error->reason);
      const auto sends = [&](Family family) {
        return options_.add_path_receive &&
               std::any_of(neighbor->open.add_path.begin(), neighbor->open.add_path.end(),
                           [&](const AddPathOffer& offer) {
                             return offer.family.afi == AfiOf(family) &&
                                    (offer.mode & AddPathOffer::kSend) != 0;
                           });
      };
      neighbor->format = {options_.four_octet_as && neighbor->open.four_octet_as.has_value(),
                          sends(Family::kV4), sends(Family::kV6)};
      neighbor->hold = absl::Seconds(std::min(options_.hold_time, neighbor->open.hold_time));
      if (neighbor->hold > absl::ZeroDuration()) {
        neighbor->hold_deadline = now + neighbor->hold;
        neighbor->keepalive_at = now + neighbor->hold / 3;
      }
      if (!options_.silent) EncodeKeepalive(neighbor->outbox.tail());
      return;
    }
    case MessageType::kKeepalive:
      if (neighbor->established) return;
      neighbor->established = true;
      changes_.push_back({now, address, Change::Kind::kSessionUp, {}, 0, {}});
      return;
    case MessageType::kUpdate: {
      ++updates_;
      TableVisitor visitor(this, address, neighbor);
      if (auto error = CheckUpdate(message.body, neighbor->format, &visitor)) {
        errors_.push_back(error->reason);
      }
      return;
    }
    case MessageType::kNotification:
      notifications_.push_back(DescribeNotification(DecodeNotification(message.body)));
      return;
    case MessageType::kRefresh:
      return;
  }
}

void TestRouter::Flush(Neighbor* neighbor) {
  const auto pending = neighbor->outbox.pending();
  if (neighbor->connected && !pending.empty()) {
    neighbor->outbox.Consume(io_->Write(neighbor->conn, pending));
  }
}

void TestRouter::Tick() {
  const absl::Duration now = clock_->Monotonic();
  for (auto& [address, neighbor] : neighbors_) {
    if (!neighbor.connected) continue;
    if (now >= neighbor.hold_deadline) {
      EncodeNotification({ErrorCode::kHoldTimer, 0}, neighbor.outbox.tail());
      Flush(&neighbor);
      Down(address, &neighbor);
    } else if (now >= neighbor.keepalive_at) {
      if (neighbor.outbox.empty() && !options_.silent) EncodeKeepalive(neighbor.outbox.tail());
      neighbor.keepalive_at = now + neighbor.hold / 3;
      Flush(&neighbor);
    }
  }
}

absl::Duration TestRouter::NextWakeup() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [address, neighbor] : neighbors_) {
    if (neighbor.connected) {
      next = std::min({next, neighbor.hold_deadline, neighbor.keepalive_at});
    }
  }
  return next;
}

void TestRouter::Down(const IpAddress& address, Neighbor* neighbor) {
  io_->Close(neighbor->conn);
  conns_.erase(neighbor->conn);
  if (neighbor->established) {
    changes_.push_back({clock_->Monotonic(), address, Change::Kind::kSessionDown, {}, 0, {}});
  }
  const OpenMessage open = neighbor->open;
  *neighbor = Neighbor();
  neighbor->open = open;
}

void TestRouter::OnWritable(io::ConnId conn) {
  if (const IpAddress* address = AddressOf(conn)) Flush(&neighbors_[*address]);
}

void TestRouter::OnClosed(io::ConnId conn, const absl::Status&) {
  const IpAddress* address = AddressOf(conn);
  if (address == nullptr) return;
  const IpAddress remote = *address;
  Down(remote, &neighbors_[remote]);
}

bool TestRouter::Established(const IpAddress& neighbor) const {
  const auto found = neighbors_.find(neighbor);
  return found != neighbors_.end() && found->second.established;
}

std::vector<IpAddress> TestRouter::NextHops(const IpAddress& neighbor,
                                            const IpPrefix& prefix) const {
  std::set<IpAddress> next_hops;
  const Table& routes = table(neighbor);
  const auto paths = routes.find(prefix);
  if (paths != routes.end()) {
    for (const auto& [id, route] : paths->second) next_hops.insert(route.next_hop);
  }
  return {next_hops.begin(), next_hops.end()};
}

std::vector<IpAddress> TestRouter::NextHops(const IpPrefix& prefix) const {
  std::set<IpAddress> all;
  for (const auto& [address, neighbor] : neighbors_) {
    for (const IpAddress& next_hop : NextHops(address, prefix)) all.insert(next_hop);
  }
  return {all.begin(), all.end()};
}

const TestRouter::Table& TestRouter::table(const IpAddress& neighbor) const {
  static const Table kEmpty;
  const auto found = neighbors_.find(neighbor);
  return found == neighbors_.end() ? kEmpty : found->second.table;
}

void TestRouter::RequestRefresh(const IpAddress& neighbor, Family family) {
  EncodeRefresh(family, RefreshSubtype::kRequest, neighbors_.at(neighbor).outbox.tail());
  Flush(&neighbors_.at(neighbor));
}

void TestRouter::SendRaw(const IpAddress& neighbor, const Bytes& octets) {
  PutBytes(neighbors_.at(neighbor).outbox.tail(), octets);
  Flush(&neighbors_.at(neighbor));
}

void TestRouter::CloseSession(const IpAddress& neighbor) {
  Down(neighbor, &neighbors_.at(neighbor));
}

}  // namespace openelb::bgp

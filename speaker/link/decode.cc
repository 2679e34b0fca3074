#include "speaker/link/decode.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <cstddef>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "api/plan/path_attributes_codec.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::link {
namespace {

namespace pb = ::openelb::plan::v1;

constexpr size_t kMaxMd5Password = 80;          // TCP_MD5SIG_MAXKEYLEN
constexpr size_t kMaxBfdSecret = 20;            // RFC 5880 4.4
constexpr uint32_t kDefaultConnectRetry = 120;  // RFC 4271 section 10

// What every error reads like: "field: value (allowed: what)".
template <typename Value>
absl::Status Bad(absl::string_view field, const Value& value, absl::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", value, " (allowed: ", allowed, ")"));
}
absl::Status Bad(absl::string_view field, const std::string& value, absl::string_view allowed) {
  constexpr size_t kShown = 100;
  const std::string shown = absl::CHexEscape(absl::string_view(value).substr(0, kShown));
  return absl::InvalidArgumentError(absl::StrCat(
      field, ": \"", shown, value.size() > kShown ? "...\"" : "\"", " (allowed: ", allowed, ")"));
}

template <typename Value>
absl::Status InRange(absl::string_view field, Value value, Value least, Value most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Bad(field, value, absl::StrCat(least, "..", most));
}

// An address that a session or a next hop can have.
absl::StatusOr<IpAddress> Unicast(absl::string_view field, const std::string& text) {
  const auto address = IpAddress::Parse(text);
  if (!address.ok() || address->IsUnspecified() || address->IsMulticast()) {
    return Bad(field, text, "a unicast address");
  }
  return *address;
}

absl::StatusOr<DecodedResource> Decode(const InstanceKey&, const pb::BgpInstance& body) {
  BgpInstance instance;
  if (body.local_as() == 0) return Bad("local_as", body.local_as(), "1..4294967295");
  instance.local_as = body.local_as();
  const auto router_id = IpAddress::Parse(body.router_id());
  if (!router_id.ok() || !router_id->is_v4() || router_id->IsUnspecified()) {
    return Bad("router_id", body.router_id(), "a dotted quad that is not 0.0.0.0");
  }
  instance.router_id = static_cast<uint32_t>(router_id->Ordinal());
  if (body.listen_port() != -1 && (body.listen_port() < 1 || body.listen_port() > 65535)) {
    return Bad("listen_port", body.listen_port(), "1..65535, or -1: do not listen");
  }
  instance.listen_port = body.listen_port();
  for (const std::string& text : body.listen_addresses()) {
    const auto address = IpAddress::Parse(text);
    if (!address.ok() || address->IsMulticast()) {
      return Bad("listen_addresses", text, "addresses of this node, 0.0.0.0 and ::");
    }
    instance.listen_addresses.push_back(*address);
  }
  if (instance.listen_port != -1 && instance.listen_addresses.empty()) {
    instance.listen_addresses = {IpAddress(), IpAddress::FromOrdinal(Family::kV6, 0)};
  }
  if (!pb::BgpInstance::OnStop_IsValid(body.on_stop())) {
    return Bad("on_stop", static_cast<int>(body.on_stop()), "RESTART, LEAVE");
  }
  instance.leave_on_stop = body.on_stop() == pb::BgpInstance::LEAVE;
  return instance;
}

absl::Status DecodeFamilies(const pb::BgpPeer& body, BgpPeer* peer) {
  for (const pb::AddressFamily& family : body.families()) {
    if (family.family() != 4 && family.family() != 6) {
      return Bad("families.family", family.family(), "4, 6");
    }
    const Family value = static_cast<Family>(family.family());
    for (const PeerFamily& other : peer->families) {
      if (other.family == value) return Bad("families.family", family.family(), "each one once");
    }
    peer->families.push_back({value, family.add_path_send(), family.send_max(),
                              family.graceful_restart(), family.link_local_next_hop()});
  }
  return absl::OkStatus();
}

absl::Status DecodeTcpAoKeys(const pb::BgpPeer& body, BgpPeer* peer) {
  constexpr int kIds = 256;
  if (body.tcp_ao_keys_size() > kIds)
    return Bad("tcp_ao_keys", body.tcp_ao_keys_size(), absl::StrCat("at most ", kIds));
  for (const pb::TcpAoKey& key : body.tcp_ao_keys()) {
    for (const absl::Status& status :
         {InRange("tcp_ao_keys.send_id", key.send_id(), 0u, 255u),
          InRange("tcp_ao_keys.receive_id", key.receive_id(), 0u, 255u)}) {
      if (!status.ok()) return status;
    }
    const auto algorithm = ParseTcpAoAlgorithm(key.algorithm());
    if (!algorithm.has_value())
      return Bad("tcp_ao_keys.algorithm", key.algorithm(), TcpAoAlgorithmNames());
    if (key.secret().empty() || key.secret().size() > TcpAoKey::kMaxSecret) {
      return absl::InvalidArgumentError(absl::StrCat("tcp_ao_keys.secret: ", key.secret().size(),
                                                     " octets (allowed: 1..", TcpAoKey::kMaxSecret,
                                                     ")"));
    }
    peer->tcp_ao_keys.push_back({.send_id = static_cast<uint8_t>(key.send_id()),
                                 .receive_id = static_cast<uint8_t>(key.receive_id()),
                                 .algorithm = *algorithm,
                                 .include_tcp_options = !key.exclude_tcp_options(),
                                 .secret = key.secret()});
  }
  if (const std::string id = SharedTcpAoId(peer->tcp_ao_keys); !id.empty())
    return Bad("tcp_ao_keys", id, "each one once");
  if (!peer->tcp_ao_keys.empty() && !body.md5_password().empty()) {
    return absl::InvalidArgumentError(
        "tcp_ao_keys: given beside md5_password (allowed: one of the two)");
  }
  return absl::OkStatus();
}

absl::StatusOr<DecodedResource> Decode(const PeerKey& key, const pb::BgpPeer& body) {
  Neighbor neighbor = Neighbor::Unnumbered(body.interface());
  if (!body.address().empty()) {
    const auto address = Unicast("address", body.address());
    if (!address.ok()) return address.status();
    neighbor.address = *address;
  }
  if (neighbor.address != key.neighbor.address) {
    return Bad("address", body.address(), "what the key says");
  }
  if (neighbor != key.neighbor) return Bad("interface", body.interface(), "what the key says");
  if (body.remote_as() == 0) return Bad("remote_as", body.remote_as(), "1..4294967295");
  if (body.hold_time_s() != 0 && (body.hold_time_s() < 3 || body.hold_time_s() > 65535)) {
    return Bad("hold_time_s", body.hold_time_s(), "0, 3..65535");
  }
  for (const absl::Status& status :
       {InRange("remote_port", body.remote_port(), 1u, 65535u),
        InRange("keepalive_s", body.keepalive_s(), 0u, 65535u),
        InRange("connect_retry_s", body.connect_retry_s(), 0u, 65535u),
        InRange("delay_open_s", body.delay_open_s(), 0u, 240u),
        InRange("ttl", body.ttl(), 1u, 255u), InRange("min_ttl", body.min_ttl(), 0u, 255u)}) {
    if (!status.ok()) return status;
  }
  if (body.md5_password().size() > kMaxMd5Password) {
    return absl::InvalidArgumentError(absl::StrCat("md5_password: ", body.md5_password().size(),
                                                   " octets (allowed: at most ", kMaxMd5Password,
                                                   ")"));
  }
  BgpPeer peer;
  peer.neighbor = std::move(neighbor);
  peer.update_source = body.update_source();
  peer.name = body.name();
  peer.remote_as = body.remote_as();
  peer.local_as = body.local_as();
  peer.remote_port = static_cast<uint16_t>(body.remote_port());
  peer.passive = body.passive();
  peer.hold_time_s = static_cast<uint16_t>(body.hold_time_s());
  peer.keepalive_s = static_cast<uint16_t>(body.keepalive_s());
  peer.connect_retry_s =
      body.connect_retry_s() == 0 ? kDefaultConnectRetry : body.connect_retry_s();
  peer.delay_open_s = static_cast<uint16_t>(body.delay_open_s());
  peer.ttl = static_cast<uint8_t>(body.ttl());
  peer.md5_password = body.md5_password();
  if (auto status = DecodeTcpAoKeys(body, &peer); !status.ok()) return status;
  peer.admin_down = body.admin_down();
  peer.held_down = body.held_down();
  if (auto status = DecodeFamilies(body, &peer); !status.ok()) return status;
  peer.scope = body.scope();
  auto attributes = plan::ReadAttributes(body.attributes());
  if (!attributes.ok()) return attributes.status();
  peer.attributes = *std::move(attributes);
  for (const pb::ExportRule& rule : body.export_rules()) {
    auto decoded = plan::ReadExportRule(rule);
    if (!decoded.ok()) return decoded.status();
    peer.export_rules.push_back(*std::move(decoded));
  }
  peer.link_bandwidth = body.link_bandwidth();
  peer.min_ttl = static_cast<uint8_t>(body.min_ttl());
  if (!body.has_graceful_restart()) return peer;
  const pb::GracefulRestart& restart = body.graceful_restart();
  if (auto status = InRange("graceful_restart.restart_time_s", restart.restart_time_s(), 1u, 4095u);
      !status.ok()) {
    return status;
  }
  if (auto status = InRange("graceful_restart.long_lived_s", restart.long_lived_s(), 0u, 0xffffffu);
      !status.ok()) {
    return status;
  }
  peer.graceful_restart = GracefulRestart{static_cast<uint16_t>(restart.restart_time_s()),
                                          restart.notification(), restart.long_lived_s()};
  return peer;
}

absl::StatusOr<DecodedResource> Decode(const GroupKey& key, const pb::NextHopGroup& body) {
  if (body.id() != key.id) return Bad("id", body.id(), "what the key says");
  Members members;
  std::set<std::pair<std::string, IpAddress>> seen;
  for (const pb::Member& member : body.members()) {
    if (member.node().empty()) return Bad("members.node", member.node(), "a node's name");
    const auto address = Unicast("members.address", member.address());
    if (!address.ok()) return address.status();
    if (!seen.emplace(member.node(), *address).second) {
      return Bad("members", absl::StrCat(member.node(), " ", member.address()), "each one once");
    }
    auto attributes = plan::ReadAttributes(member.attributes());
    if (!attributes.ok()) return attributes.status();
    std::optional<IpAddress> ipv6_address;
    if (!member.ipv6_address().empty()) {
      const auto ipv6 = Unicast("members.ipv6_address", member.ipv6_address());
      if (!ipv6.ok() || ipv6->is_v4()) {
        return Bad("members.ipv6_address", member.ipv6_address(), "a unicast IPv6 address");
      }
      ipv6_address = *ipv6;
    }
    members.push_back({.node = member.node(),
                       .address = *address,
                       .ipv6_address = ipv6_address,
                       .weight = std::max(member.weight(), 1u),
                       .draining = member.draining(),
                       .attributes = *std::move(attributes)});
  }
  return members;
}

absl::StatusOr<DecodedResource> Decode(const RouteKey& key, const pb::Route& body) {
  const auto prefix = IpPrefix::Parse(body.prefix());
  if (!prefix.ok()) return Bad("prefix", body.prefix(), "ADDRESS/LENGTH");
  if (*prefix != key.prefix) return Bad("prefix", body.prefix(), "what the key says");
  Route route;
  for (const pb::Target& target : body.targets()) {
    if (target.group().empty()) return Bad("targets.group", target.group(), "the id of a group");
    if (!route.groups.emplace(target.scope(), target.group()).second) {
      return Bad("targets.scope", target.scope(), "each one once");
    }
  }
  auto attributes = plan::ReadAttributes(body.attributes());
  if (!attributes.ok()) return attributes.status();
  route.attributes = *std::move(attributes);
  return route;
}

absl::StatusOr<DecodedResource> Decode(const PlaceKey& key, const pb::Place& body) {
  if (body.group() != key.group) return Bad("group", body.group(), "what the key says");
  if (body.node().empty()) return Bad("node", body.node(), "a node's name");
  return Place{body.node()};
}

absl::StatusOr<DecodedResource> Decode(const Layer2Key& key, const pb::Layer2Address& body) {
  const auto address = Unicast("address", body.address());
  if (!address.ok()) return address.status();
  if (*address != key.address) return Bad("address", body.address(), "what the key says");
  if (body.interface().empty()) return Bad("interface", body.interface(), "an interface's name");
  if (body.ranks().empty()) return Bad("ranks", body.ranks_size(), "at least the owner");
  Layer2Address layer2;
  layer2.interface = body.interface();
  layer2.turn = body.turn();
  std::set<std::string> nodes;
  for (const pb::Layer2Rank& rank : body.ranks()) {
    if (rank.node().empty()) return Bad("ranks.node", rank.node(), "a node's name");
    if (!nodes.insert(rank.node()).second) return Bad("ranks.node", rank.node(), "each node once");
    Layer2Rank& ranked = layer2.ranks.emplace_back(Layer2Rank{.node = rank.node(), .bfd_peer = {}});
    if (rank.bfd_peer().empty()) continue;
    const auto peer = Unicast("ranks.bfd_peer", rank.bfd_peer());
    if (!peer.ok()) return peer.status();
    ranked.bfd_peer = *peer;
  }
  layer2.services.assign(body.services().begin(), body.services().end());
  return layer2;
}

absl::StatusOr<DecodedResource> Decode(const BfdKey& key, const pb::BfdSession& body) {
  const auto peer = Unicast("peer", body.peer());
  if (!peer.ok()) return peer.status();
  if (key.name != BfdName{body.interface(), *peer}) {
    return Bad("peer", absl::StrCat(body.peer(), " on ", body.interface()), "what the key says");
  }
  const auto local = Unicast("local", body.local());
  if (!local.ok()) return local.status();
  if (local->family() != peer->family() || *local == *peer) {
    return Bad("local", body.local(), "another address of the peer's family");
  }
  for (const absl::Status& status :
       {InRange("desired_min_tx_us", body.desired_min_tx_us(), 10'000u, 60'000'000u),
        InRange("required_min_rx_us", body.required_min_rx_us(), 10'000u, 60'000'000u),
        InRange("detect_mult", body.detect_mult(), 1u, 255u)}) {
    if (!status.ok()) return status;
  }
  if (body.secret().empty() || body.secret().size() > kMaxBfdSecret) {
    return absl::InvalidArgumentError(absl::StrCat("secret: ", body.secret().size(),
                                                   " octets (allowed: 1..", kMaxBfdSecret, ")"));
  }
  return BfdSession{.local = *local,
                    .node = body.node(),
                    .desired_min_tx = absl::Microseconds(body.desired_min_tx_us()),
                    .required_min_rx = absl::Microseconds(body.required_min_rx_us()),
                    .detect_mult = static_cast<uint8_t>(body.detect_mult()),
                    .secret = body.secret()};
}

// The intervals that a version can put into a packet.
absl::Status CheckVrrpInterval(uint32_t version, uint32_t interval_ms) {
  if (version == 2) {
    if (interval_ms % 1000 == 0 && interval_ms >= 1000 && interval_ms <= 255'000) {
      return absl::OkStatus();
    }
    return Bad("interval_ms", interval_ms, "1000..255000 in steps of 1000 in version 2");
  }
  if (interval_ms % 10 == 0 && interval_ms >= 10 && interval_ms <= 40'950) return absl::OkStatus();
  return Bad("interval_ms", interval_ms, "10..40950 in steps of 10");
}

// Addresses of one family, each once.
absl::StatusOr<std::vector<IpAddress>> Addresses(
    absl::string_view field, Family family,
    const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::vector<IpAddress> addresses;
  for (const std::string& text : texts) {
    const auto address = Unicast(field, text);
    if (!address.ok()) return address.status();
    if (address->family() != family) {
      return Bad(field, text, absl::StrCat("addresses of ", FamilyName(family)));
    }
    if (std::find(addresses.begin(), addresses.end(), *address) != addresses.end()) {
      return Bad(field, text, "each one once");
    }
    addresses.push_back(*address);
  }
  return addresses;
}

absl::StatusOr<DecodedResource> Decode(const VrrpKey& key, const pb::VrrpInstance& body) {
  const VrrpName& name = key.name;
  if (body.interface() != name.interface) {
    return Bad("interface", body.interface(), "what the key says");
  }
  if (body.family() != static_cast<uint32_t>(name.family)) {
    return Bad("family", body.family(), "what the key says");
  }
  if (body.vrid() != name.vrid) return Bad("vrid", body.vrid(), "what the key says");
  const bool known = body.version() == 3 || (body.version() == 2 && name.family == Family::kV4);
  if (!known) return Bad("version", body.version(), "3; 2 for IPv4");
  for (const absl::Status& status : {InRange("priority", body.priority(), 1u, 254u),
                                     CheckVrrpInterval(body.version(), body.interval_ms())}) {
    if (!status.ok()) return status;
  }
  VrrpInstance instance;
  instance.version = static_cast<int>(body.version());
  instance.priority = static_cast<uint8_t>(body.priority());
  instance.interval = absl::Milliseconds(body.interval_ms());
  instance.preempt = body.preempt();
  auto addresses = Addresses("addresses", name.family, body.addresses());
  if (!addresses.ok()) return addresses.status();
  if (addresses->empty()) return Bad("addresses", 0, "at least one");
  instance.addresses = *std::move(addresses);
  auto peers = Addresses("unicast_peers", name.family, body.unicast_peers());
  if (!peers.ok()) return peers.status();
  instance.unicast_peers = *std::move(peers);
  instance.name = body.name();
  for (const pb::AnnouncedAddress& entry : body.services()) {
    const auto address = IpAddress::Parse(entry.address());
    const bool ours =
        address.ok() && std::find(instance.addresses.begin(), instance.addresses.end(), *address) !=
                            instance.addresses.end();
    if (!ours) return Bad("services.address", entry.address(), "one of the addresses");
    instance.services[*address].assign(entry.services().begin(), entry.services().end());
  }
  return instance;
}

// "INTERFACE/ADDRESS".
absl::StatusOr<ResourceKey> ParseBfdKey(absl::string_view key, absl::string_view name) {
  const size_t slash = name.find('/');
  if (slash != 0 && slash != absl::string_view::npos) {
    const absl::string_view text = name.substr(slash + 1);
    const auto peer = IpAddress::Parse(text);
    if (peer.ok() && peer->ToString() == text) {
      return BfdKey{{std::string(name.substr(0, slash)), *peer}};
    }
  }
  return Bad("key", std::string(key), "bfd/INTERFACE/ADDRESS in canonical form");
}

// "INTERFACE/FAMILY/VRID".
absl::StatusOr<ResourceKey> ParseVrrpKey(absl::string_view key, absl::string_view name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  uint32_t vrid = 0;
  if (parts.size() == 3 && !parts[0].empty() && (parts[1] == "4" || parts[1] == "6") &&
      absl::SimpleAtoi(parts[2], &vrid) && vrid >= 1 && vrid <= 255 &&
      absl::StrCat(vrid) == parts[2]) {
    return VrrpKey{{.interface = parts[0],
                    .family = parts[1] == "4" ? Family::kV4 : Family::kV6,
                    .vrid = static_cast<uint8_t>(vrid)}};
  }
  return Bad("key", std::string(key), "vrrp/INTERFACE/4|6/1..255");
}

}  // namespace

absl::StatusOr<ResourceKey> ParseKey(absl::string_view key) {
  if (key == "instance") return InstanceKey{};
  absl::string_view name = key;
  if (absl::ConsumePrefix(&name, "peer/")) {
    const auto neighbor = Neighbor::Parse(name);
    if (!neighbor.ok() || neighbor->ToString() != name) {
      return Bad("key", std::string(key),
                 "peer/ADDRESS, peer/ADDRESS%INTERFACE or peer/INTERFACE in canonical form");
    }
    return PeerKey{*neighbor};
  }
  if (absl::ConsumePrefix(&name, "route/")) {
    const auto prefix = IpPrefix::Parse(name);
    if (!prefix.ok() || prefix->ToString() != name) {
      return Bad("key", std::string(key), "route/PREFIX in canonical form");
    }
    return RouteKey{*prefix};
  }
  if (absl::ConsumePrefix(&name, "layer2/")) {
    const auto address = IpAddress::Parse(name);
    if (!address.ok() || address->ToString() != name) {
      return Bad("key", std::string(key), "layer2/ADDRESS in canonical form");
    }
    return Layer2Key{*address};
  }
  if (absl::ConsumePrefix(&name, "bfd/")) return ParseBfdKey(key, name);
  if (absl::ConsumePrefix(&name, "vrrp/")) return ParseVrrpKey(key, name);
  const bool group = absl::ConsumePrefix(&name, "group/");
  if (group || absl::ConsumePrefix(&name, "place/")) {
    if (name.empty()) return Bad("key", std::string(key), "the id of a group after the slash");
    if (group) return GroupKey{std::string(name)};
    return PlaceKey{std::string(name)};
  }
  return UnknownKey{};
}

absl::StatusOr<DecodedResource> DecodeResource(const ResourceKey& key, absl::string_view bytes) {
  if (std::holds_alternative<UnknownKey>(key)) return std::monostate{};
  // Most bodies fit the block: nothing is allocated.
  alignas(std::max_align_t) char block[2048];
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = sizeof(block);
  google::protobuf::Arena arena(options);
  pb::ResourceBody& body = *google::protobuf::Arena::CreateMessage<pb::ResourceBody>(&arena);
  if (!body.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(
        absl::StrCat("body: ", bytes.size(), " bytes are not a ResourceBody"));
  }
  if (const auto* k = std::get_if<InstanceKey>(&key); k != nullptr && body.has_instance()) {
    return Decode(*k, body.instance());
  }
  if (const auto* k = std::get_if<PeerKey>(&key); k != nullptr && body.has_peer()) {
    return Decode(*k, body.peer());
  }
  if (const auto* k = std::get_if<GroupKey>(&key); k != nullptr && body.has_group()) {
    return Decode(*k, body.group());
  }
  if (const auto* k = std::get_if<RouteKey>(&key); k != nullptr && body.has_route()) {
    return Decode(*k, body.route());
  }
  if (const auto* k = std::get_if<PlaceKey>(&key); k != nullptr && body.has_place()) {
    return Decode(*k, body.place());
  }
  if (const auto* k = std::get_if<Layer2Key>(&key); k != nullptr && body.has_layer2_address()) {
    return Decode(*k, body.layer2_address());
  }
  if (const auto* k = std::get_if<BfdKey>(&key); k != nullptr && body.has_bfd_session()) {
    return Decode(*k, body.bfd_session());
  }
  if (const auto* k = std::get_if<VrrpKey>(&key); k != nullptr && body.has_vrrp_instance()) {
    return Decode(*k, body.vrrp_instance());
  }
  return absl::InvalidArgumentError(
      absl::StrCat("body: kind ", static_cast<int>(body.kind_case()), ", not that of the key"));
}

std::vector<std::string> RouteServices(absl::string_view bytes) {
  pb::ResourceBody body;
  if (!body.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
  return {body.route().services().begin(), body.route().services().end()};
}

}  // namespace openelb::link

#include "api/base/ip.h"
#include "api/codec/advertise.h"
#include "api/codec/ignored.h"
#include "api/codec/kinds.h"
#include "api/network/v1alpha2/validate.h"

namespace openelb::codec {
namespace {

constexpr uint32_t kMaxAs = UINT32_MAX;
constexpr uint32_t kMaxSeconds = 65535;  // a hold time has 16 bits on the wire (RFC 4271 4.2)
// As long as the hold timer runs for the peer's OPEN (RFC 4271 8.2.2).
constexpr uint32_t kMaxDelayOpen = 240;

// What only a router that keeps routes of others could do (deferralTime is how long one waits for
// theirs), and what is state of GoBGP, does nothing.
std::optional<network::GracefulRestart> DecodeGracefulRestart(const Field& field,
                                                              IgnoredFields* ignored) {
  if (!field.given()) return std::nullopt;
  network::GracefulRestart restart;
  restart.enabled = field["enabled"].Bool();
  restart.restart_time_s = field["restartTime"].Int<uint32_t>(0, UINT32_MAX);
  restart.helper_only = field["helperOnly"].Bool();
  restart.notification_enabled = field["notificationEnabled"].Bool();
  restart.long_lived_enabled = field["longlivedEnabled"].Bool();
  restart.stale_routes_time_s = field["staleRoutesTime"].Int<uint32_t>(0, UINT32_MAX);
  const Field deferral = field["deferralTime"];
  if (deferral.Int<uint32_t>(0, UINT32_MAX) != 0) ignored->Add(deferral, Value());
  ignored->Add(field["peerRestartTime"], 0);
  ignored->Add(field["peerRestarting"], false);
  ignored->Add(field["localRestarting"], false);
  ignored->Add(field["mode"], "");
  return restart;
}

// The family of a session; IPv4 when its neighbour cannot be read, which is reported elsewhere.
Family FamilyOf(const network::BgpPeer& peer) {
  const auto neighbor = NeighborOf(peer);
  return neighbor.ok() ? neighbor->address.family() : Family::kV4;
}

const char* AfiName(Family family) { return family == Family::kV4 ? "AFI_IP" : "AFI_IP6"; }

// Family and name from spec.afiSafis[].config.family; the neighbour's where none is given.
void DecodeFamily(const Field& field, network::AfiSafi* entry, IgnoredFields* ignored) {
  const std::string afi = field["afi"].OneOfText(
      {"AFI_IP", "AFI_IP6", "AFI_L2VPN", "AFI_LS", "AFI_OPAQUE", "AFI_UNKNOWN"},
      AfiName(entry->family));
  const std::string safi = field["safi"].OneOfText(
      {"SAFI_UNICAST", "SAFI_MULTICAST", "SAFI_MPLS_LABEL", "SAFI_ENCAPSULATION", "SAFI_VPLS",
       "SAFI_EVPN", "SAFI_LS", "SAFI_SR_POLICY", "SAFI_MPLS_VPN", "SAFI_MPLS_VPN_MULTICAST",
       "SAFI_ROUTE_TARGET_CONSTRAINTS", "SAFI_FLOW_SPEC_UNICAST", "SAFI_FLOW_SPEC_VPN",
       "SAFI_KEY_VALUE", "SAFI_UNKNOWN"},
      "SAFI_UNICAST");
  const bool is_ip = afi == "AFI_IP" || afi == "AFI_IP6";
  entry->family = afi == "AFI_IP6" ? Family::kV6 : Family::kV4;
  entry->unicast = is_ip && safi == "SAFI_UNICAST";
  entry->text = absl::StrCat(afi, "/", safi);
  if (!entry->unicast) ignored->Add(field, Value());
}

network::AfiSafi DecodeAfiSafi(const Field& field, Family neighbor, IgnoredFields* ignored) {
  network::AfiSafi entry;
  entry.family = neighbor;
  const Field config = field["config"];
  DecodeFamily(config["family"], &entry, ignored);
  entry.enabled = !config["enabled"].given() || config["enabled"].Bool();
  const Field add_paths = field["addPaths"]["config"];
  if (add_paths["sendMax"].given()) {
    entry.send_max = add_paths["sendMax"].Int<uint32_t>(0, UINT32_MAX);
  }
  entry.add_path_receive = add_paths["receive"].Bool();
  ignored->Add(add_paths["receive"], false);
  entry.graceful_restart = field["mpGracefulRestart"]["config"]["enabled"].Bool();
  return entry;
}

std::optional<network::SecretKeyRef> DecodeSecretKeyRef(const Field& field) {
  if (!field.given() || !field["name"].Require("the name of a Secret")) return std::nullopt;
  network::SecretKeyRef ref;
  const auto read = [](const Field& member, std::string* text) {
    if (!member.given()) return;
    *text = member.String();
    if (text->empty() && member.value()->string() != nullptr) member.Error("is empty");
  };
  read(field["name"], &ref.name);
  read(field["key"], &ref.key);
  return ref;
}

// nullopt: something is missing, and has been reported.
std::optional<network::AuthKey> DecodeAuthKey(const Field& field) {
  const Field send = field["sendId"];
  const Field receive = field["receiveId"];
  const Field algorithm = field["algorithm"];
  const Field options = field["includeTcpOptions"];
  const Field ref = field["secretRef"];
  if (!field.Require("a key") || field.value()->map() == nullptr) return std::nullopt;
  bool whole = send.Require("a number from 0 to 255");
  whole &= receive.Require("a number from 0 to 255");
  whole &= algorithm.Require(absl::StrCat("one of ", TcpAoAlgorithmNames()));
  whole &= ref.Require("the name of a Secret, and a key in it");
  network::AuthKey decoded;
  decoded.key.send_id = send.Int<uint8_t>(0, 255);
  decoded.key.receive_id = receive.Int<uint8_t>(0, 255);
  const std::string* name = algorithm.given() ? algorithm.value()->string() : nullptr;
  const auto known = name == nullptr ? std::nullopt : ParseTcpAoAlgorithm(*name);
  if (algorithm.given() && !known.has_value()) {
    algorithm.Error(
        absl::StrCat(algorithm.value()->Describe(), " is not one of ", TcpAoAlgorithmNames()));
  }
  decoded.key.include_tcp_options = !options.given() || options.Bool();
  const auto secret = DecodeSecretKeyRef(ref);
  if (!whole || !known.has_value() || !secret.has_value()) return std::nullopt;
  decoded.key.algorithm = *known;
  decoded.secret = *secret;
  return decoded;
}

void DecodePeerConf(const Field& conf, network::BgpPeer* peer, IgnoredFields* ignored) {
  peer->neighbor_address = conf["neighborAddress"].String();
  const Field interface = conf["neighborInterface"];
  peer->peer_as = conf["peerAs"].Int<uint32_t>(1, kMaxAs);
  peer->local_as = conf["localAs"].Int<uint32_t>(0, kMaxAs);
  peer->auth_password = conf["authPassword"].Secret();
  peer->auth_password_secret = DecodeSecretKeyRef(conf["authPasswordSecretRef"]);
  for (const Field& field : conf["authKeys"].Items()) {
    if (const auto key = DecodeAuthKey(field)) peer->auth_keys.push_back(*key);
  }
  peer->description = conf["description"].String();
  peer->admin_down = conf["adminDown"].Bool();
  peer->peer_group = conf["peerGroup"].String();
  ignored->Add(conf["peerType"], 0);
  ignored->Add(conf["routeFlapDamping"], false);
  ignored->Add(conf["sendCommunity"], 0);
  if (peer->neighbor_address.empty()) {
    peer->neighbor_interface = interface.String();
  } else {
    ignored->Add(interface, "");  // it would name another router
  }
  ignored->Add(conf["vrf"], "");
  const std::string remove = conf["removePrivateAs"].String();
  peer->removes_private_as = !remove.empty() && remove != "NONE";
  peer->replaces_peer_as = conf["replacePeerAs"].Bool();
  conf["allowOwnAs"].Int<uint32_t>(0, kMaxAs);  // we accept no routes, so there are none to allow
}

void DecodeTimers(const Field& timers, network::BgpPeer* peer, IgnoredFields* ignored) {
  peer->connect_retry_s = timers["connectRetry"].Seconds(0, kMaxSeconds);
  peer->hold_time_s = timers["holdTime"].Seconds(0, kMaxSeconds);
  peer->keepalive_s = timers["keepaliveInterval"].Seconds(0, kMaxSeconds);
  peer->delay_open_s = timers["delayOpenTime"].Seconds(0, kMaxDelayOpen);
  const Field advertisement = timers["minimumAdvertisementInterval"];
  if (advertisement.Seconds(0, kMaxSeconds).value_or(0) != 0) ignored->Add(advertisement, Value());
}

void DecodeTransport(const Field& transport, network::BgpPeer* peer, IgnoredFields* ignored) {
  peer->passive = transport["passiveMode"].Bool();
  peer->remote_port = transport["remotePort"].Int<uint32_t>(0, 65535);
  peer->update_source = transport["updateSource"].String();
  ignored->Add(transport["mtuDiscovery"], false);
  ignored->Add(transport["remoteAddress"], "");
  ignored->Add(transport["tcpMss"], 0);
}

}  // namespace

Object DecodeBgpConf(kube::ObjectMeta meta, const Field& root) {
  network::BgpConf conf;
  conf.meta = std::move(meta);
  IgnoredFields ignored;
  const Field spec = root["spec"];
  conf.as = spec["as"].Int<uint32_t>(1, kMaxAs);
  for (const auto& [rack, as] : spec["asPerRack"].Members()) {
    conf.as_per_rack[rack] = as.Int<uint32_t>(0, kMaxAs);
  }
  conf.router_id = spec.Either("routerId", "routerID").String();
  conf.listen_port = spec.Either("listenPort", "port").Int<int32_t>(-1, 65535);
  conf.listen_addresses = spec["listenAddresses"].Strings();
  conf.graceful_restart = DecodeGracefulRestart(spec["gracefulRestart"], &ignored);
  conf.policy = spec["policy"].String();
  conf.community_aliases = spec["communityAliases"].StringMap();
  for (const auto& [name, group] : spec["peerGroups"].Members()) {
    conf.peer_groups[name] = group.given() ? *group.value() : Value();
    Findings unused;  // what is wrong with a group costs its BgpPeers something, not the BgpConf
    ignored.Add(DecodePeerSpec(Field(group.value(), group.path(), 0, &unused)).fields_ignored);
  }
  ignored.Add(spec["families"], Value::List());
  ignored.Add(spec["useMultiplePaths"], false);
  conf.fields_ignored = ignored.Take();
  return conf;
}

Object DecodeBgpPeer(kube::ObjectMeta meta, const Field& root) {
  const Field spec = root["spec"];
  network::BgpPeer peer = DecodePeerSpec(spec);
  peer.meta = std::move(meta);
  if (peer.peer_group.empty()) {
    spec.Either("conf", "config")["peerAs"].Require("a number from 1 to 4294967295");
  } else {
    peer.spec = *spec.value();
  }
  return peer;
}

network::BgpPeer DecodePeerSpec(const Field& spec) {
  network::BgpPeer peer;
  IgnoredFields ignored;
  DecodePeerConf(spec.Either("conf", "config"), &peer, &ignored);
  const Field multihop = spec["ebgpMultihop"];
  peer.multihop = multihop["enabled"].Bool();
  peer.multihop_ttl = multihop["multihopTtl"].Int<uint32_t>(0, 255);
  const Field ttl_security = spec["ttlSecurity"];
  peer.ttl_security = ttl_security["enabled"].Bool();
  peer.ttl_min = ttl_security["ttlMin"].Int<uint32_t>(0, 255);
  DecodeTimers(spec["timers"]["config"], &peer, &ignored);
  DecodeTransport(spec["transport"], &peer, &ignored);
  peer.graceful_restart = DecodeGracefulRestart(spec["gracefulRestart"], &ignored);
  const Family neighbor = FamilyOf(peer);
  for (const Field& entry : spec["afiSafis"].Items()) {
    peer.afi_safis.push_back(DecodeAfiSafi(entry, neighbor, &ignored));
  }
  // v1alpha1 has one bound for the one family it carries.
  if (const Field send_max = spec["addPaths"]["sendMax"]; send_max.given()) {
    const uint32_t bound = send_max.Int<uint32_t>(0, UINT32_MAX);
    if (peer.afi_safis.empty()) {
      network::AfiSafi entry;
      entry.family = neighbor;
      entry.text = absl::StrCat(AfiName(neighbor), "/SAFI_UNICAST");
      entry.send_max = bound;
      peer.afi_safis.push_back(std::move(entry));
    }
  }
  if (const Field selector = spec["nodeSelector"]; selector.given()) {
    peer.node_selector = DecodeLabelSelector(selector);
  }
  peer.advertise = DecodeAdvertise(spec["advertise"]);
  peer.link_bandwidth = spec["advertise"]["linkBandwidth"].Bool();
  ignored.Add(spec["usingPortForward"], false);
  peer.fields_ignored = ignored.Take();
  return peer;
}

}  // namespace openelb::codec

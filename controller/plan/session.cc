#include "controller/plan/session.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/base/tcp_ao.h"
#include "api/network/v1alpha2/validate.h"
#include "api/plan/path_attributes_codec.h"
#include "api/plan/resource.h"
#include "controller/plan/advertise_table.h"

namespace openelb::plan {
namespace {

// Defaults and limits of a session, as OpenELB documents them.
constexpr uint32_t kDefaultHoldTime = 90;
constexpr uint32_t kDefaultConnectRetry = 120;
constexpr uint32_t kBgpPort = 179;
constexpr size_t kMaxPassword = 80;  // TCP_MD5SIG_MAXKEYLEN
constexpr uint32_t kLongestRestart = 4095;
constexpr uint32_t kDefaultLongLived = 3600;
constexpr uint32_t kLongestLongLived = 0xffffff;  // 24 bits
constexpr uint32_t kLargestTtl = 255;

// Collects what is wrong with one object.
class Report {
 public:
  Report(std::string kind, std::string name, std::vector<Problem>* out)
      : about_{std::move(kind), "", std::move(name)}, out_(out) {}
  void Say(absl::string_view reason, std::string message) {
    out_->push_back({about_, std::string(reason), std::move(message)});
  }

 private:
  const ObjectKey about_;
  std::vector<Problem>* const out_;
};

// A v6-only node without a written router id: a hash of its name, which survives restarts. Within
// 1.0.0.0..223.255.255.255, because some routers refuse what cannot be a host's address.
IpAddress HashedRouterId(const std::string& node) {
  constexpr uint64_t kFirst = 0x01000000;
  constexpr uint64_t kEnd = 0xe0000000;
  return IpAddress::FromV4(
      static_cast<uint32_t>(kFirst + ResourceHash(node, "router-id") % (kEnd - kFirst)));
}

std::optional<v1::BgpInstance> PlanInstance(const SessionInput& input,
                                            std::vector<Problem>* problems) {
  if (input.conf == nullptr) return std::nullopt;
  const network::BgpConf& conf = *input.conf;
  Report report(network::BgpConf::kKind, conf.meta.name, problems);
  v1::BgpInstance instance;
  const auto as = conf.as_per_rack.find(input.node.rack);
  instance.set_local_as(as != conf.as_per_rack.end() && as->second > 0 ? as->second : conf.as);
  if (instance.local_as() == 0) {
    report.Say("NoAs", input.node.InRack() && !input.node.rack.empty()
                           ? absl::StrCat("spec.as is not given and spec.asPerRack names no AS for "
                                          "rack \"",
                                          input.node.rack, "\", so BGP does not run there")
                           : "spec.as is not given, so BGP does not run");
    return std::nullopt;
  }
  const std::optional<IpAddress> written = WrittenRouterId(conf);
  if (!conf.router_id.empty() && !written.has_value()) {
    report.Say("BadRouterId",
               absl::StrCat("spec.routerId \"", conf.router_id,
                            "\" is not an IPv4 address other than 0.0.0.0; each speaker uses its "
                            "node's first IPv4 InternalIP"));
  }
  IpAddress router_id = HashedRouterId(input.node_name);
  if (input.uses_written_router_id && written.has_value())
    router_id = *written;
  else if (input.node.next_hops.v4.has_value())
    router_id = *input.node.next_hops.v4;
  instance.set_router_id(router_id.ToString());

  instance.set_listen_port(conf.listen_port == 0 ? int32_t{kBgpPort} : conf.listen_port);
  if (conf.listen_port < -1 || conf.listen_port > 65535) {
    report.Say("BadListenPort", absl::StrCat("spec.listenPort ", conf.listen_port,
                                             " is neither -1 nor within 0..65535; 179 is used"));
    instance.set_listen_port(kBgpPort);
  }
  for (const std::string& text : conf.listen_addresses) {
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
    if (address.ok() && !address->IsMulticast())
      instance.add_listen_addresses(address->ToString());
    else
      report.Say("BadListenAddress",
                 absl::StrCat("spec.listenAddresses: \"", text, "\" is not an address of a host"));
  }
  if (!conf.listen_addresses.empty() && instance.listen_addresses().empty())
    instance.set_listen_port(-1);
  instance.set_on_stop(input.node.leaves_on_stop ? v1::BgpInstance::LEAVE
                                                 : v1::BgpInstance::RESTART);
  return instance;
}

void PlanFamilies(const network::BgpPeer& peer, Family neighbor, Report* report, v1::BgpPeer* out) {
  if (peer.afi_safis.empty()) {
    v1::AddressFamily* family = out->add_families();
    family->set_family(static_cast<uint32_t>(neighbor));
    family->set_add_path_send(true);
    return;
  }
  PerFamily<bool> seen;
  for (const network::AfiSafi& entry : peer.afi_safis) {
    if (!entry.unicast) {
      report->Say("FamilyIgnored", absl::StrCat("spec.afiSafis: ", entry.text,
                                                " is not carried; only unicast IPv4 and IPv6 are"));
      continue;
    }
    if (!entry.enabled || std::exchange(seen[entry.family], true)) continue;
    v1::AddressFamily* family = out->add_families();
    family->set_family(static_cast<uint32_t>(entry.family));
    family->set_add_path_send(entry.send_max.value_or(0) > 0);
    family->set_send_max(entry.send_max.value_or(0));
  }
  std::sort(out->mutable_families()->begin(), out->mutable_families()->end(),
            [](const auto& a, const auto& b) { return a.family() < b.family(); });
}

void PlanTimers(const network::BgpPeer& peer, Report* report, v1::BgpPeer* out) {
  const uint32_t hold = peer.hold_time_s.value_or(kDefaultHoldTime);
  out->set_hold_time_s(hold == 0 ? 0 : std::clamp(hold, 3u, 65535u));
  if (out->hold_time_s() != hold) {
    report->Say("BadTimer", absl::StrCat("spec.timers.config.holdTime ", hold,
                                         " is neither 0 nor within 3..65535 (RFC 4271 4.2); ",
                                         out->hold_time_s(), " is used"));
  }
  const uint32_t keepalive = peer.keepalive_s.value_or(0);
  if (keepalive < out->hold_time_s()) {
    out->set_keepalive_s(keepalive);
  } else if (keepalive > 0 && hold > 0) {
    report->Say("BadTimer", absl::StrCat("spec.timers.config.keepaliveInterval ", keepalive,
                                         " is not less than the hold time ", out->hold_time_s(),
                                         "; a third of the hold time is used"));
  }
  const uint32_t retry = peer.connect_retry_s.value_or(0);
  out->set_connect_retry_s(retry == 0 ? kDefaultConnectRetry : std::min(retry, 65535u));
  if (retry > 65535) {
    report->Say("BadTimer", absl::StrCat("spec.timers.config.connectRetry ", retry,
                                         " is not within 0..65535; 65535 is used"));
  }
  out->set_delay_open_s(peer.delay_open_s.value_or(0));
}

// What every route to the peer carries, and what of it can have no effect.
void PlanAttributes(const network::BgpConf& conf, const network::BgpPeer& peer, bool internal,
                    Report* report, v1::BgpPeer* out) {
  std::vector<std::string> unknown;
  const PathAttributes attributes = Resolve(peer.advertise, conf.community_aliases, &unknown);
  if (!unknown.empty()) report->Say("UnknownCommunity", UnknownCommunities(unknown));
  if (!attributes.empty()) WriteAttributes(attributes, out->mutable_attributes());
  out->set_link_bandwidth(peer.link_bandwidth);
  const auto no_effect = [&](bool asked, absl::string_view field, absl::string_view why) {
    if (asked) report->Say("NoEffect", absl::StrCat(field, " has no effect: ", why));
  };
  if (internal) {
    constexpr absl::string_view kWhy =
        "the router is of the speakers' own AS (iBGP), where no AS is added to the path";
    no_effect(attributes.prepend.value_or(0) > 0, "spec.advertise.prepend", kWhy);
    no_effect(peer.removes_private_as, "spec.conf.removePrivateAs", kWhy);
    no_effect(peer.replaces_peer_as, "spec.conf.replacePeerAs", kWhy);
  } else {
    no_effect(attributes.local_pref.has_value(), "spec.advertise.localPref",
              "the router is of another AS (eBGP), and only those of the speakers' own are told");
  }
}

// What the peer is asked to do while the speaker restarts, as its BgpPeer says, or else the
// BgpConf.
void PlanGracefulRestart(const network::BgpConf& conf, const network::BgpPeer& peer, Report* report,
                         v1::BgpPeer* out) {
  const auto& asked =
      peer.graceful_restart.has_value() ? peer.graceful_restart : conf.graceful_restart;
  if (!asked.has_value() || !asked->enabled || asked->helper_only) return;
  v1::GracefulRestart& restart = *out->mutable_graceful_restart();
  restart.set_notification(asked->notification_enabled);
  const uint32_t fallback = out->hold_time_s() == 0 ? kDefaultHoldTime : out->hold_time_s();
  const uint32_t time = asked->restart_time_s == 0 ? fallback : asked->restart_time_s;
  restart.set_restart_time_s(std::min(time, kLongestRestart));
  if (asked->restart_time_s > kLongestRestart) {
    report->Say("BadTimer", absl::StrCat("gracefulRestart.restartTime ", asked->restart_time_s,
                                         " is not within 0..", kLongestRestart, " (RFC 4724 3); ",
                                         kLongestRestart, " is used"));
  }
  if (asked->long_lived_enabled) {
    const uint32_t stale = asked->stale_routes_time_s;
    restart.set_long_lived_s(stale == 0 ? kDefaultLongLived : std::min(stale, kLongestLongLived));
    if (stale > kLongestLongLived) {
      report->Say("BadTimer", absl::StrCat("gracefulRestart.staleRoutesTime ", stale,
                                           " is not within 0..", kLongestLongLived,
                                           " (RFC 9494 3); ", kLongestLongLived, " is used"));
    }
  }
  // Where no family is named, all are meant.
  PerFamily<bool> named;
  for (const network::AfiSafi& entry : peer.afi_safis) {
    if (entry.unicast && entry.graceful_restart) named[entry.family] = true;
  }
  const bool all = !named[Family::kV4] && !named[Family::kV6];
  for (v1::AddressFamily& family : *out->mutable_families()) {
    family.set_graceful_restart(all || named[static_cast<Family>(family.family())]);
  }
}

// What the export policy says of this peer. Returns why it cannot be applied; empty: it can.
std::string PlanPolicy(const CurrentPolicy& current, const IpAddress& address, uint32_t local_as,
                       v1::BgpPeer* out) {
  if (!current.policy.has_value()) return current.problem;
  const PeerRules rules = RulesFor(*current.policy, address, local_as);
  for (const ExportRule& rule : rules.rules) WriteExportRule(rule, out->add_export_rules());
  return rules.error;
}

// The password of the session; empty: none is asked for. Error: what is asked for cannot be had.
absl::StatusOr<std::string> PasswordOf(const network::BgpPeer& peer, const SecretTable& secrets) {
  const bool from_secret = peer.auth_password_secret.has_value();
  absl::StatusOr<std::string> password =
      from_secret ? secrets.Find(*peer.auth_password_secret) : peer.auth_password;
  const char* const field =
      from_secret ? "spec.conf.authPasswordSecretRef" : "spec.conf.authPassword";
  if (!password.ok()) {
    return absl::NotFoundError(absl::StrCat(field, ": ", password.status().message(),
                                            ", and no session comes up without the password"));
  }
  if (password->size() > kMaxPassword) {
    return absl::InvalidArgumentError(absl::StrCat(
        field, " has ", password->size(), " octets; TCP MD5 takes at most ", kMaxPassword));
  }
  return password;
}

// The keys of the TCP Authentication Option. Error: they cannot be had or used there.
absl::Status PlanKeys(const network::BgpPeer& peer, const SessionInput& input, v1::BgpPeer* out) {
  constexpr const char* kField = "spec.conf.authKeys";
  if (peer.auth_keys.empty()) return absl::OkStatus();
  if (input.node.tcp_ao != TcpAo::kThere) {
    return absl::UnimplementedError(absl::StrCat(
        kField, ": ",
        input.node.tcp_ao == TcpAo::kMissing
            ? absl::StrCat("the kernel of node \"", input.node_name,
                           "\" has no TCP-AO (CONFIG_TCP_AO, Linux 6.7)")
            : absl::StrCat("the speaker on node \"", input.node_name,
                           "\" has not said that its kernel has TCP-AO; those before this "
                           "version do not know it"),
        ", and no session comes up without the keys"));
  }
  for (const network::AuthKey& key : peer.auth_keys) {
    const absl::StatusOr<std::string> secret = input.secrets.Find(key.secret);
    const std::string where =
        absl::StrCat(kField, "[", &key - peer.auth_keys.data(), "].secretRef");
    if (!secret.ok()) {
      return absl::NotFoundError(absl::StrCat(where, ": ", secret.status().message(),
                                              ", and no session comes up without the keys"));
    }
    if (secret->size() > TcpAoKey::kMaxSecret) {
      return absl::InvalidArgumentError(absl::StrCat(where, " has ", secret->size(),
                                                     " octets; Linux takes at most ",
                                                     TcpAoKey::kMaxSecret, " for TCP-AO"));
    }
    v1::TcpAoKey* planned = out->add_tcp_ao_keys();
    planned->set_send_id(key.key.send_id);
    planned->set_receive_id(key.key.receive_id);
    planned->set_algorithm(std::string(TcpAoAlgorithmName(key.key.algorithm)));
    planned->set_exclude_tcp_options(!key.key.include_tcp_options);
    planned->set_secret(*secret);
  }
  return absl::OkStatus();
}

// What protects the session. Error: what is asked for cannot be had, and `out` has none of it.
absl::Status PlanProtection(const network::BgpPeer& peer, const SessionInput& input,
                            v1::BgpPeer* out) {
  const absl::StatusOr<std::string> password = PasswordOf(peer, input.secrets);
  if (!password.ok()) return password.status();
  out->set_md5_password(*password);
  absl::Status keys = PlanKeys(peer, input, out);
  if (!keys.ok()) out->clear_tcp_ao_keys();
  return keys;
}

// Why the session must stay down; empty: it may come up.
std::string HeldDown(const std::string& policy_error, const absl::Status& protection,
                     const network::BgpPeer& peer, const v1::BgpPeer& planned) {
  if (!policy_error.empty()) {
    return absl::StrCat(
        "the export policy cannot be applied, and without it the peer would get "
        "routes that it may forbid: ",
        policy_error);
  }
  if (!protection.ok()) return std::string(protection.message());
  if (peer.remote_port > 65535) {
    return absl::StrCat("spec.transport.remotePort ", peer.remote_port, " is not within 0..65535");
  }
  if (planned.families().empty()) return "spec.afiSafis leaves no address family to announce";
  return "";
}

// The subnet that speaker and peer share, and those of the other family on the same interfaces. To
// a link-local peer those are all of its interface.
Scope ConnectedScope(const NodeView& node, const Neighbor& peer) {
  Scope scope;
  const Family family = peer.address.family();
  std::set<std::string> interfaces;
  for (const InterfaceAddress& address : node.prefixes) {
    const bool shared = peer.interface.empty() ? address.Prefix().Contains(peer.address)
                                               : address.interface == peer.interface;
    if (!shared) continue;
    interfaces.insert(address.interface);
    if (address.address.family() == family) scope.subnets[family].insert(address.Prefix());
  }
  for (const InterfaceAddress& address : node.prefixes) {
    if (address.address.family() != family && interfaces.contains(address.interface))
      scope.subnets[address.address.family()].insert(address.Prefix());
  }
  return scope;
}

std::string SubnetsText(const Scope& scope) {
  std::vector<std::string> texts;
  for (const Family family : kFamilies) {
    for (const IpPrefix& subnet : scope.subnets[family]) texts.push_back(subnet.ToString());
  }
  return absl::StrJoin(texts, ",");
}

// Names the scopes of a speaker. Where all its connected peers share one subnet, the name does not
// say which, so that speakers everywhere can share routes that mention it.
void NameScopes(const std::map<Neighbor, Scope>& scopes, SessionPlan* plan) {
  using Key = std::pair<bool, std::string>;  // over a link alone; subnets
  const auto key_of = [](const Scope& scope) {
    return Key{!scope.link_of.empty(), SubnetsText(scope)};
  };
  std::map<Key, Scope> distinct;
  for (const auto& [neighbor, scope] : scopes) {
    const auto [known, added] = distinct.try_emplace(key_of(scope), scope);
    known->second.ipv6_hops |= scope.ipv6_hops;
  }
  const auto connected = std::count_if(distinct.begin(), distinct.end(), [](const auto& entry) {
    return !entry.first.first && !entry.first.second.empty();
  });
  for (auto& [key, scope] : distinct) {
    const auto& [link, subnets] = key;
    if (link) {
      scope.name = absl::StrCat("link", subnets.empty() ? "" : "/", subnets);
    } else {
      scope.name = subnets.empty()  ? "all"
                   : connected == 1 ? "connected"
                                    : absl::StrCat("connected/", subnets);
    }
    plan->scopes.push_back(scope);
  }
  std::sort(plan->scopes.begin(), plan->scopes.end(),
            [](const Scope& a, const Scope& b) { return a.name < b.name; });
  for (const auto& [neighbor, scope] : scopes) {
    const std::string& name = distinct.at(key_of(scope)).name;
    plan->peers.at(neighbor).set_scope(name);
    plan->view.peers.at(neighbor).scope = name;
  }
}

}  // namespace

std::optional<IpAddress> WrittenRouterId(const network::BgpConf& conf) {
  const absl::StatusOr<IpAddress> id = IpAddress::Parse(conf.router_id);
  if (!id.ok() || !id->is_v4() || id->IsUnspecified()) return std::nullopt;
  return *id;
}

bool IsFor(const network::BgpPeer& peer, const kube::Labels& labels) {
  return !peer.node_selector.has_value() || peer.node_selector->Matches(labels);
}

bool CarriesIpv4OverIpv6(const network::BgpPeer& peer) {
  const absl::StatusOr<Neighbor> neighbor = network::NeighborOf(peer);
  return neighbor.ok() && neighbor->address.is_v6() &&
         std::any_of(peer.afi_safis.begin(), peer.afi_safis.end(),
                     [](const network::AfiSafi& entry) {
                       return entry.unicast && entry.enabled && entry.family == Family::kV4;
                     });
}

SessionPlan PlanSessions(const SessionInput& input) {
  SessionPlan plan;
  plan.instance = PlanInstance(input, &plan.problems);
  std::map<Neighbor, Scope> scopes;
  for (const auto& [name, peer] : input.peers) {
    if (!IsFor(peer, input.node.labels)) continue;
    Report report(network::BgpPeer::kKind, name, &plan.problems);
    if (!plan.instance.has_value()) {
      if (input.conf == nullptr) {
        report.Say("NoBgpConf", input.conf_is_for_cni
                                    ? absl::StrCat("the BgpConf \"", network::kBgpConfName,
                                                   "\" is left to the CNI, so BGP does not run")
                                    : absl::StrCat("there is no BgpConf \"", network::kBgpConfName,
                                                   "\", so BGP does not run"));
      }
      continue;
    }
    const absl::StatusOr<Neighbor> neighbor = network::NeighborOf(peer);
    if (!neighbor.ok()) {
      report.Say("BadAddress",
                 absl::StrCat(peer.neighbor_address.empty() ? "spec.conf.neighborInterface "
                                                            : "spec.conf.neighborAddress ",
                              neighbor.status().message()));
      continue;
    }
    const IpAddress& address = neighbor->address;
    if (peer.peer_as == 0) {
      report.Say("NoAs", "spec.conf.peerAs is not given");
      continue;
    }
    const auto [slot, added] = plan.peers.try_emplace(*neighbor);
    if (!added) {
      report.Say("DuplicatePeer",
                 absl::StrCat("BgpPeer \"", slot->second.name(), "\" has the same neighbour ",
                              neighbor->ToString(),
                              " and comes first by name; it holds on nodes that both select"));
      continue;
    }

    v1::BgpPeer& out = slot->second;
    if (!neighbor->unnumbered()) out.set_address(address.ToString());
    out.set_interface(neighbor->interface);
    out.set_update_source(peer.update_source);
    out.set_name(name);
    out.set_remote_as(peer.peer_as);
    const uint32_t local_as = peer.local_as > 0 ? peer.local_as : plan.instance->local_as();
    if (local_as != plan.instance->local_as()) out.set_local_as(local_as);
    out.set_remote_port(peer.remote_port == 0 || peer.remote_port > 65535 ? kBgpPort
                                                                          : peer.remote_port);
    out.set_passive(peer.passive);
    PlanTimers(peer, &report, &out);
    const bool ibgp = local_as == peer.peer_as;
    const bool one_hop = !ibgp && !peer.multihop;
    out.set_ttl(one_hop                          ? 1
                : ibgp || peer.multihop_ttl == 0 ? kLargestTtl
                                                 : std::min(peer.multihop_ttl, kLargestTtl));
    if (peer.ttl_security) {
      out.set_ttl(kLargestTtl);
      out.set_min_ttl(peer.ttl_min == 0 ? kLargestTtl : std::min(peer.ttl_min, kLargestTtl));
    }
    const absl::Status protection = PlanProtection(peer, input, &out);
    out.set_admin_down(peer.admin_down);
    PlanFamilies(peer, address.family(), &report, &out);
    PlanAttributes(*input.conf, peer, ibgp, &report, &out);
    PlanGracefulRestart(*input.conf, peer, &report, &out);
    const std::string policy_error = PlanPolicy(input.policy, address, local_as, &out);
    out.set_held_down(HeldDown(policy_error, protection, peer, out));
    if (!out.held_down().empty()) report.Say("HeldDown", out.held_down());

    PeerView& view = plan.view.peers[*neighbor];
    view.name = name;
    view.internal = ibgp;
    view.down = peer.admin_down ? "spec.conf.adminDown is true" : out.held_down();
    for (const v1::AddressFamily& family : out.families())
      view.families[static_cast<Family>(family.family())] = true;
    Scope& scope = scopes[*neighbor];
    if (one_hop) scope = ConnectedScope(input.node, *neighbor);
    scope.ipv6_hops = CarriesIpv4OverIpv6(peer);
    if (one_hop && !neighbor->interface.empty() && scope.subnets.v6.empty())
      scope.link_of = input.node_name;
    for (v1::AddressFamily& family : *out.mutable_families()) {
      family.set_link_local_next_hop(scope.IsLinkLocal(static_cast<Family>(family.family())));
    }
    view.subnet_unknown =
        one_hop && scope.link_of.empty() && scope.subnets[address.family()].empty();
  }
  NameScopes(scopes, &plan);
  return plan;
}

}  // namespace openelb::plan

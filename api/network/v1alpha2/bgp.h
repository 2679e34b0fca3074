#pragma once
// network.kubesphere.io/v1alpha2 BgpConf and BgpPeer. v1alpha1 objects and spellings decode into
// the same types.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/base/tcp_ao.h"
#include "api/codec/value.h"
#include "api/kube/meta.h"
#include "api/network/v1alpha2/advertise.h"

namespace openelb::network {

// The only BgpConf name that counts.
inline constexpr const char* kBgpConfName = "default";

struct GracefulRestart {
  bool enabled = false;
  uint32_t restart_time_s = 0;  // 0: not given
  bool helper_only = false;
  bool notification_enabled = false;
  bool long_lived_enabled = false;
  uint32_t stale_routes_time_s = 0;
  bool operator==(const GracefulRestart&) const = default;
};

struct BgpConf {
  static constexpr const char* kKind = "BgpConf";
  kube::ObjectMeta meta;
  uint32_t as = 0;                              // 1..4294967295; 0: not given, BGP is not ready
  std::map<std::string, uint32_t> as_per_rack;  // 0 keeps `as`
  std::string router_id;                        // as written; empty: each node's first InternalIP
  int32_t listen_port = 0;                      // 0: 179; -1: do not listen
  std::vector<std::string> listen_addresses;    // empty: all
  std::optional<GracefulRestart> graceful_restart;
  std::string policy;  // name of a ConfigMap with an export policy
  std::map<std::string, std::string> community_aliases;  // name -> community (community.h)
  // Name -> what BgpPeers of the group share, as written (codec/peer_group.h).
  std::map<std::string, codec::Value> peer_groups;
  std::vector<std::string> fields_ignored;

  bool operator==(const BgpConf&) const = default;
};

// One address family of a session.
struct AfiSafi {
  Family family = Family::kV4;
  bool unicast = true;  // false: a family that we do not carry; kept so that it can be named
  std::string text;     // "AFI_IP/SAFI_UNICAST" as written, for messages
  bool enabled = true;
  // addPaths.config.sendMax: nullopt when not written, which in a written entry means no ADD-PATH,
  // as in OpenELB. 0 turns ADD-PATH off, n > 0 bounds the paths per prefix.
  std::optional<uint32_t> send_max;
  bool add_path_receive = false;
  bool graceful_restart = false;
  bool operator==(const AfiSafi&) const = default;
};

// A password or master key in a Secret of the controller's namespace.
struct SecretKeyRef {
  std::string name;
  std::string key = "password";
  bool operator==(const SecretKeyRef&) const = default;
};

// A key of the TCP Authentication Option (RFC 5925).
struct AuthKey {
  TcpAoKey key;  // but for its secret
  SecretKeyRef secret;
  bool operator==(const AuthKey&) const = default;
};

struct BgpPeer {
  static constexpr const char* kKind = "BgpPeer";
  kube::ObjectMeta meta;
  // spec.conf
  std::string neighbor_address;    // as written; see NeighborOf
  std::string neighbor_interface;  // of an unnumbered router, in place of its address
  uint32_t peer_as = 0;
  uint32_t local_as = 0;  // 0: the instance's
  std::string auth_password;
  std::optional<SecretKeyRef> auth_password_secret;  // in place of auth_password
  std::vector<AuthKey> auth_keys;                    // in place of both; the one in use first
  std::string description;
  bool admin_down = false;
  std::string peer_group;  // one of BgpConf::peer_groups; empty: none
  // Whether these two are asked for. Neither changes anything: what we announce has our own AS
  // alone.
  bool removes_private_as = false;
  bool replaces_peer_as = false;
  // spec.ebgpMultihop
  bool multihop = false;
  uint32_t multihop_ttl = 0;  // 0: 255
  // spec.ttlSecurity (RFC 5082)
  bool ttl_security = false;
  uint32_t ttl_min = 0;  // 0: 255
  // spec.timers.config, seconds; nullopt: not given. A hold time of 0 turns keepalives off (RFC
  // 4271 4.2).
  std::optional<uint32_t> connect_retry_s;
  std::optional<uint32_t> hold_time_s;
  std::optional<uint32_t> keepalive_s;
  std::optional<uint32_t> delay_open_s;
  // spec.transport
  bool passive = false;
  uint32_t remote_port = 0;   // 0: 179
  std::string update_source;  // this end's address or interface; empty: not given
  std::optional<GracefulRestart> graceful_restart;
  // Absent list: one entry of the neighbour's family with ADD-PATH negotiated and unbounded.
  std::vector<AfiSafi> afi_safis;
  std::optional<kube::LabelSelector> node_selector;  // nullopt and empty: every speaker
  Advertise advertise;                               // of every route to this peer
  bool link_bandwidth = false;                       // spec.advertise: say each next hop's weight
  std::vector<std::string> fields_ignored;
  codec::Value spec;  // as written; null without a peer group

  bool operator==(const BgpPeer&) const = default;
};

}  // namespace openelb::network

#pragma once
// The plan a speaker holds, decoded and checked: what the protocol speakers read. Filled by the
// plan store only. Each resource is checked by itself: a route may name a group, and a place a
// group or node, that is not there (yet); readers treat it as an empty one.

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/base/neighbor.h"
#include "api/base/tcp_ao.h"
#include "api/plan/path_attributes.h"
#include "api/plan/resource.h"

namespace openelb::link {

struct BgpInstance {
  uint32_t local_as = 0;
  uint32_t router_id = 0;                   // host order, not zero
  int32_t listen_port = -1;                 // 1..65535; -1: do not listen
  std::vector<IpAddress> listen_addresses;  // never empty when listening
  bool leave_on_stop = false;
  bool operator==(const BgpInstance&) const = default;
};

struct PeerFamily {
  Family family = Family::kV4;
  bool add_path_send = false;
  uint32_t send_max = 0;  // 0: no bound
  bool graceful_restart = false;
  bool link_local_next_hop = false;  // this end's own, if the session is link-local
  bool operator==(const PeerFamily&) const = default;
};

// What the peer is asked to do while this speaker restarts (RFC 4724).
struct GracefulRestart {
  uint16_t restart_time_s = 0;  // how long it may keep the routes: 1..4095
  bool notification = false;    // also after a NOTIFICATION (RFC 8538)
  uint32_t long_lived_s = 0;    // and then as its last choice (RFC 9494): 24 bits; 0: not
  bool operator==(const GracefulRestart&) const = default;
};

struct BgpPeer {
  Neighbor neighbor;
  std::string name;
  uint32_t remote_as = 0;
  uint32_t local_as = 0;  // never 0 while there is an instance: its AS stands in
  uint16_t remote_port = 179;
  bool passive = false;
  uint16_t hold_time_s = 90;     // 0, or 3..65535
  uint16_t keepalive_s = 0;      // 0: a third of the negotiated hold time
  uint32_t connect_retry_s = 0;  // ceiling of the back-off, at least 1
  uint16_t delay_open_s = 0;     // how long our OPEN waits for the peer's; 0: not at all
  uint8_t ttl = 1;               // 1..255
  uint8_t min_ttl = 0;           // of packets received (RFC 5082); 0: any
  std::string update_source;     // this end's address or interface; empty: any
  std::string md5_password;      // at most 80 octets
  TcpAoKeys tcp_ao_keys;         // the one in use first; empty: none. Never beside a password
  bool admin_down = false;
  std::string held_down;  // why the session must stay down; empty: it may come up
  std::vector<PeerFamily> families;
  std::string scope;
  plan::PathAttributes attributes;  // of every route
  std::vector<plan::ExportRule> export_rules;
  bool link_bandwidth = false;  // say each next hop's weight
  std::optional<GracefulRestart> graceful_restart;
  bool operator==(const BgpPeer&) const = default;
};

struct NextHop {
  std::string node;
  IpAddress address;
  // Its next hop for peers that take IPv6 ones for IPv4 routes (RFC 8950); none where `address`
  // will do for all. An `address` that is IPv6 as well: it has no IPv4 one.
  std::optional<IpAddress> ipv6_address;
  uint32_t weight = 1;
  bool draining = false;
  plan::PathAttributes attributes;
  bool operator==(const NextHop&) const = default;
};

// All of a route but its prefix.
struct Route {
  std::map<std::string, std::string> groups;  // scope -> group id
  plan::PathAttributes attributes;
  auto operator<=>(const Route&) const = default;
};

// A route that many prefixes may share, or none. One word, since a plan has very many; counted
// without atomics, so all references to a route belong to one thread.
class RouteRef {
 public:
  RouteRef() = default;
  explicit RouteRef(Route route) : held_(new Held{std::move(route), 1}) {}
  RouteRef(const RouteRef& other) : held_(other.held_) {
    if (held_ != nullptr) ++held_->references;
  }
  RouteRef(RouteRef&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  RouteRef& operator=(RouteRef other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~RouteRef() {
    if (held_ != nullptr && --held_->references == 0) delete held_;
  }

  explicit operator bool() const { return held_ != nullptr; }
  const Route& operator*() const { return held_->route; }
  const Route* operator->() const { return &held_->route; }
  // Whether there is another reference.
  bool shared() const { return held_ != nullptr && held_->references > 1; }
  friend bool operator==(const RouteRef& a, const RouteRef& b) {
    if (a.held_ == b.held_) return true;
    return a.held_ != nullptr && b.held_ != nullptr && *a == *b;
  }

 private:
  struct Held {
    Route route;
    size_t references;
  };
  Held* held_ = nullptr;
};

struct Layer2Rank {
  std::string node;
  std::optional<IpAddress> bfd_peer;  // of the session that tells whether it is there
  bool operator==(const Layer2Rank&) const = default;
};

// An address that one of some nodes answers for.
struct Layer2Address {
  std::string interface;          // of this node
  std::vector<Layer2Rank> ranks;  // the owner, then its standbys; never empty
  uint64_t turn = 0;              // larger in a later plan with another owner
  std::vector<std::string> services;
  bool operator==(const Layer2Address&) const = default;
};

// What names a BFD session.
struct BfdName {
  std::string interface;
  IpAddress peer;
  auto operator<=>(const BfdName&) const = default;
};

struct BfdSession {
  IpAddress local;
  std::string node;  // the other one
  absl::Duration desired_min_tx;
  absl::Duration required_min_rx;
  uint8_t detect_mult = 3;  // at least 1
  std::string secret;       // 1..20 octets
  bool operator==(const BfdSession&) const = default;
};

// What names a virtual router.
struct VrrpName {
  std::string interface;
  Family family = Family::kV4;
  uint8_t vrid = 1;  // at least 1
  auto operator<=>(const VrrpName&) const = default;
};

struct VrrpInstance {
  int version = 3;          // 2 or 3; 2 for IPv4 only
  uint8_t priority = 1;     // 1..254
  absl::Duration interval;  // one that the version can send
  bool preempt = false;
  std::vector<IpAddress> addresses;      // never empty, each once
  std::vector<IpAddress> unicast_peers;  // empty: the multicast group
  std::string name;
  std::map<IpAddress, std::vector<std::string>> services;  // "namespace/name", by address
  bool operator==(const VrrpInstance&) const = default;
};

struct PlanState {
  plan::Generation generation;
  uint64_t hash = 0;
  std::optional<BgpInstance> instance;
  std::map<Neighbor, BgpPeer> peers;
  std::map<std::string, std::vector<NextHop>> groups;  // by id
  absl::btree_map<IpPrefix, RouteRef> routes;
  std::map<std::string, std::string> places;  // group id -> node whose next hop comes first
  std::map<IpAddress, Layer2Address> layer2;
  std::map<BfdName, BfdSession> bfd;
  std::map<VrrpName, VrrpInstance> vrrp;
};

// What prefixes had before they changed. One table, since its memory goes at once and whole: in a
// tree it would leave holes all over that of the plan's routes, which grow beside it.
class RouteChanges {
 public:
  using Change = std::pair<IpPrefix, RouteRef>;  // no route: it was not there
  using Iterator = std::vector<Change>::const_iterator;

  // Of a prefix that comes again, the first counts.
  void Add(const IpPrefix& prefix, RouteRef before) {
    sorted_ &= changes_.empty() || changes_.back().first < prefix;
    changes_.emplace_back(prefix, std::move(before));
  }

  // Sorted by prefix, each once.
  Iterator begin() const { return Sorted().begin(); }
  Iterator end() const { return Sorted().end(); }
  size_t size() const { return Sorted().size(); }
  bool empty() const { return changes_.empty(); }

 private:
  const std::vector<Change>& Sorted() const {
    if (std::exchange(sorted_, true)) return changes_;
    std::ranges::stable_sort(changes_, {}, &Change::first);
    const auto again = std::ranges::unique(changes_, {}, &Change::first);
    changes_.erase(again.begin(), again.end());
    return changes_;
  }

  mutable std::vector<Change> changes_;  // in the order they came until somebody reads them
  mutable bool sorted_ = true;
};

// What one applied plan changed; names that are no longer in the state were removed.
struct PlanChanges {
  bool instance = false;
  std::set<Neighbor> peers;
  std::set<std::string> groups;
  RouteChanges routes;
  std::set<std::string> places;
  std::set<IpAddress> layer2;
  bool bfd = false;
  bool vrrp = false;

  bool empty() const {
    return !instance && peers.empty() && groups.empty() && routes.empty() && places.empty() &&
           layer2.empty() && !bfd && !vrrp;
  }
};

// Puts `route` in the place of what `plan` has for `prefix`; none removes that. A change unless it
// is the same.
inline void SetRoute(const IpPrefix& prefix, RouteRef route, PlanState* plan,
                     PlanChanges* changes) {
  const auto at = plan->routes.lower_bound(prefix);
  const bool had = at != plan->routes.end() && at->first == prefix;
  RouteRef before = had ? at->second : RouteRef();
  if (before == route) return;
  if (!route) {
    plan->routes.erase(at);
  } else if (had) {
    at->second = std::move(route);
  } else {
    plan->routes.emplace_hint(at, prefix, std::move(route));
  }
  changes->routes.Add(prefix, std::move(before));
}

}  // namespace openelb::link

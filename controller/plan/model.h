#pragma once
// What planning derives from its input, between objects and resources. Each part is written by one
// table of the Planner and read by the later ones and by explanations.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/base/neighbor.h"
#include "api/kube/node.h"
#include "api/kube/service.h"
#include "api/plan/path_attributes.h"
#include "controller/plan/vrrp_priority.h"

namespace openelb::plan {

// Two of something: for IPv4 and for IPv6.
template <typename T>
struct PerFamily {
  T& operator[](Family family) { return family == Family::kV4 ? v4 : v6; }
  const T& operator[](Family family) const { return family == Family::kV4 ? v4 : v6; }
  bool operator==(const PerFamily&) const = default;
  T v4{};
  T v6{};
};
inline constexpr std::array<Family, 2> kFamilies = {Family::kV4, Family::kV6};

// Whether a node may carry traffic; the first reason that speaks against it.
enum class Health { kReady, kExcludedByLabel, kNotReady, kUnknown, kNetworkUnavailable };

// How far a node is that its operator wants drained.
enum class Drain {
  kNone,      // nobody wants that
  kDraining,  // routers are asked to move off it
  kDrained,   // they had their time: it is no next hop any more
};

// Whether a node's kernel has the TCP Authentication Option, as its speaker has said.
enum class TcpAo { kUnknown, kMissing, kThere };

// How a node came to its rack.
enum class Placement {
  kFlat,     // no node has a rack label: one rack, named ""
  kLabel,    // its own label
  kAddress,  // on-link for labelled nodes of exactly one rack
  kNowhere,  // on-link for none
  kSeveral,  // on-link for several
};

// What names a virtual router (VRRP): we give each id once in the whole cluster.
struct RouterId {
  Family family = Family::kV4;
  int vrid = 0;
  auto operator<=>(const RouterId&) const = default;
};

struct NodeView {
  kube::Labels labels;
  std::vector<IpAddress> internal_ips;
  Health health = Health::kReady;
  bool returning = false;  // was silent until a moment ago: its Pods' readiness lags behind its own
  PerFamily<std::optional<IpAddress>> next_hops;  // the first usable InternalIP of each family
  std::vector<InterfaceAddress> prefixes;         // sorted; reported, else annotated
  std::string bad_prefixes;                       // annotated instead of such, quoted; empty: none
  std::string
      layer2_address;      // which of its addresses Layer 2 is to use, as annotated; empty: none
  std::string rack_label;  // empty: none
  Placement placement = Placement::kFlat;
  std::string rack;      // a node that is in no rack has one to itself: NoRackName(node)
  bool speaker = false;  // a speaker runs here
  bool stopped = false;  // and said goodbye, to come back
  bool layer2 = false;   // and answers for Layer 2 addresses
  bool vip = false;      // and holds addresses in VIP mode
  TcpAo tcp_ao = TcpAo::kUnknown;
  bool leaving = false;                   // and the DaemonSet no longer wants it
  bool leaves_on_stop = false;            // for that, or because stopped speakers do not return
  PerFamily<std::string> default_routes;  // the interface each leads over; empty: none is known
  std::set<std::string> no_carrier;       // interfaces over which no frames pass
  std::set<IpAddress> taken_over;         // Layer 2 addresses that it answers for as a standby
  absl::Time taken_over_at;               // when it said so
  std::set<std::pair<std::string, RouterId>> heard;  // others' virtual routers, by interface
  // From where its speaker sends VRRP, by interface: one address of a family.
  std::set<std::pair<std::string, IpAddress>> vrrp_sources;
  uint32_t weight = 1;                    // the operator's
  std::optional<std::string> bad_weight;  // what is written instead of one
  Drain drain = Drain::kNone;
  std::optional<std::string> bad_drain;  // what is written instead of "true" or "false"

  bool InRack() const {
    return placement != Placement::kNowhere && placement != Placement::kSeveral;
  }
  bool operator==(const NodeView&) const = default;
};

// "node/NAME"; a label value cannot contain "/".
inline std::string NoRackName(const std::string& node) { return "node/" + node; }

// The best endpoint of a Service on a node.
enum class EndpointState { kNotReady, kServingWhileTerminating, kReady };

struct FamilyEndpoints {
  std::map<std::string, EndpointState> nodes;
  std::map<std::string, uint32_t> ready_on;  // how many ready ones, by node
  bool ready = false;                        // any, also one that is bound to no node
  bool serving = false;                      // any that serves while terminating
  bool operator==(const FamilyEndpoints&) const = default;
};

struct ServiceView {
  kube::TrafficPolicy policy = kube::TrafficPolicy::kCluster;
  PerFamily<FamilyEndpoints> endpoints;
  bool operator==(const ServiceView&) const = default;
};

// Nobody has heard of the node for a while, or of its Pods since.
inline bool IsSilent(const NodeView& node) {
  return node.health == Health::kUnknown || (node.health == Health::kReady && node.returning);
}

// Which nodes an address is announced for, before racks and subnets.
struct AddressView {
  enum class Kind {
    kNone,        // nowhere
    kCluster,     // every ready node
    kLastResort,  // every ready node and those whose Ready is Unknown
    kOwn,         // `nodes`
  };
  Kind kind = Kind::kNone;
  std::set<std::string> nodes;
  // Ready endpoints by node, with kOwn and while weights are told; absent: as good as one.
  std::map<std::string, uint32_t> weights;
  bool last_resort = false;           // also possible with kOwn
  std::vector<std::string> services;  // "namespace/name", sorted; those that exist
  PathAttributes attributes;          // of its route, by the wish of these Services and their Eips
  std::string pool;                   // the Eip that it is from; empty: these Services do not agree
  // That its Eip asks for and holds, whether or not it is announced.
  std::optional<IpPrefix> aggregate;
  bool host_route = true;  // false: the aggregate is announced instead
  bool operator==(const AddressView&) const = default;
};

// A prefix that Eips ask to be announced for their addresses in it.
struct AggregateView {
  // Why it is not announced.
  enum class Refusal {
    kNone,
    kNoCommonNextHop,  // no node serves all of its served addresses
    kOutOfReach,       // in a rack there are next hops of the addresses, but none that serves all
  };
  Refusal refusal = Refusal::kNone;
  std::string rack;             // of kOutOfReach: the first such
  std::set<std::string> pools;  // the Eips that ask for it; each of them holds all of it
  bool host_routes = false;     // some of their addresses keep host routes beside it
  size_t addresses = 0;         // in it that are served
  // As that of an address which is served like it; kNone: not announced.
  AddressView route;
  bool operator==(const AggregateView&) const = default;
};

// Who answers for a Layer 2 address.
struct Layer2View {
  std::string pool;
  std::vector<std::string> ranks;     // nodes: the owner, then its standbys; empty: nobody can
  uint64_t turn = 0;                  // grows whenever another node becomes the owner
  absl::Time taken_at;                // when the owner said that it had taken over, if it did
  std::set<std::string> overruled;    // those that it was taken from, or that said the same
  bool makeshift = false;             // ranked are nodes that others would replace
  bool no_carrier = false;            // because none that can answer has a carrier
  bool alone = false;                 // no other node can answer
  bool crowded = false;               // others can, but those that watch have no room for it
  std::vector<std::string> services;  // "namespace/name", sorted
  bool operator==(const Layer2View&) const = default;
};

// An address of VIP mode.
struct VipView {
  std::string pool;
  // Never null; those that are the same are one object. Empty: nobody can hold it.
  std::shared_ptr<const Links> links;
  int vrid = 0;               // of its virtual router; 0: none
  bool makeshift = false;     // something speaks against all nodes, but there are no others
  bool no_carrier = false;    // namely that none has a carrier
  size_t nodes_left_out = 0;  // a router has room for no more
  // Nodes that could hold it, but with unicast the others have to know from where they send.
  std::vector<std::string> without_source;
  std::vector<std::string> services;  // "namespace/name", sorted
};

// A virtual router: its nodes elect one of them, which holds its addresses.
struct RouterView {
  // Those of its addresses; never null. Empty: nobody can hold them, and no speaker has it.
  std::shared_ptr<const Links> links;
  std::set<IpAddress> addresses;  // also some that nobody can hold now
  Priorities priorities;          // also of nodes that took part before
  // Nodes that heard it before they took part: what they hear is no foreign router.
  std::set<std::string> heard_ours;
  int left_vrid = 0;  // it had this id until a router of others came with it; 0: no such
};

// The next hops that a peer can use. Subnets of a family that are empty: all of that family.
struct Scope {
  std::string name;  // in routes and peers: "all", "connected", "link", or one with "/SUBNET..."
  PerFamily<std::set<IpPrefix>> subnets;
  // The peer is reached over a link with no IPv6 subnet: where the routes' family has none there,
  // this node alone, the speaker's, is a next hop, by its link-local address. Else empty.
  std::string link_of;
  bool ipv6_hops = false;  // for IPv4 routes, too: a session over IPv6 carries them (RFC 8950)
  bool IsLinkLocal(Family family) const { return !link_of.empty() && subnets[family].empty(); }
  bool operator==(const Scope&) const = default;
};

// One next hop of a group.
struct MemberView {
  std::string node;
  IpAddress address;
  uint32_t weight = 1;
  // For routers that take IPv6 next hops of IPv4 routes. `address` is the same where there is no
  // IPv4 one.
  std::optional<IpAddress> ipv6_address{};
  bool draining = false;
  bool operator==(const MemberView&) const = default;
};

// The speakers of a rack that see the same next hops. Its name is that of the set they share.
struct Audience {
  std::string rack;
  std::vector<Scope> scopes;  // sorted by name
  std::string routes;         // the set of routes through shared groups
  std::set<std::string> speakers;
  std::map<std::string, std::vector<MemberView>> groups;  // by id; members sorted by node
  std::set<IpPrefix> own;                                 // routes with a group of their own
};

// How a speaker reaches one peer.
struct PeerView {
  std::string name;   // of the BgpPeer
  std::string scope;  // Scope::name
  bool subnet_unknown = false;
  bool internal = false;  // iBGP
  std::string down;       // why the session stays down; empty: it may come up
  PerFamily<bool> families;
};

struct SpeakerView {
  std::string audience;  // empty: no peers
  std::map<Neighbor, PeerView> peers;
};

// What drains leave (see drain_table.h).
struct DrainView {
  std::set<std::string> nodes;  // that are to be drained
  // Whether the routes through shared groups have next hops besides these; by AddressView::Kind.
  PerFamily<bool> cluster_stays{true, true};
  PerFamily<bool> last_resort_stays{true, true};
  bool operator==(const DrainView&) const = default;
};

struct Model {
  bool weighted = false;   // some router is told weights; else all are 1
  bool ipv6_hops = false;  // some scope has IPv6 next hops for IPv4 routes
  std::map<std::string, NodeView> nodes;
  std::map<std::string, std::set<std::string>> racks;  // nodes by rack
  std::map<std::string, SpeakerView> speakers;         // by node
  // Nodes that are to have a session with some router, whether or not a speaker runs there.
  std::set<std::string> peered;
  std::map<std::string, Audience> audiences;
  std::map<std::string, std::set<std::string>> audiences_of;  // by rack
  std::map<std::string, ServiceView> services;                // those that exist
  // By Service, what it and its Eip ask of its routes; those that ask for nothing are left out.
  std::map<std::string, PathAttributes> advertised;
  std::map<std::string, PathAttributes> advertised_by_eip;  // the same by Eip, what it alone asks
  std::map<IpAddress, std::set<std::string>> services_of;   // who holds an address
  std::map<IpAddress, AddressView> addresses;
  std::map<IpPrefix, AggregateView> aggregates;
  std::map<IpAddress, Layer2View> layer2;
  std::map<IpAddress, VipView> vips;
  std::map<RouterId, RouterView> routers;
  // By speaker, the neighbours (as text) that it is known to have no session with.
  std::map<std::string, std::set<std::string>> sessions_down;
  DrainView drains;
};

// Whether some router may have the node as next hop of routes of a family.
inline bool CanBeNextHop(const Model& model, const NodeView& node, Family family) {
  return node.next_hops[family].has_value() ||
         (family == Family::kV4 && model.ipv6_hops && node.next_hops.v6.has_value());
}

}  // namespace openelb::plan

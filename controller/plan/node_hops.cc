#include "controller/plan/node_hops.h"

#include <algorithm>
#include <set>

namespace openelb::plan {
namespace {

bool IsOn(const std::set<IpPrefix>& subnets, const IpAddress& address) {
  return subnets.empty() || std::any_of(subnets.begin(), subnets.end(),
                                        [&](const IpPrefix& s) { return s.Contains(address); });
}

// A node whose InternalIP is not on the subnet may still have an address there.
std::optional<IpAddress> Ipv6Hop(const Scope& scope, const NodeView& node) {
  const std::set<IpPrefix>& subnets = scope.subnets.v6;
  const std::optional<IpAddress>& internal = node.next_hops.v6;
  if (internal.has_value() && IsOn(subnets, *internal)) return internal;
  for (const InterfaceAddress& address : node.prefixes) {
    if (address.address.is_v6() && IsOn(subnets, address.address)) return address.address;
  }
  return node.rack_label.empty() ? std::nullopt : internal;
}

}  // namespace

NodeHops HopsInScope(const Scope& scope, const std::string& name, const NodeView& node,
                     Family family) {
  NodeHops hops;
  const std::optional<IpAddress>& own = node.next_hops[family];
  if (scope.IsLinkLocal(family)) {
    if (name != scope.link_of) return hops;
    hops.own = own;
    if (family == Family::kV4) hops.ipv6 = node.next_hops.v6;
    return hops;
  }
  if (own.has_value() && (!node.rack_label.empty() || IsOn(scope.subnets[family], *own)))
    hops.own = own;
  if (family == Family::kV4 && scope.ipv6_hops && scope.link_of.empty())
    hops.ipv6 = Ipv6Hop(scope, node);
  return hops;
}

bool HasPeer(const Model& model, const Audience& audience, const Scope& scope, Family family,
             bool heard) {
  return std::any_of(
      audience.speakers.begin(), audience.speakers.end(), [&](const std::string& speaker) {
        const auto& peers = model.speakers.at(speaker).peers;
        const auto down = model.sessions_down.find(speaker);
        return std::any_of(peers.begin(), peers.end(), [&](const auto& entry) {
          const auto& [neighbor, peer] = entry;
          return peer.scope == scope.name && peer.down.empty() && peer.families[family] &&
                 (!heard || down == model.sessions_down.end() ||
                  !down->second.contains(neighbor.ToString()));
        });
      });
}

}  // namespace openelb::plan

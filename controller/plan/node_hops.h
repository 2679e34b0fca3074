#pragma once
// What of a node a router can use as next hop.

#include <optional>
#include <string>

#include "api/base/ip.h"
#include "controller/plan/model.h"

namespace openelb::plan {

// What of a node (of the same rack) the peers of a scope can use as next hop: it is on a subnet
// they share with the speaker, or the node carries the rack's label.
struct NodeHops {
  std::optional<IpAddress> own;   // of the routes' family
  std::optional<IpAddress> ipv6;  // for IPv4 routes, where the scope has such
  bool any() const { return own.has_value() || ipv6.has_value(); }
};
NodeHops HopsInScope(const Scope& scope, const std::string& name, const NodeView& node,
                     Family family);

// Whether the routes of a scope and family go to some router: one whose session may come up and
// carries the family. `heard`: and is not known to be down (Model::sessions_down).
bool HasPeer(const Model& model, const Audience& audience, const Scope& scope, Family family,
             bool heard);

}  // namespace openelb::plan

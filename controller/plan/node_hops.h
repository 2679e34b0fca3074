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

}  // namespace openelb::plan

#pragma once
// Which nodes can answer for an address on one of their own networks (Layer 2 and VIP mode).
//
// One that can: its node is Ready and not excluded, its speaker runs in this mode and is not about
// to go, an interface of the pool has a carrier and a network that contains the address, or the
// pool does without (off_link), and the Services' endpoints are usable from there (policy Local:
// one of them is there).
//
// Where there is none, nodes that are to be drained count; failing that, those that nobody has
// heard of for a while count as Ready and their endpoints too, as for next hops (see AddressTable);
// failing that, those without a carrier.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "controller/plan/local_addresses.h"
#include "controller/plan/model.h"

namespace openelb::plan {

// The interface of `node` that a pool means for `address`: the one that it names, or that reaches
// the address it names (can_reach:IP, over a network there or the default route), or, where it
// names none, any, if a network there contains `address`; of several networks the smallest. A pool
// that is off-link needs no such network on an interface that it names or reaches: any address
// there will do, of the same family if there is one. For Layer 2 the interface of the address that
// the node is annotated with comes first. nullptr: none.
const InterfaceAddress* LinkFor(bool NodeView::* mode, const NodeView& node,
                                const PoolInterface& pool, const IpAddress& address);

// The interface of the address that the node is annotated with for Layer 2; empty: there is none.
absl::string_view AnnotatedInterface(const NodeView& node);

struct LocalEligible {
  std::vector<std::string> nodes;  // sorted
  bool makeshift = false;          // something speaks against them, but there are no others
  bool no_carrier = false;         // namely that
};

// `mode` is the member of NodeView that says whether a node's speaker is in the mode; `services`
// are those that hold the address.
LocalEligible FindEligible(bool NodeView::* mode, const IpAddress& address,
                           const std::vector<std::string>& services, const PoolInterface& pool,
                           const Model& model);

}  // namespace openelb::plan

#pragma once
// This node's end of a session: an address of the node, or that of one of its interfaces.

#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "api/base/ip.h"
#include "speaker/link/plan_state.h"

namespace openelb::bgp {

// nullopt: the kernel chooses. Of several addresses on an interface, the one whose subnet the peer
// is on, else the first of the peer's family. `addresses` are the node's. Error: why there is none,
// with the text of the plan.
absl::StatusOr<std::optional<IpAddress>> UpdateSource(const link::BgpPeer& peer,
                                                      std::span<const InterfaceAddress> addresses);

}  // namespace openelb::bgp

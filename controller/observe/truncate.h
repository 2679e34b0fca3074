#pragma once
// Keeps statuses far below the size at which an API server refuses an object. Totals stand in
// fields of their own and stay exact.

#include <cstddef>
#include <optional>
#include <string>

#include "api/network/v1alpha2/bgp_status.h"
#include "api/network/v1alpha2/eip.h"

namespace openelb::observe {

inline constexpr size_t kMaxStatusBytes = 512 << 10;

// Keeps the first entries of status.used, nodesPeerStatus or nodesConfStatus that fit, in order,
// and says in one sentence what is left out; nullopt: nothing is.
std::optional<std::string> Truncate(network::EipStatus* status);
std::optional<std::string> Truncate(network::BgpPeerStatus* status);
std::optional<std::string> Truncate(network::BgpConfStatus* status);

}  // namespace openelb::observe

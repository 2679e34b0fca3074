#pragma once
// Allocation of addresses to Services from Eips. Pure: objects in, allocations, statuses and
// reasons out.
//
// Truth is the Services' own status: until Start nothing is allocated, then Services that already
// hold an address are adopted first. An allocation is sticky: it changes only when the user's
// request contradicts it.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/kube/service.h"
#include "api/network/v1alpha2/eip.h"

namespace openelb::ipam {

struct Allocation {
  std::string pool;
  network::Protocol protocol = network::Protocol::kBgp;
  std::vector<IpAddress> addresses;  // one today
  bool operator==(const Allocation&) const = default;
};

struct ServiceState {
  std::optional<Allocation> allocation;
  std::string pending;  // why there is no address (or the requested one is not given), one
                        // sentence; empty: nothing to say
  bool operator==(const ServiceState&) const = default;
};

}  // namespace openelb::ipam

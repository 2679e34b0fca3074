#pragma once
// A network interface of the node as the kernel describes it.

#include <algorithm>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/base/mac.h"

namespace openelb::io {

struct Interface {
  int index = 0;
  std::string name;
  MacAddress mac;  // zero where the link has none of Ethernet's
  int mtu = 0;
  bool up = false;           // administratively
  bool carrier = false;      // frames pass
  bool ipv6_router = false;  // forwards IPv6
  // Usable ones of every scope, sorted by address; without those that VRRP has put there.
  std::vector<InterfaceAddress> addresses;

  // Whether the node is on a subnet there that others may share. Interfaces of Pods and tunnels
  // have no address, or a lone one.
  bool HasSubnet() const {
    return std::any_of(addresses.begin(), addresses.end(), [](const InterfaceAddress& each) {
      return !each.address.IsLinkLocal() && each.length < FamilyBits(each.address.family());
    });
  }

  friend bool operator==(const Interface&, const Interface&) = default;
};

// Names of those with addresses over which no frames pass.
inline std::set<std::string> WithoutCarrier(std::span<const Interface> interfaces) {
  std::set<std::string> names;
  for (const Interface& each : interfaces) {
    const bool frames_pass = each.up && each.carrier;
    if (!each.addresses.empty() && !frames_pass) names.insert(each.name);
  }
  return names;
}

}  // namespace openelb::io

#pragma once
// A network interface of the node as the kernel describes it.

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

  friend bool operator==(const Interface&, const Interface&) = default;
};

}  // namespace openelb::io

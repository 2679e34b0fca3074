#pragma once
// Why an address that the plan gives this node is not answered for as planned, in Layer 2 and in
// VIP mode.

#include <map>
#include <string>

#include "api/base/ip.h"

namespace openelb::layer2 {

struct AddressProblem {
  std::string sentence;
  bool duplicate = false;  // another station answers for it; else nobody does here
  bool operator==(const AddressProblem&) const = default;
};

using AddressProblems = std::map<IpAddress, AddressProblem>;

}  // namespace openelb::layer2

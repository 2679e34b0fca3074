#pragma once
// How many next hops routers have of us, rack by rack, and how many addresses have none: by the
// plan, whatever sessions and export policies make of it.

#include <cstddef>
#include <map>
#include <string>

#include "controller/plan/model.h"

namespace openelb::plan {

struct HopCounts {
  std::map<std::string, size_t> nodes;  // that are next hops, by rack whose speakers have routers
  size_t addresses_without = 0;         // of those that BGP is to announce
  bool operator==(const HopCounts&) const = default;
};

// Costs as much as there are next hops and addresses.
HopCounts CountHops(const Model& model);

}  // namespace openelb::plan

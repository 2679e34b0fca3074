#pragma once
// What Layer 2 and VIP mode say about Eips in the same words.

#include <string>
#include <vector>

#include "controller/plan/local_addresses.h"
#include "controller/plan/model.h"
#include "controller/plan/planner.h"

namespace openelb::plan {

struct LocalMode {
  bool NodeView::* member;  // whether a node's speaker is in the mode
  const char* name;
  const char* verb;  // what a node does with an address
  const char* flag;  // that turns it off
};

// "ADDRESS" or "ADDRESS and N more"; `addresses` is not empty.
std::string Shown(const std::vector<std::string>& addresses);

// That no node can have `addresses` of a pool, and why: ModeDisabled where there are speakers, but
// none in the mode, else NoOwner.
Problem NoNode(const LocalMode& mode, const std::string& pool, const PoolInterface& interface,
               const std::vector<std::string>& addresses, const Model& model);

}  // namespace openelb::plan

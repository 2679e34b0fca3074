#pragma once
// What must hold of the attributes of routes, from the objects alone.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "api/base/ip.h"
#include "api/object.h"
#include "controller/plan/planner.h"

namespace openelb::plan {

class AttributeInvariants {
 public:
  using Objects = std::map<ObjectKey, Object>;
  // By Service the addresses that were set and their Eip.
  using Held = std::map<std::string, std::pair<std::vector<IpAddress>, std::string>>;

  // Which route of whom does not carry what `objects` ask for; empty: none.
  std::string Check(const Planner& planner, const Objects& objects, const Held& held);

  // How often a route that policies are about was announced, and with their mark.
  int unmarked() const { return marked_[0]; }
  int marked() const { return marked_[1]; }

 private:
  int marked_[2] = {};
};

}  // namespace openelb::plan

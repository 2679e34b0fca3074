#pragma once
// For tests: routes of a plan.

#include <string>
#include <utility>

#include "speaker/link/plan_state.h"

namespace openelb::bgp {

// To the peers of scope "s", through one group.
inline link::RouteRef RouteTo(std::string group, plan::PathAttributes attributes = {}) {
  link::Route route{.groups = {}, .attributes = std::move(attributes)};
  route.groups.emplace("s", std::move(group));
  return link::RouteRef(std::move(route));
}

}  // namespace openelb::bgp

#include "speaker/link/route_pool.h"

#include <algorithm>
#include <utility>

namespace openelb::link {

RouteRef RoutePool::Share(Route route) {
  const auto known = routes_.find(route);
  if (known != routes_.end()) return *known;
  if (routes_.size() >= sweep_at_) {
    absl::erase_if(routes_, [](const RouteRef& held) { return !held.shared(); });
    sweep_at_ = std::max(kLeastSweep, 2 * routes_.size());
  }
  return *routes_.insert(RouteRef(std::move(route))).first;
}

}  // namespace openelb::link

#pragma once
// Gives equal routes one body: of 100,000 prefixes most go to the same few groups.

#include <cstddef>

#include "absl/container/btree_set.h"
#include "speaker/link/plan_state.h"

namespace openelb::link {

class RoutePool {
 public:
  RouteRef Share(Route route);
  // Routes that are held, some perhaps by the pool alone.
  size_t size() const { return routes_.size(); }

 private:
  static constexpr size_t kLeastSweep = 16;
  struct ByValue {
    using is_transparent = void;
    static const Route& ValueOf(const RouteRef& route) { return *route; }
    static const Route& ValueOf(const Route& route) { return route; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return ValueOf(a) < ValueOf(b);
    }
  };

  absl::btree_set<RouteRef, ByValue> routes_;
  size_t sweep_at_ = kLeastSweep;
};

}  // namespace openelb::link

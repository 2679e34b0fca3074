#include "speaker/link/route_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace openelb::link {
namespace {

Route Med(uint32_t med) { return {.groups = {{"s", "g"}}, .attributes = {.med = med}}; }

TEST(RoutePoolTest, EqualRoutesAreOne) {
  RoutePool pool;
  const RouteRef route = pool.Share(Med(1));
  EXPECT_EQ(&*pool.Share(Med(1)), &*route);
  EXPECT_NE(&*pool.Share(Med(2)), &*route);
  EXPECT_EQ(*route, Med(1));
  EXPECT_EQ(route, RouteRef(Med(1))) << "equal by value, too";
}

TEST(RoutePoolTest, LetsGoOfRoutesThatNobodyHas) {
  RoutePool pool;
  std::vector<RouteRef> held;
  for (uint32_t i = 0; i < 10'000; ++i) {
    const RouteRef route = pool.Share(Med(i));
    if (i % 100 == 0) held.push_back(route);
  }
  EXPECT_GE(pool.size(), held.size());
  EXPECT_LE(pool.size(), 3 * held.size());
  for (uint32_t i = 0; i < held.size(); ++i) EXPECT_EQ(*held[i], Med(i * 100));
}

}  // namespace
}  // namespace openelb::link

#include "speaker/bgp/route_index.h"

#include <gmock/gmock.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "api/base/random.h"
#include "speaker/bgp/test_route.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::SizeIs;

IpPrefix Prefix(absl::string_view text) { return IpPrefix::Parse(text).value(); }

TEST(RouteIndexTest, FindsWhatAGroupTouches) {
  link::PlanState plan;
  link::PlanChanges changes;
  RouteIndex index;
  for (const char* text : {"10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"}) {
    SetRoute(Prefix(text), link::RouteRef({.groups = {{"s", "a"}, {"t", "b"}}}), &plan, &changes);
  }
  EXPECT_THAT(index.Update(plan, changes), SizeIs(3));
  changes = {};
  SetRoute(Prefix("10.0.0.2/32"), RouteTo("c"), &plan, &changes);
  SetRoute(Prefix("10.0.0.3/32"), {}, &plan, &changes);
  EXPECT_THAT(index.Update(plan, changes),
              ElementsAre(Prefix("10.0.0.2/32"), Prefix("10.0.0.3/32")));
  changes = {};
  changes.groups = {"a"};
  EXPECT_THAT(index.Update(plan, changes), ElementsAre(Prefix("10.0.0.1/32")));
  changes.groups = {};
  changes.places = {"c"};
  EXPECT_THAT(index.Update(plan, changes), ElementsAre(Prefix("10.0.0.2/32")));
}

// Groups of which much of the table is made, and groups of a few prefixes, which turn into each
// other.
TEST(RouteIndexTest, FindsTheSameWhateverTheSize) {
  SeededRandom random(7);
  link::PlanState plan;
  link::PlanChanges changes;
  RouteIndex index;
  size_t most = 0;
  for (int round = 0; round < 300; ++round) {
    const uint64_t groups = 1 + random.Next64() % 12;
    for (uint64_t i = random.Next64() % 2000; i > 0; --i) {
      const auto host = static_cast<uint32_t>(random.Next64() % (round % 50 < 25 ? 3000 : 300));
      const std::string group = absl::StrCat("g", random.Next64() % groups);
      SetRoute(IpPrefix::Host(IpAddress::FromV4(host)),
               random.Next64() % 3 == 0 ? link::RouteRef() : RouteTo(group), &plan, &changes);
    }
    const std::string group = absl::StrCat("g", random.Next64() % groups);
    changes.groups = {group};
    std::set<IpPrefix> expected;
    for (const auto& [prefix, before] : changes.routes) expected.insert(prefix);
    for (const auto& [prefix, route] : plan.routes) {
      if (route->groups.at("s") == group) expected.insert(prefix);
    }
    most = std::max(most, expected.size());
    ASSERT_THAT(index.Update(plan, changes), ElementsAreArray(expected)) << "round " << round;
    changes = {};
  }
  EXPECT_GT(most, 1000u);
}

}  // namespace
}  // namespace openelb::bgp

#include "speaker/bgp/route_index.h"

#include <gmock/gmock.h>

#include "speaker/bgp/test_route.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
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

}  // namespace
}  // namespace openelb::bgp

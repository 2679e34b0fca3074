#include "controller/plan/vrrp_priority.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

Links Members(const std::vector<std::string>& nodes) {
  Links members;
  for (const std::string& node : nodes) members[node] = "eth0";
  return members;
}

std::string Name(int i) { return absl::StrCat("n", 1000 + i); }

TEST(VrrpPriorityTest, TheFirstIsHighestAndGapsAreWide) {
  EXPECT_THAT(SpreadPriorities({"b", "a", "c"}),
              UnorderedElementsAre(Pair("b", 254), Pair("a", 222), Pair("c", 190)));
  EXPECT_THAT(InOrder({{"a", 222}, {"b", 254}, {"c", 190}}, Members({"a", "b", "d"})),
              ElementsAre("b", "a"));
}

TEST(VrrpPriorityTest, TheMostNodesFit) {
  for (const int size : {1, 7, 8, 127, 128, 253, 254}) {
    std::vector<std::string> order;
    for (int i = 0; i < size; ++i) order.push_back(Name(i));
    std::set<int> numbers;
    const Priorities priorities = SpreadPriorities(order);
    for (const auto& [node, priority] : priorities) numbers.insert(priority);
    EXPECT_EQ(numbers.size(), size);
    EXPECT_EQ(*numbers.rbegin(), kHighestPriority);
    EXPECT_GE(*numbers.begin(), 1);
    EXPECT_EQ(InOrder(priorities, Members(order)), order);
  }
}

TEST(VrrpPriorityTest, WhoJoinsComesLastAndChangesNobody) {
  Priorities priorities = SpreadPriorities({"b", "a"});
  AdmitLast("c", Members({"a", "b", "c"}), &priorities);
  EXPECT_THAT(priorities, UnorderedElementsAre(Pair("b", 254), Pair("a", 222), Pair("c", 190)));
  // One that is away keeps its place.
  AdmitLast("d", Members({"b", "c", "d"}), &priorities);
  EXPECT_EQ(priorities.at("d"), 158);
  EXPECT_EQ(priorities.at("a"), 222);
}

TEST(VrrpPriorityTest, ManyJoinOneByOne) {
  Priorities priorities;
  Links members;
  std::vector<std::string> order;
  for (int i = 0; i < kHighestPriority; ++i) {
    order.push_back(Name(i));
    members[Name(i)] = "eth0";
    AdmitLast(Name(i), members, &priorities);
    ASSERT_EQ(InOrder(priorities, members), order);
    std::set<int> numbers;
    for (const auto& [node, priority] : priorities) numbers.insert(priority);
    ASSERT_EQ(numbers.size(), order.size());
    ASSERT_GE(*numbers.begin(), 1);
  }
}

TEST(VrrpPriorityTest, WhoIsAwayMakesRoomWhenThereIsNone) {
  Priorities priorities;
  std::vector<std::string> order;
  for (int i = 0; i < kHighestPriority; ++i) order.push_back(Name(i));
  priorities = SpreadPriorities(order);
  AdmitLast("new", Members({Name(3), Name(1), "new"}), &priorities);
  EXPECT_THAT(InOrder(priorities, Members({Name(3), Name(1), "new"})),
              ElementsAre(Name(1), Name(3), "new"));
  EXPECT_EQ(priorities.size(), 3);
}

}  // namespace
}  // namespace openelb::plan

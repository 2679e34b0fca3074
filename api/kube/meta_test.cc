#include "api/kube/meta.h"

#include <gtest/gtest.h>

namespace openelb::kube {
namespace {

using Operator = LabelSelectorRequirement::Operator;

TEST(LabelSelector, EmptySelectsEverything) {
  EXPECT_TRUE(LabelSelector().Matches({}));
  EXPECT_TRUE(LabelSelector().Matches({{"a", "1"}}));
}

TEST(LabelSelector, Expressions) {
  const struct {
    Operator op;
    std::vector<std::string> values;
    bool same, other, absent;  // labels {k: 1}, {k: 2} and none
  } kCases[] = {
      {Operator::kIn, {"1"}, true, false, false},
      {Operator::kIn, {"1", "2"}, true, true, false},
      {Operator::kNotIn, {"1"}, false, true, true},
      {Operator::kExists, {}, true, true, false},
      {Operator::kDoesNotExist, {}, false, false, true},
  };
  for (const auto& c : kCases) {
    const LabelSelector selector{{}, {{"k", c.op, c.values}}};
    EXPECT_EQ(selector.Matches({{"k", "1"}}), c.same) << static_cast<int>(c.op);
    EXPECT_EQ(selector.Matches({{"k", "2"}}), c.other) << static_cast<int>(c.op);
    EXPECT_EQ(selector.Matches({}), c.absent) << static_cast<int>(c.op);
  }
}

TEST(LabelSelector, AllMustHold) {
  const LabelSelector selector{{{"a", "1"}, {"b", ""}}, {{"c", Operator::kExists, {}}}};
  EXPECT_TRUE(selector.Matches({{"a", "1"}, {"b", ""}, {"c", "x"}}));
  EXPECT_FALSE(selector.Matches({{"a", "1"}, {"c", "x"}}));
  EXPECT_FALSE(selector.Matches({{"a", "2"}, {"b", ""}, {"c", "x"}}));
  EXPECT_FALSE(selector.Matches({{"a", "1"}, {"b", ""}}));
}

}  // namespace
}  // namespace openelb::kube

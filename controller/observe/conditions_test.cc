#include "controller/observe/conditions.h"

#include <gtest/gtest.h>

namespace openelb::observe {
namespace {

kube::Condition Make(const std::string& type, bool status, const std::string& message) {
  return {.type = type, .status = status, .reason = "R", .message = message};
}

TEST(ConditionStampsTest, TimeMovesWithTheStatusOnly) {
  ConditionStamps stamps;
  const ObjectKey eip{"Eip", "", "pool"};
  const absl::Time first = absl::FromUnixSeconds(100);
  std::vector<kube::Condition> conditions = {Make("Ready", true, "a"), Make("Overlap", false, "")};
  stamps.Stamp(eip, first, &conditions);
  EXPECT_EQ(conditions[0].type, "Overlap");
  EXPECT_EQ(conditions[1].last_transition_time, first);

  conditions = {Make("Ready", true, "another message"), Make("Overlap", true, "")};
  stamps.Stamp(eip, first + absl::Seconds(5), &conditions);
  EXPECT_EQ(conditions[0].last_transition_time, first + absl::Seconds(5));
  EXPECT_EQ(conditions[1].last_transition_time, first);

  conditions = {};
  stamps.Stamp(eip, first, &conditions);
  conditions = {Make("Ready", true, "a")};
  stamps.Stamp(eip, first + absl::Seconds(9), &conditions);
  EXPECT_EQ(conditions[0].last_transition_time, first + absl::Seconds(9));
}

TEST(FieldsIgnoredTest, NamesTheFields) {
  EXPECT_TRUE(FieldsIgnored({}, 1).empty());
  EXPECT_EQ(FieldsIgnored({"spec.usingKnownIPs", "spec.x"}, 1)[0].message,
            "these fields are accepted and have no effect: spec.usingKnownIPs, spec.x");
}

}  // namespace
}  // namespace openelb::observe

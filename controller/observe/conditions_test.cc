#include "controller/observe/conditions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace openelb::observe {
namespace {

using ::testing::EndsWith;

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

TEST(ConditionStampsTest, CutsMessagesThatNoServerWouldTake) {
  ConditionStamps stamps;
  std::string long_one(kMaxMessageBytes - 1, 'x');
  absl::StrAppend(&long_one, "\u00e9\u00e9");  // two octets each: the first one would be cut in two
  std::vector<kube::Condition> conditions = {Make("A", true, long_one),
                                             Make("B", true, std::string(kMaxMessageBytes, 'x'))};
  stamps.Stamp({"Eip", "", "pool"}, absl::FromUnixSeconds(1), &conditions);
  EXPECT_EQ(conditions[0].message, std::string(kMaxMessageBytes - 1, 'x'));
  EXPECT_EQ(conditions[1].message.size(), kMaxMessageBytes);
}

TEST(JoinSentencesTest, CountsWhatIsLeftOut) {
  const auto join = [](size_t count, const std::string& sentence) {
    return JoinSentences(std::vector<std::string>(count, sentence));
  };
  EXPECT_EQ(join(0, "a"), "");
  EXPECT_EQ(join(1, "a"), "a");
  EXPECT_EQ(join(3, "a"), "a; a; a");
  const std::string all = join(kMaxSentences, "a");
  EXPECT_EQ(all.size(), kMaxSentences * 3 - 2);
  EXPECT_EQ(join(kMaxSentences + 1, "a"), all + "; and 1 more");
  EXPECT_EQ(join(1000, "a"), all + "; and 980 more");
  // Too long together, and each one alone: the count stays.
  EXPECT_LE(join(20, std::string(4000, 'x')).size(), kMaxMessageBytes);
  EXPECT_THAT(join(20, std::string(4000, 'x')), EndsWith("xxx; and 12 more"));
  const std::string umlauts = [] {
    std::string text = "a";
    while (text.size() < 2 * kMaxMessageBytes) text += "\u00e9";
    return text;
  }();
  EXPECT_LE(join(3, umlauts).size(), kMaxMessageBytes);
  EXPECT_THAT(join(3, umlauts), EndsWith("\u00e9; and 2 more"));
}

TEST(FieldsIgnoredTest, NamesTheFields) {
  EXPECT_TRUE(FieldsIgnored({}, 1).empty());
  EXPECT_EQ(FieldsIgnored({"spec.usingKnownIPs", "spec.x"}, 1)[0].message,
            "these fields are accepted and have no effect: spec.usingKnownIPs, spec.x");
}

}  // namespace
}  // namespace openelb::observe

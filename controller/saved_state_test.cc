#include "controller/saved_state.h"

#include <gtest/gtest.h>

namespace openelb {
namespace {

SavedState Sample() {
  return {.facts = {{.subject = "master1",
                     .kind = plan::kPrefixesFact,
                     .values = {"eth0 192.168.0.3/24", "eth1 fd00::3/64"},
                     .observed_at = absl::FromUnixMillis(1767225600123)},
                    {.subject = "10",
                     .kind = plan::kSpeakerFact,
                     .values = {},
                     .observed_at = absl::UnixEpoch()}},
          .assignments = {
              {.group = "cluster/v4/192.168.0.0/24", .speaker = "master1", .node = "worker1"}}};
}

TEST(SavedStateTest, RoundTrips) {
  EXPECT_EQ(ParseSavedState(FormatSavedState(Sample())).value(), Sample());
  EXPECT_EQ(ParseSavedState(FormatSavedState({})).value(), SavedState{});
}

TEST(SavedStateTest, EveryTruncationIsNoticed) {
  const std::string whole = FormatSavedState(Sample());
  for (size_t length = 0; length + 1 < whole.size(); ++length) {
    EXPECT_FALSE(ParseSavedState(whole.substr(0, length)).ok()) << length;
  }
}

TEST(SavedStateTest, DamageIsNamed) {
  std::string text = FormatSavedState(Sample());
  text.replace(text.find("subject"), 7, "subjekt");
  const auto parsed = ParseSavedState(text);
  EXPECT_TRUE(absl::IsDataLoss(parsed.status()));
  EXPECT_NE(parsed.status().message().find("subject is missing"), absl::string_view::npos);
}

}  // namespace
}  // namespace openelb

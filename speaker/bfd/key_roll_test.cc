#include "speaker/bfd/key_roll.h"

#include <gmock/gmock.h>

#include <string>

namespace openelb::bfd {
namespace {

using testing::ElementsAre;

const absl::Duration kS = absl::Seconds(1);

Key K(const std::string& secret) { return {1, secret}; }

std::vector<std::string> At(const KeyRoll& roll, absl::Duration now) {
  std::vector<std::string> secrets;
  for (const Key& key : roll.Keys(now)) secrets.push_back(key.secret);
  return secrets;
}

TEST(KeyRollTest, TheOldSignsThenTheNewThenTheNewIsAlone) {
  KeyRoll roll(K("old"));
  EXPECT_THAT(At(roll, 0 * kS), ElementsAre("old"));
  EXPECT_EQ(roll.NextChange(0 * kS), absl::InfiniteDuration());
  roll.Change(K("old"), 50 * kS);
  EXPECT_EQ(roll.NextChange(50 * kS), absl::InfiniteDuration()) << "the same again";
  roll.Change(K("new"), 100 * kS);
  EXPECT_THAT(At(roll, 100 * kS), ElementsAre("old", "new"));
  EXPECT_EQ(roll.NextChange(100 * kS), 110 * kS);
  roll.Change(K("new"), 105 * kS);
  EXPECT_THAT(At(roll, 109 * kS), ElementsAre("old", "new"));
  EXPECT_THAT(At(roll, 110 * kS), ElementsAre("new", "old"));
  EXPECT_EQ(roll.NextChange(110 * kS), 120 * kS);
  EXPECT_THAT(At(roll, 119 * kS), ElementsAre("new", "old"));
  EXPECT_THAT(At(roll, 120 * kS), ElementsAre("new"));
  EXPECT_EQ(roll.NextChange(120 * kS), absl::InfiniteDuration());
}

TEST(KeyRollTest, AnotherChangeMeanwhileForgetsNothingTooEarly) {
  KeyRoll roll(K("a"));
  roll.Change(K("b"), 0 * kS);
  roll.Change(K("c"), 5 * kS);
  EXPECT_THAT(At(roll, 5 * kS), ElementsAre("a", "b", "c"));
  EXPECT_THAT(At(roll, 10 * kS), ElementsAre("b", "a", "c"));
  EXPECT_THAT(At(roll, 15 * kS), ElementsAre("c", "a", "b"));
  EXPECT_THAT(At(roll, 20 * kS), ElementsAre("c", "b"));
  EXPECT_THAT(At(roll, 25 * kS), ElementsAre("c"));
}

TEST(KeyRollTest, AChangeThatIsTakenBackEndsWhereItBegan) {
  KeyRoll roll(K("a"));
  roll.Change(K("b"), 0 * kS);
  roll.Change(K("a"), 5 * kS);
  EXPECT_THAT(At(roll, 5 * kS), ElementsAre("a", "b"));
  EXPECT_THAT(At(roll, 12 * kS), ElementsAre("b", "a")) << "the neighbour may know it only now";
  EXPECT_THAT(At(roll, 15 * kS), ElementsAre("a", "b"));
  EXPECT_THAT(At(roll, 25 * kS), ElementsAre("a"));
}

TEST(KeyRollTest, WhereNothingIsToLoseTheNewSignsAtOnce) {
  KeyRoll roll(K("old"), /*accept_old=*/30 * kS);
  roll.Change(K("new"), 0 * kS, /*at_once=*/true);
  EXPECT_THAT(At(roll, 0 * kS), ElementsAre("new", "old"));
  EXPECT_THAT(At(roll, 29 * kS), ElementsAre("new", "old"));
  EXPECT_THAT(At(roll, 30 * kS), ElementsAre("new"));
}

// Two neighbours hear of a change up to ten seconds apart: neither ever refuses the other.
TEST(KeyRollTest, NeighboursUnderstandEachOtherThroughout) {
  for (absl::Duration apart : {0 * kS, 1 * kS, 5 * kS, 10 * kS}) {
    KeyRoll first(K("old"));
    KeyRoll second(K("old"));
    for (absl::Duration now = 0 * kS; now < 60 * kS; now += absl::Milliseconds(100)) {
      if (now == 5 * kS) first.Change(K("new"), now);
      if (now == 5 * kS + apart) second.Change(K("new"), now);
      EXPECT_THAT(At(second, now), testing::Contains(At(first, now).front()))
          << apart << " apart, at " << now;
      EXPECT_THAT(At(first, now), testing::Contains(At(second, now).front()))
          << apart << " apart, at " << now;
    }
    EXPECT_THAT(At(first, 60 * kS), ElementsAre("new"));
    EXPECT_THAT(At(second, 60 * kS), ElementsAre("new"));
  }
}

TEST(KeyRollTest, ASharedSecretMakesItsOwnId) {
  const Authentication one = SharedSecret("one");
  EXPECT_EQ(one.type, AuthenticationType::kMeticulousKeyedSha1);
  EXPECT_EQ(one, SharedSecret("one"));
  ASSERT_EQ(one.keys.size(), 1u);
  EXPECT_EQ(one.keys[0].secret, "one");
  EXPECT_NE(one.keys[0].id, SharedSecret("two").keys[0].id);
  EXPECT_TRUE(CheckAuthentication(one).ok());
}

}  // namespace
}  // namespace openelb::bfd

#include "speaker/bgp/marks.h"

#include <gmock/gmock.h>

#include "speaker/bgp/message.h"
#include "speaker/bgp/test_bytes.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Negotiated Both(bool enhanced, bool end_of_rib) {
  Negotiated negotiated;
  negotiated.enhanced_refresh = enhanced;
  negotiated.end_of_rib = end_of_rib;
  negotiated.v4.negotiated = negotiated.v6.negotiated = true;
  return negotiated;
}

Bytes RefreshOf(Family family, RefreshSubtype subtype) {
  Bytes out;
  EncodeRefresh(family, subtype, &out);
  return out;
}

TEST(MarksTest, SaysEndOfRibOncePerFamily) {
  Marks marks(Both(true, true));
  Bytes out;
  EXPECT_EQ(marks.OnIdle(absl::Seconds(1), &out).updates, 2u);
  Bytes expected = Framed(MessageType::kUpdate, Hex("0000 0000"));
  PutBytes(&expected, Framed(MessageType::kUpdate, Hex("0000 0006 800f 03 0002 01")));
  EXPECT_EQ(ToHex(out), ToHex(expected));
  out.clear();
  EXPECT_EQ(marks.OnIdle(absl::Seconds(1), &out).updates, 0u);
  EXPECT_THAT(out, IsEmpty());
}

TEST(MarksTest, SaysNothingToAPeerThatKnowsNoMarks) {
  Marks marks(Both(false, false));
  Bytes out;
  EXPECT_TRUE(marks.Ask(Family::kV4));
  EXPECT_THAT(marks.OnIdle(absl::Seconds(1), &out).again, ElementsAre(Family::kV4));
  EXPECT_THAT(marks.OnIdle(absl::Seconds(1), &out).again, IsEmpty());
  EXPECT_THAT(out, IsEmpty());
}

TEST(MarksTest, AnswersBetweenMarks) {
  Marks marks(Both(true, false));
  Bytes out;
  EXPECT_TRUE(marks.Ask(Family::kV6));
  EXPECT_THAT(marks.OnIdle(absl::Seconds(1), &out).again, ElementsAre(Family::kV6));
  EXPECT_EQ(out, RefreshOf(Family::kV6, RefreshSubtype::kBegin));
  out.clear();
  EXPECT_EQ(marks.OnIdle(absl::Seconds(2), &out).refreshes, 1u);
  EXPECT_EQ(out, RefreshOf(Family::kV6, RefreshSubtype::kEnd));
}

TEST(MarksTest, EndOfRibGoesBeforeTheFirstAnswer) {
  Marks marks(Both(true, true));
  Bytes out;
  marks.Ask(Family::kV4);
  marks.OnIdle(absl::Seconds(1), &out);
  const Bytes begin = RefreshOf(Family::kV4, RefreshSubtype::kBegin);
  ASSERT_GT(out.size(), begin.size());
  EXPECT_EQ(Bytes(out.end() - static_cast<ptrdiff_t>(begin.size()), out.end()), begin);
}

TEST(MarksTest, APeerThatAsksAllTheTimeIsAnsweredNowAndThen) {
  Marks marks(Both(false, false));
  Bytes out;
  absl::Duration now = absl::Seconds(100);
  int answers = 0;
  for (int i = 0; i < 10000; ++i, now += absl::Milliseconds(1)) {
    marks.Ask(Family::kV4);
    marks.Tick(now);
    answers += static_cast<int>(marks.OnIdle(now, &out).again.size());
  }
  EXPECT_EQ(answers, 10);
  // The last request is not forgotten, and wakes only when something is to be done.
  ASSERT_LT(marks.NextWakeup(), absl::InfiniteDuration());
  now = marks.NextWakeup();
  marks.Tick(now);
  EXPECT_EQ(marks.NextWakeup(), absl::InfiniteDuration());
  EXPECT_THAT(marks.OnIdle(now, &out).again, ElementsAre(Family::kV4));
  marks.OnIdle(now, &out);
  EXPECT_EQ(marks.NextWakeup(), absl::InfiniteDuration());
}

TEST(MarksTest, FamiliesDoNotWaitForEachOther) {
  Marks marks(Both(true, false));
  Bytes out;
  marks.Ask(Family::kV4);
  marks.OnIdle(absl::Seconds(1), &out);
  marks.OnIdle(absl::Seconds(1), &out);
  EXPECT_FALSE(marks.Ask(Family::kV6) && marks.Ask(Family::kV6));
  EXPECT_THAT(marks.OnIdle(absl::Seconds(1), &out).again, ElementsAre(Family::kV6));
}

}  // namespace
}  // namespace openelb::bgp

#include "speaker/bgp/wire_mark.h"

#include <gtest/gtest.h>

namespace openelb::bgp {
namespace {

TEST(WireMarkTest, FollowsAcknowledgements) {
  WireMark mark;
  absl::Duration now = absl::Seconds(1);
  EXPECT_FALSE(mark.waiting());
  EXPECT_EQ(mark.NextPoll(), absl::InfiniteDuration());
  mark.OnTaken({1, 1}, 100, now);
  mark.OnTaken({1, 2}, 200, now);
  mark.OnTaken({1, 3}, 300, now);
  EXPECT_EQ(mark.NextPoll(), now + absl::Milliseconds(1));
  EXPECT_FALSE(mark.OnAcknowledged(99, now));
  EXPECT_TRUE(mark.OnAcknowledged(150, now));
  EXPECT_EQ(mark.on_wire(), (plan::Generation{1, 1}));
  // Generation 2 was never waited for by itself.
  EXPECT_FALSE(mark.OnAcknowledged(200, now));
  EXPECT_TRUE(mark.OnAcknowledged(300, now));
  EXPECT_EQ(mark.on_wire(), (plan::Generation{1, 3}));
  EXPECT_FALSE(mark.waiting());
  // Nothing new, nothing to wait for.
  mark.OnTaken({1, 3}, 300, now);
  EXPECT_FALSE(mark.waiting());
  mark.OnTaken({1, 4}, 400, now);
  mark.OnAcknowledged(300, now + absl::Seconds(1));
  EXPECT_EQ(mark.NextPoll(), now + absl::Seconds(1) + absl::Milliseconds(10));
}

}  // namespace
}  // namespace openelb::bgp

#include "controller/observe/owner_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace openelb::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<OwnerMove> Moves(int count, const std::string& owner) {
  std::vector<OwnerMove> moves;
  for (int i = 1; i <= count; ++i) {
    moves.push_back({.address = IpAddress::Parse(absl::StrCat("10.0.0.", i)).value(),
                     .pool = "pool",
                     .services = {absl::StrCat("default/s", i)},
                     .owner = owner,
                     .planned = "n1"});
  }
  return moves;
}

TEST(OwnerEventsTest, OneForEachServiceOfTheAddress) {
  OwnerEvents events;
  std::vector<OwnerMove> moves = Moves(1, "n2");
  moves[0].services.emplace_back("other/shared");
  const std::string message = "10.0.0.1 is answered for by node n2 (planned: n1)";
  EXPECT_THAT(
      events.OnMoves(moves, absl::Seconds(5)),
      ElementsAre(ClusterEvent{ServiceKeyOf("default/s1"), false, "OwnerChanged", message},
                  ClusterEvent{ServiceKeyOf("other/shared"), false, "OwnerChanged", message}));
  EXPECT_EQ(events.NextDue(), absl::InfiniteDuration());
  moves[0].planned.clear();
  EXPECT_EQ(events.OnMoves(moves, absl::Seconds(5))[0].message,
            "10.0.0.1 is answered for by node n2 (planned: none)");
}

TEST(OwnerEventsTest, ManyAreCountedOnTheEip) {
  OwnerEvents events;
  const absl::Duration start = absl::Seconds(100);
  EXPECT_THAT(events.OnMoves(Moves(250, "n2"), start), SizeIs(OwnerEvents::kBurst));
  EXPECT_EQ(events.NextDue(), start + OwnerEvents::kCollect);
  EXPECT_THAT(events.OnMoves(Moves(30, "n3"), start), IsEmpty());
  EXPECT_THAT(events.TakeDue(start + absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(
      events.TakeDue(start + OwnerEvents::kCollect),
      ElementsAre(ClusterEvent{{network::Eip::kKind, "", "pool"},
                               false,
                               "OwnersChanged",
                               "more addresses changed their owner than Events tell: "
                               "230 are answered for by node n2, 30 are answered for by node n3"}));
  EXPECT_EQ(events.NextDue(), absl::InfiniteDuration());
  EXPECT_THAT(events.TakeDue(start + absl::Hours(1)), IsEmpty());
}

TEST(OwnerEventsTest, AfterABurstAFewASecond) {
  OwnerEvents events;
  events.OnMoves(Moves(250, "n2"), absl::Seconds(100));
  EXPECT_THAT(events.OnMoves(Moves(250, "n2"), absl::Seconds(103)),
              SizeIs(3 * OwnerEvents::kPerSecond));
  EXPECT_THAT(events.OnMoves(Moves(250, "n2"), absl::Hours(1)), SizeIs(OwnerEvents::kBurst));
}

}  // namespace
}  // namespace openelb::observe

// Many routes at once: how UPDATEs are packed, in which order they leave, and what that costs.
#include "api/base/random.h"
#include "speaker/bgp/test_rib.h"

namespace openelb::bgp {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

TEST_F(AdjRibOutTest, PacksTenThousandRoutes) {
  for (uint32_t i = 0; i < 9999; ++i) AddRoute(Host(i), "rack");
  Start(false);
  EXPECT_EQ(Drain(), 13);
  EXPECT_THAT(peer_.table, SizeIs(10000));
  peer_.Take();
  // A new next hop for all of them is one packed burst, without a withdrawal.
  SetPlace("rack", "b");
  Touch();
  EXPECT_EQ(Drain(), 13);
  EXPECT_THAT(peer_.Take(), AllOf(SizeIs(10000), Each(StartsWith("+"))));
  // One route costs one UPDATE.
  RemoveRoute("172.22.0.2/32");
  Touch();
  EXPECT_EQ(Drain(), 1);
  for (uint32_t i = 0; i < 9999; ++i) SetRoute(Host(i), link::RouteRef());
  Touch();
  EXPECT_EQ(Drain(), 13);
  EXPECT_THAT(peer_.table, IsEmpty());
  EXPECT_EQ(rib_->paths(), 0u);
}

TEST_F(AdjRibOutTest, PacksPathsOfManyGroupsByNextHop) {
  // Policy Local: each route has its own group, but the next hops are few.
  for (uint32_t i = 0; i < 1000; ++i) {
    SetGroup(absl::StrCat("g", i), {"10.0.0.3", "10.0.0.4"});
    AddRoute(Host(i), absl::StrCat("g", i));
  }
  Start(true);
  EXPECT_EQ(Drain(), 7);  // 1001 paths of 9 octets: 3 UPDATEs for two next hops, 1 for the third
  peer_.Take();
  SetGroup("g5", {"10.0.0.4"});
  EXPECT_THAT(Say(), ElementsAre("-10.0.0.5/32 via 10.0.0.3"));
}

TEST_F(AdjRibOutTest, NeverWithdrawsFirstInALargeBurst) {
  for (uint32_t i = 0; i < 3000; ++i) AddRoute(Host(i), "rack");
  Start(true);
  Drain();
  SetGroup("rack", {"10.0.0.8", "10.0.0.9"});
  Touch();
  // In small pieces, as a slow peer would take them: no prefix is ever without a path.
  std::set<IpPrefix> prefixes;
  for (const auto& [key, next_hop] : peer_.table) prefixes.insert(key.first);
  while (!rib_->idle()) {
    Bytes out;
    rib_->Fill(1, &out);
    Deliver(out);
    std::set<IpPrefix> reachable;
    for (const auto& [key, next_hop] : peer_.table) reachable.insert(key.first);
    ASSERT_EQ(reachable, prefixes);
  }
  EXPECT_EQ(peer_.table.size(), 2 * prefixes.size());
}

TEST_F(AdjRibOutTest, SlowPeersCostBoundedMemoryAndSeeOnlyTheEnd) {
  for (uint32_t i = 0; i < 10000; ++i) AddRoute(Host(i), "rack");
  Start(true);
  size_t largest = 0;
  for (int round = 0; round < 50; ++round) {
    Bytes out;
    rib_->Fill(4096, &out);
    largest = std::max(largest, out.size());
    Deliver(out);
    // The plan changes on and on while the peer reads.
    SetGroup("rack", {"10.0.0.3", absl::StrCat("10.0.1.", round)});
    AddRoute(Host(static_cast<uint32_t>(round)), round % 2 == 0 ? "none" : "rack");
    Touch();
  }
  EXPECT_LE(largest, 4096u + 3 * kMaxMessage);
  Drain();
  // In the end the peer holds exactly what the plan says.
  EXPECT_EQ(peer_.table.size(), rib_->paths());
  for (const auto& [key, next_hop] : peer_.table) {
    EXPECT_THAT(next_hop, testing::AnyOf(Ip("10.0.0.3"), Ip("10.0.1.49")));
    EXPECT_EQ(plan_.routes.at(key.first)->groups.at("s"), "rack");
  }
  EXPECT_EQ(rib_->prefixes(), 10001u - 25u);
}

TEST_F(AdjRibOutTest, RandomChangesEndWithThePlan) {
  SeededRandom random(42);
  const auto pick = [&](uint64_t n) { return random.Next64() % n; };
  for (bool add_path : {false, true}) {
    rib_.reset();
    peer_ = Listener();
    Start(add_path, 2);
    for (int step = 0; step < 20000; ++step) {
      const std::string group = absl::StrCat("g", pick(5));
      switch (pick(4)) {
        case 0: {
          std::vector<std::string> members;
          for (int i = 1; i < 6; ++i) {
            if (pick(2) == 0) members.push_back(absl::StrCat("10.0.0.", i));
          }
          SetGroup(group, members);
          break;
        }
        case 1:
          AddRoute(Host(static_cast<uint32_t>(pick(50))), group);
          break;
        case 2:
          RemoveRoute(Host(static_cast<uint32_t>(pick(50))).ToString());
          break;
        case 3:
          SetPlace(group, std::string(1, static_cast<char>('a' + pick(5))));
          break;
      }
      Touch();
      Bytes out;
      if (pick(3) == 0) rib_->Fill(pick(300), &out);
      Deliver(out);
    }
    Drain();
    std::map<IpPrefix, size_t> expected;
    for (const auto& [prefix, route] : plan_.routes) {
      const auto members = plan_.groups.find(route->groups.at("s"));
      if (members == plan_.groups.end() || members->second.empty()) continue;
      expected[prefix] = std::min<size_t>(members->second.size(), add_path ? 2 : 1);
    }
    std::map<IpPrefix, size_t> held;
    for (const auto& [key, next_hop] : peer_.table) ++held[key.first];
    EXPECT_EQ(held, expected);
  }
}

}  // namespace
}  // namespace openelb::bgp

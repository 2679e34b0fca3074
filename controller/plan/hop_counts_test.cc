// How many next hops each rack's routers have, and which addresses have none.

#include "controller/plan/hop_counts.h"

#include <gmock/gmock.h>

#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr const char* kRack = "openelb.kubesphere.io/rack";

class HopCountsTest : public ::testing::Test {
 protected:
  HopCountsTest() { FillDocumentedTopology(&planner_); }

  HopCounts Count() {
    planner_.Step();
    return CountHops(planner_.model());
  }
  void ShutDown(const std::string& leaf, const std::string& address) {
    network::BgpPeer peer = MakePeer(leaf, address, 50001, {{kRack, leaf}});
    peer.admin_down = true;
    planner_.Upsert(peer);
  }

  Planner planner_;
};

TEST_F(HopCountsTest, AsDocumented) {
  const HopCounts counts = Count();
  EXPECT_THAT(counts.nodes, ElementsAre(Pair("leaf1", 2), Pair("leaf2", 1)));
  EXPECT_EQ(counts.addresses_without, 0u);
}

TEST_F(HopCountsTest, PolicyLocalCountsTheNodesWithEndpoints) {
  planner_.Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
  EXPECT_THAT(Count().nodes, ElementsAre(Pair("leaf1", 1), Pair("leaf2", 1)));
  // Another address adds what its own next hops are, and counts none twice.
  planner_.Upsert(MakeService("api"));
  planner_.Upsert(MakeSlice("api", {"master1"}));
  planner_.SetAddresses("default/api", {*IpAddress::Parse("172.22.0.3")});
  EXPECT_THAT(Count().nodes, ElementsAre(Pair("leaf1", 2), Pair("leaf2", 1)));
  EXPECT_EQ(Count().addresses_without, 0u);
}

TEST_F(HopCountsTest, AddressesThatNothingServesHaveNone) {
  planner_.Upsert(MakeService("idle"));
  planner_.SetAddresses("default/idle", {*IpAddress::Parse("172.22.0.3")});
  planner_.Upsert(MakeService("local", kube::TrafficPolicy::kLocal));
  planner_.SetAddresses("default/local", {*IpAddress::Parse("172.22.0.4")});
  EXPECT_EQ(Count().addresses_without, 2u);
  planner_.Upsert(MakeSlice("local", {"worker1"}));
  EXPECT_EQ(Count().addresses_without, 1u);
}

TEST_F(HopCountsTest, WhatGoesToNoRouterIsNoNextHop) {
  ShutDown("leaf1", "192.168.0.2");
  EXPECT_THAT(Count().nodes, ElementsAre(Pair("leaf2", 1)));
  EXPECT_EQ(Count().addresses_without, 0u);
  ShutDown("leaf2", "192.168.1.1");
  EXPECT_THAT(Count().nodes, IsEmpty());
  EXPECT_EQ(Count().addresses_without, 1u);
}

TEST_F(HopCountsTest, ARackWithoutNextHopsIsSaid) {
  planner_.Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
  planner_.Upsert(MakeSlice("web", {"worker1"}));
  EXPECT_THAT(Count().nodes, ElementsAre(Pair("leaf1", 1), Pair("leaf2", 0)));
}

// Its family has no next hop, though the other one has.
TEST_F(HopCountsTest, FamiliesAreToldApart) {
  planner_.Upsert(MakeSlice("web", {"worker1"}, "IPv6"));
  planner_.SetAddresses("default/web", {*IpAddress::Parse("fd22::2")});
  EXPECT_EQ(Count().addresses_without, 1u);
}

TEST_F(HopCountsTest, AnAggregateStandsForItsAddresses) {
  planner_.Upsert(MakeEip("pool", "172.22.0.0/30", 30));
  planner_.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.2")}, "pool");
  EXPECT_THAT(Count().nodes, ElementsAre(Pair("leaf1", 2), Pair("leaf2", 1)));
  EXPECT_FALSE(planner_.model().addresses.begin()->second.host_route);
  EXPECT_EQ(Count().addresses_without, 0u);
}

}  // namespace
}  // namespace openelb::plan

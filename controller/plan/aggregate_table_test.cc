// Aggregates of addresses that every node serves, and what comes and goes with them.

#include "controller/plan/aggregate_table.h"

#include "api/network/v1alpha2/names.h"
#include "controller/plan/aggregate_world.h"

namespace openelb::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(AggregateTest, ExistsWhileAnAddressInItIsServed) {
  PutPool(24);
  EXPECT_THAT(Routes(), IsEmpty());
  Put("a", "2", {"n1"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12 13"));
  Put("b", "3", {"n2"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12 13"));
  EXPECT_TRUE(change_.empty()) << "another address of the aggregate is no news to routers";
  Delete("a");
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12 13"));
  EXPECT_TRUE(change_.empty());
  planner_.Upsert(MakeSlice("b", {}));
  EXPECT_THAT(Routes(), IsEmpty());
  EXPECT_TRUE(planner_.model().aggregates.empty());
  planner_.Upsert(MakeSlice("b", {"n3"}));
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12 13"));
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(AggregateTest, OneForEachPrefixOfTheLength) {
  PutPool(26);
  Put("a", "2", {"n1"});
  Put("b", "63", {"n1"});
  Put("c", "64", {"n1"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/26 via 11 12 13", "172.22.0.64/26 via 11 12 13"));
}

TEST_F(AggregateTest, LengthsAndHostRoutesChangeInOneStep) {
  PutPool(24);
  Put("a", "2", {"n1"});
  Put("b", "200", {"n1"});
  Routes();
  PutPool(25);
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/25 via 11 12 13", "172.22.0.128/25 via 11 12 13"));
  PutPool(25, /*host_routes=*/true);
  EXPECT_THAT(Routes(),
              ElementsAre("172.22.0.0/25 via 11 12 13", "172.22.0.2/32 via 11 12 13",
                          "172.22.0.128/25 via 11 12 13", "172.22.0.200/32 via 11 12 13"));
  PutPool(32);
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.2/32 via 11 12 13", "172.22.0.200/32 via 11 12 13"));
  PutPool(8);
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.2/32 via 11 12 13", "172.22.0.200/32 via 11 12 13"));
  PutPool(24);
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12 13"));
  planner_.Remove({network::Eip::kKind, "", "pool"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.2/32 via 11 12 13", "172.22.0.200/32 via 11 12 13"));
}

TEST_F(AggregateTest, WhatIsReplacedStaysUntilTheExchangeIsFinished) {
  Put("a", "2", {"n1"});
  Routes();
  PutPool(24);
  const uint64_t first = planner_.Step().exchange;
  EXPECT_GT(first, 0u);
  const std::vector<std::string> both = {"172.22.0.0/24 via 11 12 13",
                                         "172.22.0.2/32 via 11 12 13"};
  EXPECT_EQ(Now(), both);
  // What stays follows its address, and nothing new begins.
  PutLocal("a", "2", {"n2"});
  EXPECT_EQ(planner_.Step().exchange, 0u);
  EXPECT_THAT(Now(), ElementsAre("172.22.0.0/24 via 12", "172.22.0.2/32 via 12"));
  Put("a", "2", {"n1"});
  // Another Service comes without a host route.
  Put("b", "3", {"n1"});
  planner_.Step();
  EXPECT_EQ(Now(), both);
  planner_.FinishExchanges(first);
  EXPECT_EQ(planner_.Step().exchange, 0u);
  EXPECT_THAT(Now(), ElementsAre("172.22.0.0/24 via 11 12 13"));

  Delete("b");
  planner_.Step();
  PutPool(32);
  const uint64_t second = planner_.Step().exchange;
  EXPECT_GT(second, first);
  EXPECT_EQ(Now(), both);
  planner_.FinishExchanges(first);
  planner_.Step();
  EXPECT_EQ(Now(), both);
  // And back before it ends.
  PutPool(24);
  const uint64_t third = planner_.Step().exchange;
  EXPECT_GT(third, second);
  planner_.FinishExchanges(second);
  planner_.Step();
  EXPECT_EQ(Now(), both);
  planner_.FinishExchanges(third);
  planner_.Step();
  EXPECT_THAT(Now(), ElementsAre("172.22.0.0/24 via 11 12 13"));
  // Nobody is served: nothing stays.
  PutPool(25);
  planner_.Step();
  EXPECT_EQ(Now().size(), 2u);
  Delete("a");
  planner_.Step();
  EXPECT_THAT(Now(), IsEmpty());
}

TEST_F(AggregateTest, OfIpv6) {
  planner_.Upsert(MakeNode("n2", "fd00::12"));
  network::BgpPeer peer = MakePeer("leaf", "10.0.0.1", 50001);
  peer.afi_safis = {{.family = Family::kV6, .text = ""}};
  planner_.Upsert(peer);
  PutPool(64, /*host_routes=*/false, "fd22::/48");
  Put("a", "fd22::2", {"n1"});
  EXPECT_THAT(Routes(), ElementsAre("fd22::/64 via 12"));
  PutPool(16, /*host_routes=*/false, "fd22::/48");
  EXPECT_THAT(Routes(), ElementsAre("fd22::2/128 via 12"));
}

TEST_F(AggregateTest, OnlyOfPrefixesThatTheEipHolds) {
  PutPool(24, /*host_routes=*/false, "172.22.0.128-172.22.2.9");
  Put("low", "130", {"n1"});
  Put("middle", "172.22.1.7", {"n1"});
  Put("high", "172.22.2.7", {"n1"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.130/32 via 11 12 13", "172.22.1.0/24 via 11 12 13",
                                    "172.22.2.7/32 via 11 12 13"));
  EXPECT_THAT(Problems(),
              ElementsAre("AggregateRefused: spec.advertise.aggregationLength 24: spec.address "
                          "172.22.0.128-172.22.2.9 does not hold all of 172.22.0.0/24 and "
                          "172.22.2.0/24; addresses there have host routes"));
  PutPool(23, /*host_routes=*/false, "172.22.0.4-172.22.0.9");
  EXPECT_THAT(Problems(),
              ElementsAre("AggregateRefused: spec.advertise.aggregationLength 23: spec.address "
                          "172.22.0.4-172.22.0.9 does not hold all of 172.22.0.0/23; addresses "
                          "there have host routes"));
}

TEST_F(AggregateTest, TwoEipsThatHoldItTogetherDoNotShareIt) {
  PutPool(24, /*host_routes=*/false, "172.22.0.0/25");
  planner_.Upsert(MakeEip("other", "172.22.0.128/25", 24));
  Put("a", "2", {"n1"});
  Put("b", "130", {"n1"}, kube::TrafficPolicy::kCluster, "other");
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.2/32 via 11 12 13", "172.22.0.130/32 via 11 12 13"));
  EXPECT_THAT(Problems("other"), Contains(HasSubstr("does not hold all of 172.22.0.0/24")));
}

// As it may be while pools are exchanged: what is of another pool is not taken for covered.
TEST_F(AggregateTest, AnAddressOfAnotherEipKeepsItsHostRoute) {
  PutPool(24);
  Put("a", "2", {"n1"});
  Put("stray", "3", {"n1"}, kube::TrafficPolicy::kCluster, "gone");
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12 13", "172.22.0.3/32 via 11 12 13"));
  Delete("a");
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.3/32 via 11 12 13"));
}

TEST_F(AggregateTest, CarriesWhatTheEipAsksForAndNotWhatAServiceDoes) {
  network::Eip eip = MakeEip("pool", "172.22.0.0/24", 24);
  eip.advertise = {.communities = {"ours"}, .med = 7};
  planner_.Upsert(eip);
  network::BgpConf conf = MakeConf(50000);
  conf.community_aliases = {{"ours", "65000:1"}};
  planner_.Upsert(conf);
  Put("a", "2", {"n1"});
  kube::Service service = MakeService("a");
  service.meta.annotations[network::kAdvertise] = "{communities: ['65000:2'], med: 9}";
  planner_.Upsert(service);
  const auto attributes = [&] {
    planner_.Step();
    return Announcements(planner_, "n1", true).begin()->second.routes.at(0).attributes;
  };
  EXPECT_EQ(attributes(), (PathAttributes{.communities = {65000u << 16 | 1}, .med = 7}));
  EXPECT_THAT(Problems("a"),
              ElementsAre("NoEffect: annotation network.kubesphere.io/advertise has no effect on "
                          "172.22.0.2: aggregate 172.22.0.0/24 is announced instead of its host "
                          "route"));
  conf.community_aliases = {{"ours", "65000:3"}};
  planner_.Upsert(conf);
  EXPECT_EQ(attributes(), (PathAttributes{.communities = {65000u << 16 | 3}, .med = 7}));
  eip.aggregation.host_routes = true;
  planner_.Upsert(eip);
  EXPECT_THAT(Problems("a"), IsEmpty());
}

TEST_F(AggregateTest, SaysWhatHasNoEffect) {
  network::Eip eip = MakeEip("pool", "172.22.0.0/24", 32);
  eip.aggregation.length_v6 = 64;
  eip.aggregation.host_routes = true;
  planner_.Upsert(eip);
  EXPECT_THAT(Problems(),
              ElementsAre("NoEffect: spec.advertise.aggregationLengthV6 has no effect: the "
                          "addresses are IPv4",
                          "NoEffect: spec.advertise.hostRoutes has no effect: there are no "
                          "aggregates that host routes could stand beside"));
  eip.protocol = network::Protocol::kLayer2;
  eip.interface = "eth0";
  planner_.Upsert(eip);
  EXPECT_THAT(Problems(), ElementsAre("NoEffect: spec.advertise has no effect: it concerns "
                                      "routes, and protocol is layer2"));
}

// The cost of a change: what it touches, however many addresses there are.
TEST_F(AggregateTest, AnAddressCostsOneAggregate) {
  PutPool(24);
  planner_.Upsert(MakeEip("large", "172.23.0.0/16", 24));
  for (int i = 0; i < 400; ++i) {
    Put(absl::StrCat("s", i), absl::StrCat("172.23.", i % 20, ".", i / 20), {"n1"},
        kube::TrafficPolicy::kLocal, "large");
  }
  EXPECT_EQ(Routes().size(), 20u);
  const Visits before = planner_.visits();
  Put("a", "2", {"n1"});
  Routes();
  const Visits after = planner_.visits();
  EXPECT_EQ(after.aggregates - before.aggregates, 1u);
  EXPECT_LE(after.addresses - before.addresses, 1u);
}

}  // namespace
}  // namespace openelb::plan

// What a peer is told of each route: next hops and attributes, and their changes.
#include "speaker/bgp/test_rib.h"

namespace openelb::bgp {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

TEST_F(AdjRibOutTest, SendsAllPathsInTheOrderOfTheGroup) {
  Start(true);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3", "+172.22.0.2/32 via 10.0.0.4",
                                 "+172.22.0.2/32 via 10.0.0.5"));
  EXPECT_EQ(rib_->prefixes(), 1u);
  EXPECT_THAT(Say(), IsEmpty());
}

TEST_F(AdjRibOutTest, PutsItsPlaceFirstAndRotates) {
  SetPlace("rack", "b");
  Start(true);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.4", "+172.22.0.2/32 via 10.0.0.5",
                                 "+172.22.0.2/32 via 10.0.0.3"));
}

TEST_F(AdjRibOutTest, EnforcesSendMax) {
  SetPlace("rack", "c");
  Start(true, 2);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.5", "+172.22.0.2/32 via 10.0.0.3"));
  policy_.send_max_v4 = 1;
  rib_->SetPolicy(policy_);
  EXPECT_THAT(Say(), ElementsAre("-172.22.0.2/32 via 10.0.0.3"));
  policy_.send_max_v4 = 0;
  rib_->SetPolicy(policy_);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3", "+172.22.0.2/32 via 10.0.0.4"));
}

TEST_F(AdjRibOutTest, WithoutAddPathSendsOnlyTheFirst) {
  SetPlace("rack", "b");
  Start(false);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.4"));
  // A node that has left is no place: the order of the group stands.
  SetPlace("rack", "gone");
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3"));
}

TEST_F(AdjRibOutTest, WhatIsAboutToGoComesLast) {
  SetPlace("rack", "b");
  plan_.groups["rack"][1].draining = true;
  Start(true, 2);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.5", "+172.22.0.2/32 via 10.0.0.3"));
}

TEST_F(AdjRibOutTest, WithoutAddPathWhatStaysIsSent) {
  SetPlace("rack", "b");
  plan_.groups["rack"][1].draining = true;
  Start(false);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.5"));
  for (link::NextHop& member : plan_.groups["rack"]) member.draining = true;
  changes_.groups.insert("rack");
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.4")) << "its place, of equals";
}

TEST_F(AdjRibOutTest, ReplacesWithoutWithdrawing) {
  Start(false);
  Say();
  SetGroup("rack", {"10.0.0.9"});
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.9"));
  plan_.groups["rack"][0].attributes.communities = {1};
  changes_.groups.insert("rack");
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.9"));
}

TEST_F(AdjRibOutTest, AnnouncesBeforeItWithdraws) {
  Start(true);
  Say();
  SetGroup("rack", {"10.0.0.4", "10.0.0.9"});
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.9", "-172.22.0.2/32 via 10.0.0.3",
                                 "-172.22.0.2/32 via 10.0.0.5"));
}

TEST_F(AdjRibOutTest, ChangesAttributesInPlace) {
  Start(true);
  Say();
  plan_.groups["rack"][1].attributes.graceful_shutdown = true;
  changes_.groups.insert("rack");
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.4"));
  SetRoute(Prefix("172.22.0.2/32"), RouteTo("rack", {.med = 5}));
  EXPECT_THAT(Say(), AllOf(SizeIs(3), Each(StartsWith("+"))));
}

TEST_F(AdjRibOutTest, AddsThePeersAttributesAndChangesThemInPlace) {
  SetRoute(Prefix("172.22.0.2/32"), RouteTo("rack", {.communities = {3}}));
  Start(false);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3"));
  policy_.attributes.communities = {0x10002};
  rib_->SetPolicy(policy_);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3"));
  EXPECT_THAT(peer_.communities, ElementsAre(Bytes{0, 0, 0, 3}, Bytes({0, 0, 0, 3, 0, 1, 0, 2})));
  rib_->SetPolicy(policy_);
  EXPECT_THAT(Say(), IsEmpty());
}

TEST_F(AdjRibOutTest, ARoutesAttributesConcernNoOther) {
  AddRoute("172.22.0.3/32", "rack");
  AddRoute("172.22.0.4/32", "rack");
  Start(true, 1);
  EXPECT_THAT(Say(), SizeIs(3));
  SetRoute(Prefix("172.22.0.3/32"), RouteTo("rack", {.med = 5}));
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.3/32 via 10.0.0.3"));
}

TEST_F(AdjRibOutTest, ExportRulesRejectAndMark) {
  AddRoute("172.22.0.3/32", "rack");
  policy_.rules = {{.prefixes = {{Prefix("172.22.0.3/32"), 32, 32}},
                    .verdict = plan::ExportRule::Verdict::kReject}};
  Start(true, 1);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3"));
  policy_.rules = {{.prefixes = {{Prefix("172.22.0.2/32"), 32, 32}},
                    .verdict = plan::ExportRule::Verdict::kReject}};
  rib_->SetPolicy(policy_);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.3/32 via 10.0.0.3", "-172.22.0.2/32 via 10.0.0.3"));
  policy_.rules = {{.set = {.communities = {0x10002}}}};
  rib_->SetPolicy(policy_);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3", "+172.22.0.3/32 via 10.0.0.3"));
  EXPECT_THAT(peer_.communities, ElementsAre(Bytes({0, 1, 0, 2}))) << "in one UPDATE";
}

TEST_F(AdjRibOutTest, AMembersAttributesComeAfterTheRules) {
  plan_.groups["rack"][0].attributes.communities = {7};
  policy_.rules = {{.clear_communities = true}};
  Start(false);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3"));
  EXPECT_THAT(peer_.communities, ElementsAre(Bytes({0, 0, 0, 7})));
}

TEST_F(AdjRibOutTest, SaysWeights) {
  plan_.groups["rack"][1].weight = 3;
  policy_.link_bandwidth = true;
  Start(true, 2);
  EXPECT_THAT(Say(), SizeIs(2));
  EXPECT_THAT(peer_.extended, ElementsAre(Bytes({0x40, 0x04, 0xfd, 0xe8, 0x4c, 0xee, 0x6b, 0x28}),
                                          Bytes({0x40, 0x04, 0xfd, 0xe8, 0x4d, 0xb2, 0xd0, 0x5e})));
}

TEST_F(AdjRibOutTest, OrderAloneIsNoChangeToAPeerWithAddPath) {
  Start(true);
  Say();
  SetPlace("rack", "c");
  EXPECT_THAT(Say(), IsEmpty());
}

TEST_F(AdjRibOutTest, WithdrawsWhatLeavesThePlan) {
  Start(true, 1);
  AddRoute("172.22.0.3/32", "rack");
  Say();
  RemoveRoute("172.22.0.2/32");
  EXPECT_THAT(Say(), ElementsAre("-172.22.0.2/32 via 10.0.0.3"));
  EXPECT_EQ(rib_->withdrawn(), 1u);
  // A group without members leaves nothing to announce, and comes back.
  SetGroup("rack", {});
  EXPECT_THAT(Say(), ElementsAre("-172.22.0.3/32 via 10.0.0.3"));
  SetGroup("rack", {"10.0.0.3"});
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.3/32 via 10.0.0.3"));
  // So does a group that the plan no longer has.
  plan_.groups.erase("rack");
  changes_.groups.insert("rack");
  EXPECT_THAT(Say(), ElementsAre("-172.22.0.3/32 via 10.0.0.3"));
  SetGroup("rack", {"10.0.0.3"});
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.3/32 via 10.0.0.3"));
  EXPECT_EQ(rib_->prefixes(), 1u);
}

TEST_F(AdjRibOutTest, KeepsToItsScope) {
  SetRoute(Prefix("172.22.0.9/32"), link::RouteRef({.groups = {{"other", "rack"}}}));
  Start(false);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3"));
  policy_.scope = "other";
  rib_->SetPolicy(policy_);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.9/32 via 10.0.0.3", "-172.22.0.2/32"));
}

TEST_F(AdjRibOutTest, KeepsFamiliesApart) {
  SetGroup("dual", {"10.0.0.3", "2001:db8::3"});
  AddRoute("172.22.0.3/32", "dual");
  AddRoute("2001:db8:1::1/128", "dual");
  AddRoute("2001:db8:1::2/128", "rack");
  Start(true, 1);
  EXPECT_THAT(Say(),
              UnorderedElementsAre("+172.22.0.2/32 via 10.0.0.3", "+172.22.0.3/32 via 10.0.0.3",
                                   "+2001:db8:1::1/128 via 2001:db8::3"));
  // What cannot be announced is said.
  EXPECT_THAT(rib_->problems(),
              ElementsAre(testing::Pair("rack",
                                        "group rack has no IPv6 next hop for its IPv6 "
                                        "routes")));
  SetGroup("rack", {"10.0.0.3", "2001:db8::4"});
  EXPECT_THAT(Say(), ElementsAre("+2001:db8:1::2/128 via 2001:db8::4"));
  EXPECT_THAT(rib_->problems(), IsEmpty());
}

TEST_F(AdjRibOutTest, TellsIpv6NextHopsOfIpv4RoutesToThoseWhoTakeThem) {
  // Node a has both, b has no IPv4 address, c no IPv6 one.
  plan_.groups["rack"] = {
      {.node = "a", .address = Ip("10.0.0.3"), .ipv6_address = Ip("2001:db8::3")},
      {.node = "b", .address = Ip("2001:db8::4"), .ipv6_address = Ip("2001:db8::4")},
      {.node = "c", .address = Ip("10.0.0.5")}};
  changes_.groups.insert("rack");
  AddRoute("2001:db8:1::1/128", "rack");
  ipv6_next_hops_ = true;
  Start(true);
  EXPECT_THAT(Say(), UnorderedElementsAre(
                         "+172.22.0.2/32 via 2001:db8::3", "+172.22.0.2/32 via 2001:db8::4",
                         "+172.22.0.2/32 via 10.0.0.5", "+2001:db8:1::1/128 via 2001:db8::4"));
  EXPECT_THAT(rib_->problems(), IsEmpty());
  RemoveRoute("172.22.0.2/32");
  EXPECT_THAT(
      Say(), UnorderedElementsAre("-172.22.0.2/32 via 2001:db8::3",
                                  "-172.22.0.2/32 via 2001:db8::4", "-172.22.0.2/32 via 10.0.0.5"));
}

TEST_F(AdjRibOutTest, IsTheNextHopItselfOnALinkWithoutOtherAddresses) {
  SetGroup("rack", {"10.0.0.3"});
  SetGroup("rack6", {"fd00::3"});
  AddRoute("fd00:1::2/128", "rack6");
  policy_.link_local_v4 = policy_.link_local_v6 = true;
  local_ = Ip("fe80::3");
  ipv6_next_hops_ = true;
  Start(true);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via fe80::3", "+fd00:1::2/128 via fe80::3"));

  ipv6_next_hops_ = false;
  peer_.table.clear();
  Start(true);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3", "+fd00:1::2/128 via fe80::3"));

  local_ = Ip("fd00::9");
  peer_.table.clear();
  Start(true);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3", "+fd00:1::2/128 via fd00::3"));
}

TEST_F(AdjRibOutTest, SaysWhichNodesHaveOnlyIpv6NextHops) {
  plan_.groups["rack"] = {
      {.node = "a", .address = Ip("10.0.0.3"), .ipv6_address = Ip("2001:db8::3")},
      {.node = "b", .address = Ip("2001:db8::4"), .ipv6_address = Ip("2001:db8::4")}};
  changes_.groups.insert("rack");
  Start(true);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3"));
  EXPECT_THAT(rib_->problems(),
              ElementsAre(testing::Pair(
                  "rack",
                  "of group rack the nodes b are not announced as next hops: they have no IPv4 "
                  "address, and the peer takes no IPv6 next hops of IPv4 routes (RFC 8950)")));
}

TEST_F(AdjRibOutTest, ReportsAttributesThatDoNotFit) {
  for (uint32_t i = 0; i < 2000; ++i) {
    plan_.groups["rack"][0].attributes.communities.push_back(i);
  }
  Start(true);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.4", "+172.22.0.2/32 via 10.0.0.5"));
  EXPECT_THAT(rib_->problems().at("rack"), HasSubstr("next hop 10.0.0.3"));
}

TEST_F(AdjRibOutTest, OneAddressIsOnePath) {
  SetGroup("rack", {"10.0.0.3", "10.0.0.3"});
  Start(true);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3"));
}

TEST_F(AdjRibOutTest, ResendsOnRequest) {
  AddRoute("2001:db8:1::1/128", "six");
  SetGroup("six", {"2001:db8::3"});
  Start(false);
  Say();
  rib_->Resend(Family::kV4);
  EXPECT_THAT(Say(), ElementsAre("+172.22.0.2/32 via 10.0.0.3"));
  rib_->Resend(Family::kV6);
  EXPECT_THAT(Say(), ElementsAre("+2001:db8:1::1/128 via 2001:db8::3"));
}

TEST_F(AdjRibOutTest, PathIdsAreStableAndShared) {
  SetGroup("other", {"10.0.0.5", "10.0.0.3"});
  AddRoute("172.22.0.3/32", "other");
  Start(true);
  Say();
  std::map<IpAddress, uint32_t> ids;
  for (const auto& [key, next_hop] : peer_.table) {
    EXPECT_NE(key.second, 0u);
    const auto [known, added] = ids.try_emplace(next_hop, key.second);
    EXPECT_EQ(known->second, key.second) << next_hop.ToString();
  }
  EXPECT_THAT(ids, SizeIs(3));
  plan_.groups["rack"][0].attributes.med = 7;
  changes_.groups.insert("rack");
  SetPlace("rack", "c");
  Say();
  for (const auto& [key, next_hop] : peer_.table) EXPECT_EQ(ids[next_hop], key.second);
}

}  // namespace
}  // namespace openelb::bgp

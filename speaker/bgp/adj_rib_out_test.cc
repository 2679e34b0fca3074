#include "speaker/bgp/adj_rib_out.h"

#include <gmock/gmock.h>

#include "api/base/random.h"
#include "speaker/bgp/message.h"
#include "speaker/bgp/route_index.h"
#include "speaker/bgp/update.h"

namespace openelb::bgp {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }
IpPrefix Prefix(absl::string_view text) { return IpPrefix::Parse(text).value(); }
IpPrefix Host(uint32_t i) { return IpPrefix::Host(IpAddress::FromV4(0x0a000000 + i)); }

// Puts UPDATEs into words: "+172.22.0.2/32 via 10.0.0.3", "-172.22.0.2/32"; keeps the table that a
// peer would hold.
class Listener final : public UpdateVisitor {
 public:
  void OnWithdrawn(const IpPrefix& prefix, uint32_t id) override {
    const auto known = table.find({prefix, id});
    ASSERT_NE(known, table.end()) << "withdrawn but never announced: " << prefix.ToString();
    said.push_back(absl::StrCat("-", prefix.ToString(),
                                id == 0 ? "" : absl::StrCat(" via ", known->second.ToString())));
    table.erase(known);
  }
  void OnAttribute(uint8_t, uint8_t type, std::span<const uint8_t> value) override {
    if (type == attribute::kNextHop) next_hop_ = IpAddress::FromBytes(value);
    if (type == attribute::kCommunities) communities.emplace_back(value.begin(), value.end());
    if (type == attribute::kExtendedCommunities) extended.emplace_back(value.begin(), value.end());
  }
  void OnAnnounced(const IpPrefix& prefix, uint32_t id,
                   const std::optional<IpAddress>& next_hop) override {
    const IpAddress address = next_hop.value_or(next_hop_);
    said.push_back(absl::StrCat("+", prefix.ToString(), " via ", address.ToString()));
    table[{prefix, id}] = address;
  }
  std::vector<std::string> Take() { return std::exchange(said, {}); }

  std::vector<std::string> said;
  std::map<std::pair<IpPrefix, uint32_t>, IpAddress> table;
  std::vector<Bytes> communities;  // of each UPDATE that has any
  std::vector<Bytes> extended;

 private:
  IpAddress next_hop_;
};

class AdjRibOutTest : public ::testing::Test {
 protected:
  AdjRibOutTest() {
    SetGroup("rack", {"10.0.0.3", "10.0.0.4", "10.0.0.5"});
    AddRoute("172.22.0.2/32", "rack");
    policy_.scope = "s";
  }

  // Nodes are named a, b, c ... in order.
  void SetGroup(const std::string& id, const std::vector<std::string>& addresses) {
    auto& members = plan_.groups[id];
    members.clear();
    for (size_t i = 0; i < addresses.size(); ++i) {
      members.push_back(
          {.node = std::string(1, static_cast<char>('a' + i)), .address = Ip(addresses[i])});
    }
    changes_.groups.insert(id);
  }
  void AddRoute(absl::string_view prefix, const std::string& group) {
    AddRoute(Prefix(prefix), group);
  }
  void AddRoute(const IpPrefix& prefix, const std::string& group) {
    plan_.routes[prefix].prefix = prefix;
    plan_.routes[prefix].groups["s"] = group;
    changes_.routes.insert(prefix);
  }
  void RemoveRoute(absl::string_view prefix) {
    plan_.routes.erase(Prefix(prefix));
    changes_.routes.insert(Prefix(prefix));
  }
  void SetPlace(const std::string& group, const std::string& node) {
    plan_.places[group] = node;
    changes_.places.insert(group);
  }

  void Start(bool add_path, uint32_t send_max = 0) {
    Negotiated negotiated;
    negotiated.v4 = {true, add_path, ipv6_next_hops_};
    negotiated.v6 = {true, add_path};
    policy_.send_max_v4 = policy_.send_max_v6 = send_max;
    format_ = {true, add_path, add_path};
    Touch();
    rib_ = std::make_unique<AdjRibOut>(&plan_, AttributeContext{true, 65000, true, local_},
                                       negotiated, policy_, kMaxMessage);
  }
  // What the plan's changes so far mean to the rib; nothing is sent yet.
  void Touch() {
    const std::vector<IpPrefix> prefixes = index_.Update(plan_, changes_);
    if (rib_) rib_->Touch(changes_, prefixes);
    changes_ = {};
  }
  // Hands octets to the listener; returns the number of UPDATEs.
  int Deliver(const Bytes& octets) {
    Framer framer;
    framer.Append(octets);
    std::optional<MessageError> error;
    int updates = 0;
    while (auto message = framer.Next(&error)) {
      EXPECT_EQ(message->type, MessageType::kUpdate);
      const auto wrong = CheckUpdate(message->body, format_, &peer_);
      EXPECT_FALSE(wrong.has_value()) << wrong->reason;
      ++updates;
    }
    EXPECT_FALSE(error.has_value());
    return updates;
  }
  int Drain() {
    Bytes out;
    rib_->Fill(SIZE_MAX, &out);
    EXPECT_TRUE(rib_->idle());
    return Deliver(out);
  }
  // Touch, send all, and what was said.
  std::vector<std::string> Say() {
    Touch();
    Drain();
    EXPECT_EQ(rib_->paths(), peer_.table.size());
    return peer_.Take();
  }

  link::PlanState plan_;
  link::PlanChanges changes_;
  RouteIndex index_;
  AdjRibOut::Policy policy_;
  IpAddress local_;
  bool ipv6_next_hops_ = false;
  UpdateFormat format_;
  std::unique_ptr<AdjRibOut> rib_;
  Listener peer_;
};

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
  plan_.routes.begin()->second.attributes.med = 5;
  changes_.routes.insert(Prefix("172.22.0.2/32"));
  EXPECT_THAT(Say(), AllOf(SizeIs(3), Each(StartsWith("+"))));
}

TEST_F(AdjRibOutTest, AddsThePeersAttributesAndChangesThemInPlace) {
  plan_.routes[Prefix("172.22.0.2/32")].attributes.communities = {3};
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
  plan_.routes[Prefix("172.22.0.3/32")].attributes.med = 5;
  changes_.routes.insert(Prefix("172.22.0.3/32"));
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
  plan_.routes[Prefix("172.22.0.9/32")].groups["other"] = "rack";
  changes_.routes.insert(Prefix("172.22.0.9/32"));
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
  plan_.routes.clear();
  for (uint32_t i = 0; i < 9999; ++i) changes_.routes.insert(Host(i));
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
    EXPECT_EQ(plan_.routes.at(key.first).groups.at("s"), "rack");
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
      const auto members = plan_.groups.find(route.groups.at("s"));
      if (members == plan_.groups.end() || members->second.empty()) continue;
      expected[prefix] = std::min<size_t>(members->second.size(), add_path ? 2 : 1);
    }
    std::map<IpPrefix, size_t> held;
    for (const auto& [key, next_hop] : peer_.table) ++held[key.first];
    EXPECT_EQ(held, expected);
  }
}

TEST(PathTableTest, ProbesWhereIdentifiersCollide) {
  // These two addresses have the same hash.
  PathTable table;
  std::map<uint32_t, IpAddress> seen;
  IpAddress first;
  IpAddress second;
  for (uint32_t i = 0; i < 400000; ++i) {
    const IpAddress address = IpAddress::FromV4(0x0a000000 + i * 7919);
    const auto [known, added] = seen.try_emplace(PathTable::Hash(address), address);
    if (added || known->second == address) continue;
    first = known->second;
    second = address;
    break;
  }
  ASSERT_NE(first, second);
  const auto a = table.Intern(Family::kV4, first, {1});
  auto b = table.Intern(Family::kV4, second, {1});
  EXPECT_EQ(a->id, PathTable::Hash(first));
  EXPECT_EQ(b->id, a->id + 1);
  // Other attributes, same next hop, same identifier.
  EXPECT_EQ(table.Intern(Family::kV4, second, {2})->id, b->id);
  EXPECT_EQ(table.Intern(Family::kV4, second, {1}), b);
  EXPECT_EQ(table.size(), 2u);
  b.reset();
  EXPECT_EQ(table.size(), 1u);
}

}  // namespace
}  // namespace openelb::bgp

// IPv6 next hops for IPv4 routes (RFC 8950): which nodes get them, for which routers, and why.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/plan/explain.h"
#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kLocal = kube::TrafficPolicy::kLocal;

// Speaker n1 and node n2 have both families, n3 has IPv6 alone, n4 IPv4 alone. The leaf is spoken
// to over IPv6 and carries both.
class Ipv6NextHopTest : public testing::Test {
 protected:
  void SetUp() override {
    planner_.Upsert(Node("n1", {"10.0.0.1", "fd00::1"}));
    planner_.Upsert(Node("n2", {"10.0.0.2", "fd00::2"}));
    planner_.Upsert(Node("n3", {"fd00::3"}));
    planner_.Upsert(Node("n4", {"10.0.0.4"}));
    planner_.SetFact(MakeSpeaker("n1"));
    planner_.SetFact(MakePrefixes("n1", {"eth0 10.0.0.1/24", "eth0 fd00::1/64"}));
    planner_.Upsert(MakeConf(65000));
    planner_.Upsert(Leaf({Family::kV4, Family::kV6}));
    planner_.Upsert(MakeService("web"));
    planner_.Upsert(MakeSlice("web", {"n2", "n3"}));
    planner_.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.1")});
  }

  static kube::Node Node(const std::string& name, const std::vector<std::string>& addresses) {
    kube::Node node = MakeNode(name, "");
    for (const std::string& address : addresses)
      node.internal_ips.push_back(*IpAddress::Parse(address));
    return node;
  }

  static network::BgpPeer Leaf(const std::vector<Family>& families) {
    network::BgpPeer peer = MakePeer("leaf", "fd00::fe", 65001);
    for (const Family family : families)
      peer.afi_safis.push_back({.family = family, .text = "", .send_max = 8});
    return peer;
  }

  std::vector<std::string> Hops() {
    planner_.Step();
    return Announced(planner_, "n1");
  }

  // "NODE RULE: DETAIL"
  std::vector<std::string> Reasons() {
    planner_.Step();
    std::vector<std::string> lines;
    for (const Reason& reason : Explain(planner_.model(), {}))
      lines.push_back(
          absl::StrCat(reason.node, " ", TextOf(reason.rule).name, ": ", reason.detail));
    return lines;
  }

  // What the members of the shared group of IPv4 say.
  std::vector<std::string> Members() {
    planner_.Step();
    std::vector<std::string> lines;
    for (const auto& [name, audience] : planner_.model().audiences) {
      for (const MemberView& member : audience.groups.at("cluster/v4/connected")) {
        lines.push_back(
            absl::StrCat(member.node, " ", member.address.ToString(), " ",
                         member.ipv6_address.has_value() ? member.ipv6_address->ToString() : "-"));
      }
    }
    return lines;
  }

  Planner planner_;
};

TEST_F(Ipv6NextHopTest, NodesGiveBothAddressesToRoutersSpokenToOverIpv6) {
  EXPECT_THAT(Members(), ElementsAre("n1 10.0.0.1 fd00::1", "n2 10.0.0.2 fd00::2",
                                     "n3 fd00::3 fd00::3", "n4 10.0.0.4 -"));
  EXPECT_THAT(Hops(), ElementsAre("fd00::fe: 172.22.0.1/32 via fd00::1 fd00::2 fd00::3 10.0.0.4"));
  EXPECT_THAT(
      Reasons(),
      ElementsAre(
          "n1 eligible: next hop 10.0.0.1; next hop fd00::1 for routers that take IPv6 ones",
          "n2 eligible: next hop 10.0.0.2; next hop fd00::2 for routers that take IPv6 ones",
          "n3 ipv6-next-hop: next hop fd00::3 for routers that take IPv6 ones",
          "n4 eligible: next hop 10.0.0.4"));
}

TEST_F(Ipv6NextHopTest, OtherRoutersGetNone) {
  struct Case {
    const char* what;
    network::BgpPeer peer;
  };
  network::BgpPeer disabled = Leaf({Family::kV4, Family::kV6});
  disabled.afi_safis[0].enabled = false;
  for (const Case& c : std::vector<Case>{{"over IPv4", MakePeer("leaf", "10.0.0.254", 65001)},
                                         {"IPv6 routes alone", Leaf({Family::kV6})},
                                         {"IPv4 turned off", disabled}}) {
    planner_.Upsert(c.peer);
    EXPECT_THAT(Members(), ElementsAre("n1 10.0.0.1 -", "n2 10.0.0.2 -", "n4 10.0.0.4 -"))
        << c.what;
    EXPECT_THAT(Reasons(), testing::Contains("n3 no-address-of-family: the node has no IPv4 "
                                             "InternalIP"))
        << c.what;
  }
  planner_.Upsert(Leaf({Family::kV4, Family::kV6}));
  EXPECT_THAT(Hops(), ElementsAre("fd00::fe: 172.22.0.1/32 via fd00::1 fd00::2 fd00::3 10.0.0.4"));
}

TEST_F(Ipv6NextHopTest, OnlyAddressesOnTheSharedSubnetCount) {
  planner_.Upsert(Node("n2", {"10.0.0.2", "fd00:9::2"}));
  planner_.Upsert(Node("n3", {"fd00:9::3"}));
  EXPECT_THAT(Members(), ElementsAre("n1 10.0.0.1 fd00::1", "n2 10.0.0.2 -", "n4 10.0.0.4 -"));
  EXPECT_THAT(Reasons(), testing::Contains("n3 no-address-of-family: the node has no IPv4 "
                                           "InternalIP"));
  // Its interface is on the subnet, although the Node does not name that address.
  planner_.SetFact(MakePrefixes("n2", {"eth0 10.0.0.2/24", "eth0 fd00::22/64"}));
  EXPECT_THAT(Members(),
              ElementsAre("n1 10.0.0.1 fd00::1", "n2 10.0.0.2 fd00::22", "n4 10.0.0.4 -"));
}

TEST_F(Ipv6NextHopTest, LocalServicesUseNodesWithoutIpv4) {
  planner_.Upsert(MakeService("web", kLocal));
  EXPECT_THAT(Hops(), ElementsAre("fd00::fe: 172.22.0.1/32 via fd00::2 fd00::3"));
  planner_.Upsert(MakeSlice("web", {"n3"}));
  EXPECT_THAT(Hops(), ElementsAre("fd00::fe: 172.22.0.1/32 via fd00::3"));
  planner_.Upsert(Leaf({Family::kV6}));
  EXPECT_THAT(Hops(), IsEmpty());
}

TEST_F(Ipv6NextHopTest, AClusterWithoutIpv4IsReached) {
  for (const char* name : {"n1", "n2"})
    planner_.Upsert(Node(name, {absl::StrCat("fd00::", name + 1)}));
  planner_.Remove(KeyOfNode("n4"));
  planner_.SetFact(MakePrefixes("n1", {"eth0 fd00::1/64"}, 2));
  EXPECT_THAT(Hops(), ElementsAre("fd00::fe: 172.22.0.1/32 via fd00::1 fd00::2 fd00::3"));
  planner_.Upsert(Leaf({Family::kV6}));
  EXPECT_THAT(Hops(), IsEmpty());
  EXPECT_TRUE(planner_.model().addresses.begin()->second.kind == AddressView::Kind::kNone);
}

// One speaker, two routers on one subnet: what is offered to either is in the group they share.
TEST_F(Ipv6NextHopTest, RoutersOfOneSubnetShareAGroup) {
  planner_.Upsert(MakePeer("old", "10.0.0.254", 65001));
  EXPECT_THAT(Members(), ElementsAre("n1 10.0.0.1 fd00::1", "n2 10.0.0.2 fd00::2",
                                     "n3 fd00::3 fd00::3", "n4 10.0.0.4 -"));
}

}  // namespace
}  // namespace openelb::plan

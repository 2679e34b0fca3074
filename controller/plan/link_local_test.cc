// Routers that are reached over a link, by name or unnumbered: what next hops they are told.

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

// Two nodes with speakers, each with a link of its own to an unnumbered leaf, and a Service of both
// families. fe80:: stands for the speaker's own end.
class LinkLocalTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* number : {"1", "2"}) {
      const std::string name = absl::StrCat("n", number);
      kube::Node node = MakeNode(name, absl::StrCat("10.255.0.", number));
      node.internal_ips.push_back(*IpAddress::Parse(absl::StrCat("fd00:255::", number)));
      planner_.Upsert(node);
      planner_.SetFact(MakeSpeaker(name));
      planner_.SetFact(MakePrefixes(name, {}));
    }
    planner_.Upsert(MakeConf(65000));
    planner_.Upsert(Leaf());
    planner_.Upsert(MakeService("web"));
    planner_.Upsert(MakeSlice("web", {"n1", "n2"}));
    kube::EndpointSlice slice = MakeSlice("web", {"n1", "n2"}, "IPv6");
    slice.meta.name = "web-2";
    planner_.Upsert(slice);
    planner_.SetAddresses("default/web",
                          {*IpAddress::Parse("172.22.0.1"), *IpAddress::Parse("fd00:22::1")});
  }

  static network::BgpPeer Leaf() {
    network::BgpPeer peer = MakePeer("leaf", "", 65001);
    peer.neighbor_interface = "eth1";
    for (const Family family : {Family::kV4, Family::kV6})
      peer.afi_safis.push_back({.family = family, .text = "", .send_max = 8});
    return peer;
  }
  void SetPrefixes(const std::string& node, std::vector<std::string> prefixes) {
    planner_.SetFact(MakePrefixes(node, std::move(prefixes), ++at_));
  }
  std::vector<std::string> Hops(const std::string& node) {
    planner_.Step();
    EXPECT_THAT(planner_.Problems(), IsEmpty());
    return Announced(planner_, node);
  }
  // "NODE RULE: DETAIL" of the IPv4 address.
  std::vector<std::string> Reasons() {
    planner_.Step();
    std::vector<std::string> lines;
    for (const Reason& reason :
         Explain(planner_.model(), {.address = *IpAddress::Parse("172.22.0.1")})) {
      lines.push_back(
          absl::StrCat(reason.node, " ", TextOf(reason.rule).name, ": ", reason.detail));
    }
    return lines;
  }

  Planner planner_;
  int64_t at_ = 1;
};

TEST_F(LinkLocalTest, ALinkWithoutAddressesLeadsToItsNodeAlone) {
  for (const char* node : {"n1", "n2"}) {
    EXPECT_THAT(Hops(node),
                ElementsAre("eth1: 172.22.0.1/32 via fe80::", "eth1: fd00:22::1/128 via fe80::"));
  }
  const std::string both = "next hop: its link-local address on the link of \"";
  EXPECT_THAT(Reasons(), ElementsAre("n1 eligible: " + both + "n1\" to eth1",
                                     "n2 eligible: " + both + "n2\" to eth1"));
}

TEST_F(LinkLocalTest, ANodeWithoutASpeakerHasNoLink) {
  planner_.SetFact(MakeSpeaker("n2", false, 2));
  EXPECT_THAT(Reasons(),
              ElementsAre("n1 eligible: next hop: its link-local address on the link of \"n1\" to "
                          "eth1",
                          "n2 not-on-subnet: next hop 10.255.0.2 is not on the link of \"n1\" to "
                          "eth1"));
}

TEST_F(LinkLocalTest, OnlyANodeWithAnEndpointAnnouncesWherePolicyIsLocal) {
  planner_.Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
  planner_.Upsert(MakeSlice("web", {"n2"}));
  EXPECT_THAT(Hops("n1"), ElementsAre("eth1: fd00:22::1/128 via fe80::"));
  EXPECT_THAT(Hops("n2"),
              ElementsAre("eth1: 172.22.0.1/32 via fe80::", "eth1: fd00:22::1/128 via fe80::"));
}

TEST_F(LinkLocalTest, ALinkWithSubnetsLeadsToWhoeverIsOnThem) {
  SetPrefixes("n1", {"eth1 10.255.0.1/24"});
  EXPECT_THAT(Hops("n1"), ElementsAre("eth1: 172.22.0.1/32 via 10.255.0.1 10.255.0.2",
                                      "eth1: fd00:22::1/128 via fe80::"));
  SetPrefixes("n1", {"eth1 10.255.0.1/24", "eth1 fd00:255::1/64"});
  EXPECT_THAT(Hops("n1"), ElementsAre("eth1: 172.22.0.1/32 via fd00:255::1 fd00:255::2",
                                      "eth1: fd00:22::1/128 via fd00:255::1 fd00:255::2"));
  SetPrefixes("n1", {"eth0 10.255.0.1/24", "eth0 fd00:255::1/64"});
  EXPECT_THAT(Hops("n1"),
              ElementsAre("eth1: 172.22.0.1/32 via fe80::", "eth1: fd00:22::1/128 via fe80::"));
}

TEST_F(LinkLocalTest, TwoLinksOfANodeAreTwoPeers) {
  network::BgpPeer second = Leaf();
  second.meta.name = "leaf2";
  second.neighbor_interface = "eth2";
  planner_.Upsert(second);
  network::BgpPeer named = Leaf();
  named.meta.name = "leaf3";
  named.neighbor_interface.clear();
  named.neighbor_address = "fe80::1%eth1";
  planner_.Upsert(named);
  named.meta.name = "leaf4";
  named.neighbor_address = "fe80::1%eth2";
  planner_.Upsert(named);
  EXPECT_THAT(
      Hops("n1"),
      testing::UnorderedElementsAre(
          "eth1: 172.22.0.1/32 via fe80::", "eth1: fd00:22::1/128 via fe80::",
          "eth2: 172.22.0.1/32 via fe80::", "eth2: fd00:22::1/128 via fe80::",
          "fe80::1%eth1: 172.22.0.1/32 via fe80::", "fe80::1%eth1: fd00:22::1/128 via fe80::",
          "fe80::1%eth2: 172.22.0.1/32 via fe80::", "fe80::1%eth2: fd00:22::1/128 via fe80::"));
}

}  // namespace
}  // namespace openelb::plan

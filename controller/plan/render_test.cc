#include "controller/plan/render.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "api/codec/parse.h"
#include "api/network/v1alpha2/names.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Json(const RenderInput& input) {
  std::string text;
  RenderJson(input, [&](absl::string_view part) { text.append(part.data(), part.size()); });
  return text;
}

std::string Table(const RenderInput& input) {
  std::string text;
  RenderTable(input, [&](absl::string_view part) { text.append(part.data(), part.size()); });
  return text;
}

class RenderTest : public testing::Test {
 protected:
  void SetUp() override {
    FillDocumentedTopology(&planner_);
    planner_.Step();
  }
  RenderInput Input() {
    return {.planner = planner_,
            .services = {{"default/web", {{"172.22.0.2"}, "eip", ""}},
                         {"default/late", {{}, "", "no Eip has a free address"}}},
            .node = {},
            .add_path = true};
  }
  Planner planner_;
};

TEST_F(RenderTest, Json) {
  RenderInput input = Input();
  input.node = "master1";
  EXPECT_EQ(Json(input), R"({
  "problems": [],
  "reasons": [
    {
      "address": "172.22.0.2",
      "detail": "next hop 192.168.0.3",
      "included": true,
      "node": "master1",
      "rack": "leaf1",
      "rule": "eligible"
    },
    {
      "address": "172.22.0.2",
      "detail": "the node is in rack \"leaf2\"",
      "included": false,
      "node": "worker-p002",
      "rack": "leaf1",
      "rule": "other-rack"
    },
    {
      "address": "172.22.0.2",
      "detail": "next hop 192.168.0.4",
      "included": true,
      "node": "worker1",
      "rack": "leaf1",
      "rule": "eligible"
    },
    {
      "address": "172.22.0.2",
      "detail": "the node is in rack \"leaf1\"",
      "included": false,
      "node": "master1",
      "rack": "leaf2",
      "rule": "other-rack"
    }
  ],
  "services": {
    "default/late": {
      "addresses": [],
      "pending": "no Eip has a free address",
      "pool": ""
    },
    "default/web": {
      "addresses": [
        "172.22.0.2"
      ],
      "pending": "",
      "pool": "eip"
    }
  },
  "speakers": {
    "master1": {
      "bgpPeers": {
        "192.168.0.2": {
          "down": "",
          "peer": "leaf1",
          "routes": [
            {
              "nextHops": [
                "192.168.0.3",
                "192.168.0.4"
              ],
              "prefix": "172.22.0.2/32",
              "service": [
                "default/web"
              ]
            }
          ]
        }
      },
      "layer2": {},
      "rack": "leaf1",
      "vrrp": {}
    }
  }
}
)");
}

TEST_F(RenderTest, Aggregates) {
  planner_.Upsert(MakeEip("pool", "172.22.0.0/24", 24));
  planner_.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.2")}, "pool");
  planner_.FinishExchanges(planner_.Step().exchange);
  planner_.Step();
  RenderInput input = Input();
  EXPECT_THAT(Json(input), HasSubstr(R"(
  "aggregates": {
    "172.22.0.0/24": {
      "addresses": 1,
      "announced": true,
      "eip": [
        "pool"
      ],
      "hostRoutes": "none"
    }
  },)"));
  EXPECT_THAT(Json(input), HasSubstr(R"(
              "eip": [
                "pool"
              ],
              "nextHops": [
                "192.168.1.2"
              ],
              "prefix": "172.22.0.0/24",
              "service": []
            })"));
  EXPECT_THAT(Json(input), HasSubstr(R"(
      "address": "172.22.0.2",
      "aggregate": "172.22.0.0/24",
      "detail": "next hop 192.168.0.3; announced by aggregate 172.22.0.0/24",)"));
  EXPECT_THAT(Table(input), HasSubstr("AGGREGATE      EIP   ADDRESSES  ANNOUNCED  HOST ROUTES\n"
                                      "172.22.0.0/24  pool  1          yes        none\n"));
  // Refused: what serves the one address does not serve the other.
  planner_.Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
  planner_.Upsert(MakeService("other", kube::TrafficPolicy::kLocal));
  planner_.Upsert(MakeSlice("other", {"master1"}));
  planner_.SetAddresses("default/other", {*IpAddress::Parse("172.22.0.3")}, "pool");
  planner_.Step();
  EXPECT_THAT(Json(input), HasSubstr(R"("hostRoutes": "only",
      "refused": "aggregate 172.22.0.0/24 is not announced)"));
  EXPECT_THAT(Table(input), HasSubstr("172.22.0.0/24  pool  2          refused    only\n"));
}

TEST_F(RenderTest, AttributesAndWeights) {
  network::BgpPeer peer = MakePeer("leaf1", "192.168.0.2", 50001);
  peer.advertise = {.communities = {"no-export", "rt:65000:1"}, .med = 5, .prepend = 2};
  peer.link_bandwidth = true;
  planner_.Upsert(peer);
  planner_.Step();
  RenderInput input = Input();
  input.node = "master1";
  EXPECT_THAT(Json(input), HasSubstr(R"(
              "attributes": {
                "communities": [
                  "no-export",
                  "rt:65000:1"
                ],
                "med": 5,
                "prepend": 2
              },
)"));
  EXPECT_THAT(Json(input), HasSubstr(R"(
              "weights": [
                1,
                1
              ]
)"));
  const std::string table = Table(input);
  EXPECT_THAT(table, HasSubstr("NEXT HOPS                ATTRIBUTES\n"));
  EXPECT_THAT(table, HasSubstr("192.168.0.3 192.168.0.4  no-export rt:65000:1 med=5 prepend=2 "
                               "weights=1,1\n"));
}

TEST_F(RenderTest, NextHopsThatAreDrained) {
  kube::Node node = MakeNode("worker1", "192.168.0.4");
  node.meta.annotations[network::kDrain] = "true";
  planner_.Upsert(node);
  planner_.Step();
  RenderInput input = Input();
  input.node = "master1";
  EXPECT_THAT(Json(input), HasSubstr(R"(
              "draining": [
                "192.168.0.4"
              ],
)"));
  EXPECT_THAT(Table(input), HasSubstr("192.168.0.3 192.168.0.4  draining=192.168.0.4\n"));
}

TEST_F(RenderTest, WithoutAddPathOneNextHop) {
  RenderInput input = Input();
  input.add_path = false;
  EXPECT_THAT(Table(input),
              HasSubstr("master1      leaf1  leaf1  192.168.0.2  172.22.0.2/32  192.168.0.3\n"));
}

TEST_F(RenderTest, Table) {
  EXPECT_EQ(Table(Input()),
            R"(SERVICE       ADDRESSES   POOL  PENDING
default/late  -           -     no Eip has a free address
default/web   172.22.0.2  eip

SPEAKER      RACK   PEER   ROUTER       PREFIX         NEXT HOPS
master1      leaf1  leaf1  192.168.0.2  172.22.0.2/32  192.168.0.3 192.168.0.4
worker-p002  leaf2  leaf2  192.168.1.1  172.22.0.2/32  192.168.1.2

ADDRESS     RACK   NODE         NEXT HOP  RULE        WHY
172.22.0.2  leaf1  master1      yes       eligible    next hop 192.168.0.3
172.22.0.2  leaf1  worker-p002  no        other-rack  the node is in rack "leaf2"
172.22.0.2  leaf1  worker1      yes       eligible    next hop 192.168.0.4
172.22.0.2  leaf2  master1      no        other-rack  the node is in rack "leaf1"
172.22.0.2  leaf2  worker-p002  yes       eligible    next hop 192.168.1.2
172.22.0.2  leaf2  worker1      no        other-rack  the node is in rack "leaf1"
)");
}

TEST_F(RenderTest, ProblemsAndPeersThatStayDown) {
  network::BgpConf conf = MakeConf(50000);
  conf.policy = "no-leak";
  planner_.Upsert(conf);
  planner_.Step();
  EXPECT_THAT(Table(Input()), HasSubstr("stays down: the export policy cannot be applied"));
  EXPECT_THAT(Table(Input()), HasSubstr("BgpPeer/leaf1    HeldDown"));
  EXPECT_THAT(Json(Input()), HasSubstr("\"routes\": []"));
}

TEST_F(RenderTest, OfflineTheDaemonSetSaysWhereSpeakersAre) {
  Planner offline({.speakers_from = Options::Speakers::kDaemonSet, .system_namespace = ""});
  FillDocumentedTopology(&offline);
  offline.Step();
  RenderInput input{.planner = offline, .services = {}, .node = {}, .add_path = true};
  EXPECT_THAT(Table(input), Not(HasSubstr("\nworker1 ")));
  offline.Remove({kube::DaemonSet::kKind, "openelb-system", "openelb-speaker"});
  offline.Step();
  EXPECT_THAT(Table(input), HasSubstr("\nworker1 ")) << "without one: every node";
}

// What a large cluster's plan is long for is not said once for each rack more.
TEST(RenderLargeTest, ReasonsGrowWithNodesAndNotWithRacksTimesNodes) {
  constexpr size_t kRacks = 20;
  constexpr size_t kNodesPerRack = 3;
  constexpr size_t kServices = 30;
  Planner planner;
  planner.Upsert(MakeConf(50000));
  for (size_t rack = 0; rack < kRacks; ++rack) {
    const std::string name = absl::StrCat("rack", rack);
    planner.Upsert(MakePeer(name, absl::StrCat("10.0.", rack, ".1"), 50001,
                            {{"openelb.kubesphere.io/rack", name}}));
    for (size_t i = 0; i < kNodesPerRack; ++i) {
      const std::string node = absl::StrCat("node", rack, "-", i);
      const std::string address = absl::StrCat("10.0.", rack, ".", 2 + i);
      planner.Upsert(MakeNode(node, address, {{"openelb.kubesphere.io/rack", name}}));
      planner.SetFact(MakePrefixes(node, {absl::StrCat("eth0 ", address, "/24")}));
      planner.SetFact(MakeSpeaker(node));
    }
  }
  RenderInput input{.planner = planner, .services = {}, .node = {}, .add_path = true};
  for (size_t i = 0; i < kServices; ++i) {
    const std::string service = absl::StrCat("web", i);
    planner.Upsert(MakeService(service));
    planner.Upsert(MakeSlice(service, {"node0-0"}));
    planner.SetAddresses("default/" + service, {*IpAddress::Parse(absl::StrCat("172.22.0.", i))});
  }
  planner.Step();
  size_t reasons = 0;
  size_t largest = 0;
  RenderJson(input, [&](absl::string_view part) {
    reasons += absl::StrContains(part, "\"rule\"") ? 1 : 0;
    largest = std::max(largest, part.size());
  });
  EXPECT_EQ(reasons, kServices * kRacks * kNodesPerRack * 2);
  EXPECT_LT(largest, 50'000U) << "held at once";
  EXPECT_TRUE(absl::StrContains(Table(input),
                                "node10-0  no        other-rack  the node is in rack \"rack10\"; "
                                "the same in 18 more racks\n"));
  // For one node, every rack.
  input.node = "node10-0";
  EXPECT_TRUE(absl::StrContains(Json(input), R"(
      "node": "node10-0",
      "rack": "rack19",
      "rule": "other-rack")"));
}

TEST_F(RenderTest, ControlCharactersAreWrittenOut) {
  planner_.Upsert(MakePeer("leaf1\n\x1b[31m\xc2\x9b", "192.168.0.2", 50001));
  planner_.Step();
  RenderInput input = Input();
  input.services["default/late"].pending = "Eip \"a\tb\x7f\" in München";
  EXPECT_THAT(Table(input), HasSubstr(R"(Eip "a\tb\x7f" in München)"));
  EXPECT_THAT(Table(input), HasSubstr(R"(leaf1\n\x1b[31m\xc2\x9b)"));
  EXPECT_THAT(Table(input), Not(HasSubstr("\x1b")));
}

TEST(RenderVipTest, RoutersAndTheirNodes) {
  Planner planner;
  network::Eip eip;
  eip.meta.name = "pool";
  eip.interface = "eth0";
  planner.Upsert(eip);
  planner.Upsert(MakeService("web"));
  planner.Upsert(MakeSlice("web", {"n1"}));
  for (const char* node : {"n1", "n2"}) {
    const char* last = node + 1;
    planner.Upsert(MakeNode(node, absl::StrCat("192.168.0.", last)));
    planner.SetFact(MakePrefixes(node, {absl::StrCat("eth0 192.168.0.", last, "/24")}));
    planner.SetFact(MakeSpeaker(node));
    planner.SetFact({node, kModesFact, {kVipMode}, absl::FromUnixSeconds(1)});
  }
  planner.SetVip("default/web", "pool", {IpAddress::Parse("192.168.0.91").value()});
  planner.SetVip("default/none", "pool", {IpAddress::Parse("192.168.0.92").value()});
  planner.Step();
  RenderInput input{.planner = planner, .services = {}, .node = "n2", .add_path = true};
  EXPECT_THAT(Json(input), HasSubstr(R"("vrrp": {
        "eth0/4/197": {
          "addresses": [
            "192.168.0.91"
          ],
          "nodes": [
            "n1",
            "n2"
          ],
          "priority": 222
        }
      })"));
  input.node.reset();
  EXPECT_THAT(Table(input), HasSubstr(R"(
VIP ADDRESS   POOL  VRID  NODES
192.168.0.91  pool  197   n1 n2
192.168.0.92  pool  -     -
)"));
}

}  // namespace
}  // namespace openelb::plan

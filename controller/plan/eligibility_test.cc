// Who is eligible: node health, traffic policy, endpoints, several Services on one address, the
// last resort; and what each change costs. What OpenELB and MetalLB were seen to get wrong is here.

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kLocal = kube::TrafficPolicy::kLocal;
constexpr auto kUnknown = kube::ConditionStatus::kUnknown;

// One flat rack of nodes n1..n4 at 10.0.0.N with a speaker on n1, which peers with 10.0.0.254; a
// Service "web" at 172.22.0.1 with endpoints on n2 and n3.
class EligibilityTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 1; i <= 4; ++i) planner_.Upsert(Node(i));
    planner_.SetFact(MakeSpeaker("n1"));
    planner_.SetFact(MakePrefixes("n1", {"eth0 10.0.0.1/24"}));
    planner_.Upsert(MakeConf(65000));
    planner_.Upsert(MakePeer("leaf", "10.0.0.254", 65001));
    planner_.Upsert(MakeService("web"));
    planner_.Upsert(MakeSlice("web", {"n2", "n3"}));
    planner_.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.1")});
    planner_.Step();
  }

  static kube::Node Node(int i) {
    return MakeNode("n" + std::to_string(i), "10.0.0." + std::to_string(i));
  }

  // The last octets of the next hops of 172.22.0.1, after a step; "-" when there is no route.
  std::string Hops(const std::string& address = "172.22.0.1/32") {
    planner_.Step();
    for (const std::string& line : Announced(planner_, "n1")) {
      const std::vector<std::string> parts = absl::StrSplit(line, " via ");
      if (parts[0] != "10.0.0.254: " + address) continue;
      std::vector<std::string> hops;
      for (const auto& hop : absl::StrSplit(parts[1], ' '))
        hops.push_back(std::vector<std::string>(absl::StrSplit(hop, '.')).back());
      return absl::StrJoin(hops, " ");
    }
    return "-";
  }

  Planner planner_;
};

TEST_F(EligibilityTest, ClusterUsesEveryReadyNode) { EXPECT_EQ(Hops(), "1 2 3 4"); }

TEST_F(EligibilityTest, NodeHealth) {
  struct Case {
    const char* what;
    void (*change)(kube::Node*);
    const char* hops;
  };
  for (const Case& c : std::vector<Case>{
           {"not ready", [](kube::Node* n) { n->ready = kube::ConditionStatus::kFalse; }, "1 2 3"},
           {"unknown", [](kube::Node* n) { n->ready = kUnknown; }, "1 2 3"},
           {"no network",
            [](kube::Node* n) { n->network_unavailable = kube::ConditionStatus::kTrue; }, "1 2 3"},
           {"network not heard of", [](kube::Node* n) { n->network_unavailable = kUnknown; },
            "1 2 3 4"},
           {"excluded",
            [](kube::Node* n) {
              n->meta.labels["node.kubernetes.io/exclude-from-external-load-balancers"] = "";
            },
            "1 2 3"},
           {"cordoned",
            [](kube::Node* n) {
              n->unschedulable = true;
              n->taints = {{"node.kubernetes.io/unschedulable", "", "NoSchedule"}};
            },
            "1 2 3 4"},
           {"no address", [](kube::Node* n) { n->internal_ips.clear(); }, "1 2 3"},
           {"no address that a router can use",
            [](kube::Node* n) {
              n->internal_ips = {*IpAddress::Parse("127.0.0.1"), *IpAddress::Parse("0.0.0.0")};
            },
            "1 2 3"},
           {"another subnet",
            [](kube::Node* n) { n->internal_ips = {*IpAddress::Parse("10.0.9.4")}; }, "1 2 3"},
       }) {
    kube::Node node = Node(4);
    c.change(&node);
    planner_.Upsert(node);
    EXPECT_EQ(Hops(), c.hops) << c.what;
    planner_.Upsert(Node(4));
    EXPECT_EQ(Hops(), "1 2 3 4") << c.what << " is over";
  }
}

TEST_F(EligibilityTest, NodesComeAndGo) {
  planner_.Upsert(Node(5));
  EXPECT_EQ(Hops(), "1 2 3 4 5") << "a new node without a speaker";
  planner_.Remove(KeyOfNode("n5"));
  planner_.Remove(KeyOfNode("n4"));
  EXPECT_EQ(Hops(), "1 2 3");
}

TEST_F(EligibilityTest, ADeletedNodesSpeakerIsGivenAnEmptyPlan) {
  planner_.Remove(KeyOfNode("n1"));
  EXPECT_THAT(planner_.Step().speakers, ElementsAre("n1"));
  EXPECT_THAT(planner_.SetsOf("n1"), ElementsAre("node/n1"));
  EXPECT_EQ(planner_.Find("node/n1"), nullptr);
  EXPECT_THAT(planner_.facts(), SizeIs(2)) << "its prefixes are true while it runs";
  planner_.SetFact(MakeSpeaker("n1", /*here=*/false, 2));
  EXPECT_THAT(planner_.Step().speakers, ElementsAre("n1"));
  EXPECT_THAT(planner_.SetsOf("n1"), IsEmpty());
  EXPECT_THAT(planner_.facts(), IsEmpty());
}

TEST_F(EligibilityTest, ClusterWithoutAnEndpointIsNotAnnounced) {
  planner_.Upsert(MakeSlice("web", {}));
  EXPECT_EQ(Hops(), "-");
  planner_.Upsert(MakeSlice("web", {""}));
  EXPECT_EQ(Hops(), "1 2 3 4") << "an endpoint that is bound to no node";
  planner_.Remove({kube::EndpointSlice::kKind, "default", "web-1"});
  EXPECT_EQ(Hops(), "-");
}

TEST_F(EligibilityTest, LocalFollowsReadyEndpoints) {
  planner_.Upsert(MakeService("web", kLocal));
  EXPECT_EQ(Hops(), "2 3") << "the policy was edited";
  planner_.Upsert(MakeSlice("web", {"n2", "n3", "n4"}));
  EXPECT_EQ(Hops(), "2 3 4") << "another Pod became ready";
  planner_.Upsert(MakeSlice("web", {"n3", "n4"}));
  EXPECT_EQ(Hops(), "3 4") << "a Pod moved away";
  kube::EndpointSlice slice = MakeSlice("web", {"n3", "n4"});
  slice.endpoints[0].ready = false;
  planner_.Upsert(slice);
  EXPECT_EQ(Hops(), "4") << "a Pod is not ready";
  slice.endpoints[1].ready = false;
  planner_.Upsert(slice);
  EXPECT_EQ(Hops(), "-") << "the last Pod is not ready";
  planner_.Upsert(MakeSlice("web", {"n3"}));
  planner_.Upsert(MakeService("web"));
  EXPECT_EQ(Hops(), "1 2 3 4") << "the policy was edited back";
}

TEST_F(EligibilityTest, LocalNeedsAReadyNode) {
  planner_.Upsert(MakeService("web", kLocal));
  kube::Node node = Node(2);
  node.ready = kube::ConditionStatus::kFalse;
  planner_.Upsert(node);
  EXPECT_EQ(Hops(), "3");
  planner_.Upsert(Node(2));
  EXPECT_EQ(Hops(), "2 3");
}

TEST_F(EligibilityTest, ServingWhileTerminatingCountsWhenNothingElseDoes) {
  kube::EndpointSlice slice = MakeSlice("web", {"n2", "n3"});
  for (kube::Endpoint& endpoint : slice.endpoints) {
    endpoint.ready = false;
    endpoint.serving = true;
    endpoint.terminating = true;
  }
  for (const auto policy : {kLocal, kube::TrafficPolicy::kCluster}) {
    planner_.Upsert(MakeService("web", policy));
    planner_.Upsert(slice);
    EXPECT_EQ(Hops(), policy == kLocal ? "2 3" : "1 2 3 4");
    kube::EndpointSlice gone = slice;
    for (kube::Endpoint& endpoint : gone.endpoints) endpoint.serving = false;
    planner_.Upsert(gone);
    EXPECT_EQ(Hops(), "-");
  }
  planner_.Upsert(MakeService("web", kLocal));
  kube::EndpointSlice one_ready = slice;
  one_ready.endpoints[1].ready = true;
  planner_.Upsert(one_ready);
  EXPECT_EQ(Hops(), "3") << "a ready one on an eligible node wins";
  kube::Node node = Node(3);
  node.ready = kube::ConditionStatus::kFalse;
  planner_.Upsert(node);
  EXPECT_EQ(Hops(), "2") << "no ready one on an eligible node is left";
}

TEST_F(EligibilityTest, OnlyEndpointsOfTheAddresssFamily) {
  planner_.Upsert(MakeSlice("web", {"n2"}, "IPv6"));
  EXPECT_EQ(Hops(), "-");
  planner_.Upsert(MakeSlice("web", {"n2"}, "FQDN"));
  EXPECT_EQ(Hops(), "-");
  kube::EndpointSlice second = MakeSlice("web", {"n2"});
  second.meta.name = "web-2";
  planner_.Upsert(second);
  EXPECT_EQ(Hops(), "1 2 3 4");
}

TEST_F(EligibilityTest, ServicesOnOneAddressAddUp) {
  const std::vector<IpAddress> shared = {*IpAddress::Parse("172.22.0.1")};
  planner_.Upsert(MakeService("web", kLocal));
  planner_.Upsert(MakeService("dns", kLocal));
  planner_.Upsert(MakeSlice("dns", {"n4"}));
  planner_.SetAddresses("default/dns", shared);
  EXPECT_EQ(Hops(), "2 3 4");
  planner_.Upsert(MakeService("dns"));
  EXPECT_EQ(Hops(), "1 2 3 4") << "one of them wants every node";
  planner_.SetAddresses("default/dns", {});
  EXPECT_EQ(Hops(), "2 3");
  planner_.SetAddresses("default/web", {});
  EXPECT_EQ(Hops(), "-");
}

TEST_F(EligibilityTest, ADeletedServiceIsNotAnnounced) {
  planner_.Remove({kube::Service::kKind, "default", "web"});
  EXPECT_EQ(Hops(), "-") << "even before its address is taken back";
}

TEST_F(EligibilityTest, LastResort) {
  planner_.Upsert(MakeService("local", kLocal));
  planner_.Upsert(MakeSlice("local", {"n4"}));
  planner_.SetAddresses("default/local", {*IpAddress::Parse("172.22.0.2")});
  // n4 falls silent; the only endpoint of "local" is there.
  kube::Node silent = Node(4);
  silent.ready = kUnknown;
  planner_.Upsert(silent);
  EXPECT_EQ(Hops(), "1 2 3") << "others carry on";
  EXPECT_EQ(Hops("172.22.0.2/32"), "4");
  EXPECT_THAT(planner_.Problems(), ElementsAre(Field(&Problem::reason, "LastResort")));
  kube::EndpointSlice unready = MakeSlice("local", {"n4"});
  unready.endpoints[0].ready = false;
  planner_.Upsert(unready);
  EXPECT_EQ(Hops("172.22.0.2/32"), "4") << "its endpoint counts as ready";
  silent.ready = kube::ConditionStatus::kFalse;
  planner_.Upsert(silent);
  EXPECT_EQ(Hops("172.22.0.2/32"), "-") << "a node that says it is not ready does not count";

  // Every node falls silent: all stays as it was.
  for (int i = 1; i <= 4; ++i) {
    kube::Node node = Node(i);
    node.ready = kUnknown;
    planner_.Upsert(node);
  }
  EXPECT_EQ(Hops(), "1 2 3 4");
  EXPECT_EQ(Hops("172.22.0.2/32"), "4");
  // One is back: the address has a next hop again, and needs no last resort.
  planner_.Upsert(Node(1));
  EXPECT_EQ(Hops(), "1");
}

// Lost must not be: an address whose nodes are heard of again before their endpoints are ready.
TEST_F(EligibilityTest, LastResortLastsUntilEndpointsCanBeReady) {
  planner_.Upsert(MakeService("local", kLocal));
  planner_.SetAddresses("default/local", {*IpAddress::Parse("172.22.0.2")});
  for (const char* service : {"web", "local"}) {
    kube::EndpointSlice unready = MakeSlice(service, {"n4"});
    unready.endpoints[0].ready = false;
    planner_.Upsert(unready);
  }
  EXPECT_EQ(Hops(), "-");
  planner_.SetReturning("n4", true);
  EXPECT_EQ(Hops(), "1 2 3 4");
  EXPECT_EQ(Hops("172.22.0.2/32"), "4");
  kube::Node node = Node(4);
  node.ready = kube::ConditionStatus::kFalse;
  planner_.Upsert(node);
  EXPECT_EQ(Hops(), "-") << "a node that says it is not ready does not count";
  planner_.Upsert(Node(4));
  EXPECT_EQ(Hops(), "1 2 3 4");
  planner_.SetReturning("n4", false);
  EXPECT_EQ(Hops(), "-");
  EXPECT_EQ(Hops("172.22.0.2/32"), "-");
}

TEST_F(EligibilityTest, LastResortNeedsAnEndpointThere) {
  planner_.Upsert(MakeSlice("web", {"gone"}));
  kube::EndpointSlice slice = MakeSlice("web", {"gone"});
  slice.endpoints[0].ready = false;
  planner_.Upsert(slice);
  kube::Node silent = Node(4);
  silent.ready = kUnknown;
  planner_.Upsert(silent);
  EXPECT_EQ(Hops(), "-");
}

// 20 Services, every other one Local, in 3 racks of 5 nodes.
class CostTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int rack = 0; rack < 3; ++rack) {
      const std::string r = std::to_string(rack);
      for (int i = 0; i < 5; ++i) planner_.Upsert(Node(rack, i));
      planner_.SetFact(MakeSpeaker("n" + r + "0"));
      planner_.SetFact(MakePrefixes("n" + r + "0", {"eth0 10.0." + r + ".1/24"}));
      planner_.Upsert(
          MakePeer("leaf" + r, "10.0." + r + ".254", 65001, {{"openelb.kubesphere.io/rack", r}}));
    }
    planner_.Upsert(MakeConf(65000));
    for (int i = 0; i < 20; ++i) {
      const std::string name = "s" + std::to_string(i);
      planner_.Upsert(MakeService(name, i % 2 == 0 ? kLocal : kube::TrafficPolicy::kCluster));
      planner_.Upsert(MakeSlice(name, {"n0" + std::to_string(i % 5), "n11"}));
      planner_.SetAddresses("default/" + name,
                            {*IpAddress::Parse("172.22.0." + std::to_string(i))});
    }
    planner_.Step();
    before_ = planner_.visits();
  }
  static kube::Node Node(int rack, int i) {
    const std::string r = std::to_string(rack);
    return MakeNode("n" + r + std::to_string(i), "10.0." + r + "." + std::to_string(i + 1),
                    {{"openelb.kubesphere.io/rack", r}});
  }
  Visits Cost() {
    planner_.Step();
    Visits now = planner_.visits();
    now.nodes -= before_.nodes;
    now.racks -= before_.racks;
    now.speakers -= before_.speakers;
    now.services -= before_.services;
    now.addresses -= before_.addresses;
    now.groups -= before_.groups;
    return now;
  }
  Planner planner_;
  Visits before_;
};

TEST_F(CostTest, OneEndpointChangeVisitsOneService) {
  planner_.Upsert(MakeSlice("s4", {"n02", "n11"}));
  const Visits cost = Cost();
  EXPECT_EQ(cost.services, 1u);
  EXPECT_EQ(cost.addresses, 1u);
  EXPECT_EQ(cost.groups, 2u) << "one in each rack with an endpoint";
  EXPECT_EQ(cost.nodes + cost.racks + cost.speakers, 0u);
}

TEST_F(CostTest, OneNodeChangeVisitsItsRacksGroups) {
  kube::Node node = Node(0, 3);
  node.ready = kube::ConditionStatus::kFalse;
  planner_.Upsert(node);
  const Visits cost = Cost();
  EXPECT_EQ(cost.nodes, 1u);
  EXPECT_EQ(cost.racks, 1u);
  EXPECT_EQ(cost.services, 0u);
  EXPECT_EQ(cost.speakers, 0u);
  EXPECT_EQ(cost.addresses, 2u) << "the Local ones with an endpoint on it: s8 and s18";
}

TEST_F(CostTest, NothingChangedCostsNothingAndSaysSo) {
  planner_.Upsert(Node(0, 3));
  planner_.Upsert(MakeSlice("s4", {"n04", "n11"}));
  const PlanChange change = planner_.Step();
  EXPECT_TRUE(change.empty());
  EXPECT_FALSE(change.problems);
}

TEST_F(CostTest, OneNodeChangeIsOneGroupForAllClusterServices) {
  kube::Node node = Node(2, 3);
  node.ready = kube::ConditionStatus::kFalse;
  planner_.Upsert(node);
  const PlanChange change = planner_.Step();
  ASSERT_EQ(change.keys.size(), 1u);
  EXPECT_THAT(change.keys.begin()->second, ElementsAre("group/cluster/v4/connected"));
}

}  // namespace
}  // namespace openelb::plan

#include "controller/plan/explain.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/network/v1alpha2/names.h"
#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kRack = "openelb.kubesphere.io/rack";

// "RACK NODE RULE: DETAIL" of 172.22.0.2.
std::vector<std::string> Reasons(const Planner& planner, const Question& question = {}) {
  std::vector<std::string> lines;
  for (const Reason& reason : Explain(planner.model(), question))
    lines.push_back(absl::StrCat(reason.rack, " ", reason.node, " ", TextOf(reason.rule).name, ": ",
                                 reason.detail));
  return lines;
}

// Of default/web's address.
void AskForAggregate(Planner* planner) {
  planner->Upsert(MakeEip("pool", "172.22.0.0/24", 24));
  planner->SetAddresses("default/web", {*IpAddress::Parse("172.22.0.2")}, "pool");
}

void PutLocal(Planner* planner, const std::string& service, const std::string& address,
              const std::vector<std::string>& nodes) {
  planner->Upsert(MakeService(service, kube::TrafficPolicy::kLocal));
  planner->Upsert(MakeSlice(service, nodes));
  planner->SetAddresses("default/" + service, {*IpAddress::Parse(address)}, "pool");
}

// The rule about worker1 in rack leaf1.
std::string WorkersRule(Planner* planner) {
  planner->Step();
  const std::vector<Reason> reasons =
      Explain(planner->model(),
              {.address = *IpAddress::Parse("172.22.0.2"), .rack = "leaf1", .node = "worker1"});
  return reasons.size() == 1 ? TextOf(reasons[0].rule).name : "?";
}

TEST(RulesTest, TableFollowsTheEnumeration) {
  for (size_t i = 0; i < kRules.size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(kRules[i].rule), i);
    EXPECT_EQ(kRules[i].included, kRules[i].rule < Rule::kNoRack);
  }
}

// README.md has one row a rule: | `name` | yes or no | meaning |.
TEST(RulesTest, ReadmeListsThemAll) {
  std::ifstream file("README.md");
  std::stringstream text;
  text << file.rdbuf();
  std::string expected;
  for (const RuleText& rule : kRules)
    absl::StrAppend(&expected, "| `", rule.name, "` | ", rule.included ? "yes" : "no", " | ",
                    rule.meaning, " |\n");
  EXPECT_THAT(text.str(), ::testing::HasSubstr(expected));
}

TEST(ExplainTest, DocumentedTopology) {
  Planner planner;
  FillDocumentedTopology(&planner);
  planner.Step();
  EXPECT_THAT(Reasons(planner),
              ElementsAre("leaf1 master1 eligible: next hop 192.168.0.3",
                          "leaf1 worker-p002 other-rack: the node is in rack \"leaf2\"",
                          "leaf1 worker1 eligible: next hop 192.168.0.4",
                          "leaf2 master1 other-rack: the node is in rack \"leaf1\"",
                          "leaf2 worker-p002 eligible: next hop 192.168.1.2",
                          "leaf2 worker1 other-rack: the node is in rack \"leaf1\""));
}

TEST(ExplainTest, EveryRule) {
  const kube::Node worker = MakeNode("worker1", "192.168.0.4");
  struct Case {
    const char* rule;
    void (*change)(Planner*, kube::Node&);
  };
  const std::vector<Case> cases = {
      {"eligible", [](Planner*, kube::Node&) {}},
      {"rack-label",
       [](Planner* p, kube::Node& n) {
         n.meta.labels[kRack] = "leaf1";
         n.internal_ips = {*IpAddress::Parse("10.0.0.4")};
         p->Upsert(n);
       }},
      {"subnet-unknown",
       [](Planner* p, kube::Node& n) {
         n.meta.labels[kRack] = "leaf1";
         p->Upsert(n);
         p->SetFact(MakePrefixes("master1", {}, 2));
       }},
      {"serving-while-terminating",
       [](Planner* p, kube::Node&) {
         kube::EndpointSlice slice = MakeSlice("web", {"worker1"});
         slice.endpoints[0] = {.addresses = {"10.0.0.1"},
                               .node_name = "worker1",
                               .ready = false,
                               .serving = true,
                               .terminating = true};
         p->Upsert(slice);
       }},
      {"last-resort",
       [](Planner* p, kube::Node& n) {
         n.ready = kube::ConditionStatus::kUnknown;
         p->Upsert(n);
         p->Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
         p->Upsert(MakeSlice("web", {"worker1"}));
       }},
      {"ipv6-next-hop",
       [](Planner* p, kube::Node& n) {
         n.internal_ips = {*IpAddress::Parse("fd00::4")};
         p->Upsert(n);
         p->SetFact(MakePrefixes("master1", {"eth0 192.168.0.3/24", "eth0 fd00::3/64"}, 2));
         network::BgpPeer peer = MakePeer("leaf1", "fd00::2", 50001, {{kRack, "leaf1"}});
         peer.afi_safis = {{.family = Family::kV4, .text = ""}};
         p->Upsert(peer);
       }},
      {"draining",
       [](Planner* p, kube::Node& n) {
         n.meta.annotations[network::kDrain] = "true";
         p->Upsert(n);
       }},
      {"nothing-else",
       [](Planner* p, kube::Node& n) {
         n.meta.annotations[network::kDrain] = "true";
         p->Upsert(n);
         p->Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
         p->Upsert(MakeSlice("web", {"worker1"}));
       }},
      {"drained",
       [](Planner* p, kube::Node& n) {
         n.meta.annotations[network::kDrain] = "true";
         p->Upsert(n);
         p->SetFact({"worker1", kDrainedFact, {"true"}, absl::FromUnixSeconds(2)});
       }},
      {"aggregate", [](Planner* p, kube::Node&) { AskForAggregate(p); }},
      {"aggregate-refused",
       [](Planner* p, kube::Node&) {
         AskForAggregate(p);
         PutLocal(p, "web", "172.22.0.2", {"worker1"});
         PutLocal(p, "other", "172.22.0.3", {"worker-p002"});
       }},
      {"no-rack", [](Planner* p, kube::Node&) { p->SetFact(MakePrefixes("master1", {}, 2)); }},
      {"other-rack",
       [](Planner* p, kube::Node& n) {
         n.meta.labels[kRack] = "leaf2";
         p->Upsert(n);
       }},
      {"excluded-by-label",
       [](Planner* p, kube::Node& n) {
         n.meta.labels["node.kubernetes.io/exclude-from-external-load-balancers"] = "";
         p->Upsert(n);
       }},
      {"not-ready",
       [](Planner* p, kube::Node& n) {
         n.ready = kube::ConditionStatus::kUnknown;
         p->Upsert(n);
       }},
      {"network-unavailable",
       [](Planner* p, kube::Node& n) {
         n.network_unavailable = kube::ConditionStatus::kTrue;
         p->Upsert(n);
       }},
      {"no-endpoint", [](Planner* p, kube::Node&) { p->Upsert(MakeSlice("web", {})); }},
      {"no-local-endpoint",
       [](Planner* p, kube::Node&) {
         p->Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
         p->Upsert(MakeSlice("web", {"worker-p002"}));
       }},
      {"no-address-of-family",
       [](Planner* p, kube::Node& n) {
         n.meta.labels[kRack] = "leaf1";
         n.internal_ips.clear();
         p->Upsert(n);
       }},
      {"not-in-aggregate",
       [](Planner* p, kube::Node&) {
         AskForAggregate(p);
         PutLocal(p, "web", "172.22.0.2", {"worker1", "master1"});
         PutLocal(p, "other", "172.22.0.3", {"master1"});
       }},
      {"no-peer", [](Planner* p, kube::Node&) { p->Remove({"BgpPeer", "", "leaf1"}); }},
      {"not-on-subnet",
       [](Planner* p, kube::Node& n) {
         n.internal_ips = {*IpAddress::Parse("192.168.5.4")};
         p->Upsert(n);
         p->SetFact(MakePrefixes("master1", {"a 192.168.0.3/24", "b 192.168.5.3/24"}, 2));
       }},
  };
  std::set<std::string> met;
  for (const Case& c : cases) {
    Planner planner;
    FillDocumentedTopology(&planner);
    kube::Node node = worker;
    c.change(&planner, node);
    EXPECT_EQ(WorkersRule(&planner), c.rule);
    met.insert(c.rule);
  }
  EXPECT_EQ(met.size(), kRules.size()) << "a rule without a case";
}

TEST(ExplainTest, APeerThatStaysDownIsNone) {
  Planner planner;
  FillDocumentedTopology(&planner);
  network::BgpConf conf = MakeConf(50000);
  conf.policy = "no-leak";
  planner.Upsert(conf);
  EXPECT_EQ(WorkersRule(&planner), "no-peer");
}

TEST(ExplainTest, TwoWaysOutOfOneRack) {
  Planner planner;
  FillDocumentedTopology(&planner);
  planner.SetFact(MakePrefixes("master1", {"a 192.168.0.3/24", "b 192.168.5.3/24"}, 2));
  planner.Upsert(MakePeer("second", "192.168.5.1", 50001, {{kRack, "leaf1"}}));
  planner.Step();
  EXPECT_THAT(Reasons(planner, {.address = {}, .rack = "leaf1", .node = {}}),
              ElementsAre("leaf1 master1 rack-label: next hop 192.168.0.3 is not on "
                          "192.168.5.0/24, which is shared with 192.168.5.1",
                          "leaf1 worker-p002 other-rack: the node is in rack \"leaf2\"",
                          "leaf1 worker1 eligible: next hop 192.168.0.4 is not on "
                          "192.168.5.0/24, which is shared with 192.168.5.1"));
}

TEST(ExplainTest, ANodeInNoRackSpeaksForItself) {
  Planner planner;
  FillDocumentedTopology(&planner);
  planner.Upsert(MakeNode("stray", "10.7.0.2"));
  planner.Upsert(
      kube::DaemonSet{.meta = {.name = "openelb-speaker", .namespace_ = "openelb-system"}});
  planner.SetFact(MakeSpeaker("stray"));
  planner.Upsert(MakePeer("any", "10.7.0.1", 50003));
  planner.Step();
  EXPECT_THAT(Reasons(planner, {.address = {}, .rack = "", .node = {}}),
              ElementsAre(" stray subnet-unknown: next hop 10.7.0.2"));
}

TEST(ExplainTest, NothingToExplain) {
  Planner planner;
  FillDocumentedTopology(&planner);
  planner.SetAddresses("default/web", {});
  planner.Step();
  EXPECT_THAT(Reasons(planner), IsEmpty());
}

}  // namespace
}  // namespace openelb::plan

// Who answers for Layer 2 addresses, and what moves them.

#include "controller/plan/layer2_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kLocal = kube::TrafficPolicy::kLocal;
constexpr const char* kVip = "192.168.0.91";

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class Layer2TableTest : public testing::Test {
 protected:
  Layer2TableTest() { Begin(); }

  // A new planner.
  void Begin() {
    planner_ = std::make_unique<Planner>();
    SetPool("eth0");
    for (int i = 1; i <= 3; ++i) Start(i);
    planner_->Upsert(MakeService("web"));
    planner_->Upsert(MakeSlice("web", {"n1"}));
    Give("web", kVip);
  }

  static std::string Name(int i) { return absl::StrCat("n", i); }
  static kube::Node Node(int i) { return MakeNode(Name(i), absl::StrCat("192.168.0.", i)); }
  void Start(int i) {
    planner_->Upsert(Node(i));
    planner_->SetFact(MakePrefixes(Name(i), {absl::StrCat("eth0 192.168.0.", i, "/24"),
                                             absl::StrCat("eth1 10.1.0.", i, "/24")}));
    planner_->SetFact(MakeSpeaker(Name(i), true, ++now_));
    planner_->SetFact({Name(i), kModesFact, {kLayer2Mode}, absl::FromUnixSeconds(++now_)});
  }
  void SetReady(int i, kube::ConditionStatus ready) {
    kube::Node node = Node(i);
    node.ready = ready;
    planner_->Upsert(node);
  }
  void SetPool(const std::string& interface) {
    network::Eip eip;
    eip.meta.name = "pool";
    eip.protocol = network::Protocol::kLayer2;
    eip.interface = interface;
    planner_->Upsert(eip);
  }
  void Give(const std::string& service, const std::string& address) {
    planner_->SetLayer2(absl::StrCat("default/", service), "pool", {Ip(address)});
  }
  std::vector<std::string> Ranks(const std::string& address = kVip) {
    planner_->Step();
    const auto it = planner_->model().layer2.find(Ip(address));
    return it == planner_->model().layer2.end() ? std::vector<std::string>{} : it->second.ranks;
  }
  // What the speaker on node `i` is told: "ADDRESS eth0 n1 n2 n3", one for each address.
  std::vector<std::string> Told(int i) {
    std::vector<std::string> told;
    for (const std::string& set : planner_->SetsOf(Name(i))) {
      if (planner_->Find(set) == nullptr) continue;
      for (const auto& [key, resource] : planner_->Find(set)->resources()) {
        v1::ResourceBody body;
        body.ParseFromString(*resource.body);
        if (!body.has_layer2_address()) continue;
        const v1::Layer2Address& address = body.layer2_address();
        std::string& text =
            told.emplace_back(absl::StrCat(address.address(), " ", address.interface()));
        for (const v1::Layer2Rank& rank : address.ranks()) absl::StrAppend(&text, " ", rank.node());
      }
    }
    return told;
  }
  std::vector<std::string> Reasons() {
    planner_->Step();
    std::vector<std::string> reasons;
    for (const Problem& problem : planner_->Problems()) {
      if (problem.about.kind == network::Eip::kKind) reasons.push_back(problem.reason);
    }
    return reasons;
  }

  std::unique_ptr<Planner> planner_;
  int64_t now_ = 0;
};

TEST_F(Layer2TableTest, EveryRankedNodeIsTold) {
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  for (int i = 1; i <= 3; ++i) EXPECT_THAT(Told(i), ElementsAre("192.168.0.91 eth0 n1 n2 n3"));
  planner_->SetLayer2("default/web", "pool", {});
  EXPECT_THAT(Ranks(), IsEmpty());
  for (int i = 1; i <= 3; ++i) EXPECT_THAT(Told(i), IsEmpty());
  EXPECT_THAT(planner_->assignments(), IsEmpty());
}

TEST_F(Layer2TableTest, AnOwnerGivesWayToItsStandbyAndTakesNothingBack) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  SetReady(1, kube::ConditionStatus::kFalse);
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n3"));
  SetReady(1, kube::ConditionStatus::kTrue);
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n3", "n1"));
  EXPECT_THAT(Told(1), ElementsAre("192.168.0.91 eth0 n2 n3 n1"));
}

TEST_F(Layer2TableTest, WhatMakesANodeUnfit) {
  const struct {
    const char* name;
    std::function<void()> change;
  } kCases[] = {
      {"not Ready", [&] { SetReady(1, kube::ConditionStatus::kFalse); }},
      {"silent", [&] { SetReady(1, kube::ConditionStatus::kUnknown); }},
      {"excluded",
       [&] {
         kube::Node node = Node(1);
         node.meta.labels["node.kubernetes.io/exclude-from-external-load-balancers"] = "";
         planner_->Upsert(node);
       }},
      {"deleted", [&] { planner_->Remove(KeyOfNode("n1")); }},
      {"its speaker stopped",
       [&] {
         Fact stopped = MakeSpeaker("n1", true, ++now_);
         stopped.values = {kSpeakerStopped};
         planner_->SetFact(stopped);
       }},
      {"its speaker left", [&] { planner_->SetFact(MakeSpeaker("n1", false, ++now_)); }},
      {"its speaker is not in this mode",
       [&] { planner_->SetFact({"n1", kModesFact, {}, absl::FromUnixSeconds(++now_)}); }},
      {"no such interface",
       [&] { planner_->SetFact(MakePrefixes("n1", {"ens3 192.168.0.1/24"}, ++now_)); }},
      {"no such network there",
       [&] { planner_->SetFact(MakePrefixes("n1", {"eth0 10.9.0.1/24"}, ++now_)); }},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    for (int i = 2; i <= 3; ++i) SetReady(i, kube::ConditionStatus::kFalse);
    now_ += 10;
    Start(1);
    planner_->SetFact(MakePrefixes("n1", {"eth0 192.168.0.1/24"}, ++now_));
    ASSERT_THAT(Ranks(), ElementsAre("n1"));
    for (int i = 2; i <= 3; ++i) SetReady(i, kube::ConditionStatus::kTrue);
    ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
    test.change();
    EXPECT_THAT(Ranks(), ElementsAre("n2", "n3"));
  }
}

TEST_F(Layer2TableTest, PolicyLocalFollowsEndpoints) {
  planner_->Upsert(MakeService("web", kLocal));
  EXPECT_THAT(Ranks(), ElementsAre("n1"));
  planner_->Upsert(MakeSlice("web", {"n1", "n3"}));
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n3"));
  planner_->Upsert(MakeSlice("web", {"n3"}));
  EXPECT_THAT(Ranks(), ElementsAre("n3"));
  kube::EndpointSlice terminating = MakeSlice("web", {"n2"});
  terminating.endpoints[0].ready = false;
  terminating.endpoints[0].serving = true;
  terminating.endpoints[0].terminating = true;
  planner_->Upsert(terminating);
  EXPECT_THAT(Ranks(), ElementsAre("n2"));
  planner_->Upsert(MakeSlice("web", {}));
  EXPECT_THAT(Ranks(), IsEmpty());
  EXPECT_THAT(Reasons(), ElementsAre("NoOwner"));
}

TEST_F(Layer2TableTest, PolicyClusterTakesAnyEndpoint) {
  planner_->Upsert(MakeSlice("web", {"elsewhere"}));
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  planner_->Upsert(MakeSlice("web", {}));
  EXPECT_THAT(Ranks(), IsEmpty());
}

TEST_F(Layer2TableTest, InterfacesByNameAndByWhatTheyReach) {
  NodeView node;
  for (const char* text : {"10.0.0.1/8", "10.1.0.1/24", "192.168.0.1/24", "2001:db8::1/64"}) {
    node.prefixes.push_back(InterfaceAddress::Parse(text).value());
  }
  const char* kNames[] = {"eth0", "eth1", "eth2", "eth2"};
  for (size_t i = 0; i < 4; ++i) node.prefixes[i].interface = kNames[i];
  const struct {
    const char* interface;
    const char* address;
    const char* link;
  } kCases[] = {
      {"eth2", "192.168.0.91", "eth2"},
      {"eth2", "2001:db8::91", "eth2"},
      {"eth0", "192.168.0.91", "none"},
      {"", "10.1.0.9", "eth0"},
      {"can_reach:192.168.0.2", "192.168.0.91", "eth2"},
      {"can_reach:192.168.0.2", "2001:db8::91", "eth2"},
      {"can_reach:10.1.0.2", "10.1.0.9", "eth1"},
      {"can_reach:10.2.0.2", "10.1.0.9", "eth0"},
      {"can_reach:172.16.0.1", "10.1.0.9", "none"},
      {"can_reach:nonsense", "10.1.0.9", "none"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(absl::StrCat(test.interface, " ", test.address));
    const InterfaceAddress* link = LinkFor(node, test.interface, Ip(test.address));
    EXPECT_EQ(link == nullptr ? "none" : link->interface, test.link);
  }
}

TEST_F(Layer2TableTest, AnEditOfTheInterfaceMovesTheAddressThere) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  Give("web", "10.1.0.91");
  EXPECT_THAT(Ranks("10.1.0.91"), IsEmpty());
  EXPECT_THAT(Reasons(), ElementsAre("NoOwner"));
  SetPool("can_reach:10.1.0.2");
  EXPECT_THAT(Ranks("10.1.0.91"), ElementsAre("n1", "n2", "n3"));
  EXPECT_THAT(Told(2), ElementsAre("10.1.0.91 eth1 n1 n2 n3"));
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(Layer2TableTest, OwnersAreBalanced) {
  std::map<std::string, int> owned;
  for (int i = 0; i < 30; ++i) {
    const std::string service = absl::StrCat("s", i);
    planner_->Upsert(MakeService(service));
    planner_->Upsert(MakeSlice(service, {"n1"}));
    Give(service, absl::StrCat("192.168.0.", 100 + i));
  }
  planner_->Step();
  for (const auto& [address, view] : planner_->model().layer2) ++owned[view.ranks.front()];
  for (const auto& [node, count] : owned) EXPECT_NEAR(count, 31 / 3.0, 1) << node;
}

// Lost must not be: who owns what, when another controller plans.
TEST_F(Layer2TableTest, AnotherPlannerGoesOnWithTheSameRanks) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  SetReady(1, kube::ConditionStatus::kFalse);
  planner_->Step();
  SetReady(1, kube::ConditionStatus::kTrue);
  const std::vector<std::string> ranks = Ranks();
  const std::vector<Assignment> saved = planner_->assignments();
  Begin();
  planner_->LoadAssignments(saved);
  EXPECT_EQ(Ranks(), ranks);
  EXPECT_EQ(planner_->assignments(), saved);
}

TEST_F(Layer2TableTest, WhenEveryNodeIsSilentAllStays) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  for (int i = 1; i <= 3; ++i) SetReady(i, kube::ConditionStatus::kUnknown);
  kube::EndpointSlice unready = MakeSlice("web", {"n1"});
  unready.endpoints[0].ready = false;
  planner_->Upsert(unready);
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
}

TEST_F(Layer2TableTest, NodesOfSeveralRacksAreToldOf) {
  for (int i = 1; i <= 2; ++i) {
    kube::Node node = Node(i);
    node.meta.labels["openelb.kubesphere.io/rack"] = absl::StrCat("leaf", i);
    planner_->Upsert(node);
  }
  EXPECT_THAT(Reasons(), ElementsAre("SeveralRacks"));
  for (const Problem& problem : planner_->Problems()) {
    if (problem.reason != "SeveralRacks") continue;
    EXPECT_THAT(problem.message, HasSubstr("leaf1"));
  }
}

}  // namespace
}  // namespace openelb::plan

// Who answers for Layer 2 addresses, and what moves them.

#include "controller/plan/layer2_table.h"

#include <algorithm>
#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "controller/plan/layer2_world.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(Layer2TableTest, EveryRankedNodeIsTold) {
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  EXPECT_THAT(Told(1), ElementsAre("192.168.0.91 eth0 n1 n2@192.168.0.2 n3@192.168.0.3"));
  EXPECT_THAT(Told(2), ElementsAre("192.168.0.91 eth0 n1@192.168.0.1 n2 n3@192.168.0.3"));
  EXPECT_THAT(Told(3), ElementsAre("192.168.0.91 eth0 n1@192.168.0.1 n2@192.168.0.2 n3"));
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
  EXPECT_THAT(Told(1), ElementsAre("192.168.0.91 eth0 n2@192.168.0.2 n3@192.168.0.3 n1"));
}

// As pools that are older than the rule that they name one.
TEST_F(Layer2TableTest, APoolWithoutAnInterfaceIsServedAndSaysSo) {
  SetPool("");
  Ranks();
  EXPECT_THAT(Told(1), ElementsAre("192.168.0.91 eth0 n1 n2@192.168.0.2 n3@192.168.0.3"));
  EXPECT_THAT(Reasons(), ElementsAre("InterfaceMissing"));
  planner_->SetLayer2("default/web", "pool", {});
  EXPECT_THAT(Reasons(), ElementsAre("InterfaceMissing")) << "before it is used";
  SetPool("eth0");
  EXPECT_TRUE(planner_->Step().problems);
  EXPECT_THAT(Reasons(), IsEmpty());
  SetPool("");
  EXPECT_TRUE(planner_->Step().problems);
  planner_->Remove({network::Eip::kKind, "", "pool"});
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(Layer2TableTest, ThePlanFollowsWhoTookOver) {
  const struct {
    const char* name;
    std::map<int, std::vector<std::string>> says;
    std::vector<std::string> ranks;
  } kCases[] = {
      {"the first standby", {{2, {kVip}}}, {"n2", "n1", "n3"}},
      {"the second", {{3, {"192.168.0.92", kVip}}}, {"n3", "n1", "n2"}},
      {"both: the better one", {{3, {kVip}}, {2, {kVip}}}, {"n2", "n1", "n3"}},
      {"the owner does not give way", {{1, {kVip}}, {2, {kVip}}}, {"n1", "n2", "n3"}},
      {"another address, and what is none",
       {{2, {"192.168.0.92", "nonsense"}}},
       {"n1", "n2", "n3"}},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    Begin();
    ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
    for (const auto& [node, values] : test.says) Tell(node, kTakenOverFact, values);
    EXPECT_EQ(Ranks(), test.ranks);
    EXPECT_EQ(Turn(), test.ranks[0] == "n1" ? 1u : 2u);
    // It owns by the plan now.
    for (const auto& [node, values] : test.says) Tell(node, kTakenOverFact, {});
    EXPECT_EQ(Ranks(), test.ranks);
    EXPECT_EQ(Turn(), test.ranks[0] == "n1" ? 1u : 2u);
  }
}

// The segment is cut: each node takes over from whoever owns by the plan, and says so at once.
TEST_F(Layer2TableTest, ThePlanDoesNotGoRoundWhereASegmentIsCut) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  const auto tell = [this](int node, bool took_over) {
    planner_->SetFact({Name(node), kTakenOverFact,
                       took_over ? std::vector<std::string>{kVip} : std::vector<std::string>{},
                       absl::FromUnixSeconds(++now_)});
  };
  const int64_t start = now_;
  while (now_ - start < 8) {
    const std::string owner = Ranks().front();
    for (int i = 1; i <= 3; ++i) tell(i, Name(i) != owner);
  }
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n1", "n3"));
  EXPECT_EQ(Turn(), 2u);
  // What is said again later counts: that is another event.
  now_ += 10;
  tell(1, false);
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n1", "n3"));
  tell(1, true);
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
}

// It may have stood by in the plan before this one.
TEST_F(Layer2TableTest, AlsoWhoIsNotRankedMayHaveTakenOver) {
  Start(4);
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  SetReady(4, kube::ConditionStatus::kFalse);
  Tell(4, kTakenOverFact, {kVip});
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  SetReady(4, kube::ConditionStatus::kTrue);
  EXPECT_THAT(Ranks(), ElementsAre("n4", "n1", "n2"));
  Tell(4, kTakenOverFact, {});
  ASSERT_THAT(Ranks(), ElementsAre("n4", "n1", "n2"));
  Tell(3, kTakenOverFact, {kVip});
  EXPECT_THAT(Ranks(), ElementsAre("n3", "n4", "n1"));
}

// Only what its node matters to is ranked anew.
TEST_F(Layer2TableTest, AChangeOfANodeTouchesWhatItMattersTo) {
  Start(4);
  Ranks();
  const auto visits = [this](int node, kube::ConditionStatus ready) {
    const uint64_t before = planner_->visits().addresses;
    SetReady(node, ready);
    planner_->Step();
    return planner_->visits().addresses - before;
  };
  EXPECT_EQ(visits(4, kube::ConditionStatus::kFalse), 0u);
  EXPECT_EQ(visits(4, kube::ConditionStatus::kTrue), 0u);
  EXPECT_EQ(visits(3, kube::ConditionStatus::kFalse), 1u);
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n4"));
  EXPECT_EQ(visits(3, kube::ConditionStatus::kTrue), 0u);
  EXPECT_EQ(visits(4, kube::ConditionStatus::kFalse), 1u);
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
}

// Two had taken over. The better one owns now and no longer says so; that is not the other's turn.
TEST_F(Layer2TableTest, WhoLostToABetterOneWaits) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  Tell(3, kTakenOverFact, {kVip});
  Tell(2, kTakenOverFact, {kVip});
  ASSERT_THAT(Ranks(), ElementsAre("n2", "n1", "n3"));
  Tell(2, kTakenOverFact, {});
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n1", "n3"));
  const std::vector<Assignment> saved = planner_->assignments();
  Begin();
  Tell(3, kTakenOverFact, {kVip});
  planner_->LoadAssignments(saved);
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n1", "n3"));
  EXPECT_EQ(planner_->assignments(), saved);
  // Once the owner is lost, the other's word counts.
  SetReady(2, kube::ConditionStatus::kFalse);
  EXPECT_THAT(Ranks(), ElementsAre("n3", "n1"));
}

TEST_F(Layer2TableTest, WhoCannotAnswerTakesNothingOver) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  SetReady(2, kube::ConditionStatus::kFalse);
  Tell(2, kTakenOverFact, {kVip});
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n3"));
  SetReady(2, kube::ConditionStatus::kTrue);
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n1", "n3"));
}

TEST_F(Layer2TableTest, WithoutACarrierOnlyForWantOfOthers) {
  planner_->SetAddresses("default/web", {Ip("172.22.0.2")});
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  const AddressView bgp = planner_->model().addresses.at(Ip("172.22.0.2"));
  Tell(1, kNoCarrierFact, {"eth1"});
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  Tell(1, kNoCarrierFact, {"eth0", "eth1"});
  EXPECT_THAT(Ranks(), ElementsAre("n2", "n3"));
  EXPECT_EQ(planner_->model().addresses.at(Ip("172.22.0.2")), bgp);
  Tell(2, kNoCarrierFact, {"eth0"});
  EXPECT_THAT(Ranks(), ElementsAre("n3"));
  EXPECT_THAT(Reasons(), ElementsAre("FewStandbys"));
  Tell(3, kNoCarrierFact, {"eth0"});
  EXPECT_THAT(Ranks(), ElementsAre("n3", "n1", "n2"));
  EXPECT_THAT(Reasons(), ElementsAre("NoCarrier"));
  Tell(2, kNoCarrierFact, {});
  EXPECT_THAT(Ranks(), ElementsAre("n2"));
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

TEST_F(Layer2TableTest, AnEditOfTheInterfaceMovesTheAddressThere) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  Give("web", "10.1.0.91");
  EXPECT_THAT(Ranks("10.1.0.91"), IsEmpty());
  EXPECT_THAT(Reasons(), ElementsAre("NoOwner"));
  SetPool("can_reach:10.1.0.2");
  EXPECT_THAT(Ranks("10.1.0.91"), ElementsAre("n1", "n2", "n3"));
  EXPECT_THAT(Told(2), ElementsAre("10.1.0.91 eth1 n1@10.1.0.1 n2 n3@10.1.0.3"));
  EXPECT_THAT(Watches(2), ElementsAre("bfd/eth1/10.1.0.1", "bfd/eth1/10.1.0.3"));
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(Layer2TableTest, AnAddressFollowsTheDefaultRouteThatReachesATarget) {
  SetPool("can_reach:203.0.113.1");
  EXPECT_THAT(Ranks(), IsEmpty());
  for (int i = 1; i <= 2; ++i) Tell(i, kDefaultRoutesFact, {"eth0 4", "eth1 6"});
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2"));
  Tell(1, kDefaultRoutesFact, {"eth1 4"});
  EXPECT_THAT(Ranks(), ElementsAre("n2"));
}

TEST_F(Layer2TableTest, AnAddressOfAnOffLinkPoolNeedsNoNetwork) {
  Give("web", "203.0.113.1");
  EXPECT_THAT(Ranks("203.0.113.1"), IsEmpty());
  EXPECT_THAT(Reasons(), ElementsAre("NoOwner"));
  SetPool("eth1", /*off_link=*/true);
  EXPECT_THAT(Ranks("203.0.113.1"), ElementsAre("n1", "n2", "n3"));
  EXPECT_THAT(Told(2), ElementsAre("203.0.113.1 eth1 n1@10.1.0.1 n2 n3@10.1.0.3"));
  EXPECT_THAT(Reasons(), IsEmpty());
  SetPool("eth1");
  EXPECT_THAT(Ranks("203.0.113.1"), IsEmpty());
}

TEST_F(Layer2TableTest, ANodesAnnotationPicksItsInterface) {
  const auto annotate = [&](const std::string& address) {
    kube::Node node = Node(2);
    node.meta.annotations["layer2.openelb.kubesphere.io/v1alpha1"] = address;
    planner_->Upsert(node);
  };
  SetPool("ens3");
  EXPECT_THAT(Ranks(), IsEmpty());
  annotate("192.168.0.2");
  EXPECT_THAT(Ranks(), ElementsAre("n2"));
  EXPECT_THAT(Told(2), ElementsAre("192.168.0.91 eth0 n2"));
  EXPECT_THAT(Reasons(), ElementsAre("FewStandbys"));
  SetPool("eth0");
  for (const char* address : {"192.168.0.99", "eth1"}) {
    annotate(address);
    EXPECT_THAT(Ranks(), UnorderedElementsAre("n1", "n2", "n3"));
    ASSERT_THAT(Reasons(), ElementsAre("AnnotationIgnored"));
    for (const Problem& problem : planner_->Problems()) {
      if (problem.reason != "AnnotationIgnored") continue;
      EXPECT_THAT(problem.message, HasSubstr(absl::StrCat("n2 (\"", address, "\")")));
    }
  }
}

TEST_F(Layer2TableTest, ASessionForEveryPairOfNodesAndInterfaces) {
  Ranks();
  EXPECT_THAT(Watches(1), ElementsAre("bfd/eth0/192.168.0.2", "bfd/eth0/192.168.0.3"));
  SetPool("");
  planner_->Upsert(MakeService("other"));
  planner_->Upsert(MakeSlice("other", {"n1"}));
  Give("other", "192.168.0.92");
  Ranks();
  EXPECT_THAT(Watches(1), ElementsAre("bfd/eth0/192.168.0.2", "bfd/eth0/192.168.0.3"));
  Give("other", "10.1.0.91");
  Ranks();
  EXPECT_THAT(Watches(1), ElementsAre("bfd/eth0/192.168.0.2", "bfd/eth0/192.168.0.3",
                                      "bfd/eth1/10.1.0.2", "bfd/eth1/10.1.0.3"));
  planner_->SetFact(MakePrefixes("n2", {"eth0 192.168.0.22/24"}, ++now_));
  Ranks();
  EXPECT_THAT(Watches(1),
              ElementsAre("bfd/eth0/192.168.0.22", "bfd/eth0/192.168.0.3", "bfd/eth1/10.1.0.3"));
  planner_->SetLayer2("default/web", "pool", {});
  planner_->SetLayer2("default/other", "pool", {});
  Ranks();
  for (int i = 1; i <= 3; ++i) EXPECT_THAT(Watches(i), IsEmpty());
}

TEST_F(Layer2TableTest, NobodyWatchesWithoutAKnownInterfaceOrASecret) {
  for (int i = 1; i <= 2; ++i) planner_->SetFact(MakePrefixes(Name(i), {}, ++now_));
  kube::Node node = Node(1);
  node.meta.annotations["openelb.kubesphere.io/prefixes"] = "192.168.0.1/24";
  planner_ = std::make_unique<Planner>(
      Options{.speakers_from = Options::Speakers::kDaemonSet, .system_namespace = ""});
  SetPool("");
  planner_->Upsert(node);
  planner_->Upsert(Node(2));
  planner_->SetFact(MakePrefixes("n2", {"eth0 192.168.0.2/24"}));
  planner_->Upsert(MakeService("web"));
  planner_->Upsert(MakeSlice("web", {"n1"}));
  Give("web", kVip);
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2"));
  EXPECT_THAT(Told(2), ElementsAre("192.168.0.91 eth0 n1 n2")) << "no secret";
  EXPECT_THAT(Reasons(), Contains("FewStandbys"));
  planner_->SetWatchSecret("a cluster's secret");
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2"));
  EXPECT_THAT(Told(2), ElementsAre("192.168.0.91 eth0 n1 n2")) << "n1's interface has no name";
  planner_->SetFact(MakePrefixes("n1", {"ens3 192.168.0.1/24"}));
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2"));
  EXPECT_THAT(Told(2), ElementsAre("192.168.0.91 eth0 n1@192.168.0.1 n2"));
  EXPECT_THAT(Watches(1), ElementsAre("bfd/ens3/192.168.0.2"));
}

// n1 can be watched by 32 others only.
TEST_F(Layer2TableTest, WithoutRoomThereAreFewerStandbysAndThatIsSaid) {
  constexpr int kNodes = 40;
  const auto begin = [&](int first) {
    Begin();
    planner_->SetLayer2("default/web", "pool", {});
    for (int i = 4; i <= kNodes; ++i) Start(i);
    for (int i = first; i <= kNodes; ++i) {
      const std::string service = absl::StrCat("s", i);
      planner_->Upsert(MakeService(service, kLocal));
      planner_->Upsert(MakeSlice(service, {"n1", Name(i)}));
      Give(service, absl::StrCat("192.168.0.", 100 + i));
    }
  };
  begin(2);
  const auto crowded = [&] {
    planner_->Step();
    std::vector<std::string> all;
    for (const auto& [ip, view] : planner_->model().layer2) {
      if (view.crowded) all.push_back(ip.ToString());
      EXPECT_EQ(view.ranks.size(), view.crowded ? 1u : 2u);
    }
    return all;
  };
  const std::vector<std::string> before = crowded();
  ASSERT_EQ(before.size(), kNodes - 1u - WatchGraph::kMaxSessions);
  EXPECT_THAT(Reasons(), ElementsAre("FewStandbys"));
  for (const Problem& problem : planner_->Problems()) {
    if (problem.reason != "FewStandbys") continue;
    EXPECT_THAT(problem.message, HasSubstr(absl::StrCat(before[0], " and 6 more")));
  }
  EXPECT_EQ(Watches(1).size(), WatchGraph::kMaxSessions);
  // An address goes, and leaves its room to another.
  planner_->SetLayer2("default/s2", "pool", {});
  const std::vector<std::string> after = crowded();
  EXPECT_EQ(after.size(), before.size() - 1);
  // Another planner comes to the same.
  const std::vector<Assignment> saved = planner_->assignments();
  begin(3);
  planner_->LoadAssignments(saved);
  EXPECT_EQ(crowded(), after);
  EXPECT_EQ(planner_->assignments(), saved);
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

TEST_F(Layer2TableTest, WhenEveryNodeIsSilentAllStays) {
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  for (int i = 1; i <= 3; ++i) SetReady(i, kube::ConditionStatus::kUnknown);
  kube::EndpointSlice unready = MakeSlice("web", {"n1"});
  unready.endpoints[0].ready = false;
  planner_->Upsert(unready);
  EXPECT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
}

TEST_F(Layer2TableTest, StandbysThatCannotWatchAreSaid) {
  EXPECT_THAT(Reasons(), IsEmpty());
  // Its network holds the address, but not the others' addresses.
  planner_->SetFact(MakePrefixes("n2", {"eth0 192.168.0.66/26"}, ++now_));
  ASSERT_THAT(Ranks(), ElementsAre("n1", "n2", "n3"));
  EXPECT_THAT(Told(3), ElementsAre("192.168.0.91 eth0 n1@192.168.0.1 n2 n3"));
  ASSERT_THAT(Reasons(), ElementsAre("FewStandbys"));
  for (const Problem& problem : planner_->Problems()) {
    if (problem.reason != "FewStandbys") continue;
    EXPECT_THAT(problem.message, HasSubstr("for 192.168.0.91 nodes that do cannot all watch"));
  }
  planner_->SetFact(MakePrefixes("n2", {"eth0 192.168.0.2/24"}, ++now_));
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(Layer2TableTest, TheModeTurnedOffIsSaid) {
  for (int i = 1; i <= 3; ++i) Tell(i, kModesFact, {kVipMode});
  EXPECT_THAT(Ranks(), IsEmpty());
  ASSERT_THAT(Reasons(), ElementsAre("ModeDisabled"));
  for (const Problem& problem : planner_->Problems()) {
    if (problem.reason != "ModeDisabled") continue;
    EXPECT_EQ(problem.message,
              "no node can answer for 192.168.0.91: --enable-layer2 is false on every speaker");
  }
  for (int i = 1; i <= 3; ++i) Tell(i, kModesFact, {kLayer2Mode});
  EXPECT_THAT(Reasons(), IsEmpty());
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

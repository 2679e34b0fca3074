// Which virtual routers hold the addresses of VIP mode, and what moves them.

#include "controller/plan/vip_table.h"

#include <functional>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr auto kLocal = kube::TrafficPolicy::kLocal;
constexpr const char* kVip = "192.168.0.91";

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class VipTableTest : public testing::Test {
 protected:
  VipTableTest() { Begin(); }

  // A new planner of three nodes.
  void Begin(const VrrpOptions& vrrp = {}) {
    planner_ = std::make_unique<Planner>(Options{.vrrp = vrrp});
    SetPool("eth0");
    for (int i = 1; i <= 3; ++i) Start(i);
    Serve("web", kVip);
  }

  static std::string Name(int i) { return absl::StrCat("n", i); }
  static kube::Node Node(int i) { return MakeNode(Name(i), absl::StrCat("192.168.0.", i)); }
  void SetFact(int i, const char* kind, std::vector<std::string> values) {
    planner_->SetFact({Name(i), kind, std::move(values), absl::FromUnixSeconds(++now_)});
  }
  void Start(int i) {
    planner_->Upsert(Node(i));
    planner_->SetFact(MakePrefixes(
        Name(i),
        {absl::StrCat("eth0 192.168.0.", i, "/24"), absl::StrCat("eth0 2001:db8::", i, "/64"),
         absl::StrCat("eth1 10.1.0.", i, "/24")},
        ++now_));
    planner_->SetFact(MakeSpeaker(Name(i), true, ++now_));
    SetFact(i, kModesFact, {kLayer2Mode, kVipMode});
  }
  void SetReady(int i, bool ready) {
    kube::Node node = Node(i);
    node.ready = ready ? kube::ConditionStatus::kTrue : kube::ConditionStatus::kFalse;
    planner_->Upsert(node);
  }
  void SetPool(const std::string& interface, const std::string& name = "pool") {
    network::Eip eip;
    eip.meta.name = name;
    eip.protocol = network::Protocol::kVip;
    eip.interface = interface;
    planner_->Upsert(eip);
  }
  // A Service with that address and endpoints on n1..n3.
  void Serve(const std::string& service, const std::string& address,
             kube::TrafficPolicy policy = kube::TrafficPolicy::kCluster,
             const std::vector<std::string>& endpoints = {"n1"}, const std::string& pool = "pool") {
    planner_->Upsert(MakeService(service, policy));
    planner_->Upsert(MakeSlice(service, endpoints, Ip(address).is_v4() ? "IPv4" : "IPv6"));
    planner_->SetVip(absl::StrCat("default/", service), pool, {Ip(address)});
  }
  // 0: none.
  int Vrid(const std::string& address = kVip) {
    planner_->Step();
    const auto it = planner_->model().vips.find(Ip(address));
    return it == planner_->model().vips.end() ? 0 : it->second.vrid;
  }
  // The nodes by priority; the highest first.
  std::vector<std::string> Order(const std::string& address = kVip) {
    const int vrid = Vrid(address);
    if (vrid == 0) return {};
    const RouterView& router = planner_->model().routers.at({Ip(address).family(), vrid});
    return InOrder(router.priorities, *router.links);
  }
  std::vector<v1::VrrpInstance> Told(int i) {
    planner_->Step();
    std::vector<v1::VrrpInstance> told;
    for (const std::string& set : planner_->SetsOf(Name(i))) {
      if (planner_->Find(set) == nullptr) continue;
      for (const auto& [key, resource] : planner_->Find(set)->resources()) {
        v1::ResourceBody body;
        body.ParseFromString(*resource.body);
        if (body.has_vrrp_instance()) told.push_back(body.vrrp_instance());
      }
    }
    return told;
  }
  // "eth0 4 197 priority 254: ADDRESS ..." for each.
  std::vector<std::string> ToldText(int i) {
    std::vector<std::string> texts;
    for (const v1::VrrpInstance& told : Told(i)) {
      texts.push_back(absl::StrCat(told.interface(), " ", told.family(), " ", told.vrid(),
                                   " priority ", told.priority(), ": ",
                                   absl::StrJoin(told.addresses(), " ")));
    }
    return texts;
  }
  std::vector<Problem> Problems() {
    planner_->Step();
    std::vector<Problem> problems = planner_->Problems();
    std::erase_if(problems, [](const Problem& p) { return p.about.kind != network::Eip::kKind; });
    return problems;
  }
  std::vector<std::string> Reasons() {
    std::vector<std::string> reasons;
    for (const Problem& problem : Problems()) reasons.push_back(problem.reason);
    return reasons;
  }
  std::string Heard(int vrid) { return absl::StrCat("eth0 4 ", vrid); }

  std::unique_ptr<Planner> planner_;
  int64_t now_ = 10;
};

TEST_F(VipTableTest, EveryNodeThatTakesPartIsTold) {
  EXPECT_THAT(Order(), ElementsAre("n1", "n2", "n3"));
  EXPECT_THAT(ToldText(1), ElementsAre("eth0 4 197 priority 254: 192.168.0.91"));
  EXPECT_THAT(ToldText(2), ElementsAre("eth0 4 197 priority 222: 192.168.0.91"));
  EXPECT_THAT(ToldText(3), ElementsAre("eth0 4 197 priority 190: 192.168.0.91"));
  const v1::VrrpInstance told = Told(1).at(0);
  EXPECT_EQ(told.version(), 3);
  EXPECT_EQ(told.interval_ms(), 100);
  EXPECT_FALSE(told.preempt());
  EXPECT_EQ(told.name(), "pool");
  ASSERT_THAT(told.services(), SizeIs(1));
  EXPECT_EQ(told.services(0).address(), kVip);
  EXPECT_THAT(told.services(0).services(), ElementsAre("default/web"));
  EXPECT_THAT(told.unicast_peers(), IsEmpty());
  EXPECT_THAT(Reasons(), IsEmpty());
  planner_->SetVip("default/web", "pool", {});
  EXPECT_EQ(Vrid(), 0);
  for (int i = 1; i <= 3; ++i) EXPECT_THAT(ToldText(i), IsEmpty());
  EXPECT_THAT(planner_->assignments(), IsEmpty());
}

// Where the choices of an earlier run are lost, or an old copy.
TEST_F(VipTableTest, WhatSpeakersHoldIsKept) {
  const auto announced = [](int vrid, int priority) {
    v1::AnnouncedAddress entry;
    entry.set_address(kVip);
    entry.set_vrid(static_cast<uint32_t>(vrid));
    entry.set_priority(static_cast<uint32_t>(priority));
    return entry;
  };
  planner_->LoadAssignments({{"vip/192.168.0.91", "vrid", "6"}, {"vrrp/4/7", "n1", "30"}});
  planner_->LoadAnnounced("n2", announced(7, 20));
  planner_->LoadAnnounced("n3", announced(7, 30));
  planner_->LoadAnnounced("gone", announced(7, 40));
  for (const auto& [vrid, priority] : {std::pair(256, 9), std::pair(8, 0), std::pair(8, 255)})
    planner_->LoadAnnounced("n2", announced(vrid, priority));
  EXPECT_THAT(ToldText(2), ElementsAre("eth0 4 7 priority 20: 192.168.0.91"));
  EXPECT_THAT(ToldText(3), ElementsAre("eth0 4 7 priority 30: 192.168.0.91"));
  EXPECT_THAT(Order(), ElementsAre("n3", "n2", "n1")) << "one that says nothing comes last";
}

TEST_F(VipTableTest, OptionsReachEveryRouter) {
  Begin({.first_vrid = 7,
         .last_vrid = 9,
         .version = 2,
         .interval = absl::Milliseconds(250),
         .preempt = true,
         .unicast = true});
  Serve("six", "2001:db8::91");
  const auto say_source = [this](int i, const std::vector<std::string>& sources) {
    planner_->SetFact({Name(i), kVrrpSourcesFact, sources, absl::FromUnixSeconds(++now_)});
  };
  for (int i : {1, 3})
    say_source(i, {absl::StrCat("eth0 fe80::", i), absl::StrCat("eth1 fe80::1:", i), "?"});
  ASSERT_THAT(Told(2), SizeIs(1)) << "of IPv6 it does not say its source";
  EXPECT_THAT(Order("2001:db8::91"), UnorderedElementsAre("n1", "n3"));
  EXPECT_THAT(Told(1)[1].unicast_peers(), ElementsAre("fe80::3")) << "the others stay unicast";
  ASSERT_THAT(Reasons(), ElementsAre("NoVrrpSource"));
  EXPECT_THAT(Problems()[0].message, EndsWith("take no part: n2"));
  say_source(2, {"eth0 fe80::2", "eth0 192.168.0.22"});
  EXPECT_THAT(Reasons(), IsEmpty());
  std::vector<v1::VrrpInstance> told = Told(2);
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told[0].version(), 2);
  EXPECT_EQ(told[0].interval_ms(), 1000) << "version 2 knows whole seconds";
  EXPECT_TRUE(told[0].preempt());
  EXPECT_THAT(told[0].unicast_peers(), ElementsAre("192.168.0.1", "192.168.0.3"));
  EXPECT_EQ(told[1].version(), 3) << "IPv6";
  EXPECT_EQ(told[1].interval_ms(), 250);
  EXPECT_THAT(told[1].unicast_peers(), ElementsAre("fe80::1", "fe80::3"));
  EXPECT_THAT(Told(1)[0].unicast_peers(), ElementsAre("192.168.0.22", "192.168.0.3"));
  for (const v1::VrrpInstance& router : told) EXPECT_TRUE(router.vrid() >= 7 && router.vrid() <= 9);
}

// The four rows of the documentation's table of VRRP instances: they are shared by node set and
// NIC.
TEST_F(VipTableTest, RoutersBelongToANodeSetAndANic) {
  SetPool("eth1", "other-nic");
  SetPool("eth0", "same-nic");
  Serve("web", kVip, kLocal, {"n1"});
  const int first = Vrid();
  Serve("same", "192.168.0.92", kLocal, {"n1"}, "same-nic");
  EXPECT_EQ(Vrid("192.168.0.92"), first) << "the same nodes, the same NIC, another pool";
  Serve("others", "192.168.0.93", kLocal, {"n1", "n2"});
  EXPECT_NE(Vrid("192.168.0.93"), first) << "other nodes";
  Serve("nic", "10.1.0.91", kLocal, {"n1"}, "other-nic");
  EXPECT_NE(Vrid("10.1.0.91"), first) << "another NIC";
  Serve("six", "2001:db8::91", kLocal, {"n1"});
  const auto& routers = planner_->model().routers;
  planner_->Step();
  EXPECT_EQ(std::count_if(routers.begin(), routers.end(),
                          [](const auto& r) { return r.first.family == Family::kV6; }),
            1)
      << "another family";
}

TEST_F(VipTableTest, AddressesOfOneSetAreSharedOut) {
  std::map<std::string, int> led;
  std::set<int> vrids;
  for (int i = 0; i < 30; ++i) {
    const std::string address = absl::StrCat("192.168.0.", 100 + i);
    Serve(absl::StrCat("s", i), address);
    ++led[Order(address).front()];
    vrids.insert(Vrid(address));
  }
  EXPECT_THAT(vrids, SizeIs(3)) << "as many routers as nodes";
  for (const auto& [node, count] : led) EXPECT_NEAR(count, 10, 1) << node;
  for (int i = 4; i <= 20; ++i) Start(i);
  for (int i = 0; i < 30; ++i) {
    const std::string address = absl::StrCat("192.168.0.", 200 + i);
    Serve(absl::StrCat("t", i), address);
    vrids.insert(Vrid(address));
  }
  EXPECT_THAT(vrids, SizeIs(RouterTable::kMostRouters));
}

TEST_F(VipTableTest, NodesThatComeOneByOneShareOutWhatWaitsForThem) {
  planner_ = std::make_unique<Planner>();
  SetPool("eth0");
  for (int i = 0; i < 3; ++i) Serve(absl::StrCat("s", i), absl::StrCat("192.168.0.", 100 + i));
  planner_->GatherVipNodes(true);
  for (int i = 1; i <= 3; ++i) {
    Start(i);
    EXPECT_THAT(ToldText(i), IsEmpty());
    EXPECT_THAT(Reasons(), IsEmpty()) << "no lack of ids";
  }
  planner_->GatherVipNodes(false);
  std::set<std::string> leaders;
  for (int i = 0; i < 3; ++i) leaders.insert(Order(absl::StrCat("192.168.0.", 100 + i)).front());
  EXPECT_THAT(leaders, SizeIs(3));
  // Who has a router waits for nothing.
  planner_->GatherVipNodes(true);
  SetReady(1, false);
  EXPECT_THAT(Order("192.168.0.100"), SizeIs(2));
}

TEST_F(VipTableTest, ARouterGoesOnWhenNodesComeAndGo) {
  const int vrid = Vrid();
  SetReady(1, false);
  EXPECT_THAT(Order(), ElementsAre("n2", "n3"));
  EXPECT_EQ(Vrid(), vrid);
  EXPECT_THAT(ToldText(1), IsEmpty());
  EXPECT_THAT(ToldText(2), ElementsAre("eth0 4 197 priority 222: 192.168.0.91"));
  Start(4);
  EXPECT_THAT(Order(), ElementsAre("n2", "n3", "n4"));
  SetReady(1, true);
  EXPECT_THAT(Order(), ElementsAre("n1", "n2", "n3", "n4")) << "with the number it had";
  EXPECT_EQ(Vrid(), vrid);
  planner_->Remove(KeyOfNode("n1"));
  EXPECT_THAT(Order(), ElementsAre("n2", "n3", "n4"));
  planner_->Upsert(Node(1));
  Start(1);
  EXPECT_THAT(Order(), ElementsAre("n2", "n3", "n4", "n1")) << "a new node of an old name";
}

TEST_F(VipTableTest, ARouterWaitsForItsAddressesNodes) {
  const int vrid = Vrid();
  for (int i = 1; i <= 3; ++i) SetReady(i, false);
  EXPECT_THAT(ToldText(1), IsEmpty());
  EXPECT_THAT(Reasons(), ElementsAre("NoOwner"));
  SetReady(2, true);
  EXPECT_EQ(Vrid(), vrid);
  EXPECT_THAT(Order(), ElementsAre("n2"));
}

TEST_F(VipTableTest, WhatMakesANodeUnfit) {
  const struct {
    const char* name;
    std::function<void()> change;
  } kCases[] = {
      {"not Ready", [&] { SetReady(1, false); }},
      {"excluded",
       [&] {
         kube::Node node = Node(1);
         node.meta.labels["node.kubernetes.io/exclude-from-external-load-balancers"] = "";
         planner_->Upsert(node);
       }},
      {"its speaker stopped", [&] { SetFact(1, kSpeakerFact, {kSpeakerStopped}); }},
      {"its speaker left", [&] { planner_->SetFact(MakeSpeaker("n1", false, ++now_)); }},
      {"its speaker is not in this mode", [&] { SetFact(1, kModesFact, {kLayer2Mode}); }},
      {"no carrier", [&] { SetFact(1, kNoCarrierFact, {"eth0"}); }},
      {"no such interface",
       [&] { planner_->SetFact(MakePrefixes("n1", {"ens3 192.168.0.1/24"}, ++now_)); }},
      {"no such network there",
       [&] { planner_->SetFact(MakePrefixes("n1", {"eth0 10.9.0.1/24"}, ++now_)); }},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    Begin();
    ASSERT_THAT(Order(), ElementsAre("n1", "n2", "n3"));
    test.change();
    EXPECT_THAT(Order(), ElementsAre("n2", "n3"));
    EXPECT_THAT(ToldText(1), IsEmpty());
  }
}

TEST_F(VipTableTest, PolicyLocalFollowsEndpoints) {
  Serve("web", kVip, kLocal, {"n1", "n2"});
  const int vrid = Vrid();
  EXPECT_THAT(Order(), ElementsAre("n1", "n2"));
  planner_->Upsert(MakeSlice("web", {"n3"}));
  EXPECT_THAT(Order(), ElementsAre("n3"));
  EXPECT_EQ(Vrid(), vrid) << "nobody else is on the router";
  planner_->Upsert(MakeSlice("web", {}));
  EXPECT_THAT(ToldText(3), IsEmpty());
  EXPECT_THAT(Reasons(), ElementsAre("NoOwner"));
}

TEST_F(VipTableTest, AnAddressLeavesARouterThatDoesNotFitIt) {
  for (const char* last : {"91", "92", "93"})
    Serve(absl::StrCat("s", last), absl::StrCat("192.168.0.", last), kLocal, {"n1"});
  planner_->SetVip("default/web", "pool", {});
  const int shared = Vrid("192.168.0.92");
  ASSERT_EQ(Vrid("192.168.0.91"), shared);
  planner_->Upsert(MakeSlice("s91", {"n2"}));
  EXPECT_NE(Vrid("192.168.0.91"), shared);
  EXPECT_THAT(Order("192.168.0.91"), ElementsAre("n2"));
  EXPECT_EQ(Vrid("192.168.0.92"), shared);
  EXPECT_EQ(Vrid("192.168.0.93"), shared);
}

TEST_F(VipTableTest, InterfacesByWhatTheyReach) {
  SetPool("can_reach:10.1.0.2");
  EXPECT_THAT(Reasons(), ElementsAre("NoOwner"));
  Serve("web", "10.1.0.91");
  EXPECT_THAT(Order("10.1.0.91"), ElementsAre("n1", "n2", "n3"));
  EXPECT_EQ(Told(2).at(0).interface(), "eth1");
}

// Lost must not be: who has which number, when another controller plans.
TEST_F(VipTableTest, AnotherPlannerGoesOn) {
  Serve("two", "192.168.0.92");
  SetReady(1, false);
  planner_->Step();
  Start(4);
  SetReady(1, true);
  planner_->Step();
  const std::vector<Assignment> saved = planner_->assignments();
  const std::vector<std::string> told = ToldText(4);
  ASSERT_THAT(told, SizeIs(2));
  Begin();
  Serve("two", "192.168.0.92");
  Start(4);
  planner_->LoadAssignments(saved);
  EXPECT_EQ(ToldText(4), told);
  EXPECT_EQ(planner_->assignments(), saved);
}

TEST_F(VipTableTest, IdsOfOthersAreAvoided) {
  planner_ = std::make_unique<Planner>();
  SetPool("eth0");
  for (int i = 1; i <= 3; ++i) Start(i);
  SetFact(2, kVrrpHeardFact, {"eth0 4 197", "eth1 4 198", "eth0 6 199", "nonsense", "eth0 5 1"});
  Serve("web", kVip);
  EXPECT_EQ(Vrid(), 198);
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VipTableTest, AForeignRouterThatTurnsUpIsLeftItsId) {
  ASSERT_EQ(Vrid(), 197);
  SetFact(1, kVrrpHeardFact, {Heard(197)});
  SetFact(2, kVrrpHeardFact, {Heard(197)});
  EXPECT_EQ(Vrid(), 197) << "not all hear it: some may know of their plan too late";
  ASSERT_THAT(Reasons(), ElementsAre("VridConflict"));
  EXPECT_THAT(Problems()[0].message, HasSubstr("heard by n1, n2"));
  SetFact(3, kVrrpHeardFact, {Heard(197)});
  EXPECT_EQ(Vrid(), 198);
  EXPECT_THAT(Order(), ElementsAre("n1", "n2", "n3"));
  EXPECT_THAT(ToldText(1), ElementsAre("eth0 4 198 priority 254: 192.168.0.91"));
  ASSERT_THAT(Reasons(), ElementsAre("VridConflict"));
  EXPECT_THAT(Problems()[0].message, HasSubstr("id 197 (IPv4)"));
  EXPECT_THAT(Problems()[0].message, HasSubstr("moved to id 198"));
  for (int i = 1; i <= 3; ++i) SetFact(i, kVrrpHeardFact, {});
  EXPECT_EQ(Vrid(), 198);
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VipTableTest, WhatANodeHeardOfUsBeforeItTookPartIsNoConflict) {
  Serve("web", kVip, kLocal, {"n1"});
  ASSERT_EQ(Vrid(), 197);
  SetFact(3, kVrrpHeardFact, {Heard(197)});
  planner_->Upsert(MakeSlice("web", {"n3"}));
  EXPECT_EQ(Vrid(), 197);
  EXPECT_THAT(Reasons(), IsEmpty());
  const std::vector<Assignment> saved = planner_->assignments();
  SetFact(3, kVrrpHeardFact, {});
  planner_->Step();
  SetFact(3, kVrrpHeardFact, {Heard(197)});
  EXPECT_EQ(Vrid(), 198) << "from now on it would know ours";

  Begin();
  Serve("web", kVip, kLocal, {"n3"});
  SetFact(3, kVrrpHeardFact, {Heard(197)});
  planner_->LoadAssignments(saved);
  EXPECT_EQ(Vrid(), 197);
}

TEST_F(VipTableTest, ARangeThatIsUsedUp) {
  Begin({.first_vrid = 10, .last_vrid = 11});
  ASSERT_NE(Vrid(), 0);
  Serve("one", "192.168.0.92", kLocal, {"n1"});
  Serve("two", "192.168.0.93", kLocal, {"n2"});
  EXPECT_NE(Vrid("192.168.0.92"), 0);
  EXPECT_EQ(Vrid("192.168.0.93"), 0);
  ASSERT_THAT(Reasons(), ElementsAre("NoVrid"));
  EXPECT_THAT(Problems()[0].message, HasSubstr("--vrrp-vrid-range 10-11 for 192.168.0.93"));
  // What nobody can hold gives way.
  planner_->Upsert(MakeSlice("one", {}));
  EXPECT_THAT(Order("192.168.0.93"), ElementsAre("n2"));
  planner_->Upsert(MakeSlice("one", {"n1"}));
  EXPECT_EQ(Vrid("192.168.0.92"), 0);
  planner_->SetVip("default/two", "pool", {});
  EXPECT_THAT(Order("192.168.0.92"), ElementsAre("n1"));
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VipTableTest, IdsOutsideOfTheRangeAreGivenUp) {
  ASSERT_EQ(Vrid(), 197);
  const std::vector<Assignment> saved = planner_->assignments();
  Begin({.first_vrid = 10, .last_vrid = 11});
  planner_->LoadAssignments(saved);
  EXPECT_EQ(Vrid(), 11);
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VipTableTest, ManyNodes) {
  planner_ = std::make_unique<Planner>();
  SetPool("eth0");
  for (int i = 1; i <= 256; ++i) {
    const std::string name = absl::StrCat("n", 1000 + i);
    planner_->Upsert(MakeNode(name, "192.168.0.1"));
    planner_->SetFact(
        MakePrefixes(name, {absl::StrCat("eth0 192.168.", i / 200, ".", i % 200 + 1, "/16")}));
    planner_->SetFact(MakeSpeaker(name));
    planner_->SetFact({name, kModesFact, {kVipMode}, absl::FromUnixSeconds(1)});
  }
  Serve("web", kVip);
  EXPECT_THAT(Order(), SizeIs(RouterTable::kMostNodes));
  ASSERT_THAT(Reasons(), ElementsAre("TooManyNodes"));
  EXPECT_THAT(Problems()[0].message, HasSubstr("254 nodes: 2, the last ones"));
}

TEST_F(VipTableTest, TheModeTurnedOffIsSaid) {
  for (int i = 1; i <= 3; ++i) SetFact(i, kModesFact, {kLayer2Mode});
  ASSERT_THAT(Reasons(), ElementsAre("ModeDisabled"));
  EXPECT_THAT(Problems()[0].message, HasSubstr("--enable-keepalived-vip"));
  SetFact(2, kModesFact, {kVipMode});
  EXPECT_THAT(Reasons(), IsEmpty());
}

TEST_F(VipTableTest, NodesOfSeveralRacksAreToldOf) {
  for (int i = 1; i <= 2; ++i) {
    kube::Node node = Node(i);
    node.meta.labels["openelb.kubesphere.io/rack"] = absl::StrCat("leaf", i);
    planner_->Upsert(node);
  }
  EXPECT_THAT(Reasons(), Contains("SeveralRacks"));
}

}  // namespace
}  // namespace openelb::plan

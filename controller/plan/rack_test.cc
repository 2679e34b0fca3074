// The rack rule: which nodes a speaker announces to which peer. Failures measured on OpenELB's
// multi-router setup are cases here.

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/plan/model.h"
#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

constexpr const char* kRack = "openelb.kubesphere.io/rack";
constexpr const char* kPrefixes = "openelb.kubesphere.io/prefixes";

kube::Node Worker1(kube::Labels labels = {}) {
  return MakeNode("worker1", "192.168.0.4", std::move(labels));
}

struct RackCase {
  const char* name;
  std::function<void(Planner*)> change;  // of the documented topology
  std::vector<std::string> leaf1;        // next hops of 172.22.0.2 at leaf1
  std::vector<std::string> leaf2;
};

void PrintTo(const RackCase& c, std::ostream* out) { *out << c.name; }

std::vector<std::string> HopsAt(const Planner& planner, const std::string& speaker,
                                const std::string& peer) {
  std::vector<std::string> hops;
  for (const std::string& line : Announced(planner, speaker)) {
    const std::string start = peer + ": 172.22.0.2/32 via ";
    if (line.starts_with(start)) hops.push_back(line.substr(start.size()));
  }
  return hops;
}

class RackTest : public testing::TestWithParam<RackCase> {};

// The change comes before the first plan, and then after it: the outcome is the same.
TEST_P(RackTest, NextHops) {
  for (const bool live : {false, true}) {
    Planner planner;
    FillDocumentedTopology(&planner);
    if (live) planner.Step();
    GetParam().change(&planner);
    planner.Step();
    EXPECT_EQ(HopsAt(planner, "master1", "192.168.0.2"), GetParam().leaf1) << live;
    EXPECT_EQ(HopsAt(planner, "worker-p002", "192.168.1.1"), GetParam().leaf2) << live;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RackTest,
    testing::Values(
        RackCase{"AsDocumented", [](Planner*) {}, {"192.168.0.3 192.168.0.4"}, {"192.168.1.2"}},
        RackCase{"AsPerRackSetsTheAsOnly",
                 [](Planner* p) {
                   network::BgpConf conf = MakeConf(50000);
                   conf.as_per_rack = {{"leaf1", 50010}, {"leaf2", 0}};
                   p->Upsert(conf);
                 },
                 {"192.168.0.3 192.168.0.4"},
                 {"192.168.1.2"}},
        RackCase{"WorkerLabelledToo",
                 [](Planner* p) { p->Upsert(Worker1({{kRack, "leaf1"}})); },
                 {"192.168.0.3 192.168.0.4"},
                 {"192.168.1.2"}},
        RackCase{"LabelWinsOverAddress",
                 [](Planner* p) { p->Upsert(Worker1({{kRack, "leaf2"}})); },
                 {"192.168.0.3"},
                 {"192.168.1.2 192.168.0.4"}},
        RackCase{"OpenElbSpellingWins",
                 [](Planner* p) {
                   p->Upsert(Worker1({{kRack, "leaf1"}, {"porter.kubesphere.io/rack", "leaf2"}}));
                 },
                 {"192.168.0.3 192.168.0.4"},
                 {"192.168.1.2"}},
        RackCase{"EmptyLabelIsNone",
                 [](Planner* p) { p->Upsert(Worker1({{kRack, ""}})); },
                 {"192.168.0.3 192.168.0.4"},
                 {"192.168.1.2"}},
        RackCase{"OnLinkForNoRack",
                 [](Planner* p) { p->SetFact(MakePrefixes("master1", {}, 2)); },
                 {"192.168.0.3"},
                 {"192.168.1.2"}},
        RackCase{"OnLinkForSeveralRacks",
                 [](Planner* p) {
                   p->SetFact(MakePrefixes("worker-p002",
                                           {"eth0 192.168.1.2/24", "eth1 192.168.0.99/24"}, 2));
                 },
                 {"192.168.0.3"},
                 {"192.168.1.2"}},
        RackCase{"HostAddressesAreNoLinks",  // Service addresses on kube-ipvs0
                 [](Planner* p) {
                   p->SetFact(MakePrefixes(
                       "worker-p002", {"eth0 192.168.1.2/24", "kube-ipvs0 192.168.0.4/32"}, 2));
                 },
                 {"192.168.0.3 192.168.0.4"},
                 {"192.168.1.2"}},
        RackCase{"AnnotationWhereNoSpeakerReports",
                 [](Planner* p) {
                   p->Upsert(MakeNode("edge", "192.168.0.5"));
                   kube::Node spare = MakeNode("spare", "10.9.0.1", {{kRack, "leaf2"}});
                   spare.meta.annotations[kPrefixes] = "10.9.0.1/24,192.168.7.1/24";
                   p->Upsert(spare);
                   p->Upsert(MakeNode("edge2", "192.168.7.2"));
                 },
                 {"192.168.0.3 192.168.0.4 192.168.0.5"},
                 // spare carries the label; edge2 is in its rack but not on the leaf's subnet.
                 {"192.168.1.2 10.9.0.1"}},
        RackCase{"TheFactWinsOverTheAnnotation",
                 [](Planner* p) {
                   kube::Node master =
                       MakeNode("master1", "192.168.0.3",
                                {{"lb.kubesphere.io/v1alpha1", "openelb"}, {kRack, "leaf1"}});
                   master.meta.annotations[kPrefixes] = "172.31.0.1/24";
                   p->Upsert(master);
                 },
                 {"192.168.0.3 192.168.0.4"},
                 {"192.168.1.2"}},
        RackCase{"NoLabelAnywhereIsOneFlatRack",  // still by subnet, to one-hop eBGP peers
                 [](Planner* p) {
                   const kube::Labels scheduled = {{"lb.kubesphere.io/v1alpha1", "openelb"}};
                   p->Upsert(MakeNode("master1", "192.168.0.3", scheduled));
                   p->Upsert(MakeNode("worker-p002", "192.168.1.2", scheduled));
                   p->Upsert(MakePeer("leaf1", "192.168.0.2", 50001));
                   p->Upsert(MakePeer("leaf2", "192.168.1.1", 50002));
                 },
                 {"192.168.0.3 192.168.0.4"},
                 {"192.168.1.2"}},
        RackCase{"UnknownSubnetIsTakenAsShared",
                 [](Planner* p) {
                   p->Upsert(MakePeer("leaf2", "192.168.1.1", 50002, {{kRack, "leaf2"}}));
                   p->SetFact(MakePrefixes("worker-p002", {}, 2));
                   p->Upsert(MakeNode("far", "10.1.1.1", {{kRack, "leaf2"}}));
                 },
                 {"192.168.0.3 192.168.0.4"},
                 {"192.168.1.2 10.1.1.1"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(RackRuleTest, PeersThatAreNotOneHopAwayGetTheWholeRack) {
  Planner planner;
  FillDocumentedTopology(&planner);
  // worker2 is in rack leaf1 by an address on master1's second network.
  planner.SetFact(MakePrefixes("master1", {"eth0 192.168.0.3/24", "eth1 192.168.5.3/24"}, 2));
  planner.Upsert(MakeNode("worker2", "192.168.5.4"));
  network::BgpPeer multihop = MakePeer("far", "10.0.0.1", 50009, {{kRack, "leaf1"}});
  multihop.multihop = true;
  planner.Upsert(multihop);
  planner.Upsert(MakePeer("ibgp", "192.168.0.9", 50000, {{kRack, "leaf1"}}));
  planner.Upsert(MakePeer("second", "192.168.5.1", 50001, {{kRack, "leaf1"}}));
  planner.Step();
  EXPECT_THAT(Announced(planner, "master1"),
              ElementsAre("10.0.0.1: 172.22.0.2/32 via 192.168.0.3 192.168.0.4 192.168.5.4",
                          "192.168.0.2: 172.22.0.2/32 via 192.168.0.3 192.168.0.4",
                          "192.168.0.9: 172.22.0.2/32 via 192.168.0.3 192.168.0.4 192.168.5.4",
                          // master1 carries the rack's label, so it goes there too.
                          "192.168.5.1: 172.22.0.2/32 via 192.168.0.3 192.168.5.4"));
}

TEST(RackRuleTest, ASpeakerInNoRackAnnouncesItselfOnly) {
  Planner planner;
  FillDocumentedTopology(&planner);
  planner.Upsert(
      MakeNode("stray", "10.7.0.2", {{"lb.kubesphere.io/v1alpha1", "openelb"}, {"at", "stray"}}));
  planner.SetFact(MakeSpeaker("stray"));
  planner.SetFact(MakePrefixes("stray", {"eth0 10.7.0.2/24"}));
  planner.Upsert(MakePeer("stray", "10.7.0.1", 50003, {{"at", "stray"}}));
  planner.Step();
  EXPECT_THAT(Announced(planner, "stray"), ElementsAre("10.7.0.1: 172.22.0.2/32 via 10.7.0.2"));
  EXPECT_THAT(planner.Problems(), ElementsAre(Field(&Problem::reason, "NoRack")));
}

TEST(RackRuleTest, SelectorsMatchLabelsLiterally) {
  Planner planner;
  FillDocumentedTopology(&planner);  // nodes carry the openelb spelling
  planner.Upsert(MakePeer("leaf1", "192.168.0.2", 50001, {{"porter.kubesphere.io/rack", "leaf1"}}));
  planner.Step();
  EXPECT_THAT(Announced(planner, "master1"), IsEmpty());
}

TEST(RackRuleTest, NodeLabelsAndSelectorsActAtOnce) {
  Planner planner;
  FillDocumentedTopology(&planner);
  planner.Step();
  planner.Upsert(MakeNode("worker-p002", "192.168.1.2",
                          {{"lb.kubesphere.io/v1alpha1", "openelb"}, {kRack, "leaf9"}}));
  EXPECT_THAT(planner.Step().speakers, ElementsAre("worker-p002"));
  EXPECT_THAT(Announced(planner, "worker-p002"), IsEmpty()) << "no peer selects leaf9";
  planner.Upsert(MakePeer("leaf2", "192.168.1.1", 50002, {{kRack, "leaf9"}}));
  planner.Step();
  EXPECT_THAT(Announced(planner, "worker-p002"),
              ElementsAre("192.168.1.1: 172.22.0.2/32 via 192.168.1.2"));
}

TEST(RackRuleTest, BothFamiliesOfTheSharedInterface) {
  Planner planner;
  FillDocumentedTopology(&planner);
  kube::Node worker = Worker1();
  worker.internal_ips.push_back(*IpAddress::Parse("fd00::4"));
  planner.Upsert(worker);
  kube::Node off = MakeNode("off", "192.168.0.6");
  off.internal_ips.push_back(*IpAddress::Parse("fd99::6"));
  planner.Upsert(off);
  planner.SetFact(MakePrefixes("master1", {"eth0 192.168.0.3/24", "eth0 fd00::3/64"}, 2));
  network::BgpPeer peer = MakePeer("leaf1", "192.168.0.2", 50001, {{kRack, "leaf1"}});
  peer.afi_safis = {{.family = Family::kV4, .text = ""},
                    {.family = Family::kV6, .text = "", .send_max = 8}};
  planner.Upsert(peer);
  planner.Upsert(MakeService("six"));
  planner.Upsert(MakeSlice("six", {"worker1"}, "IPv6"));
  planner.SetAddresses("default/six", {*IpAddress::Parse("fd22::1")});
  planner.Step();
  EXPECT_THAT(Announced(planner, "master1"),
              ElementsAre("192.168.0.2: 172.22.0.2/32 via 192.168.0.3",  // no ADD-PATH written
                          "192.168.0.2: fd22::1/128 via fd00::4"));
}

TEST(RackRuleTest, RoutesOfClusterServicesAreSharedByRacks) {
  Planner planner;
  FillDocumentedTopology(&planner);
  planner.Step();
  EXPECT_THAT(planner.SetsOf("master1"),
              ElementsAre("routes/connected", testing::_, "node/master1"));
  EXPECT_THAT(planner.SetsOf("worker-p002"), Contains("routes/connected"));
  EXPECT_NE(planner.SetsOf("master1")[1], planner.SetsOf("worker-p002")[1]);
}

// One bad entry would else take the node, or its whole subnet, out of the rack without a word.
TEST(AnnotatedPrefixes, WhatIsWrongIsNamedAndTheRestCounts) {
  struct Case {
    const char* text;
    const char* named;  // empty: nothing is wrong
    bool in_rack;       // worker1, by what master1 says
  };
  for (const Case& c : std::vector<Case>{
           {"192.168.0.3/24", "", true},
           {"192.168.0.3/24, fd00::3/64,127.0.0.1/8", "", true},
           {"192.168.0.3", "\"192.168.0.3\"", false},
           {"192.168.0.3/32", "\"192.168.0.3/32\"", false},
           {"garbage", "\"garbage\"", false},
           {"10.0.0.1/33, foo, 192.168.0.3/24", "\"10.0.0.1/33\", \"foo\"", true},
           {"a b c d e 192.168.0.3/24", "\"a\", \"b\", \"c\", 2 more", true},
       }) {
    SCOPED_TRACE(c.text);
    Planner planner({.speakers_from = Options::Speakers::kDaemonSet});
    planner.Step();
    kube::Node master = MakeNode("master1", "192.168.0.3", {{kRack, "leaf1"}});
    master.meta.annotations[kPrefixes] = c.text;
    planner.Upsert(master);
    planner.Upsert(Worker1());
    EXPECT_TRUE(planner.Step().problems);
    EXPECT_EQ(planner.model().nodes.at("worker1").rack, c.in_rack ? "leaf1" : "node/worker1");
    std::vector<Problem> bad = planner.Problems();
    std::erase_if(bad, [](const Problem& problem) { return problem.reason != "BadPrefixes"; });
    if (*c.named == '\0') {
      EXPECT_THAT(bad, IsEmpty());
      continue;
    }
    EXPECT_THAT(bad, ElementsAre(Problem{
                         KeyOfNode("master1"), "BadPrefixes",
                         absl::StrCat("annotation openelb.kubesphere.io/prefixes: ", c.named,
                                      ": not an address of the node with the length of its subnet, "
                                      "such as 192.168.0.3/24; it does not count")}));
    // What a speaker reports is used instead; the annotation stays wrong until it is mended.
    planner.SetFact(MakePrefixes("master1", {"eth0 192.168.0.3/24"}));
    planner.Step();
    EXPECT_EQ(planner.model().nodes.at("worker1").rack, "leaf1");
    EXPECT_THAT(planner.Problems(), Contains(Field(&Problem::reason, "BadPrefixes")));
    master.meta.annotations[kPrefixes] = "192.168.0.3/24";
    planner.Upsert(master);
    EXPECT_TRUE(planner.Step().problems);
    EXPECT_THAT(planner.Problems(), IsEmpty());
  }
}

}  // namespace
}  // namespace openelb::plan

// Which speakers racks have: over hand-made models, and over the planner for who is to have peers.

#include "controller/observe/rack_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "controller/plan/test_world.h"

namespace openelb::observe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using enum SpeakerState;

plan::v1::Observed Report(const std::string& state) {
  plan::v1::Observed observed;
  plan::v1::PeerObserved* peer = observed.add_peers();
  peer->set_address("192.168.0.2");
  peer->set_session_state(state);
  return observed;
}

class RackTableTest : public testing::Test {
 protected:
  // A node in a rack with a speaker in both modes that BgpPeers select; not heard yet.
  plan::NodeView& Add(const std::string& name, const std::string& rack) {
    plan::NodeView& node = model_.nodes[name];
    node.rack = rack;
    node.speaker = node.layer2 = node.vip = true;
    model_.racks[rack].insert(name);
    model_.peered.insert(name);
    return node;
  }
  void Hear(const std::string& name, const std::string& state = "ESTABLISHED") {
    board_.Update(name, Report(state), absl::ZeroDuration());
  }
  RackTable Read() const { return RacksOf(model_, board_); }

  plan::Model model_;
  SessionBoard board_;
};

TEST_F(RackTableTest, EachSpeakersStateIsTold) {
  for (const char* name : {"ready", "active", "silent", "lost", "stopped", "unwanted"})
    Add(name, "leaf1");
  Hear("ready");
  Hear("active", "ACTIVE");
  Hear("lost");
  board_.OnSilent("lost");
  Hear("stopped");
  model_.nodes["stopped"].stopped = true;
  Hear("unwanted");
  model_.nodes["unwanted"].leaving = true;
  EXPECT_THAT(Read().bgp,
              ElementsAre(Pair(
                  "leaf1", ElementsAre(Pair("active", kNoSession), Pair("lost", kSilent),
                                       Pair("ready", kReady), Pair("silent", kSilent),
                                       Pair("stopped", kLeaving), Pair("unwanted", kLeaving)))));
  EXPECT_EQ(Read().racks, Read().bgp);
}

TEST_F(RackTableTest, OneSessionOfSeveralIsEnough) {
  Add("n1", "");
  plan::v1::Observed observed = Report("ACTIVE");
  observed.MergeFrom(Report("ESTABLISHED"));
  board_.Update("n1", observed, absl::ZeroDuration());
  EXPECT_THAT(Read().bgp, ElementsAre(Pair("", ElementsAre(Pair("n1", kReady)))));
}

TEST_F(RackTableTest, ARackWhoseNodesAreSelectedCountsEvenWithoutASpeaker) {
  Add("n1", "leaf1").speaker = false;
  EXPECT_THAT(Read().bgp, ElementsAre(Pair("leaf1", IsEmpty())));
}

TEST_F(RackTableTest, SpeakersThatNoPeerSelectsDoNotCountForBgp) {
  Add("n1", "leaf1");
  Add("n2", "leaf1");
  Add("n3", "leaf2");
  model_.peered = {"n1"};
  for (const char* name : {"n1", "n2", "n3"}) Hear(name);
  EXPECT_THAT(Read().bgp, ElementsAre(Pair("leaf1", ElementsAre(Pair("n1", kReady)))));
}

TEST_F(RackTableTest, ANodeInNoRackCountsNowhere) {
  Add("n1", plan::NoRackName("n1")).placement = plan::Placement::kNowhere;
  model_.layer2[*IpAddress::Parse("192.168.0.91")] = {.pool = "pool", .ranks = {"n1"}};
  Hear("n1");
  const RackTable table = Read();
  EXPECT_THAT(table.bgp, IsEmpty());
  EXPECT_THAT(table.eips, IsEmpty());
  EXPECT_THAT(table.racks, IsEmpty());
}

TEST_F(RackTableTest, AnEipHasTheSpeakersInItsModeOfTheRacksThatCanHaveIts) {
  Add("n1", "leaf1");
  Add("n2", "leaf1");
  Add("n3", "leaf1").layer2 = false;
  Add("n4", "leaf2");
  model_.peered.clear();
  model_.layer2[*IpAddress::Parse("192.168.0.91")] = {.pool = "arp", .ranks = {"n1"}};
  const auto links = std::make_shared<const plan::Links>(plan::Links{{"n1", "eth0"}});
  model_.vips[*IpAddress::Parse("192.168.0.92")] = {.pool = "vrrp", .links = links};
  model_.vips[*IpAddress::Parse("192.168.0.93")] = {.pool = "vrrp", .links = links};
  Hear("n1", "ACTIVE");  // no session is needed
  Hear("n3");
  EXPECT_THAT(Read().eips,
              ElementsAre(Pair("arp", ElementsAre(Pair("n1", kReady), Pair("n2", kSilent))),
                          Pair("vrrp", ElementsAre(Pair("n1", kReady), Pair("n2", kSilent),
                                                   Pair("n3", kReady)))));
  EXPECT_THAT(Read().racks,
              ElementsAre(Pair("leaf1", ElementsAre(Pair("n1", kReady), Pair("n2", kSilent),
                                                    Pair("n3", kReady)))));
}

// Where a rack has both, speakers without routers are none of those that its routers depend on.
TEST_F(RackTableTest, RoutersComeFirst) {
  Add("n1", "leaf1");
  Add("n2", "leaf1");
  model_.peered = {"n1"};
  model_.layer2[*IpAddress::Parse("192.168.0.91")] = {.pool = "arp", .ranks = {"n1", "n2"}};
  Hear("n1", "IDLE");
  Hear("n2");
  EXPECT_THAT(Read().racks, ElementsAre(Pair("leaf1", ElementsAre(Pair("n1", kNoSession)))));
}

TEST_F(RackTableTest, AnAddressThatNobodyCanHaveAsksForNoSpeaker) {
  Add("n1", "leaf1");
  model_.peered.clear();
  model_.layer2[*IpAddress::Parse("192.168.0.91")] = {.pool = "arp", .ranks = {}};
  model_.vips[*IpAddress::Parse("192.168.0.92")] = {.pool = "vrrp",
                                                    .links = std::make_shared<plan::Links>()};
  EXPECT_THAT(Read().eips, IsEmpty());
}

// Who is to have a session, as the planner sees it.
class PeeredTest : public testing::Test {
 protected:
  PeeredTest() { plan::FillDocumentedTopology(&planner_); }
  std::set<std::string> Peered() {
    changed_ = planner_.Step().racks;
    return planner_.model().peered;
  }

  plan::Planner planner_;
  bool changed_ = false;
};

TEST_F(PeeredTest, NodesThatBgpPeersSelect) {
  EXPECT_THAT(Peered(), ElementsAre("master1", "worker-p002"));
  EXPECT_TRUE(changed_);
  Peered();
  EXPECT_FALSE(changed_);
  planner_.Upsert(
      plan::MakeNode("worker1", "192.168.0.4", {{"openelb.kubesphere.io/rack", "leaf1"}}));
  EXPECT_THAT(Peered(), ElementsAre("master1", "worker-p002", "worker1")) << "it may run a speaker";
  EXPECT_TRUE(changed_);
  planner_.Remove(plan::KeyOfNode("worker1"));
  EXPECT_THAT(Peered(), ElementsAre("master1", "worker-p002"));
}

TEST_F(PeeredTest, NotByOnesThatAreShutDown) {
  network::BgpPeer leaf2 =
      plan::MakePeer("leaf2", "192.168.1.1", 50002, {{"openelb.kubesphere.io/rack", "leaf2"}});
  leaf2.admin_down = true;
  planner_.Upsert(leaf2);
  EXPECT_THAT(Peered(), ElementsAre("master1"));
}

TEST_F(PeeredTest, NobodyWithoutTheBgpConf) {
  planner_.Remove({network::BgpConf::kKind, "", network::kBgpConfName});
  EXPECT_THAT(Peered(), IsEmpty());
  network::BgpConf conf = plan::MakeConf(50000);
  planner_.Upsert(conf);
  EXPECT_THAT(Peered(), ElementsAre("master1", "worker-p002"));
  conf.meta.labels["openelb.kubesphere.io/cni"] = "calico";
  planner_.Upsert(conf);
  EXPECT_THAT(Peered(), IsEmpty());
}

TEST_F(PeeredTest, ASpeakerThatComesOrStopsIsSaid) {
  Peered();
  planner_.SetFact(plan::MakeSpeaker("worker1", true, 2));
  Peered();
  EXPECT_TRUE(changed_);
  planner_.SetFact(
      {"worker1", plan::kSpeakerFact, {plan::kSpeakerStopped}, absl::FromUnixSeconds(3)});
  Peered();
  EXPECT_TRUE(changed_);
}

}  // namespace
}  // namespace openelb::observe

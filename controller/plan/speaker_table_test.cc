// Which speakers have which instance and peers, and what is said of those that clash.

#include "controller/plan/speaker_table.h"

#include <string>
#include <utility>
#include <vector>

#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SpeakersTest : public testing::Test {
 protected:
  void AddSpeaker(const std::string& name, const std::string& ip, kube::Labels labels = {}) {
    planner_.Upsert(MakeNode(name, ip, std::move(labels)));
    planner_.SetFact(MakeSpeaker(name));
  }
  std::string RouterId(const std::string& node) {
    planner_.Step();
    v1::ResourceBody body;
    body.ParseFromString(*planner_.Find("node/" + node)->resources().at("instance").body);
    return body.instance().router_id();
  }
  std::vector<std::string> ProblemReasons() {
    planner_.Step();
    std::vector<std::string> reasons;
    for (const Problem& p : planner_.Problems()) reasons.push_back(p.about.name + " " + p.reason);
    return reasons;
  }
  Planner planner_;
};

TEST_F(SpeakersTest, TheWrittenRouterIdIsUsedOnce) {
  network::BgpConf conf = MakeConf(65000);
  conf.router_id = "192.168.0.2";
  planner_.Upsert(conf);
  AddSpeaker("n2", "192.168.0.3");
  EXPECT_EQ(RouterId("n2"), "192.168.0.2") << "a single speaker";
  EXPECT_THAT(ProblemReasons(), IsEmpty());
  AddSpeaker("n1", "192.168.0.4");
  EXPECT_EQ(RouterId("n2"), "192.168.0.2") << "who has it keeps it";
  EXPECT_EQ(RouterId("n1"), "192.168.0.4");
  EXPECT_THAT(ProblemReasons(), ElementsAre("default RouterIdOnce"));
  EXPECT_THAT(planner_.assignments(), ElementsAre(Assignment{"router-id", "n2", "n2"}));
  AddSpeaker("n3", "192.168.0.2");
  EXPECT_EQ(RouterId("n3"), "192.168.0.2") << "the node that owns it";
  EXPECT_EQ(RouterId("n2"), "192.168.0.3");
}

TEST_F(SpeakersTest, RouterIdClash) {
  planner_.Upsert(MakeConf(65000));
  AddSpeaker("n1", "192.168.0.3");
  AddSpeaker("n2", "192.168.0.3");
  EXPECT_THAT(ProblemReasons(), ElementsAre("default RouterIdClash"));
}

TEST_F(SpeakersTest, PeersOfOneAddress) {
  planner_.Upsert(MakeConf(65000));
  AddSpeaker("n1", "10.0.0.1", {{"side", "a"}});
  AddSpeaker("n2", "10.0.1.1", {{"side", "b"}});
  planner_.Upsert(MakePeer("gw-a", "169.254.1.1", 65001, {{"side", "a"}}));
  planner_.Upsert(MakePeer("gw-b", "169.254.1.1", 65002, {{"side", "b"}}));
  EXPECT_THAT(ProblemReasons(), IsEmpty()) << "the same gateway address on different nodes";
  planner_.Upsert(MakePeer("gw-c", "169.254.1.1", 65003));
  EXPECT_THAT(ProblemReasons(), ElementsAre("gw-c DuplicatePeer", "gw-c DuplicatePeer"))
      << "once for each that comes first";
  planner_.Remove({network::BgpPeer::kKind, "", "gw-c"});
  EXPECT_THAT(ProblemReasons(), IsEmpty());
}

TEST_F(SpeakersTest, OnlyTheDefaultConfAndWhatTheCniDoesNotHandle) {
  AddSpeaker("n1", "10.0.0.1");
  network::BgpConf conf = MakeConf(65000);
  conf.meta.name = "mine";
  planner_.Upsert(conf);
  planner_.Upsert(MakePeer("leaf", "10.0.0.254", 65001));
  EXPECT_THAT(ProblemReasons(), ElementsAre("mine Ignored", "leaf NoBgpConf"));
  conf = MakeConf(65000);
  conf.meta.labels["porter.kubesphere.io/cni"] = "calico";
  planner_.Upsert(conf);
  EXPECT_THAT(ProblemReasons(),
              ElementsAre("default HandledByCni", "mine Ignored", "leaf NoBgpConf"));
  EXPECT_EQ(planner_.Problems()[0].message,
            "label openelb.kubesphere.io/cni: \"calico\" leaves this object to the CNI, so no "
            "speaker runs BGP, and no BgpPeer has a session; remove the label if OpenELB is to act "
            "on it");
  EXPECT_EQ(planner_.Problems()[2].message,
            "the BgpConf \"default\" is left to the CNI, so BGP does not run");
  EXPECT_EQ(planner_.Find("node/n1"), nullptr);
  conf.meta.labels.clear();
  planner_.Upsert(conf);
  network::BgpPeer peer = MakePeer("leaf", "10.0.0.254", 65001);
  peer.meta.labels["openelb.kubesphere.io/cni"] = "calico";
  planner_.Upsert(peer);
  planner_.Step();
  EXPECT_THAT(planner_.Find("node/n1")->resources(), SizeIs(1)) << "the instance alone";
  EXPECT_THAT(ProblemReasons(), ElementsAre("mine Ignored", "leaf HandledByCni"));
  planner_.Remove({network::BgpPeer::kKind, "", "leaf"});
  EXPECT_THAT(ProblemReasons(), ElementsAre("mine Ignored"));
  planner_.Upsert(peer);
  EXPECT_TRUE(planner_.Step().problems);
  peer.meta.labels.clear();
  planner_.Upsert(peer);
  EXPECT_THAT(ProblemReasons(), ElementsAre("mine Ignored"));
  EXPECT_THAT(planner_.Find("node/n1")->resources(), SizeIs(2));
}

// A change of BgpConf must not touch routes, groups or peers (OpenELB lost every route).
TEST_F(SpeakersTest, ConfChangesTouchOnlyInstances) {
  FillDocumentedTopology(&planner_);
  planner_.Step();
  network::BgpConf conf = MakeConf(50000);
  conf.listen_port = 17900;
  planner_.Upsert(conf);
  const PlanChange change = planner_.Step();
  EXPECT_TRUE(change.speakers.empty());
  EXPECT_THAT(change.keys, ElementsAre(testing::Pair("node/master1", ElementsAre("instance")),
                                       testing::Pair("node/worker-p002", ElementsAre("instance"))));
}

TEST_F(SpeakersTest, PeerChangesTouchOnlyThatPeer) {
  FillDocumentedTopology(&planner_);
  planner_.Step();
  network::BgpPeer peer =
      MakePeer("leaf1", "192.168.0.2", 50001, {{"openelb.kubesphere.io/rack", "leaf1"}});
  peer.hold_time_s = 9;
  planner_.Upsert(peer);
  EXPECT_THAT(planner_.Step().keys,
              ElementsAre(testing::Pair("node/master1", ElementsAre("peer/192.168.0.2"))));
}

// All speakers start at once (OpenELB lost routes): the outcome does not depend on the order.
TEST_F(SpeakersTest, StartedTogether) {
  FillDocumentedTopology(&planner_);
  for (const char* node : {"master1", "worker-p002"})
    planner_.SetFact(MakeSpeaker(node, /*here=*/false, 2));
  planner_.Step();
  EXPECT_THAT(planner_.SetsOf("master1"), IsEmpty());
  for (const char* node : {"worker-p002", "master1"}) planner_.SetFact(MakeSpeaker(node, true, 3));
  planner_.Step();
  Planner fresh;
  FillDocumentedTopology(&fresh);
  fresh.Step();
  for (const char* node : {"master1", "worker-p002"})
    EXPECT_EQ(Announced(planner_, node), Announced(fresh, node));
}

TEST_F(SpeakersTest, OneThatStoppedIsGoneWhereItsDaemonSetDoesNotWantIt) {
  FillDocumentedTopology(&planner_);
  planner_.SetFact(MakeSpeaker("worker1"));
  planner_.Step();
  EXPECT_TRUE(planner_.model().speakers.contains("worker1")) << "it runs, unwanted";
  for (const char* node : {"worker1", "master1"}) {
    Fact stopped = MakeSpeaker(node, /*here=*/true, 2);
    stopped.values = {kSpeakerStopped};
    planner_.SetFact(stopped);
  }
  planner_.Step();
  EXPECT_FALSE(planner_.model().speakers.contains("worker1"));
  EXPECT_FALSE(planner_.ExpectsSpeaker("worker1"));
  EXPECT_TRUE(planner_.model().speakers.contains("master1")) << "it will come back";
  EXPECT_TRUE(planner_.ExpectsSpeaker("master1"));
}

TEST_F(SpeakersTest, OneThatMayStartAnywhereLeavesWhenItStops) {
  Planner planner({.speakers_return = false});
  FillDocumentedTopology(&planner);
  planner.Remove({kube::DaemonSet::kKind, "openelb-system", "openelb-speaker"});
  planner.Step();
  EXPECT_FALSE(planner.model().nodes.at("master1").leaving) << "it may have addresses";
  EXPECT_TRUE(planner.model().nodes.at("master1").leaves_on_stop);
  Fact stopped = MakeSpeaker("master1", /*here=*/true, 2);
  stopped.values = {kSpeakerStopped};
  planner.SetFact(stopped);
  planner.Step();
  EXPECT_FALSE(planner.ExpectsSpeaker("master1"));
  EXPECT_FALSE(planner.model().speakers.contains("master1"));
}

}  // namespace
}  // namespace openelb::plan

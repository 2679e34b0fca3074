#include "controller/plan/peer_table.h"

#include <string>

#include "api/codec/parse.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

codec::Value Read(const std::string& yaml) { return codec::ParseYaml(yaml).documents.at(0).value; }

// BgpPeer leaf1 of the documented topology in the group "leaves".
class PeerTableTest : public testing::Test {
 protected:
  PeerTableTest() { Fill(&planner_); }

  static void Fill(Planner* planner) {
    FillDocumentedTopology(planner);
    for (const char* name : {"leaf1", "leaf2"})
      planner->Remove({network::BgpPeer::kKind, "", name});
    planner->Upsert(Leaf1("leaves"));
  }
  static network::BgpPeer Leaf1(const std::string& group, const std::string& rest = "") {
    network::BgpPeer peer = MakePeer("leaf1", "192.168.0.2", 0, {});
    peer.peer_group = group;
    peer.spec =
        Read("{conf: {neighborAddress: 192.168.0.2, peerGroup: " + group + "}" + rest + "}");
    return peer;
  }
  static network::BgpConf Conf(const std::string& groups) {
    network::BgpConf conf = MakeConf(50000);
    if (groups.empty()) return conf;
    const codec::Value read = Read(groups);
    conf.peer_groups = {read.map()->begin(), read.map()->end()};
    return conf;
  }
  static std::string Leaves(int hold) {
    return "{leaves: {conf: {peerAs: 50001}, timers: {config: {holdTime: " + std::to_string(hold) +
           "}}}}";
  }
  // Of the session on master1; 0: there is none.
  static uint32_t HoldTime(Planner* planner) {
    planner->Step();
    const auto& resources = planner->Find("node/master1")->resources();
    const auto found = resources.find("peer/192.168.0.2");
    if (found == resources.end()) return 0;
    v1::ResourceBody body;
    EXPECT_TRUE(body.ParseFromString(*found->second.body));
    return body.peer().hold_time_s();
  }
  uint32_t HoldTime() { return HoldTime(&planner_); }
  std::string Problem(const std::string& kind) {
    for (const plan::Problem& problem : planner_.Problems()) {
      if (problem.reason == "BadPeerGroup" && problem.about.kind == kind) return problem.message;
    }
    return "";
  }

  Planner planner_;
};

TEST_F(PeerTableTest, ChangesOfTheGroupAreThoseOfItsPeers) {
  planner_.Upsert(Conf(Leaves(9)));
  EXPECT_EQ(HoldTime(), 9u);
  EXPECT_THAT(Problem("BgpConf") + Problem("BgpPeer"), IsEmpty());
  planner_.Upsert(Conf(Leaves(30)));
  EXPECT_EQ(HoldTime(), 30u);
  planner_.Upsert(Leaf1("leaves", ", timers: {config: {holdTime: 12}}"));
  EXPECT_EQ(HoldTime(), 12u);
  planner_.Upsert(MakePeer("leaf1", "192.168.0.2", 50001, {}));
  EXPECT_EQ(HoldTime(), 90u) << "it has left the group";
}

TEST_F(PeerTableTest, WithoutItsGroupAPeerHasNoSession) {
  planner_.Upsert(Conf("{spines: {}}"));
  EXPECT_EQ(HoldTime(), 0u);
  EXPECT_EQ(Problem("BgpPeer"),
            "spec.conf.peerGroup: spec.peerGroups of the BgpConf has no \"leaves\" that can be "
            "used; there are \"spines\"; it has no sessions");
  planner_.Upsert(Conf("{leaves: {timers: {config: {holdTime: 2}}}}"));
  EXPECT_EQ(HoldTime(), 0u);
  EXPECT_EQ(Problem("BgpConf"),
            "spec.peerGroups.leaves: timers.config.holdTime: 2 is not 0 or from 3 to 65535; its "
            "BgpPeers have no sessions");
  planner_.Upsert(Conf(Leaves(9)));
  EXPECT_EQ(HoldTime(), 9u);
  EXPECT_THAT(Problem("BgpConf") + Problem("BgpPeer"), IsEmpty());
}

TEST_F(PeerTableTest, ABrokenOrMissingGroupStaysAsItWas) {
  planner_.Upsert(Conf(Leaves(9)));
  EXPECT_EQ(HoldTime(), 9u);
  planner_.Upsert(Conf(Leaves(2)));
  EXPECT_EQ(HoldTime(), 9u);
  EXPECT_THAT(Problem("BgpConf"), HasSubstr("2 is not 0 or from 3 to 65535; what it was before"));
  planner_.Upsert(Conf(""));
  EXPECT_EQ(HoldTime(), 9u);
  EXPECT_THAT(Problem("BgpConf"), HasSubstr("spec.peerGroups.leaves: missing, but BgpPeers name"));

  // Also for a controller that starts anew meanwhile, whatever it hears of first.
  for (const bool conf_first : {true, false}) {
    Planner next;
    next.LoadAssignments(planner_.assignments());
    if (conf_first) next.Upsert(Conf(Leaves(2)));
    Fill(&next);
    next.Upsert(Conf(Leaves(2)));
    EXPECT_EQ(HoldTime(&next), 9u);
  }
}

TEST_F(PeerTableTest, WhatNobodyNamesIsForgotten) {
  planner_.Upsert(Conf(Leaves(9)));
  EXPECT_EQ(HoldTime(), 9u);
  planner_.Remove({network::BgpPeer::kKind, "", "leaf1"});
  planner_.Upsert(Conf(""));
  EXPECT_EQ(HoldTime(), 0u);
  planner_.Upsert(Leaf1("leaves"));
  EXPECT_EQ(HoldTime(), 0u);
  for (const Assignment& assignment : planner_.assignments())
    EXPECT_FALSE(PeerTable::IsOurs(assignment));
}

TEST_F(PeerTableTest, APeerThatContradictsItsGroupStaysAsItWas) {
  planner_.Upsert(Conf(Leaves(9)));
  EXPECT_EQ(HoldTime(), 9u);
  const std::string contradicts =
      "{leaves: {conf: {peerAs: 50001}, transport: {updateSource: 'fd00::1'}}}";
  planner_.Upsert(Conf(contradicts));
  EXPECT_EQ(HoldTime(), 9u);
  EXPECT_EQ(Problem("BgpPeer"),
            "with what the peer group \"leaves\" gives, spec.transport.updateSource: \"fd00::1\" "
            "is IPv6, but neighborAddress is IPv4; what was before stays in force");
  planner_.Upsert(Leaf1("gone"));
  EXPECT_EQ(HoldTime(), 9u);
  EXPECT_THAT(Problem("BgpPeer"), HasSubstr("has no \"gone\" that can be used"));
}

TEST_F(PeerTableTest, AnAsMustComeFromSomewhere) {
  planner_.Upsert(Conf("{leaves: {}}"));
  EXPECT_EQ(HoldTime(), 0u);
  bool said = false;
  for (const plan::Problem& problem : planner_.Problems())
    said |= problem.reason == "NoAs" && problem.about.name == "leaf1";
  EXPECT_TRUE(said);
}

}  // namespace
}  // namespace openelb::plan

// Weights of next hops: from ready endpoints and the operator's word, where a router is told them.

#include <gmock/gmock.h>

#include "api/network/v1alpha2/names.h"
#include "controller/plan/announce.h"
#include "controller/plan/test_world.h"

namespace openelb::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class WeightTest : public ::testing::Test {
 protected:
  WeightTest() {
    FillDocumentedTopology(&planner_);
    PutEndpoints({"master1", "worker1", "worker1", "worker1", "worker-p002"});
    planner_.Upsert(MakeService("web", kube::TrafficPolicy::kLocal));
    planner_.Step();
  }

  void PutEndpoints(const std::vector<std::string>& nodes) {
    planner_.Upsert(MakeSlice("web", nodes));
  }
  void Tell(bool weights) {
    network::BgpPeer peer = MakePeer("leaf1", "192.168.0.2", 50001);
    peer.link_bandwidth = weights;
    planner_.Upsert(peer);
  }
  void PutWeight(const std::string& text) {
    kube::Node node = MakeNode("worker1", "192.168.0.4");
    if (!text.empty()) node.meta.annotations[network::kWeight] = text;
    planner_.Upsert(node);
  }
  // What leaf1 is told of master1 and worker1.
  std::vector<uint32_t> Weights() {
    planner_.Step();
    const auto peers = Announcements(planner_, "master1", true);
    const AnnouncedRoute& route = peers.at(*IpAddress::Parse("192.168.0.2")).routes.at(0);
    EXPECT_THAT(route.next_hops, ::testing::SizeIs(2));
    return route.weights;
  }

  Planner planner_;
};

TEST_F(WeightTest, NobodyIsToldUnlessAskedFor) {
  EXPECT_THAT(Weights(), IsEmpty());
  PutEndpoints({"master1", "worker1", "worker-p002"});
  EXPECT_TRUE(planner_.Step().empty()) << "how many endpoints there are concerns nobody";
}

TEST_F(WeightTest, LocalCountsReadyEndpoints) {
  Tell(true);
  EXPECT_THAT(Weights(), ElementsAre(1, 3));
  PutEndpoints({"master1", "master1", "worker1", "worker-p002"});
  EXPECT_THAT(Weights(), ElementsAre(2, 1));
  kube::EndpointSlice slice = MakeSlice("web", {"master1", "master1", "worker1"});
  slice.endpoints[0].ready = false;
  planner_.Upsert(slice);
  EXPECT_THAT(Weights(), ElementsAre(1, 1));
  Tell(false);
  EXPECT_THAT(Weights(), IsEmpty());
}

TEST_F(WeightTest, ClusterCountsNodesAlike) {
  Tell(true);
  planner_.Upsert(MakeService("web"));
  EXPECT_THAT(Weights(), ElementsAre(1, 1));
}

TEST_F(WeightTest, TheOperatorsWordMultiplies) {
  Tell(true);
  PutWeight("2");
  EXPECT_THAT(Weights(), ElementsAre(1, 6));
  planner_.Upsert(MakeService("web"));
  EXPECT_THAT(Weights(), ElementsAre(1, 2));
  PutWeight("");
  EXPECT_THAT(Weights(), ElementsAre(1, 1));
}

TEST_F(WeightTest, WhatIsNoWeightIsNamedAndCountsAsOne) {
  Tell(true);
  for (const char* text : {"0", "1001", "-1", "heavy", "1.5"}) {
    PutWeight(text);
    EXPECT_THAT(Weights(), ElementsAre(1, 3)) << text;
    EXPECT_THAT(planner_.Problems(), Contains(Field(&Problem::message, HasSubstr(text))));
  }
  PutWeight("1000");
  EXPECT_THAT(Weights(), ElementsAre(1, 3000));
  EXPECT_THAT(planner_.Problems(), Not(Contains(Field(&Problem::reason, "BadWeight"))));
}

}  // namespace
}  // namespace openelb::plan

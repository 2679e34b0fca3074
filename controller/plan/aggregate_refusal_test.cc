// Aggregates of addresses that only some nodes serve: which next hops they have, and when the host
// routes go in their place.

#include <gmock/gmock.h>

#include "api/network/v1alpha2/names.h"
#include "controller/plan/aggregate_world.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(AggregateTest, HasTheNextHopsThatServeAllOfIt) {
  PutPool(24);
  PutLocal("a", "2", {"n1", "n2"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12"));
  PutLocal("b", "3", {"n2", "n3"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 12"));
  Put("c", "4", {"n1"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 12"));
  Delete("a");
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 12 13"));
  Delete("b");
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12 13"));
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(AggregateTest, IsRefusedWhereNoNodeServesAllOfIt) {
  PutPool(24);
  PutLocal("a", "2", {"n1"});
  Put("c", "4", {"n1"});
  Routes();
  PutLocal("b", "3", {"n2"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.2/32 via 11", "172.22.0.3/32 via 12",
                                    "172.22.0.4/32 via 11 12 13"));
  const std::string refusal =
      "AggregateRefused: aggregate 172.22.0.0/24 is not announced, and its addresses have host "
      "routes: no node serves all of its 3 served addresses; not every node serves 172.22.0.2 "
      "(default/a), 172.22.0.3 (default/b)";
  EXPECT_THAT(Problems(), ElementsAre(refusal));
  PutPool(24, /*host_routes=*/true);
  EXPECT_THAT(Problems(), ElementsAre(refusal));
  PutPool(24);
  planner_.Upsert(MakeSlice("b", {"n1"}));
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11"));
  EXPECT_TRUE(change_.problems);
  EXPECT_THAT(Problems(), IsEmpty());
}

// n4 is under a router of its own: what it alone serves there must not be lost.
TEST_F(AggregateTest, IsRefusedWhereARouterWouldLoseARoute) {
  const auto label = [&](const std::string& node, const std::string& ip, const char* rack) {
    planner_.Upsert(MakeNode(node, ip, {{"openelb.kubesphere.io/rack", rack}}));
  };
  for (int i = 1; i <= 3; ++i) label(absl::StrCat("n", i), absl::StrCat("10.0.0.1", i), "r1");
  label("n4", "10.0.1.14", "r2");
  planner_.Upsert(MakePeer("leaf", "10.0.0.1", 50001, {{"openelb.kubesphere.io/rack", "r1"}}));
  planner_.Upsert(MakePeer("leaf2", "10.0.1.1", 50002, {{"openelb.kubesphere.io/rack", "r2"}}));
  planner_.SetFact(MakeSpeaker("n4"));
  planner_.SetFact(MakePrefixes("n4", {"eth0 10.0.1.14/24"}));
  PutPool(24);
  PutLocal("a", "2", {"n1", "n4"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11"));
  EXPECT_THAT(Routes("n4"), ElementsAre("172.22.0.0/24 via 14"));
  PutLocal("b", "3", {"n1"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.2/32 via 11", "172.22.0.3/32 via 11"));
  EXPECT_THAT(Routes("n4"), ElementsAre("172.22.0.2/32 via 14"));
  EXPECT_THAT(Problems(),
              ElementsAre("AggregateRefused: aggregate 172.22.0.0/24 is not announced, and its "
                          "addresses have host routes: none of the next hops in rack \"r2\" serves "
                          "all of its 2 served addresses; not every node serves 172.22.0.2 "
                          "(default/a), 172.22.0.3 (default/b)"));
  // Beside host routes nothing is lost.
  PutPool(24, /*host_routes=*/true);
  EXPECT_THAT(Routes(),
              ElementsAre("172.22.0.0/24 via 11", "172.22.0.2/32 via 11", "172.22.0.3/32 via 11"));
  EXPECT_THAT(Routes("n4"), ElementsAre("172.22.0.2/32 via 14"));
  PutPool(24);
  Routes();
  // Without the session there is no router that could lose it.
  planner_.Remove({network::BgpPeer::kKind, "", "leaf2"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11"));
  planner_.Upsert(MakePeer("leaf2", "10.0.1.1", 50002, {{"openelb.kubesphere.io/rack", "r2"}}));
  EXPECT_THAT(Routes("n4"), ElementsAre("172.22.0.2/32 via 14"));
  // Nor where the node does not serve.
  kube::Node node = MakeNode("n4", "10.0.1.14", {{"openelb.kubesphere.io/rack", "r2"}});
  node.ready = kube::ConditionStatus::kFalse;
  planner_.Upsert(node);
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11"));
}

TEST_F(AggregateTest, FollowsTheHealthOfNodes) {
  PutPool(24);
  PutLocal("a", "2", {"n1", "n2"});
  Put("c", "4", {"n3"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12"));
  kube::Node node = MakeNode("n2", "10.0.0.12");
  node.ready = kube::ConditionStatus::kUnknown;
  planner_.Upsert(node);
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11"));
  // The last resort of one address is none that serves the other.
  planner_.Upsert(MakeSlice("a", {"n2"}));
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.2/32 via 12", "172.22.0.4/32 via 11 13"));
  Delete("c");
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 12"));
}

TEST_F(AggregateTest, WeighsNodesByAllEndpoints) {
  network::BgpPeer peer = MakePeer("leaf", "10.0.0.1", 50001);
  peer.link_bandwidth = true;
  planner_.Upsert(peer);
  PutPool(24);
  PutLocal("a", "2", {"n1", "n1", "n2"});
  PutLocal("b", "3", {"n1", "n2", "n2", "n2"});
  Put("c", "4", {"n3"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11 12"));
  const auto peers = Announcements(planner_, "n1", true);
  EXPECT_THAT(peers.begin()->second.routes.at(0).weights, ElementsAre(3u, 4u));
}

TEST_F(AggregateTest, NamesAFewOfManyRefusals) {
  PutPool(28);
  for (int i = 0; i < 8; ++i) {
    PutLocal(absl::StrCat("a", i), absl::StrCat(i * 16), {"n1"});
    PutLocal(absl::StrCat("b", i), absl::StrCat(i * 16 + 1), {"n2"});
  }
  const std::vector<std::string> problems = Problems();
  ASSERT_EQ(problems.size(), 6u);
  EXPECT_EQ(problems.back(), "AggregateRefused: and 3 more aggregates");
}

// As above; n1 serves all of it under its router, and is to be drained.
TEST_F(AggregateTest, ANextHopThatIsToBeDrainedIsNothingToRelyOn) {
  const auto put = [&](const std::string& node, const std::string& ip, const char* rack,
                       bool drain = false) {
    kube::Node object = MakeNode(node, ip, {{"openelb.kubesphere.io/rack", rack}});
    if (drain) object.meta.annotations[network::kDrain] = "true";
    planner_.Upsert(object);
  };
  for (int i = 1; i <= 3; ++i) put(absl::StrCat("n", i), absl::StrCat("10.0.0.1", i), "r1");
  put("n4", "10.0.1.14", "r2");
  planner_.Upsert(MakePeer("leaf", "10.0.0.1", 50001, {{"openelb.kubesphere.io/rack", "r1"}}));
  planner_.Upsert(MakePeer("leaf2", "10.0.1.1", 50002, {{"openelb.kubesphere.io/rack", "r2"}}));
  planner_.SetFact(MakeSpeaker("n4"));
  planner_.SetFact(MakePrefixes("n4", {"eth0 10.0.1.14/24"}));
  PutPool(24);
  PutLocal("a", "2", {"n1", "n2", "n4"});
  PutLocal("b", "3", {"n1", "n4"});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11"));
  put("n1", "10.0.0.11", "r1", /*drain=*/true);
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.2/32 via 11 12", "172.22.0.3/32 via 11"));
  planner_.SetFact({"n1", kDrainedFact, {"true"}, absl::FromUnixSeconds(9)});
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.2/32 via 12"));
  EXPECT_THAT(Routes("n4"), ElementsAre("172.22.0.2/32 via 14", "172.22.0.3/32 via 14"));
  put("n1", "10.0.0.11", "r1");
  EXPECT_THAT(Routes(), ElementsAre("172.22.0.0/24 via 11"));
}

}  // namespace
}  // namespace openelb::plan

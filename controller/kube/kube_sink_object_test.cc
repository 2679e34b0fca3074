#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/codec/encode.h"
#include "api/codec/write.h"
#include "api/network/v1alpha2/names.h"
#include "controller/kube/sink_test_world.h"

namespace openelb::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

network::EipStatus EipWith(std::map<std::string, std::string> used) {
  network::EipStatus status{.first_ip = "10.0.0.0",
                            .last_ip = "10.0.0.255",
                            .pool_size = "256",
                            .v4 = true,
                            .used = std::move(used),
                            .ready = true};
  status.usage = static_cast<int64_t>(status.used.size());
  status.conditions = {{.type = "Ready",
                        .status = true,
                        .reason = "Usable",
                        .last_transition_time = absl::FromUnixSeconds(1767225600)}};
  return status;
}

class KubeSinkObjectTest : public ::testing::Test {
 protected:
  KubeSinkObjectTest() {
    world_.server().Put(R"({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip",
                            "metadata": {"name": "pool"}, "spec": {"address": "10.0.0.0/24"}})");
    world_.server().Put(R"({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "BgpPeer",
                            "metadata": {"name": "leaf"}, "spec": {"conf": {"peerAs": 1}}})");
    world_.RunFor(absl::Milliseconds(10));
  }
  std::string EipJson() const { return codec::ToJson(world_.Status("eips", "pool")); }

  SinkTestWorld world_;
};

TEST_F(KubeSinkObjectTest, FinalizerWhileInUseAndStatusAsEncoded) {
  world_.sink().WriteEip("pool", EipWith({{"10.0.0.1", "default/a"}}));
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(EipJson(), codec::ToJson(codec::EncodeEipStatus(EipWith({{"10.0.0.1", "default/a"}}))));
  EXPECT_EQ(world_.Finalizers("eips", "pool"), network::kEipFinalizer);
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch eips pool", "patch eips/status pool"));
  world_.sink().WriteEip("pool", EipWith({}));
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Finalizers("eips", "pool"), "");
}

TEST_F(KubeSinkObjectTest, KeysThatGoReallyGoAndPatchesAreSmall) {
  std::map<std::string, std::string> used;
  for (int i = 0; i < 200; ++i) used[absl::StrCat("10.0.0.", i)] = absl::StrCat("default/s", i);
  world_.sink().WriteEip("pool", EipWith(used));
  world_.RunFor(absl::Seconds(1));
  used.erase("10.0.0.7");
  world_.sink().WriteEip("pool", EipWith(used));
  world_.RunFor(absl::Seconds(1));
  EXPECT_THAT(EipJson(), Not(HasSubstr("10.0.0.7\"")));
  EXPECT_LE(world_.server().log().back().body.size(), 300u);
}

// Also what OpenELB wrote and we do not know goes.
TEST_F(KubeSinkObjectTest, StatusIsOursWhole) {
  world_.server().Patch("eips", "", "pool", R"({"status": {"old": {"field": 1}}})");
  world_.sink().WriteEip("pool", EipWith({}));
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(EipJson(), codec::ToJson(codec::EncodeEipStatus(EipWith({}))));
}

TEST_F(KubeSinkObjectTest, UnchangedAfterRestartCostsNothing) {
  world_.sink().WriteEip("pool", EipWith({{"10.0.0.1", "default/a"}}));
  world_.RunFor(absl::Seconds(1));
  world_.TakeWrites();
  world_.Restart();
  network::EipStatus again = EipWith({{"10.0.0.1", "default/a"}});
  again.conditions[0].last_transition_time = world_.scheduler().Wall();
  world_.sink().WriteEip("pool", again);
  world_.RunFor(absl::Minutes(1));
  EXPECT_THAT(world_.TakeWrites(), IsEmpty());
}

TEST_F(KubeSinkObjectTest, EipInUseStaysUntilItIsNot) {
  world_.sink().WriteEip("pool", EipWith({{"10.0.0.1", "default/a"}}));
  world_.RunFor(absl::Seconds(1));
  world_.server().Remove("eips", "", "pool");
  network::EipStatus deleting = EipWith({{"10.0.0.1", "default/a"}});
  deleting.conditions[0].reason = "Deleting";
  world_.sink().WriteEip("pool", deleting);
  world_.RunFor(absl::Minutes(1));
  EXPECT_THAT(EipJson(), HasSubstr("Deleting"));  // says why
  world_.sink().WriteEip("pool", EipWith({}));
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Finalizers("eips", "pool"), "gone");
}

TEST_F(KubeSinkObjectTest, DeletionOfAPeerWaitsForNothing) {
  network::BgpPeerStatus status{.established = 1, .expected = 1};
  status.nodes["n1"] = {.neighbor_address = "192.168.0.1", .session_state = "ESTABLISHED"};
  world_.sink().WriteBgpPeer("leaf", status);
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Finalizers("bgppeers", "leaf"), network::kServiceFinalizer);
  world_.server().Remove("bgppeers", "", "leaf");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Finalizers("bgppeers", "leaf"), "gone");
}

TEST_F(KubeSinkObjectTest, FinalizersOfAnEarlierInstallationGo) {
  world_.server().Patch(
      "bgppeers", "", "leaf",
      absl::StrCat(R"({"metadata": {"finalizers": [")", network::kServiceFinalizer, R"("]}})"));
  world_.RunFor(absl::Milliseconds(10));
  world_.sink().WriteBgpPeer("leaf", {});
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Finalizers("bgppeers", "leaf"), "");
}

TEST_F(KubeSinkObjectTest, FinalizerTakenAwayByHandComesBack) {
  world_.sink().WriteEip("pool", EipWith({{"10.0.0.1", "default/a"}}));
  world_.RunFor(absl::Seconds(1));
  world_.server().Patch("eips", "", "pool", R"({"metadata": {"finalizers": null}})");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Finalizers("eips", "pool"), network::kEipFinalizer);
}

// A large status is under way while many more follow: two calls at most, the last state stands.
TEST_F(KubeSinkObjectTest, LatestStateWins) {
  world_.sink().WriteEip("pool", EipWith({{"10.0.0.1", "default/a"}}));
  world_.RunFor(absl::Seconds(1));
  world_.TakeWrites();
  for (int i = 0; i < 100; ++i) {
    world_.sink().WriteEip("pool", EipWith({{absl::StrCat("10.0.0.", i), "default/a"}}));
    world_.sink().Turn();
  }
  world_.RunFor(absl::Seconds(1));
  EXPECT_THAT(EipJson(), HasSubstr(R"({"10.0.0.99":"default/a"})"));
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch eips/status pool", "patch eips/status pool"));
}

}  // namespace
}  // namespace openelb::kube

#include "controller/kube/kube_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/kube/source_rig.h"

namespace openelb::kube {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(KubeSource, SendsEverythingOnceThenSaysSo) {
  SourceRig rig;
  rig.PutService("web");
  rig.server.Put("{apiVersion: v1, kind: Node, metadata: {name: n1}}");
  rig.server.Put(
      "{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, metadata: {name: pool}, "
      "spec: {address: 192.0.2.0/24}}");
  rig.Start();
  EXPECT_EQ(rig.told.synced, 1);
  EXPECT_THAT(rig.told.Keys(),
              ElementsAre("Eip/pool", "Namespace/default", "Namespace/kube-system",
                          "Namespace/openelb-system", "Node/n1", "Service/default/web"));
  EXPECT_EQ(rig.told.events, 6u);
  EXPECT_THAT(rig.told.away, IsEmpty());
  const Service* web = rig.told.FindService("web");
  ASSERT_NE(web, nullptr);
  EXPECT_FALSE(web->meta.resource_version.empty());
  EXPECT_FALSE(web->meta.uid.empty());
}

TEST(KubeSource, SendsWhatChanges) {
  SourceRig rig;
  rig.PutService("web");
  rig.Start();
  rig.PutService("db");
  rig.server.Patch("services", "default", "web", R"({"metadata":{"labels":{"a":"b"}}})");
  rig.RunFor(absl::Milliseconds(10));
  EXPECT_NE(rig.told.FindService("db"), nullptr);
  EXPECT_EQ(rig.told.FindService("web")->meta.labels.at("a"), "b");
  rig.server.Remove("services", "default", "web");
  rig.RunFor(absl::Milliseconds(10));
  EXPECT_THAT(rig.told.deleted, ElementsAre("Service/default/web"));
  EXPECT_EQ(rig.Lists(), 8u);
}

}  // namespace
}  // namespace openelb::kube

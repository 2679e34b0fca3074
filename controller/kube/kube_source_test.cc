#include "controller/kube/kube_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "controller/kube/source_rig.h"

namespace openelb::kube {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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
  EXPECT_EQ(rig.Lists(), 9u);
}

TEST(KubeSource, IsNotSyncedBeforeEveryListIsComplete) {
  SourceRig rig;
  rig.PutService("web");
  rig.Inject({.kind = fake::Fault::Kind::kHang, .resource = "bgppeers", .count = -1});
  rig.Start();
  rig.RunFor(absl::Minutes(2));
  EXPECT_NE(rig.told.FindService("web"), nullptr);
  EXPECT_EQ(rig.told.synced, 0);
  EXPECT_THAT(rig.told.away, ElementsAre(HasSubstr("bgppeers.network.kubesphere.io")));
  rig.transport.ClearFaults();
  rig.RunFor(absl::Seconds(20));
  EXPECT_EQ(rig.told.synced, 1);
  EXPECT_EQ(rig.told.back, 1);
}

TEST(KubeSource, ReadsTheSpeakersDaemonSetAlone) {
  SourceRig rig;
  for (const char* name : {"openelb-speaker", "other"}) {
    for (const char* ns : {"openelb-system", "default"}) {
      rig.server.Put(absl::StrCat("{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: ", name,
                                  ", namespace: ", ns, "}, spec: {template: {spec: {}}}}"));
    }
  }
  rig.Start();
  EXPECT_THAT(rig.told.Keys(), Contains("DaemonSet/openelb-system/openelb-speaker"));
  EXPECT_EQ(rig.Counters("daemonsets.apps").objects, 1u);
}

TEST(KubeSource, SendsNothingForChangesThatNobodyReads) {
  SourceRig rig;
  rig.PutService("cluster", "ClusterIP");
  rig.server.Put(R"(
apiVersion: v1
kind: Node
metadata: {name: n1}
status:
  addresses: [{type: InternalIP, address: 192.0.2.1}]
  conditions: [{type: Ready, status: "True", lastHeartbeatTime: "2026-01-01T00:00:00Z"}]
  images: [{names: [a], sizeBytes: 1}]
)");
  rig.server.Put(R"(
apiVersion: network.kubesphere.io/v1alpha2
kind: Eip
metadata: {name: pool}
spec: {address: 192.0.2.0/24}
)");
  rig.server.Put(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}]
)");
  rig.Start();
  const size_t before = rig.told.events;
  rig.server.Patch("nodes", "", "n1", R"({"status":{"images":[],"conditions":[
      {"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-01T00:00:10Z"}]}})");
  rig.server.Patch("eips", "", "pool", R"({"status":{"usage":3}})");
  rig.server.Patch("endpointslices", "default", "web-1", R"({"metadata":{"annotations":{
      "endpoints.kubernetes.io/last-change-trigger-time":"2026-01-01T00:00:10Z"}}})");
  // As Kubernetes does when the Service gets a label.
  rig.server.Patch("endpointslices", "default", "web-1", R"({"metadata":{"labels":{"a":"b"}}})");
  rig.server.Patch("services", "default", "cluster", R"({"metadata":{"labels":{"a":"b"}}})");
  rig.RunFor(absl::Seconds(1));
  EXPECT_EQ(rig.told.events, before);

  rig.server.Patch("nodes", "", "n1",
                   R"({"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}})");
  rig.server.Patch("eips", "", "pool", R"({"spec":{"disable":true}})");
  rig.server.Patch("endpointslices", "default", "web-1",
                   R"({"endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":false}}]})");
  rig.RunFor(absl::Seconds(1));
  EXPECT_EQ(rig.told.events, before + 3);
}

TEST(KubeSource, FollowsAServiceFromTheFirstTimeItIsOursToItsEnd) {
  SourceRig rig;
  rig.PutService("web", "ClusterIP");
  rig.PutService("left", "ClusterIP");
  rig.server.Patch("services", "default", "left",
                   R"({"metadata":{"finalizers":["finalizer.lb.kubesphere.io/v1alpha1"]}})");
  rig.Start();
  EXPECT_EQ(rig.told.FindService("web"), nullptr);
  EXPECT_NE(rig.told.FindService("left"), nullptr);  // we have yet to clear up behind us

  rig.server.Patch("services", "default", "web", R"({"spec":{"type":"LoadBalancer"}})");
  rig.RunFor(absl::Seconds(1));
  ASSERT_NE(rig.told.FindService("web"), nullptr);
  rig.server.Patch("services", "default", "web", R"({"spec":{"type":"ClusterIP"}})");
  rig.RunFor(absl::Seconds(1));
  EXPECT_EQ(rig.told.FindService("web")->type, "ClusterIP");
  rig.server.Remove("services", "default", "web");
  rig.RunFor(absl::Seconds(1));
  EXPECT_THAT(rig.told.deleted, ElementsAre("Service/default/web"));
}

TEST(KubeSource, AnObjectThatCannotBeReadKeepsItsLastGoodState) {
  SourceRig rig;
  const auto put = [&](const std::string& address) {
    rig.server.Put(
        absl::StrCat("{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, "
                     "metadata: {name: pool}, spec: {address: ",
                     address, "}}"));
    rig.RunFor(absl::Seconds(1));
  };
  put("192.0.2.0/24");
  rig.PutService("web");
  rig.Start();
  const size_t before = rig.told.events;
  put("nonsense");
  ASSERT_THAT(rig.refused, SizeIs(1));
  EXPECT_EQ(rig.refused[0].key.ToString(), "Eip/pool");
  EXPECT_FALSE(rig.refused[0].uid.empty());
  EXPECT_THAT(rig.refused[0].error, AllOf(HasSubstr("spec.address"), HasSubstr("nonsense")));
  EXPECT_THAT(rig.told.Keys(), Contains("Eip/pool"));
  EXPECT_EQ(rig.told.events, before);
  // Only that object: others go on, and a new list does not complain again.
  rig.PutService("db");
  rig.source.RequestFresh([] {});
  rig.RunFor(absl::Seconds(1));
  EXPECT_NE(rig.told.FindService("db"), nullptr);
  EXPECT_THAT(rig.refused, SizeIs(1));
  EXPECT_EQ(rig.Counters("eips.network.kubesphere.io").informer.refused, 1u);

  put("198.51.100.0/24");
  EXPECT_EQ(rig.told.events, before + 2);
  rig.server.Remove("eips", "", "pool");
  rig.RunFor(absl::Seconds(1));
  EXPECT_THAT(rig.told.deleted, ElementsAre("Eip/pool"));
}

TEST(KubeSource, CallsNobodyWhenItIsGone) {
  Scheduler scheduler;
  fake::Server server(&scheduler);
  FakeTransport transport(&server, &scheduler);
  SeededRandom random(1);
  NullLogSink log;
  Told told;
  {
    KubeSource source({}, {.transport = &transport,
                           .clock = &scheduler,
                           .random = &random,
                           .log = &log,
                           .on_refused = {}});
    source.Start(&told);
    source.Turn();
    scheduler.RunFor(absl::Microseconds(500));
    EXPECT_EQ(transport.open(), 9u);
  }
  scheduler.RunFor(absl::Minutes(1));
  EXPECT_EQ(told.events, 0u);
  EXPECT_EQ(transport.open(), 0u);
}

}  // namespace
}  // namespace openelb::kube

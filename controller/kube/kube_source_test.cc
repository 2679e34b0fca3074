#include "controller/kube/kube_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "controller/kube/source_rig.h"

namespace openelb::kube {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
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
  EXPECT_EQ(rig.Lists(), kResources);
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
kind: Service
metadata: {name: web, namespace: default, annotations: {lb.kubesphere.io/v1alpha1: openelb}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
)");
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

// Services and their slices.
class SourceSlices : public ::testing::Test {
 protected:
  void PutService(const std::string& name, bool ours) {
    rig_.server.Put(absl::StrCat("{apiVersion: v1, kind: Service, metadata: {name: ", name,
                                 ", namespace: default",
                                 ours ? ", annotations: {lb.kubesphere.io/v1alpha1: openelb}" : "",
                                 "}, spec: {type: LoadBalancer, ports: [{port: 80}]}}"));
  }
  void PutSlice(const std::string& service, bool ready = true, const std::string& suffix = "-1") {
    rig_.server.Put(absl::StrCat(
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: ", service, suffix,
        ", namespace: default, labels: {kubernetes.io/service-name: ", service,
        "}}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1], nodeName: n1, conditions: "
        "{ready: ",
        ready ? "true" : "false", "}}]}"));
  }
  void Annotate(const std::string& name, const std::string& value) {
    rig_.server.Patch(
        "services", "default", name,
        absl::StrCat(R"({"metadata":{"annotations":{"lb.kubesphere.io/v1alpha1":)", value, "}}}"));
    rig_.RunFor(absl::Milliseconds(10));
  }
  // "web-1 ready web-2", in order.
  std::string Slices() const {
    std::string slices;
    for (const auto& [key, object] : rig_.told.objects) {
      const auto* slice = std::get_if<EndpointSlice>(&object);
      if (slice == nullptr) continue;
      absl::StrAppend(&slices, slices.empty() ? "" : " ", slice->meta.name,
                      slice->endpoints.at(0).IsReady() ? " ready" : "");
    }
    return slices;
  }

  SourceRig rig_;
};

TEST_F(SourceSlices, OfForeignServicesAreNoEvents) {
  for (int i = 0; i < 1000; ++i) {
    if (i % 2 == 0) PutService(absl::StrCat("foreign", i), /*ours=*/false);
    PutSlice(absl::StrCat("foreign", i));
  }
  rig_.Start();
  ASSERT_EQ(rig_.told.synced, 1);
  EXPECT_EQ(rig_.told.events, 500u + 3);  // Services and Namespaces
  const size_t before = rig_.told.events;
  for (int i = 0; i < 1000; ++i) PutSlice(absl::StrCat("foreign", i), /*ready=*/false);
  rig_.server.Remove("endpointslices", "default", "foreign7-1");
  rig_.RunFor(absl::Seconds(1));
  EXPECT_EQ(rig_.told.events, before);
  EXPECT_EQ(rig_.Counters("endpointslices.discovery.k8s.io").objects, 999u);
}

TEST_F(SourceSlices, FollowTheirServiceWhenItBecomesOurs) {
  PutService("web", /*ours=*/false);
  PutSlice("web");
  PutSlice("web", true, "-2");
  PutSlice("other");
  rig_.Start();
  EXPECT_EQ(Slices(), "");
  PutSlice("web", /*ready=*/false);
  rig_.RunFor(absl::Milliseconds(10));
  Annotate("web", "\"openelb\"");
  EXPECT_EQ(Slices(), "web-1 web-2 ready");
  PutSlice("web");
  rig_.RunFor(absl::Milliseconds(10));
  EXPECT_EQ(Slices(), "web-1 ready web-2 ready");
  Annotate("web", "null");
  EXPECT_EQ(Slices(), "");
  EXPECT_THAT(rig_.told.deleted,
              ElementsAre("EndpointSlice/default/web-1", "EndpointSlice/default/web-2"));
  // What happened in between counts when it is ours again, though the server cannot be asked.
  PutSlice("web", false);
  rig_.RunFor(absl::Milliseconds(10));
  rig_.Inject({.kind = fake::Fault::Kind::kHang, .resource = "endpointslices", .count = -1});
  Annotate("web", "\"openelb\"");
  EXPECT_EQ(Slices(), "web-1 web-2 ready");
  EXPECT_EQ(rig_.Lists(), kResources);
}

TEST_F(SourceSlices, MayComeBeforeTheirService) {
  PutSlice("web");
  rig_.Start();
  EXPECT_EQ(Slices(), "");
  PutService("web", /*ours=*/true);
  rig_.RunFor(absl::Milliseconds(10));
  EXPECT_EQ(Slices(), "web-1 ready");
}

TEST_F(SourceSlices, OfAServiceThatIsDeletedAndMadeAgain) {
  PutService("web", /*ours=*/true);
  PutSlice("web");
  rig_.Start();
  rig_.server.Remove("services", "default", "web");
  rig_.RunFor(absl::Milliseconds(10));
  EXPECT_EQ(Slices(), "");
  PutService("web", /*ours=*/false);
  PutSlice("web", /*ready=*/false);
  rig_.RunFor(absl::Milliseconds(10));
  EXPECT_EQ(Slices(), "");
  rig_.server.Remove("services", "default", "web");
  PutService("web", /*ours=*/true);
  rig_.RunFor(absl::Milliseconds(10));
  EXPECT_EQ(Slices(), "web-1");
}

TEST_F(SourceSlices, AreSentOnceOverManyLists) {
  PutService("web", /*ours=*/true);
  PutSlice("web");
  PutService("foreign", /*ours=*/false);
  PutSlice("foreign");
  rig_.Start();
  const size_t before = rig_.told.events;
  rig_.source.RequestFresh([] {});
  rig_.RunFor(absl::Seconds(1));
  EXPECT_EQ(rig_.told.events, before);
  // Both change while nothing can be seen.
  rig_.transport.SetReachable(false);
  PutSlice("web", /*ready=*/false);
  PutService("foreign", /*ours=*/true);
  rig_.server.Remove("endpointslices", "default", "foreign-1");
  PutSlice("foreign", true, "-2");
  rig_.server.Compact();
  rig_.RunFor(absl::Seconds(5));
  rig_.transport.SetReachable(true);
  rig_.RunFor(absl::Seconds(5));
  EXPECT_EQ(Slices(), "foreign-2 ready web-1");
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
  const ObjectKey pool{"Eip", "", "pool"};
  ASSERT_THAT(rig.told.refused, ElementsAre(Pair(pool, _)));
  EXPECT_THAT(rig.told.refused[pool].why, AllOf(HasSubstr("spec.address"), HasSubstr("nonsense")));
  EXPECT_EQ(rig.told.refused[pool].generation, 2);
  EXPECT_THAT(rig.told.Keys(), Contains("Eip/pool"));
  EXPECT_EQ(rig.told.events, before + 1);
  // Only that object: others go on, and a new list does not complain again.
  rig.PutService("db");
  rig.source.RequestFresh([] {});
  rig.RunFor(absl::Seconds(1));
  EXPECT_NE(rig.told.FindService("db"), nullptr);
  EXPECT_THAT(rig.told.refused, SizeIs(1));
  EXPECT_EQ(rig.Counters("eips.network.kubesphere.io").informer.refused, 1u);

  put("198.51.100.0/24");
  EXPECT_EQ(rig.told.events, before + 3);
  EXPECT_THAT(rig.told.refused, IsEmpty());
  // What is refused is deleted like any other, and so is what never was good.
  put("nonsense");
  rig.server.Remove("eips", "", "pool");
  rig.RunFor(absl::Seconds(1));
  EXPECT_THAT(rig.told.deleted, ElementsAre("Eip/pool"));
  EXPECT_THAT(rig.told.refused, IsEmpty());
  put("rubbish");
  EXPECT_THAT(rig.told.refused, ElementsAre(Pair(pool, _)));
  rig.server.Remove("eips", "", "pool");
  rig.RunFor(absl::Seconds(1));
  EXPECT_THAT(rig.told.deleted, ElementsAre("Eip/pool", "Eip/pool"));
  EXPECT_THAT(rig.told.refused, IsEmpty());
}

TEST(KubeSource, CallsNobodyWhenItIsGone) {
  Scheduler scheduler;
  fake::Server server(&scheduler);
  FakeTransport transport(&server, &scheduler);
  SeededRandom random(1);
  NullLogSink log;
  Told told;
  {
    KubeSource source(
        {}, {.transport = &transport, .clock = &scheduler, .random = &random, .log = &log});
    source.Start(&told);
    source.Turn();
    scheduler.RunFor(absl::Microseconds(500));
    EXPECT_EQ(transport.open(), kResources);
  }
  scheduler.RunFor(absl::Minutes(1));
  EXPECT_EQ(told.events, 0u);
  EXPECT_EQ(transport.open(), 0u);
}

}  // namespace
}  // namespace openelb::kube

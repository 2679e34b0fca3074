// What is special to Services, Leases, Events, Nodes and reviews.

#include "absl/strings/str_cat.h"
#include "controller/kube/testing/contract/contract.h"
#include "controller/kube/testing/value_at.h"
#include "gmock/gmock.h"

namespace openelb::kube::contract {
namespace {

using codec::Value;
using fake::IsGivenAt;
using fake::TextAt;
using fake::ValueAt;
using ::testing::HasSubstr;

constexpr absl::string_view kBalanced =
    "{metadata: {name: web}, spec: {type: LoadBalancer, ports: [{port: 80}]}}";

// Null when there is none.
Value IngressOf(const Answer& service) {
  const Value* ingress = ValueAt(service.body, {"status", "loadBalancer", "ingress"});
  return ingress == nullptr ? Value() : *ingress;
}

TEST_F(ContractTest, AServiceIsFilledIn) {
  const Answer made = Post(Services(), kBalanced);
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_TRUE(IsGivenAt(made.body, {"spec", "clusterIP"}));
  EXPECT_EQ(TextAt(made.body, {"spec", "externalTrafficPolicy"}), "Cluster");
  EXPECT_EQ(*ValueAt(made.body, {"spec", "ipFamilies"}), Value(Value::List{"IPv4"}));
  const Value& port = ValueAt(made.body, {"spec", "ports"})->list()->at(0);
  EXPECT_EQ(TextAt(port, {"protocol"}), "TCP");
  EXPECT_NE(port.Find("nodePort"), nullptr);
  EXPECT_TRUE(IngressOf(made).IsNull());
}

TEST_F(ContractTest, AnIngressAddressIsAVipUnlessItSaysOtherwise) {
  Post(Services(), kBalanced);
  const auto ingress = [&](absl::string_view entry) {
    return Merge(Services() + "/web/status",
                 absl::StrCat("{status: {loadBalancer: {ingress: [", entry, "]}}}"));
  };
  const Value vip(Value::List{Value::Map{{"ip", "192.0.2.1"}, {"ipMode", "VIP"}}});
  EXPECT_EQ(IngressOf(ingress("{ip: 192.0.2.1}")), vip);
  EXPECT_EQ(IngressOf(ingress("{ip: 192.0.2.1, ipMode: VIP}")), vip);
  EXPECT_EQ(IngressOf(Get(Services() + "/web")), vip);
  EXPECT_EQ(
      TextAt(IngressOf(ingress("{ip: '2001:db8::1', ipMode: Proxy}")).list()->at(0), {"ipMode"}),
      "Proxy");
  const struct {
    const char* entry;
    const char* message;
  } kBad[] = {
      {"{ip: 192.0.2.x}", "ingress[0].ip: Invalid value"},
      {"{ip: 192.0.2.1, ipMode: Other}", "supported values: \"Proxy\", \"VIP\""},
      {"{hostname: h, ipMode: VIP}", "may not be specified when `ip` is not set"},
  };
  for (const auto& bad : kBad) {
    const Answer refused = ingress(bad.entry);
    EXPECT_EQ(refused.status, 422) << bad.entry;
    EXPECT_THAT(refused.message(), HasSubstr(bad.message));
  }
  EXPECT_TRUE(
      IngressOf(Merge(Services() + "/web/status", "{status: {loadBalancer: {ingress: null}}}"))
          .IsNull());
}

TEST_F(ContractTest, OneWriteOfAServicesStatusTakesLabelsAndFinalizersToo) {
  Post(Services(), kBalanced);
  const Answer written =
      Merge(Services() + "/web/status",
            "{metadata: {labels: {x: v}, finalizers: [e.x/a]}, spec: {externalTrafficPolicy: "
            "Local}, status: "
            "{loadBalancer: {ingress: [{ip: 192.0.2.1}]}, conditions: [{type: T, status: 'True', "
            "reason: R, message: m, lastTransitionTime: '2026-01-01T00:00:00Z'}]}}");
  ASSERT_EQ(written.status, 200) << written.text;
  const Answer service = Get(Services() + "/web");
  EXPECT_EQ(TextAt(service.body, {"metadata", "labels", "x"}), "v");
  EXPECT_TRUE(IsGivenAt(service.body, {"metadata", "finalizers"}));
  EXPECT_EQ(TextAt(service.body, {"spec", "externalTrafficPolicy"}), "Cluster");
  EXPECT_TRUE(IsGivenAt(service.body, {"status", "conditions"}));
  EXPECT_FALSE(IngressOf(service).IsNull());
  // And one through the object itself leaves the status alone.
  const Answer main =
      Merge(Services() + "/web", "{metadata: {finalizers: null}, status: {loadBalancer: null}}");
  EXPECT_FALSE(IngressOf(main).IsNull());
}

TEST_F(ContractTest, AServiceThatIsNoLoadBalancerAnyMoreLosesItsIngress) {
  Post(Services(), kBalanced);
  const std::string status = "{status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}";
  Merge(Services() + "/web/status", status);
  const Answer flipped = Merge(Services() + "/web", "{spec: {type: ClusterIP}}");
  ASSERT_EQ(flipped.status, 200) << flipped.text;
  EXPECT_TRUE(IngressOf(flipped).IsNull());
  const Answer refused = Merge(Services() + "/web/status", status);
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(refused.message(), HasSubstr("may only be used when `spec.type` is 'LoadBalancer'"));
  EXPECT_TRUE(IngressOf(Merge(Services() + "/web", "{spec: {type: LoadBalancer}}")).IsNull());
}

TEST_F(ContractTest, AServiceIsDeletedWhenItsFinalizerGoesThroughTheStatus) {
  Post(Services(), kBalanced);
  Merge(Services() + "/web/status", "{metadata: {finalizers: [e.x/a]}}");
  Delete(Services() + "/web");
  EXPECT_EQ(Merge(Services() + "/web/status",
                  "{metadata: {finalizers: null}, status: {loadBalancer: {ingress: null}}}")
                .status,
            200);
  EXPECT_EQ(Get(Services() + "/web").status, 404);
}

TEST_F(ContractTest, ALeaseIsTakenByOneOnly) {
  const std::string spec =
      "leaseDurationSeconds: 15, leaseTransitions: 1, acquireTime: '2026-01-01T00:00:00.000000Z', "
      "renewTime: '2026-01-01T00:00:00.000000Z'";
  const Answer made =
      Post(Leases(), absl::StrCat("{metadata: {name: l}, spec: {holderIdentity: a, ", spec, "}}"));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(TextAt(made.body, {"spec", "renewTime"}), "2026-01-01T00:00:00.000000Z");
  Value first = made.body, second = made.body;
  first["spec"]["holderIdentity"] = "b";
  second["spec"]["holderIdentity"] = "c";
  first["metadata"]["annotations"]["openelb.kubesphere.io/epoch"] = "7";
  EXPECT_EQ(Put(Leases() + "/l", first).status, 200);
  EXPECT_EQ(Put(Leases() + "/l", second).status, 409);
  const Answer lease = Get(Leases() + "/l");
  EXPECT_EQ(TextAt(lease.body, {"spec", "holderIdentity"}), "b");
  EXPECT_EQ(TextAt(lease.body, {"metadata", "annotations", "openelb.kubesphere.io/epoch"}), "7");
  Value blind = lease.body;
  blind["metadata"].map()->erase("resourceVersion");
  EXPECT_EQ(Put(Leases() + "/l", blind).status, 422);
}

TEST_F(ContractTest, AnUpdateBringsADeletedLeaseBackUnlessItNamesItsUid) {
  const Answer made = Post(Leases(), "{metadata: {name: l}, spec: {holderIdentity: a}}");
  Delete(Leases() + "/l");
  EXPECT_EQ(Put(Leases() + "/l", made.body).status, 409);
  Value nameless = made.body;
  nameless["metadata"].map()->erase("uid");
  EXPECT_EQ(Put(Leases() + "/l", nameless).status, 201);
  EXPECT_EQ(Merge(Leases() + "/absent", "{spec: {holderIdentity: a}}").status, 404);
}

TEST_F(ContractTest, TimesOfALeaseHaveMicroseconds) {
  for (const char* time : {"2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"}) {
    const Answer refused =
        Post(Leases(), absl::StrCat("{metadata: {name: l}, spec: {renewTime: '", time, "'}}"));
    EXPECT_EQ(refused.status, 400) << time;
    EXPECT_THAT(refused.message(), HasSubstr("cannot be handled as a Lease")) << time;
  }
}

TEST_F(ContractTest, EventsLiveBesideTheirObject) {
  const std::string events = "/api/v1/namespaces/" + ns_ + "/events";
  const auto event = [](absl::string_view name, absl::string_view about) {
    return absl::StrCat("{metadata: {name: ", name, "}, involvedObject: {kind: Service, name: web",
                        about,
                        "}, reason: R, message: m, type: Normal, count: 1, firstTimestamp: "
                        "'2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:00Z', source: "
                        "{component: c}}");
  };
  const Answer made = Post(events, event("e", ", namespace: " + ns_));
  EXPECT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(*made.body.Find("eventTime"), Value());
  const Answer again =
      Merge(events + "/e", "{count: 2, lastTimestamp: '2026-01-01T00:01:00Z', message: more}");
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(TextAt(again.body, {"message"}), "more");
  EXPECT_EQ(Post(events, event("f", ", namespace: default")).status, 422);
  // What has no namespace has its events in "default", and nowhere else.
  EXPECT_EQ(Post(events, event("g", "")).status, 422);
  const std::string defaults = "/api/v1/namespaces/default/events";
  EXPECT_EQ(Post(defaults, event(ns_, "")).status, 201);
  EXPECT_EQ(Delete(absl::StrCat(defaults, "/", ns_)).status, 200);
}

TEST_F(ContractTest, ANodesStatusIsWrittenApart) {
  const std::string node = "/api/v1/nodes/" + ns_;
  ASSERT_EQ(Post("/api/v1/nodes", absl::StrCat("{metadata: {name: ", ns_, "}}")).status, 201);
  const Answer written =
      Merge(node + "/status",
            "{status: {addresses: [{type: InternalIP, address: 192.0.2.1}], conditions: [{type: "
            "Ready, status: 'True'}]}}");
  EXPECT_EQ(written.status, 200) << written.text;
  EXPECT_EQ(Merge(node, "{metadata: {labels: {x: v}}, status: null}").status, 200);
  EXPECT_TRUE(IsGivenAt(Get(node).body, {"status", "addresses"}));
  EXPECT_EQ(Delete(node).status, 200);
}

TEST_F(ContractTest, ATokenIsReviewedForItsAudience) {
  const std::string reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
  const auto review = [&](const std::string& token, absl::string_view audience) {
    return Post(reviews, absl::StrCat("{apiVersion: authentication.k8s.io/v1, kind: TokenReview, "
                                      "spec: {token: '",
                                      token, "', audiences: [", audience, "]}}"));
  };
  const std::string token = backend_->NewToken("openelb-controller");
  const Answer good = review(token, "openelb-controller");
  ASSERT_EQ(good.status, 201) << good.text;
  EXPECT_EQ(*ValueAt(good.body, {"status", "authenticated"}), Value(true));
  EXPECT_EQ(*ValueAt(good.body, {"status", "audiences"}), Value(Value::List{"openelb-controller"}));
  EXPECT_EQ(TextAt(good.body, {"status", "user", "username"}),
            "system:serviceaccount:default:default");
  for (const Answer& bad : {review(token, "other"), review("nonsense", "openelb-controller")}) {
    EXPECT_EQ(bad.status, 201);
    EXPECT_EQ(ValueAt(bad.body, {"status", "authenticated"}), nullptr);
    EXPECT_TRUE(IsGivenAt(bad.body, {"status", "error"}));
  }
  EXPECT_EQ(review("", "a").status, 400);
}

TEST_F(ContractTest, AStrangerHasNoAccess) {
  const Answer review = Post("/apis/authorization.k8s.io/v1/subjectaccessreviews",
                             "{apiVersion: authorization.k8s.io/v1, kind: SubjectAccessReview, "
                             "spec: {user: nobody, groups: [system:authenticated], "
                             "nonResourceAttributes: {path: /metrics, verb: get}}}");
  ASSERT_EQ(review.status, 201) << review.text;
  EXPECT_EQ(*ValueAt(review.body, {"status", "allowed"}), Value(false));
  EXPECT_EQ(TextAt(review.body, {"spec", "user"}), "nobody");
}

}  // namespace
}  // namespace openelb::kube::contract

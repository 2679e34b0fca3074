#include "controller/admission/default_eip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "controller/admission/test_cluster.h"

namespace openelb::admission {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const auto kUses = Pair("lb.kubesphere.io/v1alpha1", "openelb");
auto Named(const char* eip) { return Pair("eip.openelb.kubesphere.io/v1alpha2", eip); }

class DefaultEipTest : public ::testing::Test {
 protected:
  void AddEip(const std::string& name, const std::string& spec, bool is_default = false) {
    Apply(
        absl::StrCat(
            "{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, metadata: {name: ", name,
            is_default ? ", annotations: {eip.openelb.kubesphere.io/is-default-eip: \"true\"}" : "",
            "}, spec: ", spec, "}"),
        &known_);
  }
  // What is added to a LoadBalancer Service.
  std::map<std::string, std::string> Added(const std::string& annotations,
                                           const std::string& spec = "",
                                           const std::string& rest = "",
                                           Operation operation = Operation::kCreate) {
    Review review{.kind = "Service", .operation = operation};
    review.object =
        Decode(absl::StrCat("{apiVersion: v1, kind: Service, metadata: {name: web, namespace: a, ",
                            "annotations: {", annotations, "}}, spec: {type: LoadBalancer, ports: ",
                            "[{port: 80}]", spec, "}", rest, "}"))
            .at(0);
    const Verdict verdict = ChooseForUser(review, &known_);
    EXPECT_TRUE(verdict.allowed);
    return verdict.annotations;
  }

  static constexpr char kOptIn[] = "lb.kubesphere.io/v1alpha1: openelb";
  static constexpr char kName[] =
      "lb.kubesphere.io/v1alpha1: openelb, eip.openelb.kubesphere.io/v1alpha2: pool";
  Knowledge known_{"openelb-system"};
};

// The table of OpenELB 0.5's page, row by row.
TEST_F(DefaultEipTest, NothingIsThere) {
  EXPECT_THAT(Added(""), IsEmpty());
  EXPECT_THAT(Added(kOptIn), IsEmpty());
  EXPECT_THAT(Added(kName), IsEmpty());
}
TEST_F(DefaultEipTest, ADefaultEip) {
  AddEip("standing", "{address: 192.0.2.0/28}", true);
  AddEip("pool", "{address: 192.0.2.16/28}");
  EXPECT_THAT(Added(""), UnorderedElementsAre(kUses, Named("standing")));
  EXPECT_THAT(Added(kOptIn), IsEmpty()) << "the loop takes the default by itself";
  EXPECT_THAT(Added(kName), IsEmpty());
}
TEST_F(DefaultEipTest, NoDefaultButAnotherEip) {
  AddEip("pool", "{address: 192.0.2.16/28}");
  EXPECT_THAT(Added(""), IsEmpty());
  EXPECT_THAT(Added(kOptIn), UnorderedElementsAre(Named("pool")));
  EXPECT_THAT(Added("lb.kubesphere.io/v1alpha1: porter"), UnorderedElementsAre(Named("pool")));
  EXPECT_THAT(Added(kName), IsEmpty());
}

TEST_F(DefaultEipTest, WhatIsSomebodyElsesIsLeftAlone) {
  AddEip("standing", "{address: 192.0.2.0/28}", true);
  EXPECT_THAT(Added("", ", loadBalancerClass: example.com/other"), IsEmpty());
  EXPECT_THAT(Added("lb.kubesphere.io/v1alpha1: metallb"), IsEmpty());
  EXPECT_THAT(Added("", "", ", status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}",
                    Operation::kUpdate),
              IsEmpty());
  EXPECT_THAT(Added("", "", "", Operation::kUpdate),
              UnorderedElementsAre(kUses, Named("standing")));
}

TEST_F(DefaultEipTest, WhoAsksForAnAddressIsNotGivenAnEip) {
  AddEip("standing", "{address: 192.0.2.0/28}", true);
  EXPECT_THAT(Added("", ", loadBalancerIP: 198.51.100.7"), UnorderedElementsAre(kUses));
  EXPECT_THAT(Added("eip.openelb.kubesphere.io/v1alpha1: 198.51.100.7"),
              UnorderedElementsAre(kUses));
}

TEST_F(DefaultEipTest, ACommonEipHasToFit) {
  AddEip("a-disabled", "{address: 192.0.2.16/28, disable: true}");
  AddEip("b-v6", "{address: 2001:db8::/120}");
  AddEip("c-layer2", "{address: 192.0.2.32/28, protocol: layer2, interface: eth0}");
  AddEip("d-last", "{address: 192.0.2.48/28, priority: 1}");
  AddEip("e-full", "{address: 192.0.2.64}");
  Apply(
      "{apiVersion: v1, kind: Service, metadata: {name: holder, namespace: b, labels: "
      "{eip.openelb.kubesphere.io/v1alpha2: e-full}, annotations: {lb.kubesphere.io/v1alpha1: "
      "openelb}}, spec: {type: LoadBalancer, ports: [{port: 80}]}, status: {loadBalancer: "
      "{ingress: [{ip: 192.0.2.64}]}}}",
      &known_);
  const std::string v4 = ", ipFamilies: [IPv4]";
  EXPECT_THAT(Added(kOptIn, v4), UnorderedElementsAre(Named("c-layer2")));
  EXPECT_THAT(Added(absl::StrCat(kOptIn, ", protocol.openelb.kubesphere.io/v1alpha1: bgp"), v4),
              UnorderedElementsAre(Named("d-last")));
}

TEST_F(DefaultEipTest, AnEipForTheNamespaceIsTheLoopsChoice) {
  AddEip("bound", "{address: 192.0.2.16/28, namespaces: [a]}");
  AddEip("common", "{address: 192.0.2.32/28}");
  EXPECT_THAT(Added(kOptIn), IsEmpty());
}

}  // namespace
}  // namespace openelb::admission

// One cluster, and what is said of each change of it.

#include "controller/admission/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/admission/test_cluster.h"

namespace openelb::admission {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kCluster[] = R"(
{apiVersion: v1, kind: Node, metadata: {name: master1, labels: {rack: a}}}
---
{apiVersion: v1, kind: Node, metadata: {name: worker1, labels: {rack: b}}}
---
{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, metadata: {name: used,
  creationTimestamp: 2026-01-01T00:00:00Z, annotations: {eip.openelb.kubesphere.io/is-default-eip: "true"}},
  spec: {address: 192.0.2.0/28}}
---
{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, metadata: {name: idle,
  creationTimestamp: 2026-01-01T00:00:00Z}, spec: {address: 192.0.2.64-192.0.2.70}}
---
{apiVersion: network.kubesphere.io/v1alpha2, kind: BgpConf, metadata: {name: default}, spec: {as: 50000,
  communityAliases: {known: "65000:1"}, peerGroups: {leaves: {conf: {peerAs: 50001}}}}}
---
{apiVersion: network.kubesphere.io/v1alpha2, kind: BgpPeer, metadata: {name: leaf1}, spec: {conf: {peerAs: 50001,
  neighborAddress: 192.168.0.2}, nodeSelector: {matchLabels: {rack: a}}}}
---
{apiVersion: network.kubesphere.io/v1alpha2, kind: BgpPeer, metadata: {name: grouped}, spec: {conf: {
  neighborAddress: 192.168.9.2, peerGroup: leaves}}}
---
{apiVersion: network.kubesphere.io/v1alpha2, kind: BgpPeer, metadata: {name: of-cni,
  labels: {openelb.kubesphere.io/cni: calico}}, spec: {conf: {peerAs: 50001, neighborAddress: 192.168.7.7}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: leaf, namespace: openelb-system}, data: {password: c2VjcmV0}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: bad, namespace: openelb-system}, data: {gobgp.conf: "["}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default,
  labels: {eip.openelb.kubesphere.io/v1alpha2: used}, annotations: {lb.kubesphere.io/v1alpha1: openelb}},
  spec: {type: LoadBalancer, ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}
---
{apiVersion: v1, kind: Service, metadata: {name: foreign, namespace: default},
  spec: {type: LoadBalancer, ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.65}]}}}
)";

class JudgeTest : public ::testing::Test {
 protected:
  JudgeTest() { Apply(kCluster); }

  void Apply(const std::string& yaml) { admission::Apply(yaml, &known_); }
  void Remove(const std::string& kind, const std::string& ns, const std::string& name) {
    known_.Apply({{.key = {kind, ns, name}, .object = std::nullopt}});
  }
  static codec::Decoded An(const std::string& kind, const std::string& spec,
                           const std::string& name = "new", const std::string& meta = "") {
    return Decode(absl::StrCat("{apiVersion: network.kubesphere.io/v1alpha2, kind: ", kind,
                               ", metadata: {name: ", name, meta.empty() ? "" : ", ", meta,
                               "}, spec: ", spec, "}"))
        .at(0);
  }
  Verdict Create(codec::Decoded object) {
    return Ask({.operation = Operation::kCreate, .object = std::move(object)});
  }
  Verdict Update(codec::Decoded before, codec::Decoded object) {
    return Ask({.operation = Operation::kUpdate,
                .object = std::move(object),
                .before = std::move(before)});
  }
  Verdict Delete(codec::Decoded object, const std::string& user = "admin") {
    return Ask({.operation = Operation::kDelete, .user = user, .object = std::move(object)});
  }

  Knowledge known_{"openelb-system"};

 private:
  Verdict Ask(Review review) {
    review.kind = review.object.key.kind;
    return Judge(review, &known_);
  }
};

struct Case {
  const char* name;
  const char* kind;
  const char* spec;
  std::vector<std::string> refused = {};  // parts of the message; none: allowed
  std::vector<std::string> warned = {};   // a part of each warning
  const char* object = "new";
  const char* meta = "";
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class CreationTest : public JudgeTest, public ::testing::WithParamInterface<Case> {};

TEST_P(CreationTest, IsJudged) {
  const Case& c = GetParam();
  const Verdict verdict = Create(An(c.kind, c.spec, c.object, c.meta));
  EXPECT_EQ(verdict.allowed, c.refused.empty()) << verdict.message;
  for (const std::string& part : c.refused) EXPECT_THAT(verdict.message, HasSubstr(part));
  if (!verdict.allowed) {
    EXPECT_EQ(verdict.code, 422);
    EXPECT_THAT(verdict.message, HasSubstr(absl::StrCat(c.kind, "/", c.object, ": ")));
  }
  std::vector<::testing::Matcher<std::string>> warned;
  for (const std::string& part : c.warned) warned.emplace_back(HasSubstr(part));
  EXPECT_THAT(verdict.warnings, ::testing::UnorderedElementsAreArray(warned));
}

INSTANTIATE_TEST_SUITE_P(
    Eip, CreationTest,
    ::testing::Values(
        Case{"good", "Eip", "{address: 192.0.2.32/28}"},
        Case{"overlap",
             "Eip",
             "{address: 192.0.2.15-192.0.2.20}",
             {"spec.address: \"192.0.2.15-192.0.2.20\" overlaps Eip \"used\" (192.0.2.0/28)",
              "choose addresses of no Eip, or delete that one first"}},
        Case{"around_both", "Eip", "{address: 192.0.2.0/24}", {"overlaps Eip \"idle\""}},
        Case{"unreadable", "Eip", "{address: nonsense}", {"spec.address: ", "nonsense"}},
        Case{"second_default",
             "Eip",
             "{address: 192.0.2.32/28}",
             {"is-default-eip", "Eip \"used\" is the default already", "take the annotation off"},
             {},
             "new",
             "annotations: {eip.openelb.kubesphere.io/is-default-eip: \"True\"}"},
        Case{"second_default_of_porter",
             "Eip",
             "{address: 192.0.2.32/28}",
             {"Eip \"used\" is the default already"},
             {},
             "new",
             "annotations: {eip.porter.kubesphere.io/is-default-eip: \"true\"}"},
        Case{"two_mistakes",
             "Eip",
             "{address: 192.0.2.1}",
             {"overlaps Eip \"used\"", "; Eip/new: ", "is the default already"},
             {},
             "new",
             "annotations: {eip.openelb.kubesphere.io/is-default-eip: \"true\"}"},
        Case{"ignored_field",
             "Eip",
             "{address: 192.0.2.32/28, usingKnownIPs: true}",
             {},
             {"spec.usingKnownIPs: accepted, and has no effect"}},
        Case{"of_the_same_name_as_itself",
             "Eip",
             "{address: 192.0.2.0/28}",
             {},
             {},
             "used",
             "annotations: {eip.openelb.kubesphere.io/is-default-eip: \"true\"}"}),
    ::testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    OpenElb, CreationTest,
    ::testing::Values(
        Case{"good_openelb", "OpenELB", "{speaker: {logLevel: debug}}"},
        Case{"bad_openelb",
             "OpenELB",
             "{speaker: {logLevel: loud}}",
             {"OpenELB/new: spec.speaker.logLevel", "loud"}},
        Case{"no_such_node",
             "OpenELB",
             "{speaker: {nodeSelector: {a: b, openelb-speaker: \"true\"}}}",
             {},
             {"spec.speaker.nodeSelector: no node is labelled a=b,openelb-speaker=true"}}),
    ::testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    BgpPeer, CreationTest,
    ::testing::Values(
        Case{"good_peer", "BgpPeer", "{conf: {peerAs: 50001, neighborAddress: 192.168.0.9}}"},
        Case{"twin",
             "BgpPeer",
             "{conf: {peerAs: 50001, neighborAddress: 192.168.0.2}}",
             {"spec.conf.neighborAddress: BgpPeer \"leaf1\" has the same neighbour 192.168.0.2 on "
              "node \"master1\"",
              "spec.nodeSelector"}},
        Case{"same_neighbour_elsewhere", "BgpPeer",
             "{conf: {peerAs: 50001, neighborAddress: 192.168.0.2}, nodeSelector: {matchLabels: "
             "{rack: b}}}"},
        Case{"twin_of_one_with_a_group",
             "BgpPeer",
             "{conf: {peerAs: 50001, neighborAddress: 192.168.9.2}}",
             {"BgpPeer \"grouped\""}},
        Case{"twin_of_the_cnis", "BgpPeer",
             "{conf: {peerAs: 50001, neighborAddress: 192.168.7.7}}"},
        Case{"for_the_cni",
             "BgpPeer",
             "{conf: {peerAs: 50001, neighborAddress: 192.168.0.2}}",
             {},
             {},
             "new",
             "labels: {openelb.kubesphere.io/cni: calico}"},
        Case{"with_a_secret", "BgpPeer",
             "{conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPasswordSecretRef: {name: leaf}}}"},
        Case{"unknown_secret",
             "BgpPeer",
             "{conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPasswordSecretRef: {name: none}}}",
             {"spec.conf.authPasswordSecretRef: no Secret \"none\" in the namespace "
              "\"openelb-system\"",
              "create it first"}},
        Case{"unknown_key",
             "BgpPeer",
             "{conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPasswordSecretRef: {name: leaf, "
             "key: other}}}",
             {"under the key \"other\""}},
        Case{"unknown_secret_of_a_key",
             "BgpPeer",
             "{conf: {peerAs: 1, neighborAddress: 10.0.0.1, authKeys: [{sendId: 1, receiveId: 1, "
             "algorithm: hmac-sha-1-96, secretRef: {name: none}}]}}",
             {"spec.conf.authKeys[0].secretRef: no Secret \"none\""}},
        Case{"two_passwords",
             "BgpPeer",
             "{conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPassword: x, "
             "authPasswordSecretRef: {name: leaf}}}",
             {"given beside authPassword"}},
        Case{"plain_password",
             "BgpPeer",
             "{conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPassword: geheim}}",
             {},
             {"spec.conf.authPassword: whoever may read BgpPeers can read it"}},
        Case{"unknown_group",
             "BgpPeer",
             "{conf: {neighborAddress: 10.0.0.1, peerGroup: spines}}",
             {"spec.conf.peerGroup: spec.peerGroups of the BgpConf has no \"spines\"",
              "there are \"leaves\"", "add it to the BgpConf first"}},
        Case{"known_group", "BgpPeer", "{conf: {neighborAddress: 10.0.0.1, peerGroup: leaves}}"},
        Case{"no_family_left",
             "BgpPeer",
             "{conf: {peerAs: 1, neighborAddress: 10.0.0.1}, afiSafis: [{config: {enabled: "
             "false}}]}",
             {"spec.afiSafis leaves no address family"}},
        Case{"no_effect",
             "BgpPeer",
             "{conf: {peerAs: 50000, neighborAddress: 10.0.0.1, replacePeerAs: true, "
             "routeFlapDamping: true}, advertise: {communities: [known, unknown]}}",
             {},
             {"spec.conf.replacePeerAs has no effect", "spec.conf.routeFlapDamping: accepted",
              "unknown"}},
        Case{"keepalive_too_long",
             "BgpPeer",
             "{conf: {peerAs: 1, neighborAddress: 10.0.0.1}, timers: {config: {holdTime: 9, "
             "keepaliveInterval: 9}}}",
             {},
             {"spec.timers.config.keepaliveInterval 9 is not less than the hold time"}}),
    ::testing::PrintToStringParamName());

INSTANTIATE_TEST_SUITE_P(
    BgpConf, CreationTest,
    ::testing::Values(
        Case{"good_conf",
             "BgpConf",
             "{as: 50000, peerGroups: {leaves: {conf: {peerAs: 1}}}}",
             {},
             {},
             "default"},
        Case{"other_name",
             "BgpConf",
             "{as: 50000}",
             {},
             {"metadata.name: only the BgpConf named \"default\" is used"},
             "conf"},
        Case{"no_as",
             "BgpConf",
             "{peerGroups: {leaves: {conf: {peerAs: 1}}}}",
             {},
             {"spec.as: not given"},
             "default"},
        Case{"group_of_a_peer_gone",
             "BgpConf",
             "{as: 1}",
             {},
             {"spec.peerGroups.leaves: missing, but BgpPeer \"grouped\" names it"},
             "default"},
        Case{"bad_group",
             "BgpConf",
             "{as: 1, peerGroups: {leaves: {timers: {config: {holdTime: 1}}}}}",
             {"spec.peerGroups.leaves: timers.config.holdTime: 1 is not 0 or from 3"},
             {},
             "default"},
        Case{"group_that_its_peer_contradicts",
             "BgpConf",
             "{as: 1, peerGroups: {leaves: {transport: {updateSource: \"fd00::1\"}, conf: {peerAs: "
             "1}}}}",
             {"spec.peerGroups.leaves: with BgpPeer \"grouped\"", "spec.transport.updateSource"},
             {},
             "default"},
        Case{"no_policy",
             "BgpConf",
             "{as: 1, policy: none, peerGroups: {leaves: {conf: {peerAs: 1}}}}",
             {},
             {"spec.policy: there is no ConfigMap \"none\""},
             "default"},
        Case{"bad_policy",
             "BgpConf",
             "{as: 1, policy: bad, peerGroups: {leaves: {conf: {peerAs: 1}}}}",
             {},
             {"spec.policy: ConfigMap \"bad\""},
             "default"},
        Case{"bad_router_id",
             "BgpConf",
             "{as: 1, routerId: \"::1\", peerGroups: {leaves: {conf: {peerAs: 1}}}}",
             {"spec.routerId"},
             {},
             "default"}),
    ::testing::PrintToStringParamName());

TEST_F(JudgeTest, WhatWasWrongBeforeIsNoReasonToRefuseAChange) {
  const auto overlapping = An("Eip", "{address: 192.0.2.1}");
  EXPECT_TRUE(Update(overlapping, An("Eip", "{address: 192.0.2.1, disable: true}")).allowed);
  EXPECT_FALSE(Update(An("Eip", "{address: 192.0.2.99}"), overlapping).allowed);
  const char* annotation = "annotations: {eip.openelb.kubesphere.io/is-default-eip: \"true\"}";
  const Verdict worse = Update(overlapping, An("Eip", "{address: 192.0.2.1}", "new", annotation));
  EXPECT_THAT(worse.message,
              AllOf(HasSubstr("is the default already"), Not(HasSubstr("overlaps"))));

  const auto no_secret =
      An("BgpPeer",
         "{conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPasswordSecretRef: {name: none}}}");
  EXPECT_TRUE(Update(no_secret, An("BgpPeer",
                                   "{conf: {peerAs: 2, neighborAddress: 10.0.0.1, "
                                   "authPasswordSecretRef: {name: none}}}"))
                  .allowed);
}

TEST_F(JudgeTest, AnObjectThatCouldNotBeReadCanBeMended) {
  const auto bad = An("Eip", "{address: nonsense}");
  EXPECT_TRUE(Update(bad, An("Eip", "{address: 192.0.2.99}")).allowed);
  EXPECT_TRUE(Update(bad, An("Eip", "{address: nonsense, disable: true}")).allowed);
  EXPECT_TRUE(Delete(bad).allowed);
}

TEST_F(JudgeTest, WhatGoesIsNotJudged) {
  const char* going = "deletionTimestamp: 2026-01-01T00:00:00Z";
  EXPECT_TRUE(
      Update(An("Eip", "{address: 192.0.2.99}"), An("Eip", "{address: 192.0.2.1}", "new", going))
          .allowed);
  EXPECT_TRUE(Delete(An("Eip", "{address: 192.0.2.0/28}", "used", going)).allowed);
}

TEST_F(JudgeTest, AnEipInUseIsNotDeleted) {
  const auto used = An("Eip", "{address: 192.0.2.0/28}", "used");
  const Verdict verdict = Delete(used);
  EXPECT_FALSE(verdict.allowed);
  EXPECT_EQ(verdict.code, 403);
  EXPECT_TRUE(verdict.of_others);
  EXPECT_THAT(verdict.message,
              AllOf(HasSubstr("Eip/used: Service default/web has an address of it"),
                    HasSubstr("delete the Services, or let them name another Eip, first"),
                    HasSubstr("network.kubesphere.io/force-delete to \"true\"")));
  EXPECT_TRUE(Delete(An("Eip", "{address: 192.0.2.64-192.0.2.70}", "idle")).allowed)
      << "another implementation's Service does not count";
  Remove("Service", "default", "web");
  EXPECT_TRUE(Delete(used).allowed);
}

TEST_F(JudgeTest, ManyServicesAreCounted) {
  for (int i = 2; i < 7; ++i) {
    Apply(absl::StrCat(
        "{apiVersion: v1, kind: Service, metadata: {name: s", i, ", namespace: default, ",
        "annotations: {lb.kubesphere.io/v1alpha1: porter}}, spec: {type: LoadBalancer, ports: "
        "[{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.",
        i, "}]}}}"));
  }
  EXPECT_THAT(Delete(An("Eip", "{address: 192.0.2.0/28}", "used")).message,
              HasSubstr("Services default/s2, default/s3, default/s4 and 3 more have addresses"));
}

TEST_F(JudgeTest, AServiceThatGoesHoldsNothing) {
  Apply(
      "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default, "
      "deletionTimestamp: 2026-01-01T00:00:00Z, labels: {eip.openelb.kubesphere.io/v1alpha2: "
      "used}, annotations: {lb.kubesphere.io/v1alpha1: openelb}}, spec: {type: LoadBalancer, "
      "ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}");
  EXPECT_TRUE(Delete(An("Eip", "{address: 192.0.2.0/28}", "used")).allowed);
}

TEST_F(JudgeTest, ADeletionCanBeForcedAndCascadesAreNotHeldUp) {
  const Verdict forced = Delete(An("Eip", "{address: 192.0.2.0/28}", "used",
                                   "annotations: {network.kubesphere.io/force-delete: \"true\"}"));
  EXPECT_TRUE(forced.allowed);
  EXPECT_THAT(forced.warnings, ElementsAre(HasSubstr("Service default/web keep")));
  EXPECT_FALSE(Delete(An("Eip", "{address: 192.0.2.0/28}", "used",
                         "annotations: {network.kubesphere.io/force-delete: \"no\"}"))
                   .allowed);
  const auto used = An("Eip", "{address: 192.0.2.0/28}", "used");
  EXPECT_TRUE(Delete(used, "system:kube-controller-manager").allowed);
  for (const char* user : {"generic-garbage-collector", "namespace-controller"}) {
    EXPECT_TRUE(Delete(used, absl::StrCat("system:serviceaccount:kube-system:", user)).allowed);
    EXPECT_FALSE(Delete(used, absl::StrCat("system:serviceaccount:default:", user)).allowed);
  }
}

TEST_F(JudgeTest, NewsAreBelieved) {
  const auto overlapping = An("Eip", "{address: 192.0.2.64/28}");
  EXPECT_FALSE(Create(overlapping).allowed);
  Remove("Eip", "", "idle");
  EXPECT_TRUE(Create(overlapping).allowed);
  const auto twin = An("BgpPeer", "{conf: {peerAs: 1, neighborAddress: 192.168.0.2}}");
  EXPECT_FALSE(Create(twin).allowed);
  Remove("Node", "", "master1");
  EXPECT_TRUE(Create(twin).allowed);
  Apply("{apiVersion: v1, kind: Node, metadata: {name: master1, labels: {rack: a}}}");
  Remove("BgpPeer", "", "leaf1");
  EXPECT_TRUE(Create(twin).allowed);
  const auto grouped = An("BgpPeer", "{conf: {neighborAddress: 10.0.0.1, peerGroup: leaves}}");
  EXPECT_TRUE(Create(grouped).allowed);
  Remove("BgpPeer", "", "grouped");
  Remove("BgpConf", "", "default");
  known_.Apply({});
  EXPECT_TRUE(Create(grouped).allowed) << "what a group was stays in force, as in planning";
}

// A BgpPeer that came first is not refused for what an AS that is not known yet would say of it.
TEST_F(JudgeTest, WithoutABgpConfNothingDependsOnItsAs) {
  Remove("BgpConf", "", "default");
  const Verdict verdict =
      Create(An("BgpPeer",
                "{conf: {peerAs: 1, neighborAddress: 10.0.0.1, replacePeerAs: true}, advertise: "
                "{communities: [unknown], localPref: 7}}"));
  EXPECT_TRUE(verdict.allowed) << verdict.message;
  EXPECT_THAT(verdict.warnings, IsEmpty());
}

TEST_F(JudgeTest, AKindThatIsNotValidatedHereIsRefused) {
  const Verdict verdict = Create(
      Decode("{apiVersion: v1, kind: Service, metadata: {name: a, namespace: b}, spec: {}}").at(0));
  EXPECT_FALSE(verdict.allowed);
  EXPECT_EQ(verdict.code, 400);
  EXPECT_THAT(verdict.message, HasSubstr("kind Service is not validated here"));
}

TEST_F(JudgeTest, AnObjectWithoutEndIsToldOfInAFewWords) {
  std::string families;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&families, "{},");
  const Verdict verdict = Create(An(
      "BgpPeer",
      absl::StrCat("{conf: {peerAs: 1, neighborAddress: 10.0.0.1}, afiSafis: [", families, "]}")));
  EXPECT_FALSE(verdict.allowed);
  EXPECT_LT(verdict.message.size(), 2000u);
}

}  // namespace
}  // namespace openelb::admission

// What is applied: by the whole template where the DaemonSet is ours, else by what the object sets.

#include "controller/install/speaker_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "api/codec/decode.h"
#include "api/codec/parse.h"
#include "api/codec/write.h"

namespace openelb::install {
namespace {

using codec::Value;
using network::OpenElb;

Value Parse(absl::string_view text) { return codec::ParseYaml(text).documents.at(0).value; }

OpenElb ObjectOf(const std::string& speaker) {
  const codec::Decoded decoded = codec::DecodeObject(
      Parse("apiVersion: network.kubesphere.io/v1alpha2\nkind: OpenELB\nmetadata: {name: default}\n"
            "spec: {speaker: " +
            speaker + "}"),
      "");
  EXPECT_TRUE(decoded.object.has_value()) << ::testing::PrintToString(decoded.errors);
  return decoded.object ? std::get<OpenElb>(*decoded.object) : OpenElb();
}

class SpeakerTemplateTest : public ::testing::Test {
 protected:
  Value Body(const std::string& speaker, const Value& observed = Value()) const {
    return ApplyBody(ObjectOf(speaker), observed, base_);
  }
  // What the controller makes of an object that says nothing.
  Value Made() const {
    Value made = base_.daemon_set;
    made["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "openelb-controller";
    made["spec"]["updateStrategy"] = Parse("{type: OnDelete}");
    return made;
  }
  const SpeakerTemplate base_ = TemplateFor("openelb-system");
};

TEST_F(SpeakerTemplateTest, IsWhatConfigDefaultHas) {
  std::ifstream in("../../config/default/speaker.yaml");
  std::stringstream text;
  text << in.rdbuf();
  const auto documents = codec::ParseYaml(text.str()).documents;
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(base_.account, documents[0].value);
  EXPECT_EQ(base_.daemon_set, documents[1].value);
  EXPECT_EQ(*TemplateFor("lb").daemon_set.Find("metadata")->Find("namespace"), Value("lb"));
}

TEST_F(SpeakerTemplateTest, AnObjectThatSaysNothingMakesThatDaemonSetAndRollsItItself) {
  Value expected = Made();
  EXPECT_EQ(Body("{}"), expected);
  expected["spec"]["updateStrategy"] =
      Parse("{type: RollingUpdate, rollingUpdate: {maxUnavailable: 10%}}");
  EXPECT_EQ(Body("{updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 10%}}}"),
            expected);
}

TEST_F(SpeakerTemplateTest, WhatTheObjectSetsStandsInTheTemplatesPlace) {
  Value expected = Made();
  Value& pod = expected["spec"]["template"]["spec"];
  pod["nodeSelector"] = Parse("{kubernetes.io/os: linux, openelb-speaker: 'true'}");
  pod["tolerations"] = Parse("[{key: a, operator: Exists}]");
  pod["affinity"] = Parse("{podAffinity: {any: [1]}}");
  Value& speaker = pod["containers"].list()->front();
  speaker["image"] = "registry.example/speaker:v2";
  speaker["resources"] = Parse("{limits: {memory: 1Gi}}");
  Value::List& args = *speaker["args"].list();
  args[1] = "--enable-keepalived-vip=false";
  args.push_back("--log-level=debug");
  EXPECT_EQ(
      codec::ToYaml(Body(
          "{nodeSelector: {openelb-speaker: 'true'}, tolerations: [{key: a, operator: Exists}], "
          "affinity: {podAffinity: {any: [1]}}, image: 'registry.example/speaker:v2', "
          "resources: {limits: {memory: 1Gi}}, logLevel: debug, modes: {vip: false}}")),
      codec::ToYaml(expected));
}

TEST_F(SpeakerTemplateTest, OfOthersDaemonSetOnlyWhatTheObjectSets) {
  EXPECT_EQ(Body("{nodeSelector: {openelb-speaker: 'true'}}", base_.daemon_set), Parse(R"(
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: openelb-speaker, namespace: openelb-system}
spec: {template: {spec: {nodeSelector: {kubernetes.io/os: linux, openelb-speaker: "true"}}}}
)"));
  EXPECT_EQ(Body("{}", base_.daemon_set), Parse(R"(
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: openelb-speaker, namespace: openelb-system}
)"));
  EXPECT_EQ(Body("{image: 'x:1', updateStrategy: {type: RackAware}}", base_.daemon_set), Parse(R"(
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: openelb-speaker, namespace: openelb-system}
spec:
  template: {spec: {containers: [{name: openelb-speaker, image: "x:1"}]}}
  updateStrategy: {type: OnDelete}
)"));
}

TEST_F(SpeakerTemplateTest, FlagsBeginWithThoseThatStandInOthersDaemonSet) {
  Value theirs = base_.daemon_set;
  theirs["spec"]["template"]["spec"]["containers"].list()->front()["args"] =
      Parse("[--enable-layer2, --log-format=json]");
  const Value body = Body("{modes: {layer2: false}}", theirs);
  EXPECT_EQ(*body.Find("spec")
                 ->Find("template")
                 ->Find("spec")
                 ->Find("containers")
                 ->list()
                 ->front()
                 .Find("args"),
            Parse("[--enable-layer2=false, --log-format=json]"));
}

TEST_F(SpeakerTemplateTest, OursIsTheOneWhoseLabelSaysSo) {
  EXPECT_FALSE(IsOurs(Value()));
  EXPECT_FALSE(IsOurs(base_.daemon_set));
  const Value made = Body("{}");
  EXPECT_TRUE(IsOurs(made));
  Value helms = made;
  helms["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm";
  EXPECT_FALSE(IsOurs(helms));
  EXPECT_EQ(StrategyOf(ObjectOf("{}"), true), network::UpdateStrategy::kRackAware);
  EXPECT_EQ(StrategyOf(ObjectOf("{}"), false), network::UpdateStrategy::kRollingUpdate);
}

TEST(RemoveField, LeavesItAndWhatItMakesEmpty) {
  Value body = Parse(R"(
metadata: {name: x, labels: {app: a, app.kubernetes.io/name: b}}
spec:
  updateStrategy: {type: OnDelete, rollingUpdate: {maxUnavailable: 1}}
  template: {spec: {nodeSelector: {a: b}, containers: [{name: s, image: i, resources: {limits: {cpu: 1}}}]}}
)");
  EXPECT_TRUE(RemoveField(".spec.updateStrategy.type", &body));
  EXPECT_TRUE(RemoveField(".metadata.labels.app.kubernetes.io/name", &body));
  EXPECT_TRUE(
      RemoveField(R"(.spec.template.spec.containers[name="s"].resources.limits.cpu)", &body));
  EXPECT_TRUE(RemoveField(".spec.template.spec.nodeSelector", &body));
  EXPECT_EQ(body, Parse(R"(
metadata: {name: x, labels: {app: a}}
spec: {template: {spec: {containers: [{name: s, image: i}]}}}
)"));
  EXPECT_TRUE(RemoveField(R"(.spec.template.spec.containers[name="s"].image)", &body));
  EXPECT_EQ(body, Parse("metadata: {name: x, labels: {app: a}}"));
  for (const char* field :
       {"", ".spec", ".metadata.label", ".metadata.labels[name=\"x\"]", "x", ".metadata.name["})
    EXPECT_FALSE(RemoveField(field, &body)) << field;
}

TEST_F(SpeakerTemplateTest, MergedIsWhereSpeakersWillRun) {
  const Value theirs = base_.daemon_set;
  const Value merged = Merged(theirs, Body("{nodeSelector: {a: b}}", theirs));
  const codec::Decoded decoded = codec::DecodeObject(merged, "");
  ASSERT_TRUE(decoded.object.has_value());
  const auto& daemon_set = std::get<kube::DaemonSet>(*decoded.object);
  EXPECT_EQ(daemon_set.node_selector, (kube::Labels{{"kubernetes.io/os", "linux"}, {"a", "b"}}));
  EXPECT_EQ(daemon_set.tolerations.size(), 2u);
}

}  // namespace
}  // namespace openelb::install

// The operator before an API server in memory, with a DaemonSet controller and speakers of the
// test's own, in virtual time.

#include "controller/kube/speaker_operator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "api/codec/write.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"
#include "controller/kube/testing/value_at.h"

namespace openelb::kube {
namespace {

using codec::Value;
using fake::Fault;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kNamespace[] = "openelb-system";
constexpr char kName[] = "openelb-speaker";

class SpeakerOperatorTest : public ::testing::Test,
                            private StatusHandler,
                            private EventSource::Handler {
 protected:
  SpeakerOperatorTest() {
    for (const char* node : {"a", "b", "c"}) AddNode(node, node[0] == 'c' ? "leaf2" : "leaf1");
    source_.Start(this);
    RunFor(absl::Seconds(1));
  }

  void AddNode(const std::string& name, const std::string& rack) {
    server_.Put(absl::StrCat("{apiVersion: v1, kind: Node, metadata: {name: ", name,
                             ", labels: {kubernetes.io/os: linux}}}"));
    speakers_[name] = {.rack = rack, .expected = true, .reachable = true};
  }
  void Create(const std::string& speaker, const std::string& name = "default") {
    server_.Put(absl::StrCat(
        "apiVersion: network.kubesphere.io/v1alpha2\nkind: OpenELB\nmetadata: {name: ", name,
        "}\nspec: {speaker: ", speaker, "}"));
    RunFor(absl::Seconds(1));
  }
  void Change(const std::string& patch) {
    server_.Patch("openelbs", "", "default", patch);
    RunFor(absl::Seconds(1));
  }
  // As `kubectl edit ds openelb-speaker` does it.
  void Edit(const std::string& patch) {
    server_.Patch("daemonsets", kNamespace, kName, patch);
    RunFor(absl::Seconds(1));
  }
  // What is installed by others.
  void Install() {
    server_.PutObject(install::TemplateFor(kNamespace).daemon_set);
    RunFor(absl::Seconds(1));
  }
  Value DaemonSetNow() const { return server_.Find("daemonsets", kNamespace, kName); }
  Value PodSpec() const {
    const Value daemon_set = DaemonSetNow();
    const Value* spec = fake::ValueAt(daemon_set, {"spec", "template", "spec"});
    return spec == nullptr ? Value() : *spec;
  }
  Value Container(absl::string_view key) const {
    const Value pod = PodSpec();
    const Value* value = pod.Find("containers")->list()->front().Find(key);
    return value == nullptr ? Value() : *value;
  }
  // "True Reason: message"
  std::string Condition(const std::string& type, const std::string& name = "default") const {
    const Value object = server_.Find("openelbs", "", name);
    const Value* conditions = fake::ValueAt(object, {"status", "conditions"});
    if (conditions == nullptr) return "none";
    for (const Value& condition : *conditions->list()) {
      if (fake::TextAt(condition, {"type"}) == type) {
        return absl::StrCat(fake::TextAt(condition, {"status"}), " ",
                            fake::TextAt(condition, {"reason"}), ": ",
                            fake::TextAt(condition, {"message"}));
      }
    }
    return "none";
  }
  std::vector<std::string> Events() {
    std::vector<std::string> reasons;
    const Value list = server_.Serve({.path = "/api/v1/namespaces/default/events"}).reply.body;
    for (const Value& event : *list.Find("items")->list())
      reasons.push_back(fake::TextAt(event, {"reason"}));
    return reasons;
  }
  // "patch daemonsets", ... since the last call; statuses and Events are left out.
  std::vector<std::string> TakeWrites() {
    std::vector<std::string> writes;
    for (const fake::LoggedRequest& request : server_.log()) {
      const std::set<std::string> kVerbs = {"create", "patch", "update", "delete"};
      if (!kVerbs.contains(request.verb) || request.resource == "events" ||
          request.resource == "openelbs/status")
        continue;
      writes.push_back(absl::StrCat(request.verb, " ", request.resource));
    }
    server_.ClearLog();
    return writes;
  }

  void RunFor(absl::Duration time) {
    const absl::Duration end = scheduler_.Monotonic() + time;
    while (scheduler_.Monotonic() < end) {
      source_.Turn();
      client_.Turn();
      operator_.Turn();
      sink_.Turn();
      const absl::Duration next = std::clamp(std::min({source_.NextWakeup(), client_.NextWakeup(),
                                                       operator_.NextWakeup(), sink_.NextWakeup()}),
                                             scheduler_.Monotonic(), end);
      if (!scheduler_.Step(next)) scheduler_.RunUntil(next);
      if (plays_) Play();
    }
  }

  // The DaemonSet controller, kubelets and speakers: what is missing is made, of the newest
  // template.
  void Play() {
    const Value daemon_set = DaemonSetNow();
    if (daemon_set.IsNull()) return;
    const std::string image = *Container("image").string();
    if (revisions_.empty() || revisions_.back() != image) {
      revisions_.push_back(image);
      server_.Put(absl::StrCat(
          "{apiVersion: apps/v1, kind: ControllerRevision, metadata: {namespace: openelb-system, "
          "name: r",
          revisions_.size(),
          ", labels: {app: openelb, component: speaker, "
          "controller-revision-hash: h",
          revisions_.size(),
          "}, ownerReferences: [{uid: ", fake::TextAt(daemon_set, {"metadata", "uid"}),
          "}]}, revision: ", revisions_.size(), "}"));
    }
    const Value generation = *daemon_set.Find("metadata")->Find("generation");
    if (const Value* seen = fake::ValueAt(daemon_set, {"status", "observedGeneration"});
        seen == nullptr || !(*seen == generation)) {
      server_.Patch("daemonsets", kNamespace, kName,
                    absl::StrCat("{status: {observedGeneration: ", codec::ToJson(generation),
                                 ", desiredNumberScheduled: 3}}"));
    }
    int ready = 0;
    for (auto& [node, fact] : speakers_) {
      const bool there = !server_.Find("pods", kNamespace, "pod-" + node).IsNull();
      if (there && speakers_[node].ready) ++ready;
      if (there) continue;
      const bool broken = image == "broken";
      server_.Put(absl::StrCat(
          "{apiVersion: v1, kind: Pod, metadata: {namespace: openelb-system, name: pod-", node,
          ", labels: {app: openelb, component: speaker, controller-revision-hash: h",
          revisions_.size(), "}}, spec: {nodeName: ", node, "}, status: {",
          broken ? "containerStatuses: [{state: {waiting: {reason: ImagePullBackOff, message: "
                   "no such image}}}]"
                 : "conditions: [{type: Ready, status: 'True'}]",
          "}}"));
      fact.ready = !broken;
      fact.lacks = broken ? "it has no stream to the controller" : "";
      if (!broken) fact.instance = absl::StrCat("process ", ++processes_);
      order_.push_back(node);
    }
    lowest_ = std::min(lowest_, ready);
  }

  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
  Client client_{&transport_, &scheduler_};
  NullLogSink log_sink_;
  Logger log_{&log_sink_, &scheduler_};
  SeededRandom random_{1};
  KubeSink sink_{"controller-0", {&client_, &scheduler_, &log_, this}};
  bool plays_ = true;
  install::Speakers speakers_;
  SpeakerOperator operator_{kNamespace,
                            {.transport = &transport_,
                             .client = &client_,
                             .clock = &scheduler_,
                             .random = &random_,
                             .log = &log_sink_,
                             .sink = &sink_,
                             .witness = nullptr,
                             .ask_speakers = [this] {
                               scheduler_.After(absl::Milliseconds(1),
                                                [this] { operator_.SetSpeakers(speakers_); });
                             }}};
  KubeSource source_{{},
                     {.transport = &transport_,
                      .clock = &scheduler_,
                      .random = &random_,
                      .log = &log_sink_,
                      .viewer = &operator_}};
  std::vector<std::string> revisions_;
  std::vector<std::string> order_;  // of new Pods
  int processes_ = 0;
  int lowest_ = 3;

 private:
  void OnServiceAnswered(const ObjectKey&, const std::vector<std::string>&) override {}
  void OnEvents(std::vector<ObjectEvent>) override {}
  void OnSynced() override {
    sink_.SetActive(true);
    operator_.SetActive(true);
  }
  void OnAway(std::string) override {}
  void OnBack() override {}
};

TEST_F(SpeakerOperatorTest, MakesTheDaemonSetOfConfigDefault) {
  TakeWrites();
  Create("{}");
  EXPECT_THAT(TakeWrites(), ElementsAre("create serviceaccounts", "patch daemonsets"));
  const auto base = install::TemplateFor(kNamespace);
  EXPECT_FALSE(server_.Find("serviceaccounts", kNamespace, kName).IsNull());
  const Value made = DaemonSetNow();
  EXPECT_EQ(*fake::ValueAt(made, {"spec", "template"}),
            *fake::ValueAt(base.daemon_set, {"spec", "template"}));
  EXPECT_EQ(codec::ToJson(*fake::ValueAt(made, {"metadata", "labels"})),
            R"({"app":"openelb","app.kubernetes.io/managed-by":"openelb-controller",)"
            R"("component":"speaker"})");
  EXPECT_EQ(codec::ToJson(*fake::ValueAt(made, {"spec", "updateStrategy"})),
            R"({"type":"OnDelete"})");
  EXPECT_TRUE(install::IsOurs(made));
  RunFor(absl::Seconds(10));
  EXPECT_THAT(TakeWrites(), IsEmpty());
  EXPECT_THAT(Condition("Applied"), HasSubstr("True Applied"));
  EXPECT_THAT(Condition("Available"), HasSubstr("True SpeakersReady"));
  EXPECT_THAT(Condition("Progressing"), HasSubstr("False RolledOut: 3 of 3"));
}

TEST_F(SpeakerOperatorTest, AFieldThatIsGivenUpIsThatOfTheTemplateAgain) {
  Create(
      "{nodeSelector: {kubernetes.io/os: linux}, affinity: {podAntiAffinity: {}}, resources: "
      "{limits: {cpu: 1}}, logLevel: debug}");
  EXPECT_FALSE(PodSpec().Find("affinity") == nullptr);
  EXPECT_THAT(codec::ToJson(Container("args")), HasSubstr("--log-level=debug"));
  EXPECT_EQ(codec::ToJson(Container("resources")), R"({"limits":{"cpu":1}})");
  Change("{spec: {speaker: null}}");
  const auto base = install::TemplateFor(kNamespace);
  EXPECT_EQ(PodSpec(), *fake::ValueAt(base.daemon_set, {"spec", "template", "spec"}));
}

TEST_F(SpeakerOperatorTest, KubectlEditWinsAndShows) {
  Create("{logLevel: debug, modes: {vip: false}}");
  Edit(
      "{spec: {template: {spec: {nodeSelector: {mine: 'true'}, terminationGracePeriodSeconds: "
      "5}}}}");
  // Nobody said where speakers run but the template: still it is left.
  EXPECT_EQ(codec::ToJson(*PodSpec().Find("nodeSelector")),
            R"({"kubernetes.io/os":"linux","mine":"true"})");
  EXPECT_THAT(Condition("Drifted"),
              HasSubstr("True SetByOthers: spec.template.spec.nodeSelector was "
                        "set by \"unknown\""));
  EXPECT_THAT(Events(), ::testing::IsSupersetOf({"SetByOthers", "FieldsDrifted"}));
  // The rest is applied all the same, and nothing is tried again and again.
  Change("{spec: {speaker: {logLevel: error}}}");
  EXPECT_THAT(codec::ToJson(Container("args")), HasSubstr("--log-level=error"));
  EXPECT_EQ(codec::ToJson(*PodSpec().Find("nodeSelector")),
            R"({"kubernetes.io/os":"linux","mine":"true"})");
  TakeWrites();
  RunFor(absl::Minutes(5));
  EXPECT_THAT(TakeWrites(), IsEmpty());
  // Edited back.
  Edit("{spec: {template: {spec: {nodeSelector: {mine: null}}}}}");
  EXPECT_THAT(Condition("Drifted"), HasSubstr("False InSync"));
  EXPECT_THAT(Condition("Applied"), HasSubstr("True Applied"));
}

TEST_F(SpeakerOperatorTest, OfOthersDaemonSetOnlyWhatTheObjectSets) {
  Install();
  const Value before = PodSpec();
  Create("{}");
  EXPECT_EQ(PodSpec(), before);
  EXPECT_THAT(Condition("Applied"), HasSubstr("True Applied"));
  Change("{spec: {speaker: {affinity: {podAntiAffinity: {}}, image: other}}}");
  EXPECT_NE(PodSpec().Find("affinity"), nullptr);
  EXPECT_EQ(Container("image"), Value("openelb/openelb-speaker:latest"));
  EXPECT_THAT(
      Condition("Drifted"),
      HasSubstr("spec.template.spec.containers[name=\"openelb-speaker\"].image was set by"));
  Change("{spec: {speaker: {affinity: null, image: null}}}");
  EXPECT_EQ(PodSpec(), before);
  EXPECT_THAT(Condition("Drifted"), HasSubstr("False"));
  EXPECT_FALSE(install::IsOurs(DaemonSetNow()));
}

TEST_F(SpeakerOperatorTest, RollsRackByRackAndTheLonelySpeakerLast) {
  Create("{}");
  RunFor(absl::Seconds(5));
  order_.clear();
  lowest_ = 3;
  TakeWrites();
  Change("{spec: {speaker: {image: newer}}}");
  RunFor(absl::Seconds(10));
  EXPECT_THAT(order_, ElementsAre("a", "b", "c"));
  EXPECT_GE(lowest_, 2);
  EXPECT_EQ(operator_.replaced(), 3u);
  EXPECT_THAT(Condition("Progressing"), HasSubstr("False RolledOut: 3 of 3"));
  EXPECT_THAT(TakeWrites(),
              ElementsAre("patch daemonsets", "delete pods", "delete pods", "delete pods"));
  EXPECT_THAT(Events(), ::testing::IsSupersetOf({"Rolling", "RolledOut"}));
}

TEST_F(SpeakerOperatorTest, ABrokenImageCostsOneSpeaker) {
  Create("{updateStrategy: {rackAware: {maxRacks: 10}}}");
  RunFor(absl::Seconds(5));
  Change("{spec: {speaker: {image: broken}}}");
  RunFor(absl::Minutes(10));
  EXPECT_EQ(operator_.replaced(), 1u);
  EXPECT_THAT(Condition("Degraded"),
              HasSubstr("True SpeakerCannotRun: node a: ImagePullBackOff: no such image"));
  EXPECT_THAT(Condition("Progressing"), HasSubstr("False Stopped: 1 of 3"));
  EXPECT_THAT(Condition("Available"), HasSubstr("True"));
  Change("{spec: {speaker: {image: good}}}");
  RunFor(absl::Seconds(10));
  EXPECT_THAT(Condition("Degraded"), HasSubstr("False"));
  EXPECT_THAT(Condition("Progressing"), HasSubstr("RolledOut: 3 of 3"));
}

TEST_F(SpeakerOperatorTest, OthersStrategiesAreTheDaemonSetControllers) {
  Create("{updateStrategy: {type: OnDelete}}");
  RunFor(absl::Seconds(5));
  Change("{spec: {speaker: {image: newer}}}");
  RunFor(absl::Minutes(1));
  EXPECT_EQ(operator_.replaced(), 0u);
  EXPECT_THAT(Condition("Progressing"), HasSubstr("False OnDelete: 0 of 3"));
  // One that says nothing about it, of a DaemonSet that is not ours.
  server_.Remove("openelbs", "", "default");
  server_.Remove("daemonsets", kNamespace, kName);
  revisions_.clear();
  for (const char* name : {"r1", "r2"}) server_.Remove("controllerrevisions", kNamespace, name);
  for (const char* name : {"pod-a", "pod-b", "pod-c"}) server_.Remove("pods", kNamespace, name);
  Install();
  Create("{}");
  Edit("{spec: {updateStrategy: {type: OnDelete}}}");
  server_.Patch("pods", kNamespace, "pod-a",
                "{metadata: {labels: {controller-revision-hash: h0}}}");
  RunFor(absl::Minutes(1));
  EXPECT_EQ(operator_.replaced(), 0u);
}

TEST_F(SpeakerOperatorTest, APlacementWithoutANodeChangesNothing) {
  Create("{}");
  const Value before = PodSpec();
  Change("{spec: {speaker: {nodeSelector: {openelb-speaker: 'true'}}}}");
  RunFor(absl::Minutes(1));
  EXPECT_EQ(PodSpec(), before);
  EXPECT_THAT(Condition("Applied"), HasSubstr("False PlacementMatchesNoNode"));
  EXPECT_THAT(Condition("Available"), HasSubstr("True"));
  EXPECT_THAT(Events(), ::testing::Contains("PlacementMatchesNoNode"));
  server_.Patch("nodes", "", "b", "{metadata: {labels: {openelb-speaker: 'true'}}}");
  RunFor(absl::Seconds(1));
  EXPECT_THAT(Condition("Applied"), HasSubstr("True Applied"));
  EXPECT_EQ(codec::ToJson(*PodSpec().Find("nodeSelector")),
            R"({"kubernetes.io/os":"linux","openelb-speaker":"true"})");
}

TEST_F(SpeakerOperatorTest, OneObjectCounts) {
  Create("{logLevel: error}", "older");
  scheduler_.RunUntil(scheduler_.Monotonic() + absl::Seconds(2));
  Create("{logLevel: warning}", "another");
  EXPECT_THAT(codec::ToJson(Container("args")), HasSubstr("--log-level=error"));
  EXPECT_THAT(Condition("Applied", "another"),
              HasSubstr("False NotInEffect: OpenELB \"older\" counts"));
  Create("{logLevel: debug}");
  EXPECT_THAT(codec::ToJson(Container("args")), HasSubstr("--log-level=debug"));
  EXPECT_THAT(Condition("Applied", "older"),
              HasSubstr("False NotInEffect: OpenELB \"default\" counts"));
  server_.Remove("openelbs", "", "default");
  RunFor(absl::Seconds(1));
  EXPECT_THAT(codec::ToJson(Container("args")), HasSubstr("--log-level=error"));
  EXPECT_THAT(Condition("Applied", "older"), HasSubstr("True Applied"));
}

TEST_F(SpeakerOperatorTest, WithoutTheObjectWhatRunsGoesOn) {
  Create("{}");
  RunFor(absl::Seconds(5));
  server_.Remove("openelbs", "", "default");
  RunFor(absl::Seconds(1));
  TakeWrites();
  const Value before = DaemonSetNow();
  RunFor(absl::Minutes(5));
  EXPECT_EQ(DaemonSetNow(), before);
  EXPECT_THAT(TakeWrites(), IsEmpty());
  // And one that is taken away is not made again.
  server_.Remove("daemonsets", kNamespace, kName);
  RunFor(absl::Minutes(1));
  EXPECT_TRUE(DaemonSetNow().IsNull());
}

TEST_F(SpeakerOperatorTest, ADaemonSetThatIsTakenAwayIsMadeAgain) {
  Create("{}");
  server_.Remove("daemonsets", kNamespace, kName);
  RunFor(absl::Seconds(2));
  EXPECT_TRUE(install::IsOurs(DaemonSetNow()));
}

TEST_F(SpeakerOperatorTest, WhatCannotBeUsedChangesNothing) {
  Create("{logLevel: debug}");
  const Value before = PodSpec();
  Change("{spec: {speaker: {logLevel: loud, image: 'a b'}}}");
  EXPECT_EQ(PodSpec(), before);
  EXPECT_THAT(Condition("Applied"),
              AllOf(HasSubstr("False Refused"), HasSubstr("spec.speaker.logLevel: \"loud\""),
                    HasSubstr("spec.speaker.image: \"a b\"")));
  transport_.Inject({.verb = "patch", .resource = "daemonsets", .count = -1, .status = 422});
  Change("{spec: {speaker: {logLevel: info, image: ok}}}");
  EXPECT_EQ(PodSpec(), before);
  EXPECT_THAT(Condition("Applied"), HasSubstr("False Refused"));
  transport_.ClearFaults();
  RunFor(absl::Minutes(1));
  EXPECT_THAT(Condition("Applied"), HasSubstr("True Applied"));
  EXPECT_EQ(Container("image"), Value("ok"));
}

TEST_F(SpeakerOperatorTest, OnlyTheLeaderDoesAnything) {
  operator_.SetActive(false);
  TakeWrites();
  Create("{}");
  EXPECT_THAT(TakeWrites(), IsEmpty());
  EXPECT_TRUE(DaemonSetNow().IsNull());
  operator_.SetActive(true);
  RunFor(absl::Seconds(1));
  EXPECT_FALSE(DaemonSetNow().IsNull());
}

TEST_F(SpeakerOperatorTest, NothingElseIsReadWithoutAnObject) {
  RunFor(absl::Minutes(5));
  for (const fake::LoggedRequest& request : server_.log()) {
    EXPECT_NE(request.resource, "pods");
    EXPECT_NE(request.resource, "controllerrevisions");
  }
}

TEST_F(SpeakerOperatorTest, OutagesAndCutsLoseNothing) {
  Create("{}");
  RunFor(absl::Seconds(5));
  Change("{spec: {speaker: {image: newer}}}");
  transport_.SetReachable(false);
  RunFor(absl::Seconds(20));
  transport_.SetReachable(true);
  transport_.Inject({.verb = "delete", .resource = "pods", .count = 2, .status = 500});
  RunFor(absl::Minutes(2));
  EXPECT_THAT(Condition("Progressing"), HasSubstr("False RolledOut: 3 of 3"));
}

}  // namespace
}  // namespace openelb::kube

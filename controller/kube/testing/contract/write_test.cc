// Creating, updating, patching, applying, deleting: what is common to all types.

#include "api/codec/write.h"

#include "absl/strings/str_cat.h"
#include "api/codec/encode.h"
#include "controller/kube/api_status.h"
#include "controller/kube/client.h"
#include "controller/kube/testing/contract/contract.h"
#include "controller/kube/testing/value_at.h"
#include "controller/observe/truncate.h"
#include "gmock/gmock.h"

namespace openelb::kube::contract {
namespace {

using codec::Value;
using fake::IsGivenAt;
using fake::TextAt;
using fake::ValueAt;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

int64_t NumberAt(const Value& object, fake::Path path) {
  const Value* value = ValueAt(object, path);
  return value == nullptr || value->integer() == nullptr ? -1
                                                         : static_cast<int64_t>(*value->integer());
}

TEST_F(ContractTest, ANewObjectGetsAnIdentityAndOwners) {
  const Answer made = Post(Secrets(), "{metadata: {name: a, labels: {x: v}}}");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(TextAt(made.body, {"metadata", "namespace"}), ns_);
  EXPECT_TRUE(IsGivenAt(made.body, {"metadata", "uid"}));
  EXPECT_TRUE(IsGivenAt(made.body, {"metadata", "creationTimestamp"}));
  EXPECT_NE(made.revision(), "");
  EXPECT_THAT(made.text, HasSubstr("managedFields"));
  const Answer generated = Post(Secrets(), "{metadata: {generateName: g-}}");
  EXPECT_THAT(TextAt(generated.body, {"metadata", "name"}), ::testing::MatchesRegex("g-.+"));
}

TEST_F(ContractTest, WhatCannotBeMadeSaysWhy) {
  Make({"a"});
  const struct {
    std::string path, body;
    int status;
    std::string reason, message;
  } kCases[] = {
      {Secrets(), "{metadata: {name: a}}", 409, "AlreadyExists", "\"a\" already exists"},
      {"/api/v1/namespaces/absent/secrets", "{metadata: {name: a}}", 404, "NotFound",
       "namespaces \"absent\" not found"},
      {Secrets(), "{metadata: {}}", 422, "Invalid", "name or generateName is required"},
      {Secrets(), "{metadata: {name: b, namespace: default}}", 400, "BadRequest",
       "does not match the namespace"},
      {Secrets(), "{metadata: {name: b, resourceVersion: '3'}}", 500, "",
       "resourceVersion should not be set"},
      {Secrets(), "{kind: Service, apiVersion: v1, metadata: {name: b}}", 400, "BadRequest",
       "cannot be handled as a Secret"},
  };
  for (const auto& c : kCases) {
    const Answer answer = Post(c.path, c.body);
    EXPECT_EQ(answer.status, c.status) << c.body;
    EXPECT_EQ(answer.reason(), c.reason) << c.body;
    EXPECT_THAT(answer.message(), HasSubstr(c.message)) << c.body;
    EXPECT_EQ(TextAt(answer.body, {"kind"}), "Status") << c.body;
    EXPECT_EQ(NumberAt(answer.body, {"code"}), c.status) << c.body;
  }
}

TEST_F(ContractTest, ErrorsAreNamedAlike) {
  Make({"a"});
  const struct {
    std::string method, path, body, type;
    int status;
    absl::StatusCode code;
  } kCases[] = {
      {"GET", Secrets() + "/absent", "", "", 404, absl::StatusCode::kNotFound},
      {"GET", "/api/v1/absent", "", "", 404, absl::StatusCode::kNotFound},
      {"GET", "/apis/absent.example/v1/things", "", "", 404, absl::StatusCode::kNotFound},
      {"PUT", Secrets(), "{}", kJson, 405, absl::StatusCode::kInvalidArgument},
      {"PATCH", Secrets() + "/a", "{}", "text/plain", 415, absl::StatusCode::kInvalidArgument},
      {"POST", Secrets(), "{broken", kJson, 400, absl::StatusCode::kInvalidArgument},
      {"POST", Secrets(), "[]", kJson, 400, absl::StatusCode::kInvalidArgument},
  };
  for (const auto& c : kCases) {
    const Answer answer = Send(c.method, c.path, c.body, c.type);
    EXPECT_EQ(answer.status, c.status) << c.method << " " << c.path;
    EXPECT_EQ(ErrorOfAnswer(answer.status, answer.text).code(), c.code) << answer.text;
  }
  EXPECT_EQ(TextAt(Get(Secrets() + "/absent").body, {"details", "name"}), "absent");
}

TEST_F(ContractTest, AnUpdateOfAnOldRevisionConflicts) {
  const Answer made = Post(Secrets(), "{metadata: {name: a}}");
  const Answer updated = Merge(Secrets() + "/a", "{metadata: {labels: {x: '1'}}}");
  ASSERT_EQ(updated.status, 200);
  const Answer stale = Put(Secrets() + "/a", made.body);
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(stale.reason(), "Conflict");
  EXPECT_THAT(stale.message(), HasSubstr("the object has been modified"));
  EXPECT_EQ(TextAt(stale.body, {"details", "name"}), "a");
  Value fresh = updated.body;
  fresh["metadata"]["labels"]["x"] = "2";
  EXPECT_EQ(Put(Secrets() + "/a", fresh).status, 200);
  EXPECT_EQ(TextAt(Get(Secrets() + "/a").body, {"metadata", "labels", "x"}), "2");
}

TEST_F(ContractTest, AMergePatchMayNameTheRevisionItIsFor) {
  const Answer made = Post(Secrets(), "{metadata: {name: a}}");
  const auto patch = [&](const std::string& revision) {
    return Merge(Secrets() + "/a", absl::StrCat("{metadata: {resourceVersion: '", revision,
                                                "', labels: {x: '", revision, "'}}}"));
  };
  EXPECT_EQ(patch(made.revision()).status, 200);
  const Answer stale = patch(made.revision());
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(stale.reason(), "Conflict");
  EXPECT_EQ(Merge(Secrets() + "/absent", "{metadata: {labels: {x: v}}}").status, 404);
}

TEST_F(ContractTest, TheSameNameMayBeAnotherObject) {
  const Answer first = Post(Secrets(), "{metadata: {name: a}}");
  Delete(Secrets() + "/a");
  const Answer second = Post(Secrets(), "{metadata: {name: a}}");
  const std::string uid = TextAt(first.body, {"metadata", "uid"});
  EXPECT_NE(TextAt(second.body, {"metadata", "uid"}), uid);
  const Answer patch = Merge(Secrets() + "/a", absl::StrCat("{metadata: {uid: ", uid, "}}"));
  EXPECT_EQ(patch.status, 422);
  EXPECT_THAT(patch.message(), HasSubstr("metadata.uid"));
  Value put = second.body;
  put["metadata"]["uid"] = uid;
  EXPECT_EQ(Put(Secrets() + "/a", put).status, 409);
}

TEST_F(ContractTest, AMergePatchMergesMapsAndReplacesLists) {
  Post(Secrets(), "{metadata: {name: a, labels: {x: '1', y: '2'}, finalizers: [e.x/a, e.x/b]}}");
  Answer patched =
      Merge(Secrets() + "/a", "{metadata: {labels: {x: null, z: '3'}, finalizers: [e.x/c]}}");
  const Value* metadata = patched.body.Find("metadata");
  EXPECT_EQ(*metadata->Find("labels"), Value(Value::Map{{"y", "2"}, {"z", "3"}}));
  EXPECT_EQ(*metadata->Find("finalizers"), Value(Value::List{"e.x/c"}));
  patched = Merge(Secrets() + "/a", "{metadata: {labels: null, finalizers: null}}");
  EXPECT_FALSE(IsGivenAt(patched.body, {"metadata", "labels"}));
  EXPECT_FALSE(IsGivenAt(patched.body, {"metadata", "finalizers"}));
}

TEST_F(ContractTest, AWriteThatChangesNothingIsNone) {
  const Answer made = Post(Secrets(), "{metadata: {name: a, labels: {x: '1'}}}");
  auto stream = Watch(Secrets(), "resourceVersion=" + made.revision());
  EXPECT_EQ(Merge(Secrets() + "/a", "{metadata: {labels: {x: '1'}}}").revision(), made.revision());
  EXPECT_EQ(Put(Secrets() + "/a", made.body).revision(), made.revision());
  Make({"b"});
  EXPECT_THAT(NextNames(stream.get(), 1), ElementsAre("ADDED b"));
}

TEST_F(ContractTest, DeletionChecksWhatItIsMeantFor) {
  const Answer made = Post(Secrets(), "{metadata: {name: a}}");
  const Answer other = Delete(Secrets() + "/a", "{preconditions: {uid: other}}");
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(other.reason(), "Conflict");
  EXPECT_EQ(Delete(Secrets() + "/a", "{preconditions: {resourceVersion: '1'}}").status, 409);
  const Answer deleted =
      Delete(Secrets() + "/a",
             absl::StrCat("{preconditions: {uid: ", TextAt(made.body, {"metadata", "uid"}), "}}"));
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(TextAt(deleted.body, {"status"}), "Success");
  EXPECT_EQ(Delete(Secrets() + "/a").status, 404);
}

TEST_F(ContractTest, FinalizersHoldADeletedObject) {
  Post(Secrets(), "{metadata: {name: a, finalizers: [e.x/a]}}");
  auto stream = Watch(Secrets(), "resourceVersion=" + Get(Secrets()).revision());
  const Answer marked = Delete(Secrets() + "/a");
  EXPECT_EQ(marked.status, 200);
  EXPECT_TRUE(IsGivenAt(marked.body, {"metadata", "deletionTimestamp"}));
  EXPECT_EQ(Delete(Secrets() + "/a").revision(), marked.revision());
  const Answer more = Merge(Secrets() + "/a", "{metadata: {finalizers: [e.x/a, e.x/b]}}");
  EXPECT_EQ(more.status, 422);
  EXPECT_THAT(more.message(), HasSubstr("no new finalizers can be added"));
  EXPECT_EQ(Merge(Secrets() + "/a", "{metadata: {finalizers: null}}").status, 200);
  EXPECT_EQ(Get(Secrets() + "/a").status, 404);
  const Event modified = Next(stream.get());
  EXPECT_EQ(modified.type, "MODIFIED");
  EXPECT_EQ(modified.revision(), marked.revision());
  // As it was before its last finalizer went.
  const Event deleted = Next(stream.get());
  EXPECT_EQ(deleted.type, "DELETED");
  EXPECT_NE(deleted.revision(), marked.revision());
  EXPECT_TRUE(IsGivenAt(deleted.object, {"metadata", "finalizers"}));
}

TEST_F(ContractTest, AppliedStatusIsOwnedFieldByField) {
  const std::string eip = MakeEip();
  const std::string head = absl::StrCat(
      "{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, metadata: {name: ", ns_, "}");
  const auto apply = [&](const char* manager, const std::string& status, bool force = false) {
    return Apply(eip + "/status", manager, absl::StrCat(head, ", status: ", status, "}"), force);
  };
  const Answer first = apply("one", "{usage: 1, poolSize: 16}");
  ASSERT_EQ(first.status, 200) << first.text;
  EXPECT_EQ(apply("one", "{usage: 1, poolSize: 16}").revision(), first.revision());
  const Answer conflict = apply("two", "{usage: 2}");
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(conflict.reason(), "Conflict");
  EXPECT_THAT(conflict.message(), HasSubstr("Apply failed with 1 conflict: conflict with \"one\""));
  EXPECT_EQ(TextAt(conflict.body.Find("details")->Find("causes")->list()->at(0), {"field"}),
            ".status.usage");
  const Answer forced = apply("two", "{usage: 2}", /*force=*/true);
  EXPECT_EQ(NumberAt(forced.body, {"status", "usage"}), 2);
  EXPECT_EQ(NumberAt(forced.body, {"status", "poolSize"}), 16);
  // What is no longer named goes when nobody else owns it.
  const Answer less = apply("one", "{}");
  EXPECT_EQ(NumberAt(less.body, {"status", "usage"}), 2);
  EXPECT_EQ(NumberAt(less.body, {"status", "poolSize"}), -1);
}

TEST_F(ContractTest, AMergePatchTakesFieldsFromTheirAppliers) {
  const std::string eip = MakeEip();
  const std::string usage =
      absl::StrCat("{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, metadata: {name: ", ns_,
                   "}, status: {usage: 1}}");
  EXPECT_EQ(Apply(eip + "/status", "one", usage).status, 200);
  EXPECT_EQ(Merge(eip + "/status?fieldManager=two", "{status: {usage: 2}}").status, 200);
  const Answer conflict = Apply(eip + "/status", "one", usage);
  EXPECT_EQ(conflict.status, 409);
  EXPECT_THAT(conflict.message(), HasSubstr("\"two\" with subresource \"status\" using"));
}

// A node selector is one field, and so are arguments; containers are told apart by name.
TEST_F(ContractTest, AnEditedDaemonSetIsAppliedFieldByField) {
  const std::string path = absl::StrCat("/apis/apps/v1/namespaces/", ns_, "/daemonsets/speaker");
  const auto body = [](const std::string& pod) {
    return absl::StrCat(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: speaker}, spec: {selector: "
        "{matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: {",
        pod, "}}}}");
  };
  const auto containers = [](const char* image, const char* more) {
    return absl::StrCat("containers: [{name: speaker, image: ", image, more, "}]");
  };
  const Answer made =
      Apply(path, "one", body("nodeSelector: {a: b}, " + containers("'x:1'", ", args: [a, b]")));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(Merge(path + "?fieldManager=two",
                  "{spec: {template: {spec: {nodeSelector: {c: d}, containers: [{name: speaker, "
                  "image: 'x:2', args: [a, c]}]}}}}")
                .status,
            200);
  const Answer conflict =
      Apply(path, "one", body("nodeSelector: {a: b}, " + containers("'x:1'", ", args: [a, b]")));
  EXPECT_EQ(conflict.status, 409);
  std::vector<std::string> fields;
  for (const Value& cause : *conflict.body.Find("details")->Find("causes")->list()) {
    fields.push_back(TextAt(cause, {"field"}));
    EXPECT_EQ(TextAt(cause, {"reason"}), "FieldManagerConflict");
    EXPECT_THAT(TextAt(cause, {"message"}), HasSubstr("conflict with \"two\""));
  }
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre(
                          ".spec.template.spec.nodeSelector",
                          ".spec.template.spec.containers[name=\"speaker\"].args",
                          ".spec.template.spec.containers[name=\"speaker\"].image"));
  // Without them it is taken, and a field that is named no more is given up.
  const Answer less = Apply(
      path, "one", body("priorityClassName: system-node-critical, containers: [{name: speaker}]"));
  ASSERT_EQ(less.status, 200) << less.text;
  EXPECT_EQ(TextAt(less.body, {"spec", "template", "spec", "nodeSelector", "c"}), "d");
  const Answer given_up = Apply(path, "one", body("containers: [{name: speaker}]"));
  ASSERT_EQ(given_up.status, 200) << given_up.text;
  EXPECT_FALSE(IsGivenAt(given_up.body, {"spec", "template", "spec", "priorityClassName"}));
  EXPECT_EQ(Delete(path).status, 200);
}

TEST_F(ContractTest, ApplyWantsAManagerAKindAndAnObject) {
  const std::string eip = MakeEip();
  const std::string body =
      absl::StrCat("{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, metadata: {name: ", ns_,
                   "}, status: {usage: 1}}");
  EXPECT_EQ(Apply(eip + "/status", "", body).status, 422);
  EXPECT_EQ(Apply(eip + "/status", "one", "{status: {usage: 1}}").status, 400);
  const std::string absent = absl::StrCat(eip, "-absent");
  const std::string other =
      absl::StrCat("{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, metadata: {name: ", ns_,
                   "-absent}, spec: {address: 192.0.2.0/28}}");
  EXPECT_EQ(Apply(absent + "/status", "one", other).status, 404);
  EXPECT_EQ(Apply(absent, "one", other).status, 201);
  EXPECT_EQ(Delete(absent).status, 200);
}

TEST_F(ContractTest, ConditionsOfTwoAppliersStandSideBySide) {
  const std::string eip = MakeEip();
  const auto apply = [&](const char* manager, const char* condition) {
    return Apply(eip + "/status", manager,
                 absl::StrCat("{apiVersion: network.kubesphere.io/v1alpha2, kind: Eip, metadata: "
                              "{name: ",
                              ns_, "}, status: {conditions: [{type: ", condition,
                              ", status: 'True', reason: R, message: m, lastTransitionTime: "
                              "'2026-01-01T00:00:00Z'}]}}"));
  };
  EXPECT_EQ(apply("one", "Ready").status, 200);
  const Answer both = apply("two", "Announced");
  ASSERT_EQ(both.status, 200) << both.text;
  EXPECT_EQ(ValueAt(both.body, {"status", "conditions"})->list()->size(), 2u);
}

TEST_F(ContractTest, TheStatusOfACustomResourceIsWrittenApart) {
  const std::string eip = MakeEip();
  Answer answer =
      Merge(eip + "/status",
            "{metadata: {labels: {x: v}}, spec: {disable: true}, status: {usage: 3, used: "
            "{192.0.2.1: a/b}}}");
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_FALSE(IsGivenAt(answer.body, {"metadata", "labels"}));
  EXPECT_EQ(ValueAt(answer.body, {"spec", "disable"}), nullptr);
  EXPECT_EQ(NumberAt(answer.body, {"status", "usage"}), 3);
  EXPECT_EQ(NumberAt(answer.body, {"metadata", "generation"}), 1);
  answer = Merge(eip, "{metadata: {labels: {x: v}}, status: {usage: 4}}");
  EXPECT_EQ(NumberAt(answer.body, {"status", "usage"}), 3);
  EXPECT_EQ(NumberAt(answer.body, {"metadata", "generation"}), 1);
  answer = Merge(eip, "{spec: {disable: true}}");
  EXPECT_EQ(NumberAt(answer.body, {"metadata", "generation"}), 2);
  answer = Merge(eip + "/status", "{status: {used: {192.0.2.1: null}}}");
  EXPECT_EQ(ValueAt(answer.body, {"status", "used", "192.0.2.1"}), nullptr);
}

// What the server adds to an object for each field of ours counts as well, so many short entries
// are the worst.
TEST_F(ContractTest, TheLargestStatusesThatWeWriteAreTaken) {
  const std::string ours = "/apis/network.kubesphere.io/v1alpha2/";
  const auto make = [&](absl::string_view kind, absl::string_view plural, absl::string_view spec) {
    const std::string all = absl::StrCat(ours, plural);
    const Answer answer =
        Post(all, absl::StrCat("{apiVersion: network.kubesphere.io/v1alpha2, kind: ", kind,
                               ", metadata: {name: ", ns_, "}, spec: ", spec, "}"));
    EXPECT_EQ(answer.status, 201) << answer.text;
    return absl::StrCat(all, "/", ns_, "/status");
  };
  network::EipStatus eip;
  network::BgpPeerStatus peer;
  network::BgpConfStatus conf;
  for (int i = 0; i < 40'000; ++i) {
    eip.used[absl::StrCat("10.", i / 62500, ".", i / 250 % 250, ".", i % 250)] = "a/b";
    if (i < 5000) peer.nodes[absl::StrCat("n", i)] = {.last_error = "e"};
    conf.nodes[absl::StrCat("n", i)] = {"10.0.0.1", 1};
  }
  ASSERT_TRUE(observe::Truncate(&eip) && observe::Truncate(&peer) && observe::Truncate(&conf));
  const struct {
    std::string path;
    Value status;
    const char* field;
    size_t entries;
  } kWrites[] = {
      {make("Eip", "eips", "{address: 192.0.2.0/28}"), codec::EncodeEipStatus(eip), "used",
       eip.used.size()},
      {make("BgpPeer", "bgppeers", "{conf: {peerAs: 1, neighborAddress: 192.0.2.1}}"),
       codec::EncodeBgpPeerStatus(peer), "nodesPeerStatus", peer.nodes.size()},
      {make("BgpConf", "bgpconfs", "{as: 1}"), codec::EncodeBgpConfStatus(conf), "nodesConfStatus",
       conf.nodes.size()},
  };
  for (const auto& write : kWrites) {
    const Answer answer =
        Merge(write.path, codec::ToJson(Value(Value::Map{{"status", write.status}})));
    ASSERT_EQ(answer.status, 200) << write.path << ": " << answer.text.substr(0, 300);
    EXPECT_EQ(ValueAt(answer.body, {"status", write.field})->map()->size(), write.entries);
  }
}

TEST_F(ContractTest, ACustomResourceIsUpdatedOnlyByItsRevision) {
  const std::string eip = MakeEip();
  Value object = Get(eip).body;
  object["metadata"].map()->erase("resourceVersion");
  const Answer answer = Put(eip, object);
  EXPECT_EQ(answer.status, 422);
  EXPECT_THAT(answer.message(), HasSubstr("metadata.resourceVersion"));
}

}  // namespace
}  // namespace openelb::kube::contract

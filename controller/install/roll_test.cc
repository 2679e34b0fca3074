// Which speaker is replaced next: one case after the other.

#include "controller/install/roll.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/codec/parse.h"

namespace openelb::install {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

codec::Value Parse(absl::string_view text) { return codec::ParseYaml(text).documents.at(0).value; }

class RollTest : public ::testing::Test {
 protected:
  RollTest() { input_.revision = "new"; }
  // A node with a speaker that is ready, of the old template.
  Pod& Add(const std::string& node, const std::string& rack) {
    input_.speakers[node] = {.rack = rack,
                             .expected = true,
                             .reachable = true,
                             .ready = true,
                             .instance = "first of " + node};
    input_.pods.push_back({.name = "pod-" + node,
                           .uid = "uid-" + node,
                           .node = node,
                           .revision = "old",
                           .ready = true});
    return input_.pods.back();
  }
  Pod& PodOn(const std::string& node) {
    for (Pod& pod : input_.pods) {
      if (pod.node == node) return pod;
    }
    ADD_FAILURE() << node;
    return input_.pods.front();
  }
  void Update(const std::string& node) { PodOn(node).revision = "new"; }
  void Unready(const std::string& node, const std::string& lacks = "none of its sessions is up") {
    input_.speakers[node].ready = false;
    input_.speakers[node].lacks = lacks;
  }
  std::vector<std::string> Next() const {
    std::vector<std::string> nodes;
    for (const Pod& pod : PlanRoll(input_).replace) nodes.push_back(pod.node);
    return nodes;
  }

  RollInput input_;
};

TEST_F(RollTest, NothingToDo) {
  Add("a", "leaf1").revision = "new";
  const Roll roll = PlanRoll(input_);
  EXPECT_THAT(roll.replace, IsEmpty());
  EXPECT_EQ(roll.ready, 1);
  EXPECT_EQ(roll.updated, 1);
  EXPECT_EQ(roll.outdated, 0);
  EXPECT_EQ(roll.waits, "");
}

TEST_F(RollTest, OneAtATimeUntilTheFirstOneHasProvenItself) {
  input_.max_racks = 2;
  for (const char* node : {"a", "b"}) Add(node, "leaf1");
  for (const char* node : {"c", "d"}) Add(node, "leaf2");
  EXPECT_THAT(Next(), ElementsAre("a"));
  Update("a");
  EXPECT_THAT(Next(), ElementsAre("b", "c"));
  input_.max_racks = 1;
  EXPECT_THAT(Next(), ElementsAre("b"));  // the rack that is half done
}

TEST_F(RollTest, WaitsForTheOneThatWasReplaced) {
  for (const char* node : {"a", "b"}) Add(node, "leaf1");
  input_.taken.insert("uid-a");
  EXPECT_THAT(Next(), IsEmpty());
  EXPECT_THAT(PlanRoll(input_).waits, HasSubstr("node a: the Pod is ending"));
  input_.taken.clear();
  PodOn("a").deleting = true;
  EXPECT_THAT(Next(), IsEmpty());
  input_.pods.erase(input_.pods.begin());
  EXPECT_THAT(PlanRoll(input_).waits, HasSubstr("node a: there is no Pod yet"));
  Pod& pod = input_.pods.emplace_back(
      Pod{.name = "pod-a2", .uid = "uid-a2", .node = "a", .revision = "new"});
  EXPECT_THAT(PlanRoll(input_).waits, HasSubstr("its Pod is not Ready"));
  EXPECT_THAT(Next(), IsEmpty());
  pod.ready = true;
  // What is known is of the process before.
  input_.before["a"] = "first of a";
  EXPECT_THAT(PlanRoll(input_).waits, HasSubstr("has not attached"));
  EXPECT_THAT(Next(), IsEmpty());
  input_.speakers["a"].instance = "second of a";
  Unready("a");
  EXPECT_THAT(PlanRoll(input_).waits, HasSubstr("node a: none of its sessions is up"));
  EXPECT_THAT(Next(), IsEmpty());
  input_.speakers["a"].ready = true;
  EXPECT_THAT(Next(), ElementsAre("b"));
}

TEST_F(RollTest, TheLastReadyOneStaysWhileAnotherIsExpectedBack) {
  for (const char* node : {"a", "b", "c"}) Add(node, "leaf1");
  Unready("b");
  Unready("c");
  EXPECT_THAT(Next(), ElementsAre("b"));  // carries nothing: it may as well be replaced
  Update("b");
  EXPECT_THAT(Next(), IsEmpty());
  input_.speakers["b"].ready = true;
  EXPECT_THAT(Next(), ElementsAre("c"));
}

TEST_F(RollTest, RacksWithOneSpeakerComeLast) {
  Add("a", "leaf1");
  for (const char* node : {"c", "d"}) Add(node, "leaf2");
  input_.max_racks = 3;
  EXPECT_THAT(Next(), ElementsAre("c"));
  Update("c");
  EXPECT_THAT(Next(), ElementsAre("d"));
  input_.taken.insert("uid-d");
  EXPECT_THAT(Next(), IsEmpty());
  Update("d");
  input_.taken.clear();
  EXPECT_THAT(Next(), ElementsAre("a"));
}

TEST_F(RollTest, ANodeThatIsDeadHoldsNothingUp) {
  for (const char* node : {"a", "b"}) Add(node, "leaf1");
  for (const char* node : {"c", "d"}) Add(node, "leaf2");
  input_.speakers["a"].reachable = false;
  Unready("a");
  EXPECT_THAT(Next(), ElementsAre("c"));
  Update("c");
  Update("d");
  EXPECT_THAT(Next(), ElementsAre("b"));  // alone there by now, so last
}

TEST_F(RollTest, ABrokenImageStopsAllOfIt) {
  for (const char* node : {"a", "b"}) Add(node, "leaf1");
  for (const char* node : {"c", "d"}) Add(node, "leaf2");
  Update("a");
  Update("c");
  PodOn("a").ready = false;
  PodOn("a").trouble = "ImagePullBackOff: no such image";
  const Roll roll = PlanRoll(input_);
  EXPECT_THAT(roll.replace, IsEmpty());
  EXPECT_EQ(roll.broken, "node a: ImagePullBackOff: no such image");
  // Mended: the broken one goes first.
  input_.revision = "newer";
  EXPECT_THAT(Next(), ElementsAre("a"));
}

TEST_F(RollTest, NothingIsReplacedWhileTheNewestRevisionIsNotKnown) {
  Add("a", "leaf1");
  input_.revision.clear();
  EXPECT_THAT(Next(), IsEmpty());
}

TEST_F(RollTest, ASpeakerOfWhichNothingIsKnownIsLeftAlone) {
  Add("a", "leaf1");
  input_.speakers.clear();
  EXPECT_THAT(Next(), IsEmpty());
}

TEST(ReadPod, AsTheApiServerShowsIt) {
  const Pod pod = ReadPod(Parse(R"(
metadata: {name: p, uid: u, labels: {controller-revision-hash: abc}}
spec: {nodeName: node1}
status:
  conditions: [{type: Ready, status: "True"}]
  containerStatuses: [{state: {running: {}}}]
)"));
  EXPECT_EQ(pod.name, "p");
  EXPECT_EQ(pod.uid, "u");
  EXPECT_EQ(pod.node, "node1");
  EXPECT_EQ(pod.revision, "abc");
  EXPECT_TRUE(pod.ready);
  EXPECT_FALSE(pod.deleting);
  EXPECT_EQ(pod.trouble, "");
}

TEST(ReadPod, WhatKeepsItFromRunning) {
  const auto trouble = [](absl::string_view status) {
    return ReadPod(Parse(absl::StrCat("status: ", status))).trouble;
  };
  EXPECT_EQ(trouble("{containerStatuses: [{state: {waiting: {reason: ContainerCreating}}}]}"), "");
  EXPECT_EQ(
      trouble("{containerStatuses: [{state: {waiting: {reason: ErrImagePull, message: none}}}]}"),
      "ErrImagePull: none");
  EXPECT_EQ(trouble("{conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, "
                    "message: Insufficient cpu}]}"),
            "Unschedulable: Insufficient cpu");
}

TEST(NewestRevision, OfTheDaemonSetAlone) {
  const auto revision = [](const char* hash, int number, const char* uid) {
    return Parse(absl::StrCat("metadata: {labels: {controller-revision-hash: ", hash,
                              "}, ownerReferences: [{uid: ", uid, "}]}\nrevision: ", number));
  };
  const std::vector<codec::Value> all = {revision("a", 3, "ours"), revision("b", 12, "ours"),
                                         revision("c", 4, "ours"), revision("d", 99, "other")};
  std::vector<const codec::Value*> pointers;
  for (const codec::Value& value : all) pointers.push_back(&value);
  EXPECT_EQ(NewestRevision(pointers, "ours"), "b");
  EXPECT_EQ(NewestRevision({}, "ours"), "");
}

}  // namespace
}  // namespace openelb::install

// What an OpenELB object is told about itself.

#include "controller/install/installation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/codec/parse.h"

namespace openelb::install {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1000);

Installation Sound() {
  Installation it{
      .generation = 3, .apply = {.done = true}, .exists = true, .current = true, .desired = 2};
  it.roll = Roll{.ready = 2, .updated = 2};
  return it;
}

// "True Applied: message"
std::string Find(const network::OpenElbStatus& status, const std::string& type) {
  for (const kube::Condition& condition : status.conditions) {
    if (condition.type != type) continue;
    EXPECT_EQ(condition.observed_generation, 3);
    EXPECT_EQ(condition.last_transition_time, kNow);
    return absl::StrCat(condition.status ? "True " : "False ", condition.reason, ": ",
                        condition.message);
  }
  return "none";
}
std::string Find(const Installation& it, const std::string& type) {
  return Find(StatusOf(it, kNow), type);
}

TEST(Installation, AllIsWell) {
  const network::OpenElbStatus status = StatusOf(Sound(), kNow);
  EXPECT_EQ(status.observed_generation, 3);
  EXPECT_TRUE(status.counted);
  EXPECT_EQ(status.desired, 2);
  EXPECT_EQ(status.ready, 2);
  EXPECT_EQ(status.updated, 2);
  EXPECT_THAT(Find(status, kApplied), HasSubstr("True Applied"));
  EXPECT_THAT(Find(status, kDrifted), HasSubstr("False InSync"));
  EXPECT_THAT(Find(status, kAvailable), HasSubstr("True SpeakersReady"));
  EXPECT_THAT(Find(status, kProgressing), HasSubstr("False RolledOut: 2 of 2"));
  EXPECT_THAT(Find(status, kDegraded), HasSubstr("False SpeakersRun"));
}

TEST(Installation, NothingIsKnownYet) {
  const network::OpenElbStatus status = StatusOf({.generation = 3}, kNow);
  EXPECT_FALSE(status.counted);
  EXPECT_THAT(Find(status, kApplied), HasSubstr("False Pending"));
  EXPECT_THAT(Find(status, kAvailable), HasSubstr("False NoDaemonSet"));
  EXPECT_THAT(EventsBetween("x", {}, status.conditions), IsEmpty());
}

TEST(Installation, WhyNothingWasApplied) {
  Installation it = Sound();
  it.apply = {.refused = "spec.template: Invalid value"};
  EXPECT_THAT(Find(it, kApplied), HasSubstr("False Refused: spec.template: Invalid value"));
  it.apply = {.no_node = true};
  EXPECT_THAT(Find(it, kApplied), HasSubstr("False PlacementMatchesNoNode"));
}

TEST(Installation, DriftNamesFieldsAndManagers) {
  Installation it = Sound();
  it.apply.conflicts = {{".spec.template.spec.nodeSelector", "kubectl-edit"},
                        {".spec.updateStrategy.type", "helm"}};
  EXPECT_THAT(Find(it, kDrifted),
              AllOf(HasSubstr("True SetByOthers"),
                    HasSubstr("spec.template.spec.nodeSelector was set by \"kubectl-edit\", "
                              "spec.updateStrategy.type was set by \"helm\"; that stays")));
  EXPECT_THAT(Find(it, kApplied), HasSubstr("False FieldsDrifted"));
}

TEST(Installation, Availability) {
  Installation it = Sound();
  it.roll->dark = {"leaf1"};
  it.roll->waits = "the speaker on node a: why";
  EXPECT_THAT(Find(it, kAvailable),
              HasSubstr("False RackWithoutSpeaker: no ready speaker in rack \"leaf1\"; waiting for "
                        "the speaker on node a: why"));
  it.desired = 0;
  EXPECT_THAT(Find(it, kAvailable), HasSubstr("False PlacementMatchesNoNode"));
}

TEST(Installation, ProgressOfARoll) {
  Installation it = Sound();
  it.current = false;
  EXPECT_THAT(Find(it, kProgressing), HasSubstr("True Rolling"));
  it.current = true;
  it.roll->updated = 1;
  it.roll->outdated = 1;
  EXPECT_THAT(Find(it, kProgressing), HasSubstr("True Rolling: 1 of 2"));
  it.strategy = network::UpdateStrategy::kOnDelete;
  EXPECT_THAT(Find(it, kProgressing), HasSubstr("False OnDelete: 1 of 2"));
  it.strategy = network::UpdateStrategy::kRackAware;
  it.roll->broken = "node a: ImagePullBackOff: no such image";
  EXPECT_THAT(
      Find(it, kProgressing),
      HasSubstr("False Stopped: 1 of 2 speakers are updated; no more are replaced: node a"));
  EXPECT_THAT(Find(it, kDegraded),
              HasSubstr("True SpeakerCannotRun: node a: ImagePullBackOff: no such image"));
}

TEST(Installation, ConflictsAsTheApiServerNamesThem) {
  const codec::Value details = codec::ParseYaml(R"(
causes:
  - reason: FieldManagerConflict
    message: conflict with "kubectl-edit" using apps/v1
    field: .spec.template.spec.nodeSelector
  - {reason: SomethingElse, message: other, field: .x}
)")
                                   .documents.at(0)
                                   .value;
  EXPECT_THAT(ConflictsIn(details),
              ElementsAre(FieldConflict{".spec.template.spec.nodeSelector", "kubectl-edit"}));
  EXPECT_THAT(ConflictsIn({}), IsEmpty());
}

TEST(Installation, ChoosesOneObject) {
  const absl::Time early = absl::UnixEpoch();
  EXPECT_EQ(ChooseObject({}), "");
  EXPECT_EQ(ChooseObject({{"b", early}, {"default", kNow}}), "default");
  EXPECT_EQ(ChooseObject({{"a", kNow}, {"b", early}}), "b");
  EXPECT_EQ(ChooseObject({{"a", kNow}, {"b", kNow}}), "a");
  EXPECT_THAT(Find(StatusBeside(3, "b", kNow), kApplied),
              HasSubstr("False NotInEffect: OpenELB \"b\" counts"));
}

std::vector<std::string> Reasons(const Installation& before, const Installation& after) {
  std::vector<std::string> reasons;
  for (const ClusterEvent& event :
       EventsBetween("x", StatusOf(before, kNow).conditions, StatusOf(after, kNow).conditions)) {
    EXPECT_EQ(event.about, (ObjectKey{"OpenELB", "", "x"}));
    reasons.push_back(absl::StrCat(event.warning ? "! " : "", event.reason));
  }
  return reasons;
}

TEST(Installation, EventsTellWhatIsNews) {
  const Installation sound = Sound();
  EXPECT_THAT(Reasons(sound, sound), IsEmpty());
  EXPECT_THAT(EventsBetween("x", {}, StatusOf(sound, kNow).conditions), IsEmpty());
  Installation drifted = sound;
  drifted.apply.conflicts = {{".a", "b"}};
  EXPECT_THAT(Reasons(sound, drifted), ElementsAre("! FieldsDrifted", "! SetByOthers"));
  EXPECT_THAT(Reasons(drifted, sound), ElementsAre("Applied", "InSync"));
  Installation rolling = sound;
  rolling.roll->outdated = 1;
  EXPECT_THAT(Reasons(sound, rolling), ElementsAre("Rolling"));
  EXPECT_THAT(Reasons(rolling, sound), ElementsAre("RolledOut"));
  rolling.roll->broken = "node a: x";
  EXPECT_THAT(Reasons(sound, rolling), ElementsAre("! Stopped", "! SpeakerCannotRun"));
  Installation dark = sound;
  dark.roll->dark = {"leaf1"};
  EXPECT_THAT(Reasons(sound, dark), IsEmpty());
}

}  // namespace
}  // namespace openelb::install

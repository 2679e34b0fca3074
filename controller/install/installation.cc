#include "controller/install/installation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace openelb::install {
namespace {

using kube::Condition;
using network::UpdateStrategy;

constexpr size_t kNamesShown = 5;
constexpr size_t kMessageShown = 1000;

struct Finding {
  bool status = false;
  std::string reason;
  std::string message;
};

template <typename Range, typename Text>
std::string Some(const Range& range, Text text) {
  std::vector<std::string> shown;
  for (const auto& item : range) {
    if (shown.size() == kNamesShown) {
      return absl::StrCat(absl::StrJoin(shown, ", "), " and ", range.size() - kNamesShown, " more");
    }
    shown.push_back(text(item));
  }
  return absl::StrJoin(shown, ", ");
}

std::string FieldName(absl::string_view field) {
  absl::ConsumePrefix(&field, ".");
  return std::string(field);
}

Finding Applied(const ApplyOutcome& apply) {
  if (apply.no_node) {
    return {false, "PlacementMatchesNoNode",
            "no node matches nodeSelector, affinity and tolerations together, so nothing is "
            "applied and speakers stay where they are; label a node or change the placement"};
  }
  if (!apply.refused.empty()) return {false, "Refused", apply.refused};
  if (!apply.done) return {false, "Pending", "it has not been applied yet"};
  if (!apply.conflicts.empty())
    return {false, "FieldsDrifted", "all is applied but for what the condition Drifted names"};
  return {true, "Applied", "the DaemonSet is what this object says"};
}

Finding Drifted(const ApplyOutcome& apply) {
  if (apply.conflicts.empty())
    return {false, "InSync", "nobody else has set what this object sets"};
  return {true, "SetByOthers",
          absl::StrCat(Some(apply.conflicts,
                            [](const FieldConflict& c) {
                              return absl::StrCat(FieldName(c.field), " was set by \"", c.manager,
                                                  "\"");
                            }),
                       "; that stays. Give the DaemonSet the value of this object, take the field "
                       "out of this object, or hand the DaemonSet over: kubectl delete ds "
                       "openelb-speaker --cascade=orphan")};
}

std::string RackName(const std::string& rack) {
  return rack.empty() ? "the cluster" : absl::StrCat("rack \"", rack, "\"");
}

Finding Available(const Installation& it) {
  if (!it.exists) return {false, "NoDaemonSet", "there is no DaemonSet openelb-speaker"};
  if (it.current && it.desired == 0)
    return {false, "PlacementMatchesNoNode", "the DaemonSet wants a speaker on no node"};
  if (!it.roll) return {false, "Pending", "nothing is known of the speakers yet"};
  if (!it.roll->dark.empty()) {
    return {false, "RackWithoutSpeaker",
            absl::StrCat("no ready speaker in ", Some(it.roll->dark, RackName),
                         it.roll->waits.empty() ? "" : "; waiting for ", it.roll->waits)};
  }
  return {true, "SpeakersReady",
          absl::StrCat("every rack has a ready speaker; ", it.roll->ready, " of ", it.desired,
                       " are ready")};
}

Finding Progressing(const Installation& it) {
  if (!it.exists || !it.roll) return {false, "Pending", "there is nothing to roll yet"};
  const Roll& roll = *it.roll;
  if (!it.current) return {true, "Rolling", "the DaemonSet controller has to take note first"};
  const std::string count =
      absl::StrCat(roll.updated, " of ", roll.updated + roll.outdated, " speakers are updated");
  if (roll.outdated == 0 && roll.updated >= it.desired) return {false, "RolledOut", count};
  if (!roll.broken.empty() && it.strategy == UpdateStrategy::kRackAware && roll.outdated > 0)
    return {false, "Stopped", absl::StrCat(count, "; no more are replaced: ", roll.broken)};
  if (it.strategy == UpdateStrategy::kOnDelete && roll.outdated > 0)
    return {false, "OnDelete", absl::StrCat(count, "; the others wait for their Pods' deletion")};
  return {true, "Rolling",
          absl::StrCat(count, roll.waits.empty() ? "" : "; waiting for ", roll.waits)};
}

Finding Degraded(const Installation& it) {
  if (!it.roll || it.roll->broken.empty()) return {false, "SpeakersRun", "every speaker can run"};
  return {true, "SpeakerCannotRun", it.roll->broken};
}

Condition Make(const char* type, Finding finding, int64_t generation, absl::Time now) {
  if (finding.message.size() > kMessageShown) finding.message.resize(kMessageShown);
  return {.type = type,
          .status = finding.status,
          .reason = std::move(finding.reason),
          .message = std::move(finding.message),
          .observed_generation = generation,
          .last_transition_time = now};
}

// Whether somebody has to do something.
bool IsBad(const Condition& condition) {
  if (condition.reason == "Pending") return false;
  if (condition.type == kProgressing) return condition.reason == "Stopped";
  return condition.status == (condition.type == kDrifted || condition.type == kDegraded);
}

}  // namespace

std::string ChooseObject(const std::map<std::string, absl::Time>& created) {
  if (created.contains(network::OpenElb::kPreferredName)) return network::OpenElb::kPreferredName;
  const auto oldest =
      std::min_element(created.begin(), created.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return oldest == created.end() ? "" : oldest->first;
}

std::vector<FieldConflict> ConflictsIn(const codec::Value& details) {
  std::vector<FieldConflict> conflicts;
  const codec::Value* causes = details.Find("causes");
  if (causes == nullptr || causes->list() == nullptr) return conflicts;
  const auto text = [](const codec::Value& cause, absl::string_view key) {
    const codec::Value* value = cause.Find(key);
    return value == nullptr || value->string() == nullptr ? std::string() : *value->string();
  };
  for (const codec::Value& cause : *causes->list()) {
    if (text(cause, "reason") != "FieldManagerConflict") continue;
    // conflict with "kubectl-edit" using apps/v1
    const std::vector<std::string> quoted = absl::StrSplit(text(cause, "message"), '"');
    conflicts.push_back({text(cause, "field"), quoted.size() > 1 ? quoted[1] : "somebody else"});
  }
  return conflicts;
}

network::OpenElbStatus StatusOf(const Installation& it, absl::Time now) {
  network::OpenElbStatus status;
  status.observed_generation = it.generation;
  status.counted = it.exists && it.roll.has_value();
  if (status.counted) {
    status.desired = it.desired;
    status.ready = it.roll->ready;
    status.updated = it.roll->updated;
  }
  const auto add = [&](const char* type, Finding finding) {
    status.conditions.push_back(Make(type, std::move(finding), it.generation, now));
  };
  add(kApplied, Applied(it.apply));
  add(kDrifted, Drifted(it.apply));
  add(kAvailable, Available(it));
  add(kProgressing, Progressing(it));
  add(kDegraded, Degraded(it));
  return status;
}

network::OpenElbStatus StatusBeside(int64_t generation, const std::string& chosen, absl::Time now) {
  network::OpenElbStatus status;
  status.observed_generation = generation;
  status.conditions.push_back(
      Make(kApplied,
           {false, "NotInEffect",
            absl::StrCat("OpenELB \"", chosen, "\" counts, and one alone can; delete either")},
           generation, now));
  return status;
}

std::vector<ClusterEvent> EventsBetween(const std::string& name,
                                        const std::vector<Condition>& before,
                                        const std::vector<Condition>& after) {
  std::vector<ClusterEvent> events;
  for (const Condition& condition : after) {
    if (condition.type == kAvailable) continue;  // conditions of the BgpConf and Eips tell of racks
    const auto old = std::find_if(before.begin(), before.end(),
                                  [&](const Condition& c) { return c.type == condition.type; });
    const bool known = old != before.end();
    if (known && old->status == condition.status && old->reason == condition.reason) continue;
    const bool bad = IsBad(condition);
    const bool mended = known && IsBad(*old);
    const bool rolled = known && condition.type == kProgressing && condition.reason != "Pending";
    if (!bad && !mended && !rolled) continue;
    events.push_back({.about = {network::OpenElb::kKind, "", name},
                      .warning = bad,
                      .reason = condition.reason,
                      .message = condition.message});
  }
  return events;
}

}  // namespace openelb::install

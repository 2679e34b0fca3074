#include "controller/observe/conditions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::observe {

void ConditionStamps::Stamp(const ObjectKey& about, absl::Time now,
                            std::vector<kube::Condition>* conditions) {
  std::map<std::string, Stamped> kept;
  const std::map<std::string, Stamped>& before = stamps_[about];
  for (kube::Condition& condition : *conditions) {
    const auto old = before.find(condition.type);
    const bool same = old != before.end() && old->second.status == condition.status;
    condition.last_transition_time = same ? old->second.since : now;
    kept[condition.type] = {condition.status, condition.last_transition_time};
  }
  std::sort(conditions->begin(), conditions->end(),
            [](const auto& a, const auto& b) { return a.type < b.type; });
  if (kept.empty()) {
    stamps_.erase(about);
  } else {
    stamps_[about] = std::move(kept);
  }
}

std::vector<kube::Condition> FieldsIgnored(const std::vector<std::string>& fields,
                                           int64_t generation) {
  if (fields.empty()) return {};
  return {{.type = "FieldsIgnored",
           .status = true,
           .reason = "NotSupported",
           .message = absl::StrCat("these fields are accepted and have no effect: ",
                                   absl::StrJoin(fields, ", ")),
           .observed_generation = generation,
           .last_transition_time = absl::InfinitePast()}};
}

}  // namespace openelb::observe

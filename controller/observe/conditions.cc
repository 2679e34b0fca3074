#include "controller/observe/conditions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::observe {
namespace {

constexpr size_t kRoomForMore = 40;  // "; and 18446744073709551615 more"

// No more than `most` octets, whole characters of UTF-8.
void Cut(size_t most, std::string* text) {
  if (text->size() <= most) return;
  const auto continues = [&](size_t at) {
    return (static_cast<unsigned char>((*text)[at]) & 0xC0) == 0x80;
  };
  while (most > 0 && continues(most)) --most;
  text->resize(most);
}

}  // namespace

std::string JoinSentences(const std::vector<std::string>& sentences) {
  std::string joined;
  size_t taken = 0;
  for (const std::string& sentence : sentences) {
    const absl::string_view separator = taken == 0 ? "" : "; ";
    const size_t size = joined.size() + separator.size() + sentence.size();
    if (taken == kMaxSentences || (taken > 0 && size > kMaxMessageBytes - kRoomForMore)) break;
    absl::StrAppend(&joined, separator, sentence);
    ++taken;
  }
  Cut(kMaxMessageBytes - kRoomForMore, &joined);
  if (taken < sentences.size())
    absl::StrAppend(&joined, "; and ", sentences.size() - taken, " more");
  return joined;
}

void ConditionStamps::Stamp(const ObjectKey& about, absl::Time now,
                            std::vector<kube::Condition>* conditions) {
  std::map<std::string, Stamped> kept;
  const std::map<std::string, Stamped>& before = stamps_[about];
  for (kube::Condition& condition : *conditions) {
    const auto old = before.find(condition.type);
    const bool same = old != before.end() && old->second.status == condition.status;
    Cut(kMaxMessageBytes, &condition.message);
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

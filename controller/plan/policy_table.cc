#include "controller/plan/policy_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::plan {
namespace {

// Saved as Assignment{kGroup, name, text}.
constexpr const char* kGroup = "export-policy";

}  // namespace

void PolicyTable::Upsert(const kube::ConfigMap& map) {
  if (!map.gobgp_conf.has_value()) return Remove(map.meta.namespace_, map.meta.name);
  texts_[{map.meta.namespace_, map.meta.name}] = *map.gobgp_conf;
  touched_ = true;
}

void PolicyTable::Remove(const std::string& namespace_, const std::string& name) {
  touched_ |= texts_.erase({namespace_, name}) > 0;
}

bool PolicyTable::Derive(const std::string& name) {
  if (!touched_ && name == name_) return false;
  touched_ = false;
  name_ = name;
  CurrentPolicy before = std::exchange(current_, Read(name));
  return before != current_;
}

CurrentPolicy PolicyTable::Read(const std::string& name) {
  if (name.empty()) {
    applied_.reset();
    return {};
  }
  const auto it = std::find_if(texts_.begin(), texts_.end(), [&](const auto& entry) {
    return entry.first.second == name && (namespace_.empty() || entry.first.first == namespace_);
  });
  CurrentPolicy current;
  if (it == texts_.end()) {
    current.problem = absl::StrCat(
        "there is no ConfigMap \"", name, "\" with the key gobgp.conf",
        namespace_.empty() ? "" : absl::StrCat(" in the namespace \"", namespace_, "\""));
  } else {
    ExportPolicy read = ReadExportPolicy(it->second);
    if (read.error.empty()) {
      applied_ = {name, it->second};
      current.policy = std::move(read);
      return current;
    }
    current.problem = absl::StrCat("ConfigMap \"", name, "\", gobgp.conf: ", read.error);
  }
  if (applied_.has_value()) current.policy = ReadExportPolicy(applied_->text);
  return current;
}

std::optional<Assignment> PolicyTable::Saved() const {
  if (!applied_.has_value()) return std::nullopt;
  return Assignment{kGroup, applied_->name, applied_->text};
}

bool PolicyTable::IsOurs(const Assignment& assignment) { return assignment.group == kGroup; }

void PolicyTable::Load(const Assignment& assignment) {
  if (!ReadExportPolicy(assignment.node).error.empty()) return;  // a newer version wrote it
  applied_ = {assignment.speaker, assignment.node};
  touched_ = true;
}

}  // namespace openelb::plan

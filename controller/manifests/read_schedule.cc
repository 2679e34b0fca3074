#include "controller/manifests/read_schedule.h"

#include <algorithm>

namespace openelb::manifests {

void ReadSchedule::Written(const std::string& name, absl::Duration now) { Set(name, {.due = now}); }

void ReadSchedule::Touched(const std::string& name, absl::Duration now) {
  if (!IsBeingWritten(name)) Set(name, {.due = now});
}

void ReadSchedule::Created(const std::string& name, absl::Duration now) {
  Set(name, {.due = now + quiet_, .settled = true});
}

void ReadSchedule::Modified(const std::string& name, absl::Duration now) {
  Set(name, {.due = now + kLongestPause, .settled = true, .being_written = true});
}

void ReadSchedule::Missing(const std::string& name, absl::Duration now) {
  Set(name, {.due = std::max(now + quiet_, hold_missing_until_), .settled = true});
}

void ReadSchedule::Vanished(const std::string& name, absl::Duration now) {
  Set(name, {.due = now, .settled = true});
}

void ReadSchedule::Unfinished(const std::string& name, absl::Duration now) {
  Set(name, {.due = now + quiet_, .settled = true});
}

void ReadSchedule::Clear() { entries_.clear(); }

bool ReadSchedule::IsBeingWritten(const std::string& name) const {
  const auto it = entries_.find(name);
  return it != entries_.end() && it->second.being_written;
}

std::vector<ReadSchedule::Due> ReadSchedule::TakeDue(absl::Duration now) {
  std::vector<Due> due;
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (it->second.due > now) {
      ++it;
      continue;
    }
    due.push_back({it->first, it->second.settled});
    it = entries_.erase(it);
  }
  return due;
}

absl::Duration ReadSchedule::NextDue() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [name, entry] : entries_) next = std::min(next, entry.due);
  return next;
}

void ReadSchedule::Set(const std::string& name, Entry entry) { entries_[name] = entry; }

}  // namespace openelb::manifests

#pragma once
// When statuses are written: the first change of an object at once, later ones at most once per
// interval, together; one that can wait, later. Pure: time comes in.

#include <algorithm>
#include <map>
#include <vector>

#include "absl/time/time.h"
#include "api/object.h"

namespace openelb::observe {

class Pacer {
 public:
  explicit Pacer(absl::Duration interval) : interval_(interval) {}

  // The object has something new to be written.
  void Mark(const ObjectKey& key, absl::Duration now) {
    const auto rests = rests_.find(key);
    Put(key, rests == rests_.end() ? now : std::max(now, rests->second));
  }
  // It was taken, and what there is to be written can wait until `when`; what is marked meanwhile
  // need not.
  void Defer(const ObjectKey& key, absl::Duration when) { Put(key, when); }

  // The objects whose turn it is, in order; each is unmarked.
  std::vector<ObjectKey> Take(absl::Duration now) {
    std::vector<ObjectKey> keys;
    for (const auto& [key, when] : due_) {
      if (when <= now) keys.push_back(key);
    }
    for (const ObjectKey& key : keys) {
      due_.erase(key);
      rests_[key] = now + interval_;
    }
    return keys;
  }

  void Forget(const ObjectKey& key) {
    due_.erase(key);
    rests_.erase(key);
  }

  // InfiniteDuration: nothing is marked.
  absl::Duration NextDue() const {
    absl::Duration next = absl::InfiniteDuration();
    for (const auto& [key, when] : due_) next = std::min(next, when);
    return next;
  }

 private:
  void Put(const ObjectKey& key, absl::Duration when) {
    absl::Duration& due = due_.try_emplace(key, when).first->second;
    due = std::min(due, when);
  }

  const absl::Duration interval_;
  std::map<ObjectKey, absl::Duration> due_;
  std::map<ObjectKey, absl::Duration> rests_;  // until when
};

}  // namespace openelb::observe

#pragma once
// Virtual time: a clock that stands still while code runs and jumps to the next event that was
// asked for. With one seed a run repeats exactly.

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "absl/time/time.h"
#include "api/base/clock.h"

namespace openelb {

// Runs events in order of time; those of one moment in the order they were asked for. Not
// thread-safe: a simulation is one thread.
class Scheduler final : public Clock {
 public:
  using Event = std::function<void()>;
  using EventId = std::pair<absl::Duration, uint64_t>;

  // `wall` is the calendar time at Monotonic() == 0.
  explicit Scheduler(absl::Time wall = absl::FromUnixSeconds(1767225600)) : wall_(wall) {}

  absl::Duration Monotonic() const override { return now_; }
  absl::Time Wall() const override { return wall_ + now_; }
  // What a clock step does: calendar time moves by `step`, timers do not notice.
  void StepWall(absl::Duration step) { wall_ += step; }

  // A moment that has passed means as soon as possible.
  EventId At(absl::Duration when, Event event) {
    EventId id{std::max(when, now_), next_++};
    events_.emplace(id, std::move(event));
    return id;
  }
  EventId After(absl::Duration delay, Event event) { return At(now_ + delay, std::move(event)); }
  // No effect on an event that has run.
  void Cancel(const EventId& id) { events_.erase(id); }

  // When the next event is due; InfiniteDuration: there is none.
  absl::Duration Next() const {
    return events_.empty() ? absl::InfiniteDuration() : events_.begin()->first.first;
  }

  // Runs the next event, if there is one no later than `limit`.
  bool Step(absl::Duration limit = absl::InfiniteDuration()) {
    auto next = events_.begin();
    if (next == events_.end() || next->first.first > limit) return false;
    now_ = next->first.first;
    Event event = std::move(next->second);
    events_.erase(next);
    event();
    return true;
  }
  // Runs everything due until `when`, what that leads to included, and moves the clock there.
  void RunUntil(absl::Duration when) {
    while (Step(when)) {
    }
    now_ = std::max(now_, when);
  }
  void RunFor(absl::Duration time) { RunUntil(now_ + time); }

 private:
  absl::Time wall_;
  absl::Duration now_;
  uint64_t next_ = 0;
  std::map<EventId, Event> events_;
};

}  // namespace openelb

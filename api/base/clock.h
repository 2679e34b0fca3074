#pragma once
// The seam to time. Cores never read a clock: their shells pass them what this returns.

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace openelb {

class Clock {
 public:
  virtual ~Clock() = default;
  // Time since an arbitrary origin; never steps, never goes back. Timers and intervals use only
  // this.
  virtual absl::Duration Monotonic() const = 0;
  // Calendar time; may step either way. For stamps that people and other machines read.
  virtual absl::Time Wall() const = 0;
};

// CLOCK_MONOTONIC and the system's calendar.
class SystemClock final : public Clock {
 public:
  absl::Duration Monotonic() const override;
  absl::Time Wall() const override { return absl::Now(); }
};

}  // namespace openelb

#include "api/base/clock.h"

#include <time.h>

namespace openelb {

absl::Duration SystemClock::Monotonic() const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace openelb

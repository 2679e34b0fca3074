#pragma once
// How long to wait before the next attempt.

#include <algorithm>

#include "absl/time/time.h"
#include "api/base/random.h"

namespace openelb::kube {

// Short, because the first Service after an outage waits for it; jittered, so that the attempts of
// many do not meet.
class Backoff {
 public:
  static constexpr absl::Duration kFirst = absl::Milliseconds(100);
  static constexpr absl::Duration kLast = absl::Seconds(2);

  // Between half of 0.1 s and the whole of it, then of twice as long, up to 2 s.
  absl::Duration Next(Random* random) {
    const absl::Duration whole = next_;
    next_ = std::min(next_ * 2, kLast);
    return whole * (0.5 + random->Uniform() / 2);
  }
  void Reset() { next_ = kFirst; }

 private:
  absl::Duration next_ = kFirst;
};

}  // namespace openelb::kube

#pragma once
// Growing waits between attempts, with jitter (RFC 4271 10), so that peers that restart together do
// not stay in step.

#include <algorithm>

#include "absl/time/time.h"
#include "api/base/random.h"

namespace openelb::bgp {

// RFC 4271 10: a random factor between 0.75 and 1.
inline absl::Duration Jittered(absl::Duration time, Random* random) {
  return time * (0.75 + 0.25 * random->Uniform());
}

// Waits of 50 ms, 100 ms, 200 ms ... up to a ceiling. The first is short because a peer that has
// just closed a session is often ready for the next one moments later.
class Backoff {
 public:
  static constexpr absl::Duration kFirst = absl::Milliseconds(50);

  absl::Duration Next(absl::Duration ceiling, Random* random) {
    const absl::Duration wait = std::min(next_, ceiling);
    next_ = std::min(next_ * 2, std::max(kFirst, ceiling));
    return Jittered(wait, random);
  }
  void Reset() { next_ = kFirst; }

 private:
  absl::Duration next_ = kFirst;
};

}  // namespace openelb::bgp

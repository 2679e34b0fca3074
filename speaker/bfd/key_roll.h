#pragma once
// The keys of two neighbours while their secret changes. The plans of the two bring the new one at
// different moments, up to ten seconds apart, and neither may refuse the other meanwhile:
//
//   since the plan brought it   signs   accepted
//   0 .. 10 s                   old     old, new
//   10 s until `accept_old`     new     new, old
//   then                        new     new
//
// Pure: time comes in. It rolls secrets of BFD and those of whatever else two neighbours say.

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "speaker/bfd/authentication.h"

namespace openelb::bfd {

// What two speakers use that share a secret: Meticulous Keyed SHA1. The key's id is made from the
// secret, so that both find the same one, and another secret (nearly always) another one.
Authentication SharedSecret(absl::string_view secret);

class KeyRoll {
 public:
  static constexpr absl::Duration kSignOld = absl::Seconds(10);
  static constexpr absl::Duration kAcceptOld = absl::Seconds(20);

  // `accept_old` is at least kSignOld.
  explicit KeyRoll(Key key, absl::Duration accept_old = kAcceptOld);

  // `key` is the newest from now on; the same again changes nothing. `at_once`: it signs from now
  // on, because there is nothing to lose.
  void Change(const Key& key, absl::Duration now, bool at_once = false);
  // Each once; the first signs.
  std::vector<Key> Keys(absl::Duration now) const;
  // When Keys next gives others; infinite: not before another Change.
  absl::Duration NextChange(absl::Duration now) const;

 private:
  struct Step {
    Key key;
    absl::Duration signs_at;
    absl::Duration alone_at;  // those before it are no longer accepted
  };

  size_t FirstAccepted(absl::Duration now) const;

  const absl::Duration accept_old_;
  std::vector<Step> steps_;  // the newest last; never empty
};

}  // namespace openelb::bfd

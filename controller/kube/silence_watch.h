#pragma once
// Tells that connections may have died unnoticed: a call has waited in vain, and a later one is
// answered. Pure.

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/time/time.h"

namespace openelb::kube {

class SilenceWatch {
 public:
  // A call that was sent at `sent` is over now; `answered`: by the server, whatever it says.
  void OnEnd(absl::Duration sent, bool answered, absl::Duration now) {
    if (answered && waited_in_vain_) {
      doubt_ = std::exchange(waited_in_vain_, std::nullopt);
    } else if (!answered && sent + kInVain <= now) {
      waited_in_vain_ = std::max(sent, waited_in_vain_.value_or(sent));
    }
  }
  // Since when; once for each.
  std::optional<absl::Duration> Take() { return std::exchange(doubt_, std::nullopt); }

 private:
  // A connection that is refused or reset says so at once, to all that use it.
  static constexpr absl::Duration kInVain = absl::Seconds(2);

  std::optional<absl::Duration> waited_in_vain_;
  std::optional<absl::Duration> doubt_;
};

}  // namespace openelb::kube

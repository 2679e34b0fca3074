#pragma once
// Holds writes back while the API server does not answer, so that its return is met by one probe
// and not by everything that waits. Pure: time comes in.

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace openelb::kube {

// Shared by all who write. One object whose writes fail (a webhook may refuse just that one) does
// not shut it: answers about others come in between.
class WriteGate {
 public:
  // The server does not answer: what fails now fails for no reason of its own.
  bool shut() const { return silent_ >= kPatience; }
  // A call may be sent: any, or the next probe.
  bool Open(absl::Duration now) const { return !shut() || next_probe_ <= now; }
  // When Open may next become true without an answer.
  absl::Duration NextOpen() const { return shut() ? next_probe_ : -absl::InfiniteDuration(); }

  // A call was sent. While the gate is shut it is the probe: no other follows before its answer.
  void Sent() {
    if (shut()) next_probe_ = absl::InfiniteDuration();
  }

  void Answered(const absl::Status& status, absl::Duration now) {
    if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
      ++silent_;
      if (shut()) next_probe_ = now + kProbeInterval;
    } else {
      if (shut()) ++returns_;
      silent_ = 0;
    }
  }
  // How often the server came back. What failed before the last time is worth another try.
  int returns() const { return returns_; }

 private:
  static constexpr int kPatience = 5;  // calls in a row without an answer
  static constexpr absl::Duration kProbeInterval = absl::Milliseconds(500);

  int silent_ = 0;
  int returns_ = 0;
  absl::Duration next_probe_ = absl::ZeroDuration();
};

}  // namespace openelb::kube

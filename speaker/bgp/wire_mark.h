#pragma once
// Which plan is on the wire: the newest generation whose last octet the peer's TCP has
// acknowledged.

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "api/plan/resource.h"

namespace openelb::bgp {

// One per ESTABLISHED connection. Keeps the oldest generation that waits for its acknowledgement
// and the newest one; those between do not matter once the newest is out.
class WireMark {
 public:
  // TCP has taken `octets` in total, and with them all that `generation` wants said.
  void OnTaken(const plan::Generation& generation, uint64_t octets, absl::Duration now) {
    if (latest_.has_value() ? latest_->generation == generation
                            : waiting_.has_value() && waiting_->generation == generation) {
      return;
    }
    if (!waiting_.has_value()) {
      if (on_wire_ == generation) return;
      waiting_ = Mark{generation, octets};
      since_ = now;
    } else {
      latest_ = Mark{generation, octets};
    }
  }

  // The peer's TCP has acknowledged `octets` in total. True when on_wire() moved.
  bool OnAcknowledged(uint64_t octets, absl::Duration now) {
    bool moved = false;
    while (waiting_.has_value() && octets >= waiting_->octets) {
      on_wire_ = waiting_->generation;
      waiting_ = latest_;
      latest_.reset();
      since_ = now;
      moved = true;
    }
    polled_ = now;
    return moved;
  }

  bool waiting() const { return waiting_.has_value(); }
  const std::optional<plan::Generation>& on_wire() const { return on_wire_; }
  // When to look for acknowledgements next: soon after the octets left, later when they wait long.
  absl::Duration NextPoll() const {
    if (!waiting_.has_value()) return absl::InfiniteDuration();
    const absl::Duration base = std::max(polled_, since_);
    return base + std::clamp((base - since_) / 2, absl::Milliseconds(1), absl::Milliseconds(10));
  }

 private:
  struct Mark {
    plan::Generation generation;
    uint64_t octets;
  };
  std::optional<Mark> waiting_;
  std::optional<Mark> latest_;
  std::optional<plan::Generation> on_wire_;
  absl::Duration since_;   // the oldest mark waits
  absl::Duration polled_;  // last
};

}  // namespace openelb::bgp

#pragma once
// The Epoch of a controller that shares a Lease with others: what the election last told, on the
// thread of the controller.

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "controller/epoch.h"
#include "controller/kube/leadership.h"

namespace openelb::kube {

class LeaseEpoch final : public Epoch {
 public:
  // `raise_above` hands its argument to LeaderElection::RaiseAbove, on that one's thread.
  explicit LeaseEpoch(std::function<void(uint64_t seen)> raise_above)
      : raise_above_(std::move(raise_above)) {}

  // The election's news.
  void Set(Leadership leadership) { leadership_ = std::move(leadership); }
  const Leadership& leadership() const { return leadership_; }

  // 0 from a raise until the Lease holds an epoch above it: until then another controller may lead.
  uint64_t current() const override;
  // Error: InvalidArgument, no leader counts as far as `seen`; nothing is raised.
  absl::Status RaiseAbove(uint64_t seen) override;
  bool after_long_lapse() const override { return leadership_.old_lease; }
  // Also while the leadership has lapsed: speakers refuse what a later leader's epoch has passed.
  absl::Status leads() const override;

 private:
  const std::function<void(uint64_t)> raise_above_;
  Leadership leadership_;
  uint64_t seen_ = 0;  // the largest one that had to be exceeded
};

}  // namespace openelb::kube

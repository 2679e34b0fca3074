#pragma once
// Events about addresses that another node answers for: one on each Service, and after a few of
// them in a short time one on the Eip that counts the others. Pure: time comes in.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controller/observe/owner_table.h"
#include "controller/status_sink.h"

namespace openelb::observe {

class OwnerEvents {
 public:
  // Events for Services at once, then so many a second.
  static constexpr double kBurst = 20;
  static constexpr double kPerSecond = 2;
  // What was left out is counted for so long before the Eip's Event.
  static constexpr absl::Duration kCollect = absl::Seconds(2);

  // What to say now; the rest waits.
  std::vector<ClusterEvent> OnMoves(const std::vector<OwnerMove>& moves, absl::Duration now);
  // What is due.
  std::vector<ClusterEvent> TakeDue(absl::Duration now);
  // InfiniteDuration: nothing waits.
  absl::Duration NextDue() const { return due_; }

 private:
  bool Allow(absl::Duration now);

  double tokens_ = kBurst;
  absl::Duration refilled_ = absl::ZeroDuration();
  std::map<std::string, std::map<std::string, int64_t>> left_out_;  // addresses by Eip and node
  absl::Duration due_ = absl::InfiniteDuration();
};

}  // namespace openelb::observe

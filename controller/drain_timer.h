#pragma once
// How long routers get to move off nodes that are to be drained. Pure: time comes in.

#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"

namespace openelb {

class DrainTimer {
 public:
  // Zero: no time.
  explicit DrainTimer(absl::Duration drain_time) : drain_time_(drain_time) {}

  struct Turn {
    std::set<std::string> begun;  // their time begins
    std::set<std::string> over;   // their time is over
  };
  // `draining`: all nodes that routers are asked to move off. A node whose time is over is to be
  // named no longer; else it is over again in the next turn.
  Turn Follow(const std::set<std::string>& draining, absl::Duration now);
  // When some time is over; InfiniteDuration: no node is followed.
  absl::Duration NextDue() const;

 private:
  const absl::Duration drain_time_;
  std::map<std::string, absl::Duration> until_;
};

}  // namespace openelb

#pragma once
// Lets one speaker of a rack at a time reset sessions whose OPEN has to change, so that a rack
// never loses all its sessions to one edit. Pure.

#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"

namespace openelb::push {

// A speaker that has not finished after this long no longer keeps the others waiting.
inline constexpr absl::Duration kResetTurn = absl::Seconds(30);

class ResetTurns {
 public:
  // The attached speaker on `node` has `pending` resets to do or to finish; racks are opaque names.
  void OnPending(const std::string& node, const std::string& rack, uint32_t pending);
  // Its stream is gone. What it held or waited for passes on.
  void OnDetached(const std::string& node);

  // The nodes that have the turn at `now`.
  std::set<std::string> Holders(absl::Duration now);
  // When a turn runs out; InfiniteDuration: none will.
  absl::Duration NextDue() const;

 private:
  struct Waiting {
    std::string rack;
    uint64_t order;  // of asking
  };
  struct Turn {
    std::string node;
    absl::Duration until;
  };
  std::map<std::string, Waiting> waiting_;  // by node; the holder of a turn included
  std::map<std::string, Turn> turns_;       // by rack
  uint64_t next_order_ = 0;
};

}  // namespace openelb::push

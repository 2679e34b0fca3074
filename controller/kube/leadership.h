#pragma once
// Who leads, as one controller knows it.

#include <cstdint>
#include <string>

namespace openelb::kube {

// Larger ones come of no counting. What speakers show counts up to the half of it, so that many
// leaderships can follow whatever a speaker makes up.
inline constexpr uint64_t kMaxEpoch = uint64_t{1} << 62;
inline constexpr uint64_t kMaxSeenEpoch = kMaxEpoch / 2;

struct Leadership {
  enum class Role {
    kStandby,  // another leads, or nobody yet
    kLeading,
    kLapsed,  // led, and cannot tell whether it still does: speakers are served, nothing is written
    kDeposed,  // another has taken over; final
  };
  Role role = Role::kStandby;
  uint64_t epoch = 0;    // of plans that may be sent, kept in the Lease; 0: none may be
  std::string leader;    // identity of the Lease's holder; empty: there is none
  std::string endpoint;  // HOST:PORT where that holder serves speakers; empty: it does not say

  // Nobody had renewed the Lease for so long, by the times in it, when this one took it, that the
  // cluster's store may be a copy restored from then; or who held it last found it so, and did not
  // come to the end of its recovery.
  bool old_lease = false;

  // The cluster's objects may be written.
  bool may_write() const { return role == Role::kLeading; }
  bool operator==(const Leadership&) const = default;
};

}  // namespace openelb::kube

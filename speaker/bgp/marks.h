#pragma once
// What a session says about its announcements as a whole: End-of-RIB when the first full set is
// out (RFC 4724 2), and the answers to ROUTE-REFRESH requests, between marks where the peer knows
// them (RFC 2918 4, RFC 7313 4).
//
// Life of a request: Ask notes it. When all that was to be said has been said, OnIdle opens the
// answer and names the family, whose routes are then sent again; when those are out, the next
// OnIdle closes it. Requests that come meanwhile are one request for a later answer, and a family
// is sent again at most once in kRefreshEvery, so that a peer that asks all the time costs little.

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "api/base/ip.h"
#include "speaker/bgp/open.h"

namespace openelb::bgp {

class Marks {
 public:
  static constexpr absl::Duration kRefreshEvery = absl::Seconds(1);

  // What OnIdle appended, and of which families all routes are to follow.
  struct Said {
    uint64_t updates = 0;
    uint64_t refreshes = 0;
    std::vector<Family> again;
  };

  explicit Marks(const Negotiated& negotiated);

  // The peer asks for all routes of a negotiated family. False: it had asked for them already.
  bool Ask(Family family);
  // Nothing is left to announce or withdraw.
  Said OnIdle(absl::Duration now, Bytes* out);

  void Tick(absl::Duration now);
  // When a request may be answered that OnIdle had to put off; OnIdle is to be called after Tick.
  absl::Duration NextWakeup() const { return wake_; }

 private:
  struct Answer {
    Family family;
    bool wanted = false;
    bool open = false;
    absl::Duration not_before = -absl::InfiniteDuration();
  };

  const bool enhanced_;
  bool end_of_rib_;  // is still to be said
  std::vector<Answer> answers_;
  absl::Duration wake_ = absl::InfiniteDuration();
};

}  // namespace openelb::bgp

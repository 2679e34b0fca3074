#pragma once
// What this speaker has asked its controller about scrapers, until it is answered. Pure.

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::link {

class ScraperReviews {
 public:
  // OK: the scraper may read metrics. Unauthenticated, PermissionDenied, Unavailable: not, or that
  // cannot be told.
  using Done = std::function<void(absl::Status)>;
  static constexpr absl::Duration kPatience = absl::Seconds(3);

  // What to send. `done` is called once, from within a later call.
  plan::v1::Report Ask(const std::string& token, Done done, absl::Duration now);
  // Of answers nobody waits for nothing comes.
  void OnVerdict(const plan::v1::ScraperVerdict& verdict);
  // The stream has ended: nothing asked so far is answered any more.
  void OnDown();
  // Call at NextWakeup or later; InfiniteDuration: nothing to do.
  void Tick(absl::Duration now);
  absl::Duration NextWakeup() const;

 private:
  struct Waiting {
    Done done;
    absl::Duration deadline;
  };
  std::map<uint64_t, Waiting> waiting_;  // oldest first
  uint64_t next_id_ = 1;                 // never used again, whatever the stream
};

}  // namespace openelb::link

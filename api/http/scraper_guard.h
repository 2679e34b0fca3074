#pragma once
// Who may read metrics: whoever shows a certificate that counts, or a bearer token (RFC 6750) that
// a reviewer accepts. Fails closed: where nobody can tell, nobody may. Any thread.
//
// What a reviewer says of a token is kept, so that scraping costs it little and goes on for a while
// without it: an accepted token is reviewed again, behind the scrape, once a minute; when that
// cannot be done it counts for five.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/mutex.h"
#include "api/http/request.h"
#include "api/http/server.h"

namespace openelb::http {

// Scrapes since the start, by what came of them.
struct ScrapeCounters {
  uint64_t allowed = 0;
  uint64_t unauthenticated = 0;  // no token, or nobody's
  uint64_t forbidden = 0;        // of somebody who may not
  uint64_t unavailable = 0;      // that could not be told
};

class ScraperGuard : public std::enable_shared_from_this<ScraperGuard> {
 public:
  // OK: may read. Unauthenticated, PermissionDenied, Unavailable: as the counters above.
  using Done = std::function<void(absl::Status)>;
  // Calls `done` once, from any thread, maybe before it returns.
  using Review = std::function<void(const std::string& token, Done done)>;

  static constexpr absl::Duration kFresh = absl::Minutes(1);
  static constexpr absl::Duration kAllowed = absl::Minutes(5);
  static constexpr absl::Duration kRefused = absl::Seconds(10);
  static constexpr int kMostAsked = 4;  // of the reviewer at once
  // Tokens that wait, and that come up in a second; of more it cannot be told. Those that were
  // accepted before are not counted, and come first.
  static constexpr size_t kMostWaiting = 256;
  static constexpr int kMostNew = 20;

  // `review` null: tokens do not count. `clock` outlives it. To be made by make_shared: reviews may
  // end after it.
  ScraperGuard(Review review, const Clock* clock) : review_(std::move(review)), clock_(clock) {}

  // As a Server::Guard, for the path "/metrics"; the others are for everybody. Counted.
  void Admit(const Request& request, const Server::Verdict& verdict);
  // Of a token alone. Not counted.
  void Check(const std::string& token, Done done);

  ScrapeCounters counters() const;

 private:
  struct Known {
    absl::Status status;
    absl::Duration fresh_until;  // monotonic
    absl::Duration until;
  };
  // Whether one that was never accepted may be reviewed; counts it.
  bool TakesNew(absl::Duration now) REQUIRES(mutex_);
  void AskNext();
  void OnReview(const std::string& digest, const absl::Status& status);
  void Sweep(absl::Duration now) REQUIRES(mutex_);
  std::optional<Answer> RefusalOf(const absl::Status& status);

  const Review review_;
  const Clock* const clock_;
  mutable Mutex mutex_;
  std::map<std::string, Known> known_ GUARDED_BY(mutex_);  // by the token's digest
  std::set<std::string> asking_ GUARDED_BY(mutex_);        // likewise: in the queue or under way
  std::map<std::string, std::vector<Done>> waiting_ GUARDED_BY(mutex_);       // of these, for whom
  std::deque<std::pair<std::string, std::string>> queue_ GUARDED_BY(mutex_);  // token, digest
  int under_way_ GUARDED_BY(mutex_) = 0;
  absl::Duration second_ GUARDED_BY(mutex_) = -absl::InfiniteDuration();  // began then
  int new_ GUARDED_BY(mutex_) = 0;                                        // tokens in it
  size_t next_sweep_ GUARDED_BY(mutex_) = 256;
  ScrapeCounters counters_ GUARDED_BY(mutex_);
};

}  // namespace openelb::http

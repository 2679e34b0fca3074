#pragma once
// Speakers' tokens checked by the API server. Answers are kept for a moment, so that a crowd of
// speakers that reconnects asks once each; while the API server is away, a token that it has
// accepted before is believed until it expires: its speaker comes back to what it had.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/post.h"
#include "controller/kube/client.h"
#include "controller/kube/token_review.h"
#include "controller/push/authenticator.h"

namespace openelb::kube {

struct TokenReviewCounters {
  uint64_t reviews = 0;      // asked of the API server
  uint64_t refused = 0;      // tokens that were not accepted
  uint64_t unavailable = 0;  // not answered, and nothing known
  uint64_t believed = 0;     // not answered, and accepted before
};

class TokenReviewAuthenticator final : public push::Authenticator {
 public:
  static constexpr absl::Duration kFresh = absl::Seconds(30);   // of an answer that accepts
  static constexpr absl::Duration kRefused = absl::Seconds(5);  // of one that does not
  static constexpr absl::Duration kMinRecheck = absl::Minutes(1);
  static constexpr absl::Duration kMaxRecheck = absl::Hours(1);

  // `client` belongs to the thread that `post` reaches. All pointers outlive it.
  TokenReviewAuthenticator(SpeakerAccount account, Client* client, const Clock* clock, Logger* log,
                           Post post);
  // On the owner thread. No `done` is called any more.
  ~TokenReviewAuthenticator() override;

  // Any thread; `done` is called on the owner thread.
  void Authenticate(const std::string& token, Done done) override;

  // Owner thread.
  const TokenReviewCounters& counters() const;

 private:
  class Core;
  const std::shared_ptr<Core> core_;
  const std::shared_ptr<PostGate> gate_;
};

}  // namespace openelb::kube

#include "controller/kube/token_review_authenticator.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/tls/digest.h"

namespace openelb::kube {
namespace {

constexpr size_t kMaxTokenBytes = 16 << 10;
constexpr size_t kFirstSweep = 256;
// Under way at once: whoever reaches the port can show any token, and the API server has other work
// of ours.
constexpr int kMostAsked = 4;
// How long a token counts as valid that does not say when it expires.
constexpr absl::Duration kSilentToken = absl::Minutes(10);

}  // namespace

// On the owner thread.
class TokenReviewAuthenticator::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(SpeakerAccount account, Client* client, const Clock* clock, Logger* log)
      : account_(std::move(account)), client_(client), clock_(clock), log_(log) {}

  void Stop() { client_ = nullptr; }

  void Authenticate(const std::string& token, Done done) {
    if (client_ == nullptr) return;
    if (token.empty() || token.size() > kMaxTokenBytes) {
      ++counters_.refused;
      return done(absl::UnauthenticatedError(token.empty() ? "token: none shown"
                                                           : "token: longer than 16 KiB"));
    }
    const std::string digest = tls::Sha256(token);
    const auto known = known_.find(digest);
    if (known != known_.end() && clock_->Monotonic() < known->second.fresh_until) {
      return done(Answer(known->second));
    }
    std::vector<Done>& waiting = waiting_[digest];
    waiting.push_back(std::move(done));
    if (waiting.size() > 1) return;  // asked already
    queue_.push_back(token);
    AskNext();
  }

  const TokenReviewCounters& counters() const { return counters_; }

 private:
  struct Known {
    absl::StatusOr<std::string> node;
    absl::Time expiry;
    absl::Duration fresh_until;
  };

  void AskNext() {
    while (!queue_.empty() && asked_ < kMostAsked) {
      Ask(queue_.front());
      queue_.pop_front();
    }
  }

  void Ask(const std::string& token) {
    ++asked_;
    ++counters_.reviews;
    const std::string digest = tls::Sha256(token);
    const absl::Time expiry = ExpiryOfToken(token).value_or(clock_->Wall() + kSilentToken);
    client_->Call({.method = "POST",
                   .path = "/apis/authentication.k8s.io/v1/tokenreviews",
                   .content_type = kJson,
                   .body = MakeTokenReview(token, account_)},
                  [weak = weak_from_this(), digest, expiry](absl::StatusOr<codec::Value> review) {
                    const auto self = weak.lock();
                    if (self != nullptr && self->client_ != nullptr) {
                      self->OnReview(digest, expiry, std::move(review));
                    }
                  });
  }

  absl::Duration Left(const Known& known) const { return known.expiry - clock_->Wall(); }

  absl::StatusOr<push::Identity> Answer(const Known& known) const {
    if (!known.node.ok()) return known.node.status();
    return push::Identity{.node = *known.node,
                          .recheck = std::clamp(Left(known), kMinRecheck, kMaxRecheck)};
  }

  void OnReview(const std::string& digest, absl::Time expiry, absl::StatusOr<codec::Value> review) {
    absl::StatusOr<std::string> node =
        review.ok() ? NodeOfReview(*review, account_) : review.status();
    const bool answered = node.ok() || absl::IsUnauthenticated(node.status());
    --asked_;
    // An error of the call, 401 included, is about our own credentials.
    if (review.ok() && answered) {
      log_->Recovered("token review", "speakers' tokens can be reviewed again");
      if (!node.ok()) {
        ++counters_.refused;
        log_->Damped("token refused", "a speaker's token is refused", node.status().message());
      }
      const absl::Duration fresh = node.ok() ? kFresh : kRefused;
      Known& known = known_[digest];
      known = {std::move(node), expiry, clock_->Monotonic() + fresh};
      Tell(digest, Answer(known));
      Sweep();
    } else {
      Tell(digest, WithoutReview(digest, node.status()));
      // It speaks for all that wait: one call after the other would take as long each.
      for (const std::string& token : std::exchange(queue_, {})) {
        Tell(tls::Sha256(token), WithoutReview(tls::Sha256(token), node.status()));
      }
    }
    AskNext();
  }

  void Tell(const std::string& digest, const absl::StatusOr<push::Identity>& answer) {
    const auto waiting = waiting_.extract(digest);
    for (const Done& done : waiting.mapped()) done(answer);
  }

  absl::StatusOr<push::Identity> WithoutReview(const std::string& digest, const absl::Status& why) {
    log_->Damped("token review", "speakers' tokens cannot be reviewed; live streams stay",
                 why.ToString());
    const auto known = known_.find(digest);
    if (known != known_.end() && known->second.node.ok() &&
        Left(known->second) > absl::ZeroDuration()) {
      ++counters_.believed;
      return Answer(known->second);
    }
    ++counters_.unavailable;
    return absl::UnavailableError(absl::StrCat("token: cannot be reviewed: ", why.message()));
  }

  // Forgets what serves nobody any more, whenever there is twice as much as after the last time.
  void Sweep() {
    if (known_.size() < next_sweep_) return;
    const absl::Duration now = clock_->Monotonic();
    for (auto it = known_.begin(); it != known_.end();) {
      const Known& known = it->second;
      const bool live =
          now < known.fresh_until || (known.node.ok() && Left(known) > absl::ZeroDuration());
      it = live ? std::next(it) : known_.erase(it);
    }
    next_sweep_ = std::max(kFirstSweep, 2 * known_.size());
  }

  const SpeakerAccount account_;
  Client* client_;  // null once stopped
  const Clock* const clock_;
  Logger* const log_;
  std::map<std::string, Known> known_;                // by digest
  std::map<std::string, std::vector<Done>> waiting_;  // likewise, until there is an answer
  std::deque<std::string> queue_;                     // tokens to be asked about
  int asked_ = 0;                                     // under way
  size_t next_sweep_ = kFirstSweep;
  TokenReviewCounters counters_;
};

TokenReviewAuthenticator::TokenReviewAuthenticator(SpeakerAccount account, Client* client,
                                                   const Clock* clock, Logger* log, Post post)
    : core_(std::make_shared<Core>(std::move(account), client, clock, log)),
      gate_(std::make_shared<PostGate>(std::move(post))) {}

TokenReviewAuthenticator::~TokenReviewAuthenticator() {
  gate_->Shut();
  core_->Stop();
}

void TokenReviewAuthenticator::Authenticate(const std::string& token, Done done) {
  gate_->Post([core = core_, token, done = std::move(done)] { core->Authenticate(token, done); });
}

const TokenReviewCounters& TokenReviewAuthenticator::counters() const { return core_->counters(); }

}  // namespace openelb::kube

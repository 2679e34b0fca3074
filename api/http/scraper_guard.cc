#include "api/http/scraper_guard.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "api/tls/digest.h"

namespace openelb::http {
namespace {

constexpr char kGuarded[] = "/metrics";
constexpr size_t kMostToken = 12 << 10;  // octets

// Of "Bearer TOKEN" (RFC 6750 2.1); empty: there is none.
std::string TokenIn(absl::string_view authorization) {
  constexpr absl::string_view kScheme = "Bearer ";
  if (!absl::StartsWithIgnoreCase(authorization, kScheme)) return "";
  authorization.remove_prefix(kScheme.size());
  return std::string(absl::StripLeadingAsciiWhitespace(authorization));
}

}  // namespace

void ScraperGuard::Admit(const Request& request, const Server::Verdict& verdict) {
  if (request.path != kGuarded) return verdict(std::nullopt);
  const auto finish = [weak = weak_from_this(), verdict](const absl::Status& status) {
    const auto self = weak.lock();
    if (self != nullptr) verdict(self->RefusalOf(status));
  };
  if (request.certified) return finish(absl::OkStatus());
  const std::string token = TokenIn(request.authorization);
  if (token.empty()) {
    return finish(absl::UnauthenticatedError(
        review_ ? "metrics are for those who show a bearer token, or a certificate"
                : "metrics are for those who show a certificate"));
  }
  Check(token, finish);
}

std::optional<Answer> ScraperGuard::RefusalOf(const absl::Status& status) {
  MutexLock lock(&mutex_);
  const std::string why = absl::StrCat(status.message(), "\n");
  switch (status.code()) {
    case absl::StatusCode::kOk:
      ++counters_.allowed;
      return std::nullopt;
    case absl::StatusCode::kUnauthenticated:
      ++counters_.unauthenticated;
      return Answer{401, why};
    case absl::StatusCode::kPermissionDenied:
      ++counters_.forbidden;
      return Answer{403, why};
    default:
      ++counters_.unavailable;
      return Answer{503, why};
  }
}

void ScraperGuard::Check(const std::string& token, Done done) {
  if (!review_ || token.size() > kMostToken)
    return done(absl::UnauthenticatedError(
        review_ ? "the token is too long" : "metrics are for those who show a certificate"));
  const std::string digest = tls::Sha256(token);
  const absl::Duration now = clock_->Monotonic();
  std::optional<absl::Status> answer;
  {
    MutexLock lock(&mutex_);
    const auto known = known_.find(digest);
    if (known != known_.end() && now < known->second.until) answer = known->second.status;
    const bool stale = !answer || now >= known->second.fresh_until;
    const bool accepted = known != known_.end() && known->second.status.ok();
    if (stale && !asking_.contains(digest)) {
      if (accepted) {
        asking_.insert(digest);
        queue_.emplace_front(token, digest);
      } else if (TakesNew(now)) {
        asking_.insert(digest);
        queue_.emplace_back(token, digest);
      } else {
        answer = absl::UnavailableError("too many tokens are to be reviewed: try again");
      }
    }
    if (!answer) waiting_[digest].push_back(std::exchange(done, nullptr));
  }
  if (answer) done(*answer);
  AskNext();
}

bool ScraperGuard::TakesNew(absl::Duration now) {
  if (now >= second_ + absl::Seconds(1)) {
    second_ = now;
    new_ = 0;
  }
  if (asking_.size() >= kMostWaiting || new_ >= kMostNew) return false;
  ++new_;
  return true;
}

void ScraperGuard::AskNext() {
  for (;;) {
    std::pair<std::string, std::string> next;
    {
      MutexLock lock(&mutex_);
      if (queue_.empty() || under_way_ >= kMostAsked) return;
      next = std::move(queue_.front());
      queue_.pop_front();
      ++under_way_;
    }
    review_(next.first, [weak = weak_from_this(), digest = next.second](const absl::Status& said) {
      const auto self = weak.lock();
      if (self != nullptr) self->OnReview(digest, said);
    });
  }
}

void ScraperGuard::OnReview(const std::string& digest, const absl::Status& said) {
  const absl::Duration now = clock_->Monotonic();
  std::vector<Done> waiting;
  {
    MutexLock lock(&mutex_);
    --under_way_;
    asking_.erase(digest);
    if (const auto it = waiting_.find(digest); it != waiting_.end()) {
      waiting = std::move(it->second);
      waiting_.erase(it);
    }
    if (said.ok()) {
      known_[digest] = {said, now + kFresh, now + kAllowed};
    } else if (absl::IsUnauthenticated(said) || absl::IsPermissionDenied(said)) {
      known_[digest] = {said, now + kRefused, now + kRefused};
    }
    Sweep(now);
  }
  for (const Done& done : waiting) done(said);
  AskNext();
}

// Forgets what counts no more, whenever there is twice as much as after the last time.
void ScraperGuard::Sweep(absl::Duration now) {
  if (known_.size() < next_sweep_) return;
  std::erase_if(known_, [now](const auto& entry) { return now >= entry.second.until; });
  next_sweep_ = std::max<size_t>(256, 2 * known_.size());
}

ScrapeCounters ScraperGuard::counters() const {
  MutexLock lock(&mutex_);
  return counters_;
}

}  // namespace openelb::http

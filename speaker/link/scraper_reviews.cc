#include "speaker/link/scraper_reviews.h"

#include <utility>

namespace openelb::link {
namespace {

using plan::v1::ScraperVerdict;

absl::Status StatusOf(const ScraperVerdict& verdict) {
  switch (verdict.result()) {
    case ScraperVerdict::ALLOWED:
      return absl::OkStatus();
    case ScraperVerdict::UNAUTHENTICATED:
      return absl::UnauthenticatedError(verdict.reason());
    case ScraperVerdict::FORBIDDEN:
      return absl::PermissionDeniedError(verdict.reason());
    default:  // also what a newer controller may say
      return absl::UnavailableError(verdict.reason());
  }
}

}  // namespace

plan::v1::Report ScraperReviews::Ask(const std::string& token, Done done, absl::Duration now) {
  plan::v1::Report report;
  report.mutable_scraper_token()->set_id(next_id_);
  report.mutable_scraper_token()->set_token(token);
  waiting_[next_id_++] = {std::move(done), now + kPatience};
  return report;
}

void ScraperReviews::OnVerdict(const ScraperVerdict& verdict) {
  const auto waiting = waiting_.extract(verdict.id());
  if (!waiting.empty()) waiting.mapped().done(StatusOf(verdict));
}

void ScraperReviews::OnDown() {
  for (const auto& [id, waiting] : std::exchange(waiting_, {}))
    waiting.done(absl::UnavailableError("the controller was lost before it answered"));
}

void ScraperReviews::Tick(absl::Duration now) {
  while (!waiting_.empty() && waiting_.begin()->second.deadline <= now) {
    const auto late = waiting_.extract(waiting_.begin());
    late.mapped().done(absl::UnavailableError("the controller does not review tokens in time"));
  }
}

absl::Duration ScraperReviews::NextWakeup() const {
  return waiting_.empty() ? absl::InfiniteDuration() : waiting_.begin()->second.deadline;
}

}  // namespace openelb::link

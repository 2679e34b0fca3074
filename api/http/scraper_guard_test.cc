#include "api/http/scraper_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"

namespace openelb::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ScraperGuardTest : public ::testing::Test {
 protected:
  // What comes of it at once: the status, or -1 while nobody has said.
  int Scrape(const std::string& authorization, bool certified = false,
             const std::string& path = "/metrics") {
    const auto answer = std::make_shared<int>(-1);
    guard_->Admit({.method = "GET",
                   .path = path,
                   .authorization = authorization,
                   .body = "",
                   .certified = certified},
                  [answer](const std::optional<Answer>& refusal) {
                    *answer = refusal ? refusal->status : 200;
                  });
    answers_.push_back(answer);
    return *answer;
  }
  // All that was asked by Scrape, as it is now.
  std::vector<int> Answers() const {
    std::vector<int> now;
    now.reserve(answers_.size());
    for (const auto& answer : answers_) now.push_back(*answer);
    return now;
  }
  void SayAtOnce(const absl::Status& verdict) { verdict_ = verdict; }

  Scheduler scheduler_;
  std::optional<absl::Status> verdict_;  // given at once; none: kept in asked_
  std::vector<std::string> tokens_;      // that the reviewer was shown
  std::vector<ScraperGuard::Done> asked_;
  std::vector<std::shared_ptr<int>> answers_;
  std::shared_ptr<ScraperGuard> guard_ = std::make_shared<ScraperGuard>(
      [this](const std::string& token, ScraperGuard::Done done) {
        tokens_.push_back(token);
        if (verdict_) {
          done(*verdict_);
        } else {
          asked_.push_back(std::move(done));
        }
      },
      &scheduler_);
};

TEST_F(ScraperGuardTest, OnlyMetricsAreGuarded) {
  EXPECT_EQ(Scrape("", false, "/healthz"), 200);
  EXPECT_EQ(Scrape("", false, "/readyz"), 200);
  EXPECT_EQ(Scrape("", false, "/no-such-page"), 200);
  EXPECT_EQ(guard_->counters().allowed, 0u);
}

TEST_F(ScraperGuardTest, WhoShowsNothingIsUnauthenticated) {
  for (const char* shown : {"", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "tokentokentoken"})
    EXPECT_EQ(Scrape(shown), 401) << shown;
  EXPECT_EQ(Scrape("Bearer " + std::string(13'000, 'x')), 401);
  EXPECT_THAT(tokens_, ElementsAre());
  EXPECT_EQ(guard_->counters().unauthenticated, 6u);
}

TEST_F(ScraperGuardTest, ACertificateNeedsNoReview) {
  EXPECT_EQ(Scrape("", true), 200);
  EXPECT_THAT(tokens_, ElementsAre());
  EXPECT_EQ(guard_->counters().allowed, 1u);
}

TEST_F(ScraperGuardTest, TheReviewersWordCounts) {
  const struct {
    absl::Status said;
    int status;
  } kCases[] = {{absl::OkStatus(), 200},
                {absl::UnauthenticatedError("whose"), 401},
                {absl::PermissionDeniedError("may not"), 403},
                {absl::UnavailableError("away"), 503},
                {absl::InternalError("what"), 503}};
  for (const auto& test : kCases) {
    SayAtOnce(test.said);
    EXPECT_EQ(Scrape(absl::StrCat("bearer ", test.said.ToString())), test.status);
  }
  EXPECT_EQ(guard_->counters().allowed, 1u);
  EXPECT_EQ(guard_->counters().unauthenticated, 1u);
  EXPECT_EQ(guard_->counters().forbidden, 1u);
  EXPECT_EQ(guard_->counters().unavailable, 2u);
}

TEST_F(ScraperGuardTest, AsksOnceForAllThatWait) {
  EXPECT_EQ(Scrape("Bearer a"), -1);
  EXPECT_EQ(Scrape("Bearer a"), -1);
  EXPECT_THAT(tokens_, ElementsAre("a"));
  asked_[0](absl::OkStatus());
  EXPECT_THAT(Answers(), ElementsAre(200, 200));
  EXPECT_EQ(Scrape("Bearer a"), 200);
  EXPECT_THAT(tokens_, ElementsAre("a"));
}

// Nobody waits for the review that renews.
TEST_F(ScraperGuardTest, AnAcceptedTokenIsReviewedAgainBehindTheScrape) {
  SayAtOnce(absl::OkStatus());
  EXPECT_EQ(Scrape("Bearer a"), 200);
  verdict_.reset();
  scheduler_.RunFor(ScraperGuard::kFresh);
  EXPECT_EQ(Scrape("Bearer a"), 200);
  EXPECT_EQ(Scrape("Bearer a"), 200);
  EXPECT_THAT(tokens_, ElementsAre("a", "a"));
  asked_[0](absl::UnauthenticatedError("revoked"));
  EXPECT_EQ(Scrape("Bearer a"), 401);
}

TEST_F(ScraperGuardTest, WithoutTheReviewerAnAcceptedTokenCountsForAWhile) {
  SayAtOnce(absl::OkStatus());
  EXPECT_EQ(Scrape("Bearer a"), 200);
  SayAtOnce(absl::UnavailableError("away"));
  scheduler_.RunFor(ScraperGuard::kAllowed - absl::Seconds(1));
  EXPECT_EQ(Scrape("Bearer a"), 200);
  EXPECT_EQ(Scrape("Bearer b"), 503);
  scheduler_.RunFor(absl::Seconds(1));
  EXPECT_EQ(Scrape("Bearer a"), 503);
  SayAtOnce(absl::OkStatus());
  EXPECT_EQ(Scrape("Bearer a"), 200);
}

TEST_F(ScraperGuardTest, ARefusalIsSoonAskedForAgain) {
  SayAtOnce(absl::PermissionDeniedError("may not"));
  EXPECT_EQ(Scrape("Bearer a"), 403);
  SayAtOnce(absl::OkStatus());
  EXPECT_EQ(Scrape("Bearer a"), 403);
  scheduler_.RunFor(ScraperGuard::kRefused);
  EXPECT_EQ(Scrape("Bearer a"), 200);
}

TEST_F(ScraperGuardTest, AFloodOfTokensIsReviewedAFewAtATime) {
  for (int i = 0; i < 1000; ++i) {
    Scrape(absl::StrCat("Bearer ", i));
    scheduler_.RunFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(tokens_.size(), static_cast<size_t>(ScraperGuard::kMostAsked));
  EXPECT_EQ(guard_->counters().unavailable, 1000 - ScraperGuard::kMostWaiting);
  // One after the other they have their turn.
  for (size_t i = 0; i < ScraperGuard::kMostWaiting; ++i) {
    ASSERT_LT(i, asked_.size());
    asked_[i](absl::UnauthenticatedError("whose"));
  }
  EXPECT_EQ(guard_->counters().unauthenticated, ScraperGuard::kMostWaiting);
  SayAtOnce(absl::OkStatus());
  EXPECT_EQ(Scrape("Bearer good"), 200);
}

// Whoever knocks makes the API server work no more than this.
TEST_F(ScraperGuardTest, NewTokensAreReviewedSoManyASecond) {
  SayAtOnce(absl::UnauthenticatedError("whose"));
  for (int i = 0; i < 3000; ++i) {
    Scrape(absl::StrCat("Bearer ", i));
    scheduler_.RunFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(tokens_.size(), 3u * ScraperGuard::kMostNew);
  scheduler_.RunFor(absl::Seconds(1));
  SayAtOnce(absl::OkStatus());
  EXPECT_EQ(Scrape("Bearer good"), 200);
}

TEST_F(ScraperGuardTest, AnAcceptedTokenIsReviewedAgainBeforeAFloodOfNewOnes) {
  SayAtOnce(absl::OkStatus());
  EXPECT_EQ(Scrape("Bearer good"), 200);
  verdict_.reset();
  for (int i = 0; i < 1000; ++i) {
    Scrape(absl::StrCat("Bearer ", i));
    scheduler_.RunFor(absl::Milliseconds(60));
  }
  EXPECT_EQ(Scrape("Bearer good"), 200);
  asked_[0](absl::UnauthenticatedError("whose"));
  EXPECT_EQ(tokens_.back(), "good");
  // Even where it has run out meanwhile.
  asked_.back()(absl::UnavailableError("away"));
  scheduler_.RunFor(ScraperGuard::kAllowed);
  EXPECT_EQ(Scrape("Bearer good"), -1);
  asked_[1](absl::UnauthenticatedError("whose"));
  EXPECT_EQ(tokens_.back(), "good");
  asked_.back()(absl::OkStatus());
  EXPECT_EQ(*answers_.back(), 200);
}

TEST_F(ScraperGuardTest, WithoutAReviewerTokensDoNotCount) {
  guard_ = std::make_shared<ScraperGuard>(nullptr, &scheduler_);
  EXPECT_EQ(Scrape("Bearer a"), 401);
  EXPECT_EQ(Scrape("", true), 200);
}

TEST_F(ScraperGuardTest, AReviewMayEndAfterTheGuard) {
  EXPECT_EQ(Scrape("Bearer a"), -1);
  guard_.reset();
  asked_[0](absl::OkStatus());
  EXPECT_THAT(Answers(), ElementsAre(-1));
}

}  // namespace
}  // namespace openelb::http

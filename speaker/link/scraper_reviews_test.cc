#include "speaker/link/scraper_reviews.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace openelb::link {
namespace {

using plan::v1::ScraperVerdict;
using ::testing::ElementsAre;

class ScraperReviewsTest : public ::testing::Test {
 protected:
  uint64_t Ask(absl::Duration now) {
    const plan::v1::Report report = reviews_.Ask(
        "token", [this](const absl::Status& status) { answers_.push_back(status.code()); }, now);
    EXPECT_EQ(report.scraper_token().token(), "token");
    return report.scraper_token().id();
  }
  void Say(uint64_t id, ScraperVerdict::Result result) {
    ScraperVerdict verdict;
    verdict.set_id(id);
    verdict.set_result(result);
    reviews_.OnVerdict(verdict);
  }

  ScraperReviews reviews_;
  std::vector<absl::StatusCode> answers_;
};

TEST_F(ScraperReviewsTest, EachIsAnsweredOnce) {
  const uint64_t first = Ask(absl::ZeroDuration());
  const uint64_t second = Ask(absl::ZeroDuration());
  Say(second, ScraperVerdict::ALLOWED);
  Say(second, ScraperVerdict::FORBIDDEN);
  Say(first, ScraperVerdict::UNAUTHENTICATED);
  Say(99, ScraperVerdict::ALLOWED);
  Say(Ask(absl::ZeroDuration()), ScraperVerdict::FORBIDDEN);
  Say(Ask(absl::ZeroDuration()), ScraperVerdict::UNAVAILABLE);
  EXPECT_THAT(answers_,
              ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kUnauthenticated,
                          absl::StatusCode::kPermissionDenied, absl::StatusCode::kUnavailable));
  EXPECT_EQ(reviews_.NextWakeup(), absl::InfiniteDuration());
}

TEST_F(ScraperReviewsTest, WhatIsNotUnderstoodIsNotAllowed) {
  Say(Ask(absl::ZeroDuration()), static_cast<ScraperVerdict::Result>(77));
  EXPECT_THAT(answers_, ElementsAre(absl::StatusCode::kUnavailable));
}

TEST_F(ScraperReviewsTest, AnOldControllerDoesNotAnswer) {
  Ask(absl::ZeroDuration());
  Ask(absl::Seconds(1));
  EXPECT_EQ(reviews_.NextWakeup(), ScraperReviews::kPatience);
  reviews_.Tick(ScraperReviews::kPatience - absl::Milliseconds(1));
  EXPECT_THAT(answers_, ElementsAre());
  reviews_.Tick(ScraperReviews::kPatience);
  EXPECT_THAT(answers_, ElementsAre(absl::StatusCode::kUnavailable));
  EXPECT_EQ(reviews_.NextWakeup(), ScraperReviews::kPatience + absl::Seconds(1));
}

// Ids are used once: the word of a stream before does not count for a later question.
TEST_F(ScraperReviewsTest, AStreamThatEndsAnswersNothing) {
  const uint64_t before = Ask(absl::ZeroDuration());
  reviews_.OnDown();
  EXPECT_THAT(answers_, ElementsAre(absl::StatusCode::kUnavailable));
  const uint64_t after = Ask(absl::ZeroDuration());
  EXPECT_NE(after, before);
  Say(before, ScraperVerdict::ALLOWED);
  EXPECT_EQ(answers_.size(), 1u);
}

}  // namespace
}  // namespace openelb::link

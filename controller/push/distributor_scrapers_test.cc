// Speakers' questions about scrapers, and their answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/push/test_distributor.h"

namespace openelb::push {
namespace {

using plan::v1::ScraperVerdict;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DistributorScrapersTest : public DistributorTest {
 protected:
  void Ask(StreamId stream, const std::string& token, uint64_t id) {
    plan::v1::Report report;
    report.mutable_scraper_token()->set_token(token);
    report.mutable_scraper_token()->set_id(id);
    distributor_.OnReport(stream, report, now_);
  }
  std::vector<ScraperVerdict> Verdicts(StreamId stream) {
    std::vector<ScraperVerdict> verdicts;
    for (const plan::v1::Plan& plan : Drain(stream)) {
      verdicts.insert(verdicts.end(), plan.scraper_verdicts().begin(),
                      plan.scraper_verdicts().end());
    }
    return verdicts;
  }
  std::vector<std::string> Said(StreamId stream) {
    std::vector<std::string> said;
    for (const ScraperVerdict& verdict : Verdicts(stream)) {
      said.push_back(absl::StrCat(verdict.id(), " ", ScraperVerdict::Result_Name(verdict.result()),
                                  verdict.reason().empty() ? "" : " ", verdict.reason()));
    }
    return said;
  }
};

TEST_F(DistributorScrapersTest, EachQuestionIsAnsweredOnceOnItsStream) {
  AttachAndSync(1, "n1");
  AttachAndSync(2, "n2");
  Ask(1, "a", 7);
  Ask(2, "b", 7);
  EXPECT_THAT(events_, ElementsAre("scraper 1 a 7", "scraper 2 b 7"));
  EXPECT_THAT(Said(1), IsEmpty());

  distributor_.SendVerdict(1, 7, absl::OkStatus(), now_);
  distributor_.SendVerdict(2, 7, absl::PermissionDeniedError("system:serviceaccount:a:b"), now_);
  EXPECT_THAT(Said(1), ElementsAre("7 ALLOWED"));
  EXPECT_THAT(Said(2), ElementsAre("7 FORBIDDEN system:serviceaccount:a:b"));
  EXPECT_THAT(Said(1), IsEmpty());
}

TEST_F(DistributorScrapersTest, WhatCannotBeToldIsNoRefusal) {
  AttachAndSync(1, "n1");
  for (const uint64_t id : {1, 2, 3}) Ask(1, "a", id);
  distributor_.SendVerdict(1, 1, absl::UnauthenticatedError("expired"), now_);
  distributor_.SendVerdict(1, 2, absl::DeadlineExceededError("no answer"), now_);
  distributor_.SendVerdict(1, 3, absl::InternalError("500"), now_);
  EXPECT_THAT(Said(1), ElementsAre("1 UNAUTHENTICATED expired", "2 UNAVAILABLE no answer",
                                   "3 UNAVAILABLE 500"));
}

// What scrapers show to a speaker costs calls of the API server.
TEST_F(DistributorScrapersTest, ASpeakerHasSixteenQuestionsAtOnce) {
  AttachAndSync(1, "n1");
  AttachAndSync(2, "n2");
  for (uint64_t id = 1; id <= 17; ++id) Ask(1, "a", id);
  EXPECT_EQ(events_.size(), 16u);
  const std::vector<std::string> refused = Said(1);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_THAT(refused[0], HasSubstr("17 UNAVAILABLE too many tokens"));
  Ask(2, "b", 1);
  EXPECT_EQ(events_.size(), 17u);  // others are not held up

  distributor_.SendVerdict(1, 5, absl::OkStatus(), now_);
  EXPECT_THAT(Said(1), ElementsAre("5 ALLOWED"));
  Ask(1, "a", 18);
  EXPECT_EQ(events_.back(), "scraper 1 a 18");
}

TEST_F(DistributorScrapersTest, AnswersWaitForAStreamThatIsFullAndEndWithIt) {
  AttachAndSync(1, "n1");
  Ask(1, "a", 1);
  Ask(1, "b", 2);
  Change("rack/r", "route/9", "body");  // the stream takes no more than this at first
  const size_t sent = link_.sent[1].size();
  distributor_.SendVerdict(1, 1, absl::OkStatus(), now_);
  distributor_.SendVerdict(1, 2, absl::OkStatus(), now_);
  EXPECT_EQ(link_.sent[1].size(), sent);
  EXPECT_THAT(Said(1), ElementsAre("1 ALLOWED", "2 ALLOWED"));

  Ask(1, "a", 3);
  distributor_.OnDetached(1, absl::UnavailableError("gone"), now_);
  distributor_.SendVerdict(1, 3, absl::OkStatus(), now_);  // to nobody
  Attach(3, "n1");
  EXPECT_THAT(Said(3), IsEmpty());
}

// Nothing is asked of the API server for who is not a speaker.
TEST_F(DistributorScrapersTest, AQuestionBeforeTheHelloEndsTheStream) {
  distributor_.OnAttached(1, {"n1"}, now_);
  Ask(1, "a", 1);
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_TRUE(link_.closed.contains(1));
}

}  // namespace
}  // namespace openelb::push

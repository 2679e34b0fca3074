#include "controller/kube/scraper_reviewer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/base/scheduler.h"
#include "controller/kube/json.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"

namespace openelb::kube {
namespace {

using fake::Fault;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

codec::Value Json(const std::string& text) {
  auto value = ParseJson(text);
  EXPECT_TRUE(value.ok()) << value.status();
  return *std::move(value);
}

TEST(ScraperReviewTest, AsksForTheUserAsTheApiServerNamesIt) {
  const auto review = MakeScraperAccessReview(Json(R"({"status": {"authenticated": true,
      "user": {"username": "system:serviceaccount:monitoring:prometheus", "uid": "u1",
               "groups": ["system:authenticated"], "extra": {"key": ["value"]}}}})"));
  ASSERT_TRUE(review.ok()) << review.status();
  EXPECT_EQ(*review, Json(R"({"apiVersion": "authorization.k8s.io/v1",
      "kind": "SubjectAccessReview",
      "spec": {"user": "system:serviceaccount:monitoring:prometheus", "uid": "u1",
               "groups": ["system:authenticated"], "extra": {"key": ["value"]},
               "nonResourceAttributes": {"path": "/metrics", "verb": "get"}}})"));
}

TEST(ScraperReviewTest, WhatIsNoAnswerIsNotAnAcceptance) {
  EXPECT_TRUE(absl::IsUnavailable(MakeScraperAccessReview(codec::Value()).status()));
  EXPECT_TRUE(absl::IsUnavailable(AccessOf(codec::Value())));
  for (const char* status :
       {R"({"status": {}})", R"({"status": {"authenticated": "true"}})",
        R"({"status": {"authenticated": true}})",
        R"({"status": {"authenticated": true, "user": 1}})",
        R"({"status": {"authenticated": true, "user": {"username": ""}}})",
        R"({"status": {"authenticated": false, "user": {"username": "x"}}})"}) {
    EXPECT_TRUE(absl::IsUnauthenticated(MakeScraperAccessReview(Json(status)).status())) << status;
  }
  for (const char* status : {R"({"status": {}})", R"({"status": {"allowed": "true"}})",
                             R"({"status": {"allowed": false}})"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(AccessOf(Json(status)))) << status;
  }
  EXPECT_TRUE(AccessOf(Json(R"({"status": {"allowed": true}})")).ok());
}

class ScraperReviewerTest : public ::testing::Test {
 protected:
  ScraperReviewerTest() {
    server_.AddToken("prometheus", "", "system:serviceaccount:monitoring:prometheus");
    server_.AddToken("default", "", "system:serviceaccount:default:default");
    server_.AllowMetrics("system:serviceaccount:monitoring:prometheus");
  }
  std::string Ask(const std::string& token) {
    std::string answer = "none";
    reviewer_->Review(token, [&](const absl::Status& status) { answer = status.ToString(); });
    scheduler_.RunFor(absl::Seconds(11));
    return answer;
  }

  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
  Client client_{&transport_, &scheduler_};
  std::unique_ptr<ScraperReviewer> reviewer_ =
      std::make_unique<ScraperReviewer>(&client_, [this](std::function<void()> function) {
        scheduler_.After(absl::ZeroDuration(), std::move(function));
      });
};

TEST_F(ScraperReviewerTest, TheApiServersWordCounts) {
  EXPECT_EQ(Ask("prometheus"), "OK");
  EXPECT_EQ(Ask("default"),
            "PERMISSION_DENIED: user \"system:serviceaccount:default:default\" may not get "
            "/metrics");
  EXPECT_THAT(Ask("forged"), StartsWith("UNAUTHENTICATED: token: the API server does not accept"));
  EXPECT_THAT(Ask("forged"), Not(HasSubstr("forged")));
}

TEST_F(ScraperReviewerTest, WithoutAnAnswerNobodyIsAllowed) {
  for (const char* resource : {"tokenreviews", "subjectaccessreviews"}) {
    for (const auto kind : {Fault::Kind::kHang, Fault::Kind::kStatus}) {
      SCOPED_TRACE(resource);
      transport_.Inject({.kind = kind, .resource = resource, .status = 403});
      EXPECT_THAT(Ask("prometheus"), StartsWith("UNAVAILABLE: token: "));
    }
  }
  EXPECT_EQ(Ask("prometheus"), "OK");
}

TEST_F(ScraperReviewerTest, ItMayEndWithReviewsUnderWay) {
  bool answered = false;
  for (const absl::Duration wait : {absl::ZeroDuration(), absl::Milliseconds(1)}) {
    reviewer_->Review("prometheus", [&](const absl::Status&) { answered = true; });
    scheduler_.RunFor(wait);
  }
  reviewer_.reset();
  answered = false;
  scheduler_.RunFor(absl::Seconds(11));
  EXPECT_FALSE(answered);
}

}  // namespace
}  // namespace openelb::kube

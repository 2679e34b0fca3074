#include "controller/kube/token_review.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "controller/kube/json.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"
#include "controller/kube/token_review_authenticator.h"

namespace openelb::kube {
namespace {

using fake::Fault;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kGood[] = R"({
  "authenticated": true, "audiences": ["openelb-controller"],
  "user": {"username": "system:serviceaccount:openelb-system:openelb-speaker",
           "extra": {"authentication.kubernetes.io/pod-name": ["openelb-speaker-x"],
                     "authentication.kubernetes.io/node-name": ["n1"]}}})";

std::string Jwt(absl::string_view claims) {
  return absl::StrCat(absl::WebSafeBase64Escape("{}"), ".", absl::WebSafeBase64Escape(claims),
                      ".c2ln");
}

TEST(TokenReviewTest, OnlyASpeakersOwnTokenIsBoundToANode) {
  const struct {
    const char* what;
    const char* from;
    const char* to;
    const char* error;
  } kCases[] = {
      {"good", "n1", "n1", ""},
      {"not authenticated", "true", "false, \"error\": \"expired\"", "does not accept it: expired"},
      {"audience", "[\"openelb-controller\"]", "[\"api\"]", "audience: \"api\""},
      {"no audience", "[\"openelb-controller\"]", "[]", "audience: \"\""},
      {"user", ":openelb-speaker\"", ":default\"", "openelb-system:default\" (needed"},
      {"namespace", ":openelb-system:", ":other:", "user: \"system:serviceaccount:other"},
      {"no pod", "\"openelb-speaker-x\"", "", "no authentication.kubernetes.io/pod-name"},
      {"no node", "[\"n1\"]", "[]", "no authentication.kubernetes.io/node-name"},
      {"two nodes", "[\"n1\"]", "[\"n1\", \"n2\"]", "no authentication.kubernetes.io/node-name"},
      {"no list", "[\"n1\"]", "{}", "no authentication.kubernetes.io/node-name"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.what);
    std::string status = kGood;
    const size_t at = status.find(test.from);
    ASSERT_NE(at, std::string::npos);
    status.replace(at, std::string(test.from).size(), test.to);
    const auto review = ParseJson(absl::StrCat("{\"status\": ", status, "}"));
    ASSERT_TRUE(review.ok()) << review.status();
    const auto node = NodeOfReview(*review, SpeakerAccount());
    if (*test.error == '\0') {
      ASSERT_TRUE(node.ok()) << node.status();
      EXPECT_EQ(*node, "n1");
    } else {
      EXPECT_TRUE(absl::IsUnauthenticated(node.status()));
      EXPECT_THAT(std::string(node.status().message()), HasSubstr(test.error));
    }
  }
  EXPECT_TRUE(absl::IsUnavailable(NodeOfReview(codec::Value(), SpeakerAccount()).status()));
}

TEST(TokenReviewTest, ReadsWhenATokenExpires) {
  EXPECT_EQ(ExpiryOfToken(Jwt(R"({"exp": 1767225600})")), absl::FromUnixSeconds(1767225600));
  for (const std::string& token :
       {std::string(), std::string("abc"), std::string("a.b.c"), std::string("a.!.c"), Jwt("{}"),
        Jwt("[1]"), Jwt(R"({"exp": "soon"})"), Jwt(R"({"exp": -1})"),
        Jwt(R"({"exp": 99999999999999})"), Jwt(R"({"exp": 1767225600})") + ".more"}) {
    EXPECT_EQ(ExpiryOfToken(token), std::nullopt) << token;
  }
}

class TokenReviewAuthenticatorTest : public ::testing::Test {
 protected:
  TokenReviewAuthenticatorTest() : token_(Expiring(absl::Hours(1))) { Issue(token_); }
  void Issue(const std::string& token) {
    server_.AddToken(token, "openelb-controller", SpeakerAccount().User(),
                     *ParseJson(kGood)->Find("user")->Find("extra"));
  }
  std::string Expiring(absl::Duration after) const {
    return Jwt(absl::StrCat("{\"exp\": ", absl::ToUnixSeconds(scheduler_.Wall() + after), "}"));
  }
  // "n1 59m" or the error.
  std::string Ask(const std::string& token, int times = 1) {
    std::vector<std::string> answers;
    for (int i = 0; i < times; ++i) {
      authenticator_->Authenticate(token, [&](const absl::StatusOr<push::Identity>& answer) {
        answers.push_back(answer.ok() ? absl::StrCat(answer->node, " ",
                                                     absl::ToInt64Minutes(answer->recheck), "m")
                                      : answer.status().ToString());
      });
    }
    scheduler_.RunFor(absl::Seconds(11));
    EXPECT_EQ(answers.size(), static_cast<size_t>(times));
    for (const std::string& answer : answers) EXPECT_EQ(answer, answers[0]);
    return answers.empty() ? "no answer" : answers[0];
  }
  uint64_t Reviews() const { return authenticator_->counters().reviews; }

  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
  Client client_{&transport_, &scheduler_};
  NullLogSink sink_;
  Logger log_{&sink_, &scheduler_};
  std::unique_ptr<TokenReviewAuthenticator> authenticator_ =
      std::make_unique<TokenReviewAuthenticator>(
          SpeakerAccount(), &client_, &scheduler_, &log_, [this](std::function<void()> function) {
            scheduler_.After(absl::ZeroDuration(), std::move(function));
          });
  const std::string token_;
};

TEST_F(TokenReviewAuthenticatorTest, AsksOnceForManyAndForAWhile) {
  EXPECT_EQ(Ask(token_, 100), "n1 59m");
  EXPECT_EQ(Ask(token_), "n1 59m");
  EXPECT_EQ(Reviews(), 1u);
  ASSERT_EQ(server_.log().size(), 1u);
  EXPECT_THAT(server_.log()[0].body, HasSubstr(R"("audiences":["openelb-controller"])"));
  scheduler_.RunFor(TokenReviewAuthenticator::kFresh);
  EXPECT_EQ(Ask(token_), "n1 59m");
  EXPECT_EQ(Reviews(), 2u);
}

TEST_F(TokenReviewAuthenticatorTest, BadTokensAreRefusedAndSoonForgotten) {
  const std::string bad = Expiring(absl::Hours(2));
  EXPECT_THAT(Ask(bad, 3), HasSubstr("UNAUTHENTICATED: token: the API server does not accept it"));
  EXPECT_THAT(Ask(bad), Not(HasSubstr(bad)));
  EXPECT_EQ(Reviews(), 2u);
  Issue(bad);
  EXPECT_EQ(Ask(bad), "n1 60m");
  EXPECT_THAT(Ask(""), HasSubstr("none shown"));
  EXPECT_THAT(Ask(std::string(20'000, 'x')), HasSubstr("longer than"));
  EXPECT_EQ(Reviews(), 3u);
}

TEST_F(TokenReviewAuthenticatorTest, WithoutTheApiServerOnlyKnownTokensAreBelieved) {
  EXPECT_EQ(Ask(token_), "n1 59m");
  scheduler_.RunFor(absl::Minutes(10));
  const std::string fresh = Expiring(absl::Hours(1));
  Issue(fresh);
  for (const bool silent : {false, true}) {
    silent ? transport_.SetSilent(true) : transport_.SetReachable(false);
    EXPECT_THAT(Ask(fresh), HasSubstr("UNAVAILABLE: token: cannot be reviewed"));
    EXPECT_EQ(Ask(token_), "n1 49m");
    transport_.SetReachable(true);
  }
  scheduler_.RunFor(absl::Hours(1));
  EXPECT_THAT(Ask(token_), HasSubstr("UNAVAILABLE"));
  EXPECT_EQ(authenticator_->counters().believed, 2u);
  transport_.SetSilent(false);
  EXPECT_EQ(Ask(fresh), "n1 1m");  // as long as the API server accepts it
}

TEST_F(TokenReviewAuthenticatorTest, MissingPermissionIsNoWordAboutTheToken) {
  transport_.Inject({.kind = Fault::Kind::kStatus, .count = -1, .status = 403});
  EXPECT_THAT(Ask(token_), HasSubstr("UNAVAILABLE: token: cannot be reviewed"));
  transport_.ClearFaults();
  transport_.Inject({.kind = Fault::Kind::kStatus, .status = 401});
  EXPECT_THAT(Ask(token_), HasSubstr("UNAVAILABLE: token: cannot be reviewed"));
  EXPECT_EQ(Ask(token_), "n1 59m");
}

TEST_F(TokenReviewAuthenticatorTest, WhatIsUnderWayWhenItEndsIsDropped) {
  int answers = 0;
  const auto count = [&](const absl::StatusOr<push::Identity>&) { ++answers; };
  authenticator_->Authenticate(token_, count);
  scheduler_.RunFor(absl::Microseconds(1));
  authenticator_->Authenticate(token_, count);
  authenticator_.reset();
  scheduler_.RunFor(absl::Seconds(1));
  EXPECT_EQ(answers, 0);
}

TEST_F(TokenReviewAuthenticatorTest, ACrowdAsksAFewAtATime) {
  int answers = 0;
  const auto crowd = [&] {
    for (int i = 0; i < 100; ++i) {
      authenticator_->Authenticate(absl::StrCat("t", i),
                                   [&](const absl::StatusOr<push::Identity>&) { ++answers; });
    }
  };
  crowd();
  scheduler_.RunFor(absl::Seconds(4));
  EXPECT_EQ(answers, 100);
  EXPECT_EQ(Reviews(), 100u);

  // One call that is not answered is enough for all of them.
  scheduler_.RunFor(TokenReviewAuthenticator::kRefused);
  transport_.SetSilent(true);
  crowd();
  scheduler_.RunFor(absl::Seconds(1));
  EXPECT_EQ(answers, 100);
  EXPECT_EQ(Reviews(), 104u);
  scheduler_.RunFor(absl::Seconds(10));
  EXPECT_EQ(answers, 200);
  EXPECT_EQ(Reviews(), 104u);
}

TEST_F(TokenReviewAuthenticatorTest, ManyTokensLeaveNoTrace) {
  for (int i = 0; i < 2'000; ++i) {
    authenticator_->Authenticate(absl::StrCat("t", i),
                                 [](const absl::StatusOr<push::Identity>&) {});
    scheduler_.RunFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(Reviews(), 2'000u);
  EXPECT_EQ(Ask(token_), "n1 56m");
}

}  // namespace
}  // namespace openelb::kube

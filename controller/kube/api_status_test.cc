#include "controller/kube/api_status.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "controller/kube/json.h"

namespace openelb::kube {
namespace {

std::string Status(int code, absl::string_view reason, absl::string_view message) {
  return absl::StrCat(R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",)",
                      R"("message":")", message, R"(","reason":")", reason, R"(","code":)", code,
                      "}");
}

TEST(ApiStatusTest, CodesAndMessagesOfAnswers) {
  struct Case {
    int http;
    std::string body;
    absl::StatusCode code;
    const char* message;
  };
  const Case cases[] = {
      {400, Status(400, "BadRequest", "no"), absl::StatusCode::kInvalidArgument, "no"},
      {401, Status(401, "Unauthorized", "Unauthorized"), absl::StatusCode::kUnauthenticated,
       "Unauthorized"},
      {403, Status(403, "Forbidden", "may not"), absl::StatusCode::kPermissionDenied, "may not"},
      {404, Status(404, "NotFound", "none"), absl::StatusCode::kNotFound, "none"},
      {409, Status(409, "AlreadyExists", "is there"), absl::StatusCode::kAlreadyExists, "is there"},
      {409, Status(409, "Conflict", "modified"), absl::StatusCode::kAborted, "modified"},
      {410, Status(410, "Expired", "too old"), absl::StatusCode::kOutOfRange, "too old"},
      {415, Status(415, "UnsupportedMediaType", "what?"), absl::StatusCode::kInvalidArgument,
       "what?"},
      {422, Status(422, "Invalid", "spec.x"), absl::StatusCode::kInvalidArgument, "spec.x"},
      {429, Status(429, "TooManyRequests", "later"), absl::StatusCode::kResourceExhausted, "later"},
      {500, Status(500, "InternalError", "etcd"), absl::StatusCode::kUnavailable, "etcd"},
      {504, Status(504, "Timeout", "slow"), absl::StatusCode::kUnavailable, "slow"},
      // What stands in front of the server has no Status.
      {502, "<html>\n<h1>Bad Gateway</h1>\n", absl::StatusCode::kUnavailable,
       "HTTP status 502: <html>\\n<h1>Bad Gateway</h1>"},
      {503, "", absl::StatusCode::kUnavailable, "HTTP status 503"},
      {302, "", absl::StatusCode::kUnavailable, "HTTP status 302"},
      {404, "404 page not found\n", absl::StatusCode::kNotFound,
       "HTTP status 404: 404 page not found"},
      {403, R"({"kind":"Status","code":403})", absl::StatusCode::kPermissionDenied,
       R"(HTTP status 403: {\"kind\":\"Status\",\"code\":403})"},
      {409, "[]", absl::StatusCode::kAborted, "HTTP status 409: []"},
  };
  for (const Case& c : cases) {
    const absl::Status error = ErrorOfAnswer(c.http, c.body);
    EXPECT_EQ(error.code(), c.code) << c.http << " " << c.body;
    EXPECT_EQ(error.message(), c.message);
  }
  EXPECT_EQ(ErrorOfAnswer(502, std::string(500, 'x')).message(),
            absl::StrCat("HTTP status 502: ", std::string(120, 'x'), "..."));
}

TEST(ApiStatusTest, StatusObjectsOfWatches) {
  const auto error = [](const std::string& text) { return ErrorOfStatus(*ParseJson(text)); };
  EXPECT_EQ(error(Status(410, "Expired", "too old resource version: 1 (9)")),
            absl::OutOfRangeError("too old resource version: 1 (9)"));
  EXPECT_EQ(error(Status(500, "InternalError", "broken")), absl::UnavailableError("broken"));
  for (const char* text : {"null", "[]", "{}", R"({"kind":"Pod","message":"m","code":410})",
                           R"({"kind":"Status","message":"m","code":"410"})",
                           R"({"kind":"Status","message":"","code":410})"}) {
    EXPECT_EQ(error(text).code(), absl::StatusCode::kUnavailable) << text;
  }
}

TEST(ApiStatusTest, RetryAfterIsBounded) {
  EXPECT_EQ(RetryAfter({}), absl::Seconds(1));
  EXPECT_EQ(RetryAfter({{"retry-after", "7"}}), absl::Seconds(7));
  EXPECT_EQ(RetryAfter({{"retry-after", "0"}}), absl::Seconds(1));
  EXPECT_EQ(RetryAfter({{"retry-after", "-5"}}), absl::Seconds(1));
  EXPECT_EQ(RetryAfter({{"retry-after", "86400"}}), absl::Seconds(60));
  EXPECT_EQ(RetryAfter({{"retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"}}), absl::Seconds(1));
}

}  // namespace
}  // namespace openelb::kube

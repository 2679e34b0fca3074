#include "api/http/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace openelb::http {
namespace {

using ::testing::HasSubstr;

const Takes kPosts = {.methods = {"POST"}, .most_body = 4 << 20};

RequestReader Read(const std::string& text, const Takes& takes = kPosts) {
  RequestReader reader(takes);
  reader.Take(text);
  return reader;
}

TEST(RequestTest, APostWithItsLength) {
  const std::string text =
      "POST /validate?timeout=3s HTTP/1.1\r\nHost: x\r\ncontent-length:  5\r\n\r\nhello";
  const RequestReader whole = Read(text);
  ASSERT_TRUE(whole.complete());
  EXPECT_EQ(whole.request().path, "/validate");
  EXPECT_EQ(whole.request().body, "hello");
  RequestReader piecemeal(kPosts);
  for (const char c : text) {
    EXPECT_FALSE(piecemeal.complete());
    piecemeal.Take({&c, 1});
  }
  EXPECT_TRUE(piecemeal.complete());
}

TEST(RequestTest, WhatIsNone) {
  const auto refusal = [](const std::string& text) {
    const RequestReader request = Read(text);
    EXPECT_FALSE(request.complete());
    return request.refusal().value_or(Answer{.status = 0, .body = ""});
  };
  EXPECT_EQ(refusal("garbage\r\n\r\n").status, 400);
  EXPECT_EQ(refusal("POST / SPDY/3\r\n\r\n").status, 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\n\r\n").status, 405);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\n\r\n").status, 411);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").status, 411);
  for (const char* length : {"", "-1", "+1", "1 2", "0x10", "99999999999999999999999"}) {
    EXPECT_EQ(
        refusal(absl::StrCat("POST / HTTP/1.1\r\nContent-Length: ", length, "\r\n\r\n")).status,
        400)
        << length;
  }
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n").status,
            400);
  const Answer large = refusal("POST / HTTP/1.1\r\nContent-Length: 4194305\r\n\r\n");
  EXPECT_EQ(large.status, 413);
  EXPECT_THAT(large.body, HasSubstr("longer than 4194304 octets"));
  EXPECT_EQ(refusal(std::string(RequestReader::kMostHead + 4, 'x')).status, 431);
  EXPECT_EQ(Read(std::string(RequestReader::kMostHead, 'x')).refusal(), std::nullopt);
}

TEST(RequestTest, AGetOfAnyLength) {
  const RequestReader get =
      Read("GET /metrics?x=1 HTTP/1.0\r\nAuthorization:  Bearer abc \r\n\r\n", Takes());
  ASSERT_TRUE(get.complete());
  EXPECT_FALSE(get.head());
  EXPECT_EQ(get.request().method, "GET");
  EXPECT_EQ(get.request().path, "/metrics");
  EXPECT_EQ(get.request().authorization, "Bearer abc");
  EXPECT_FALSE(get.request().certified);
  EXPECT_TRUE(Read("HEAD / HTTP/1.1\r\n\r\n", Takes()).head());
  EXPECT_TRUE(Read("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", Takes()).complete());
  EXPECT_EQ(Read("GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", Takes()).refusal()->status, 413);
  EXPECT_EQ(Read("GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n", kPosts)
                .refusal()
                ->status,
            405);
  EXPECT_EQ(
      Read("POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n").refusal()->status,
      400);
}

TEST(RequestTest, AnswersCloseTheConnection) {
  EXPECT_EQ(Render({.status = 200, .body = "{}", .content_type = "application/json"}),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: "
            "close\r\n\r\n{}");
  EXPECT_THAT(Render({200, "four"}, false), ::testing::EndsWith("4\r\nConnection: close\r\n\r\n"));
}

TEST(RequestTest, SomeRefusalsSayWhatElseToTry) {
  EXPECT_THAT(Render({503, "later"}), HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_THAT(Render({401, "who"}), HasSubstr("\r\nWWW-Authenticate: Bearer\r\n"));
  EXPECT_THAT(Render(*Read("PUT / HTTP/1.1\r\n\r\n", Takes()).refusal()),
              HasSubstr("\r\nAllow: GET, HEAD\r\n"));
}

}  // namespace
}  // namespace openelb::http

#include "controller/admission/http_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace openelb::admission {
namespace {

using ::testing::HasSubstr;

HttpRequest Read(const std::string& text) {
  HttpRequest request;
  request.Take(text);
  return request;
}

TEST(HttpRequestTest, APostWithItsLength) {
  const std::string text =
      "POST /validate?timeout=3s HTTP/1.1\r\nHost: x\r\ncontent-length:  5\r\n\r\nhello";
  const HttpRequest whole = Read(text);
  ASSERT_TRUE(whole.complete());
  EXPECT_EQ(whole.path(), "/validate");
  EXPECT_EQ(whole.body(), "hello");
  HttpRequest piecemeal;
  for (const char c : text) {
    EXPECT_FALSE(piecemeal.complete());
    piecemeal.Take({&c, 1});
  }
  EXPECT_TRUE(piecemeal.complete());
}

TEST(HttpRequestTest, WhatIsNone) {
  const auto refusal = [](const std::string& text) {
    const HttpRequest request = Read(text);
    EXPECT_FALSE(request.complete());
    return request.refusal().value_or(HttpAnswer{0, ""});
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
  const HttpAnswer large = refusal("POST / HTTP/1.1\r\nContent-Length: 4194305\r\n\r\n");
  EXPECT_EQ(large.status, 413);
  EXPECT_THAT(large.body, HasSubstr("longer than 4194304 octets"));
  EXPECT_EQ(refusal(std::string(HttpRequest::kMostHead + 4, 'x')).status, 431);
  EXPECT_EQ(Read(std::string(HttpRequest::kMostHead, 'x')).refusal(), std::nullopt);
}

TEST(HttpRequestTest, AnswersCloseTheConnection) {
  EXPECT_EQ(RenderHttp({200, "{}"}),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: "
            "close\r\n\r\n{}");
  EXPECT_THAT(RenderHttp({503, "later"}), HasSubstr("\r\nRetry-After: 1\r\n"));
}

}  // namespace
}  // namespace openelb::admission

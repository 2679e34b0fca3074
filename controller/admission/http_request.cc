#include "controller/admission/http_request.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace openelb::admission {
namespace {

const char* ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Bad Request";
  }
}

}  // namespace

std::string RenderHttp(const HttpAnswer& answer) {
  return absl::StrCat(
      "HTTP/1.1 ", answer.status, " ", ReasonPhrase(answer.status),
      "\r\nContent-Type: ", answer.status == 200 ? "application/json" : "text/plain; charset=utf-8",
      "\r\nContent-Length: ", answer.body.size(), answer.status == 405 ? "\r\nAllow: POST" : "",
      answer.status == 503 ? "\r\nRetry-After: 1" : "", "\r\nConnection: close\r\n\r\n",
      answer.body);
}

void HttpRequest::Take(absl::string_view octets) {
  const size_t known = in_.size();
  absl::StrAppend(&in_, octets);
  if (body_begins_) return;
  // The empty line may have begun in what was there before.
  const size_t end = in_.find("\r\n\r\n", known < 3 ? 0 : known - 3);
  if (end == std::string::npos ? in_.size() > kMostHead + 3 : end > kMostHead)
    return Refuse(431, absl::StrCat("the head is longer than ", kMostHead, " octets"));
  if (end == std::string::npos) return;
  body_begins_ = end + 4;
  ReadHead(absl::string_view(in_).substr(0, end));
}

void HttpRequest::ReadHead(absl::string_view head) {
  const std::vector<absl::string_view> lines = absl::StrSplit(head, "\r\n");
  const std::vector<absl::string_view> words = absl::StrSplit(lines[0], ' ');
  if (words.size() != 3 || !absl::StartsWith(words[2], "HTTP/1."))
    return Refuse(400, "not an HTTP/1 request");
  if (words[0] != "POST") return Refuse(405, "only POST");
  path_ = std::string(words[1].substr(0, words[1].find('?')));
  std::optional<uint64_t> length;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(lines[i], absl::MaxSplits(':', 1));
    const absl::string_view value = absl::StripAsciiWhitespace(field.second);
    if (absl::EqualsIgnoreCase(field.first, "Transfer-Encoding"))
      return Refuse(411, "Transfer-Encoding is not taken: send Content-Length");
    if (!absl::EqualsIgnoreCase(field.first, "Content-Length")) continue;
    uint64_t read = 0;
    const bool digits =
        !value.empty() && std::all_of(value.begin(), value.end(), absl::ascii_isdigit);
    if (!digits || !absl::SimpleAtoi(value, &read) || (length && *length != read))
      return Refuse(400, "Content-Length is not a number, or stands twice");
    length = read;
  }
  if (!length) return Refuse(411, "Content-Length is needed");
  if (*length > kMostBody)
    return Refuse(413, absl::StrCat("the body is longer than ", kMostBody, " octets"));
  length_ = *length;
}

void HttpRequest::Refuse(int status, absl::string_view why) {
  refusal_ = HttpAnswer{status, absl::StrCat(why, "\n")};
}

}  // namespace openelb::admission

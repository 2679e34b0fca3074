#include "api/http/request.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace openelb::http {

void RequestReader::Take(absl::string_view octets) {
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

void RequestReader::ReadHead(absl::string_view head) {
  const std::vector<absl::string_view> lines = absl::StrSplit(head, "\r\n");
  const std::vector<absl::string_view> words = absl::StrSplit(lines[0], ' ');
  if (words.size() != 3 || !absl::StartsWith(words[2], "HTTP/1."))
    return Refuse(400, "not an HTTP/1 request");
  request_.method = std::string(words[0]);
  request_.path = std::string(words[1].substr(0, words[1].find('?')));
  if (!absl::c_linear_search(takes_.methods, request_.method))
    return Refuse(405, absl::StrCat("only ", absl::StrJoin(takes_.methods, " and ")));
  for (size_t i = 1; i < lines.size() && !refusal_; ++i) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(lines[i], absl::MaxSplits(':', 1));
    ReadField(field.first, absl::StripAsciiWhitespace(field.second));
  }
  if (!refusal_ && !length_ && request_.method == "POST") Refuse(411, "Content-Length is needed");
}

void RequestReader::ReadField(absl::string_view name, absl::string_view value) {
  if (absl::EqualsIgnoreCase(name, "Authorization")) request_.authorization = std::string(value);
  if (absl::EqualsIgnoreCase(name, "Transfer-Encoding"))
    return Refuse(411, "Transfer-Encoding is not taken: send Content-Length");
  if (!absl::EqualsIgnoreCase(name, "Content-Length")) return;
  uint64_t read = 0;
  const bool digits =
      !value.empty() && std::all_of(value.begin(), value.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(value, &read) || (length_ && *length_ != read))
    return Refuse(400, "Content-Length is not a number, or stands twice");
  if (read > takes_.most_body)
    return Refuse(413, absl::StrCat("the body is longer than ", takes_.most_body, " octets"));
  length_ = read;
}

void RequestReader::Refuse(int status, absl::string_view why) {
  refusal_ = Answer{.status = status,
                    .body = absl::StrCat(why, "\n"),
                    .allow = status == 405 ? absl::StrJoin(takes_.methods, ", ") : ""};
}

Request RequestReader::request() const {
  Request request = request_;
  request.body = in_.substr(*body_begins_, body_size());
  return request;
}

}  // namespace openelb::http

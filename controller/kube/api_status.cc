#include "controller/kube/api_status.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "api/codec/write.h"
#include "controller/kube/json.h"

namespace openelb::kube {
namespace {

constexpr size_t kQuotedBody = 120;
constexpr const char* kDetails = "details of a metav1.Status";

absl::StatusCode CodeOf(int http_status, absl::string_view reason) {
  switch (http_status) {
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return reason == "AlreadyExists" ? absl::StatusCode::kAlreadyExists
                                       : absl::StatusCode::kAborted;
    case 410:
      return absl::StatusCode::kOutOfRange;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    default:
      return http_status >= 400 && http_status < 500 ? absl::StatusCode::kInvalidArgument
                                                     : absl::StatusCode::kUnavailable;
  }
}

absl::string_view Text(const codec::Value& map, absl::string_view key) {
  const codec::Value* member = map.Find(key);
  if (member == nullptr || member->string() == nullptr) return "";
  return *member->string();
}

bool IsStatus(const codec::Value& value) {
  return Text(value, "kind") == "Status" && !Text(value, "message").empty();
}

}  // namespace

absl::Status ErrorOfAnswer(int http_status, absl::string_view body) {
  const absl::StatusOr<codec::Value> value = ParseJson(body);
  if (value.ok() && IsStatus(*value)) {
    absl::Status error(CodeOf(http_status, Text(*value, "reason")), Text(*value, "message"));
    if (const codec::Value* details = value->Find("details"); absl::IsAborted(error) && details)
      error.SetPayload(kDetails, absl::Cord(absl::string_view(codec::ToJson(*details))));
    return error;
  }
  absl::string_view text = absl::StripAsciiWhitespace(body);
  std::string message = absl::StrCat("HTTP status ", http_status);
  if (!text.empty()) {
    absl::StrAppend(&message, ": ", absl::Utf8SafeCEscape(text.substr(0, kQuotedBody)),
                    text.size() > kQuotedBody ? "..." : "");
  }
  return absl::Status(CodeOf(http_status, ""), message);
}

codec::Value DetailsOf(const absl::Status& error) {
  const absl::optional<absl::Cord> payload = error.GetPayload(kDetails);
  if (!payload) return {};
  return ParseJson(std::string(*payload)).value_or(codec::Value());
}

absl::Status ErrorOfStatus(const codec::Value& status) {
  const codec::Value* code = status.Find("code");
  if (!IsStatus(status) || code == nullptr || code->integer() == nullptr) {
    return absl::UnavailableError("the API server sent an error that is no Status");
  }
  const absl::int128 number = std::clamp<absl::int128>(*code->integer(), 0, 999);
  return absl::Status(CodeOf(static_cast<int>(number), Text(status, "reason")),
                      Text(status, "message"));
}

absl::Duration RetryAfter(const HttpHeaders& headers) {
  constexpr int64_t kMin = 1;
  constexpr int64_t kMax = 60;
  const auto it = headers.find("retry-after");
  int64_t seconds = kMin;
  if (it != headers.end() && !absl::SimpleAtoi(it->second, &seconds)) seconds = kMin;
  return absl::Seconds(std::clamp(seconds, kMin, kMax));
}

}  // namespace openelb::kube

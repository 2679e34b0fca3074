#include "controller/kube/read_request.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

// `query` begins with "&".
HttpRequest Get(const Resource& resource, absl::string_view query, absl::Duration silence) {
  const auto selector = [](absl::string_view name, absl::string_view value) {
    return value.empty() ? "" : absl::StrCat("&", name, "=", value);
  };
  const std::string all = absl::StrCat(selector("fieldSelector", resource.field_selector),
                                       selector("labelSelector", resource.label_selector), query);
  HttpRequest request;
  request.path = all.empty() ? resource.path : absl::StrCat(resource.path, "?", all.substr(1));
  request.timeout = silence;
  return request;
}

std::string UrlEncode(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      encoded += c;
    } else {
      absl::StrAppend(&encoded, "%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  return encoded;
}

std::string WatchQuery(absl::Duration time) {
  return absl::StrCat("&watch=1&allowWatchBookmarks=true&timeoutSeconds=",
                      absl::ToInt64Seconds(time));
}

}  // namespace

HttpRequest ListRequest(const Resource& resource, int limit, absl::string_view continue_token,
                        absl::Duration silence) {
  std::string query;
  if (limit > 0) absl::StrAppend(&query, "&limit=", limit);
  if (!continue_token.empty()) absl::StrAppend(&query, "&continue=", UrlEncode(continue_token));
  return Get(resource, query, silence);
}

HttpRequest WatchRequest(const Resource& resource, absl::string_view version, absl::Duration time,
                         absl::Duration silence) {
  return Get(resource, absl::StrCat(WatchQuery(time), "&resourceVersion=", version), silence);
}

HttpRequest StreamRequest(const Resource& resource, absl::Duration time, absl::Duration silence) {
  return Get(
      resource,
      absl::StrCat(WatchQuery(time), "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
      silence);
}

}  // namespace openelb::kube

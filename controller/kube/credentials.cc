#include "controller/kube/credentials.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controller/kube/json.h"

namespace openelb::kube {
namespace {

constexpr int64_t kMaxSeconds = 253402300799;  // the end of the year 9999

// All zeros when there is no such file.
FileStamp StampOf(const std::string& path) {
  struct stat file{};
  if (path.empty() || stat(path.c_str(), &file) != 0) return {};
  return {file.st_dev, file.st_ino, file.st_size,
          int64_t{file.st_mtim.tv_sec} * 1'000'000'000 + file.st_mtim.tv_nsec};
}

}  // namespace

Credentials::Credentials(const ServerConfig& config)
    : token_file_(config.token_file),
      certificate_(config.client_certificate),
      key_(config.client_key),
      token_(config.token) {
  RefreshToken();
  RefreshCertificate();
}

std::string Credentials::Authorization() {
  RefreshToken();
  return token_.empty() ? "" : absl::StrCat("Bearer ", token_);
}

bool Credentials::Renewed(absl::string_view authorization) {
  const uint64_t number = certificate_number_;
  RefreshCertificate();
  return Authorization() != authorization || certificate_number_ != number;
}

void Credentials::RefreshToken() {
  if (token_file_.empty()) return;
  const FileStamp stamp = StampOf(token_file_);
  if (stamp == token_stamp_ && stamp != FileStamp()) return;
  const absl::StatusOr<std::string> content = ReadWholeFile(token_file_);
  if (!content.ok()) {
    problem_ = std::string(content.status().message());
    return;
  }
  const absl::string_view token = absl::StripAsciiWhitespace(*content);
  // A header cannot hold what a line cannot.
  const bool printable = std::all_of(token.begin(), token.end(), absl::ascii_isgraph);
  if (token.empty() || !printable) {
    problem_ = absl::StrCat(token_file_, " holds no token");
    return;
  }
  problem_.clear();
  token_ = std::string(token);
  token_stamp_ = stamp;
}

void Credentials::RefreshCertificate() {
  const std::pair stamp(StampOf(certificate_.data.empty() ? certificate_.file : ""),
                        StampOf(key_.data.empty() ? key_.file : ""));
  if (stamp == certificate_stamp_) return;
  certificate_stamp_ = stamp;
  ++certificate_number_;
}

std::string Credentials::Problem(absl::Time now) const {
  if (!problem_.empty()) return problem_;
  const absl::Time expiry = TokenExpiry(token_);
  if (expiry > now) return "";
  return absl::StrCat("the token", token_file_.empty() ? "" : absl::StrCat(" in ", token_file_),
                      " has expired at ",
                      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", expiry, absl::UTCTimeZone()));
}

absl::Time TokenExpiry(absl::string_view token) {
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  std::string claims;
  if (parts.size() != 3 || !absl::WebSafeBase64Unescape(parts[1], &claims)) {
    return absl::InfiniteFuture();
  }
  const absl::StatusOr<codec::Value> value = ParseJson(claims);
  const codec::Value* expiry = value.ok() ? value->Find("exp") : nullptr;
  if (expiry == nullptr || expiry->integer() == nullptr) return absl::InfiniteFuture();
  const absl::int128 seconds = std::clamp<absl::int128>(*expiry->integer(), 0, kMaxSeconds);
  return absl::FromUnixSeconds(static_cast<int64_t>(seconds));
}

}  // namespace openelb::kube

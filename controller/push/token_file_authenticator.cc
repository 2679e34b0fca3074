#include "controller/push/token_file_authenticator.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace openelb::push {

absl::StatusOr<std::map<std::string, std::string>> ParseTokenFile(absl::string_view content) {
  std::map<std::string, std::string> tokens;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() != 2) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": ", words.size(), " words (allowed: NODE TOKEN)"));
    }
    const auto [it, is_new] = tokens.emplace(words[1], words[0]);
    if (!is_new && it->second != words[0]) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": the token of node \"",
                                                     words[0], "\" is also that of node \"",
                                                     it->second, "\""));
    }
  }
  return tokens;
}

TokenFileAuthenticator::TokenFileAuthenticator(std::string path, Logger* log)
    : path_(std::move(path)), log_(log) {}

absl::Status TokenFileAuthenticator::Load() {
  MutexLock lock(&mutex_);
  return Refresh();
}

absl::Status TokenFileAuthenticator::Refresh() {
  struct stat file{};
  if (stat(path_.c_str(), &file) != 0) {
    return absl::UnavailableError(absl::StrCat("token-file: ", path_, ": ", strerror(errno)));
  }
  const Stamp stamp{file.st_ino, file.st_size,
                    file.st_mtim.tv_sec * 1'000'000'000 + file.st_mtim.tv_nsec};
  if (stamp == stamp_) return broken_;
  std::ifstream in(path_, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.good())
    return absl::UnavailableError(absl::StrCat("token-file: ", path_, ": unreadable"));
  auto tokens = ParseTokenFile(content);
  stamp_ = stamp;
  broken_ = absl::OkStatus();
  if (tokens.ok()) {
    tokens_ = *std::move(tokens);
  } else {
    broken_ = absl::InvalidArgumentError(
        absl::StrCat("token-file: ", path_, ": ", tokens.status().message()));
  }
  return broken_;
}

void TokenFileAuthenticator::Authenticate(const std::string& token, Done done) {
  auto node = NodeOf(token);
  done(node.ok() ? absl::StatusOr<Identity>(Identity{.node = *std::move(node)}) : node.status());
}

absl::StatusOr<std::string> TokenFileAuthenticator::NodeOf(absl::string_view token) {
  MutexLock lock(&mutex_);
  if (const absl::Status status = Refresh(); status.ok()) {
    log_->Recovered("token-file", "token file is good again", {{"file", path_}});
  } else {
    ++file_errors_;
    log_->Damped("token-file", "token file not read; the last good tokens stand", status.message());
  }
  // Every token is compared in full: how long it takes tells nothing about any of them.
  const std::string* node = nullptr;
  for (const auto& [known, of] : tokens_) {
    if (known.size() == token.size() &&
        CRYPTO_memcmp(known.data(), token.data(), token.size()) == 0) {
      node = &of;
    }
  }
  if (node == nullptr) return absl::UnauthenticatedError("token: bound to no node");
  return *node;
}

uint64_t TokenFileAuthenticator::file_errors() const {
  MutexLock lock(&mutex_);
  return file_errors_;
}

}  // namespace openelb::push

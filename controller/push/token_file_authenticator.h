#pragma once
// Tokens of speakers from a file.

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/base/log.h"
#include "api/base/mutex.h"
#include "controller/push/authenticator.h"

namespace openelb::push {

// Token -> node. Each line of `content` is "NODE TOKEN"; blank lines and what follows a # are
// skipped. A node may have several tokens, a token one node. Error: InvalidArgument naming the line
// (never a token).
absl::StatusOr<std::map<std::string, std::string>> ParseTokenFile(absl::string_view content);

// Tokens from a file that is read again whenever it has changed. A file that cannot be read or
// parsed is reported and leaves the last good tokens.
class TokenFileAuthenticator final : public Authenticator {
 public:
  // `log` is used from any thread, under the authenticator's lock, and by nothing else.
  TokenFileAuthenticator(std::string path, Logger* log);
  // At start: the file must be good.
  absl::Status Load();
  // Answers before it returns.
  void Authenticate(const std::string& token, Done done) override;
  // The node that `token` is bound to. Error: Unauthenticated.
  absl::StatusOr<std::string> NodeOf(absl::string_view token);
  uint64_t file_errors() const;  // tokens looked up in the last good tokens of a bad file

 private:
  // What tells a changed file: a swap of a mounted secret changes the inode.
  struct Stamp {
    uint64_t inode = 0;
    int64_t size = -1;
    int64_t modified_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  absl::Status Refresh() REQUIRES(mutex_);

  const std::string path_;
  Logger* const log_;
  mutable Mutex mutex_;
  Stamp stamp_ GUARDED_BY(mutex_);
  absl::Status broken_ GUARDED_BY(mutex_);  // of the file that has this stamp
  std::map<std::string, std::string> tokens_ GUARDED_BY(mutex_);
  uint64_t file_errors_ GUARDED_BY(mutex_) = 0;
};

}  // namespace openelb::push

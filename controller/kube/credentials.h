#pragma once
// What we show to the API server: a bearer token or a client certificate, either of which may be
// replaced on disk at any time.

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controller/kube/config.h"

namespace openelb::kube {

// Which content of a file was read: a mounted Secret changes by a symbolic link to another file.
using FileStamp = std::tuple<uint64_t, uint64_t, int64_t, int64_t>;  // device, inode, size, mtime

// Owner thread only. Cheap to ask before every request: a file is read when it has changed.
class Credentials {
 public:
  explicit Credentials(const ServerConfig& config);

  // The value of the header Authorization; empty: there is none to send. A file that cannot be read
  // or is empty leaves the last good token.
  std::string Authorization();

  // For after an answer 401. Whether what we would show now differs from what `authorization` and
  // the certificates were when asked last: another try may succeed.
  bool Renewed(absl::string_view authorization);
  // Counts the client certificates seen: connections made under an earlier number show an old one.
  uint64_t certificate_number() const { return certificate_number_; }

  // What an operator should know when the server does not take us: the token file cannot be read,
  // or the token in it has expired at `now`. Empty: nothing is known to be wrong.
  std::string Problem(absl::Time now) const;

 private:
  void RefreshToken();
  void RefreshCertificate();

  const std::string token_file_;
  const Pem certificate_;
  const Pem key_;
  std::string token_;
  std::string problem_;  // with the token file
  FileStamp token_stamp_;
  std::pair<FileStamp, FileStamp> certificate_stamp_;
  uint64_t certificate_number_ = 0;
};

// When a ServiceAccount's token (a JWT, RFC 7519, claim exp) ends; InfiniteFuture: it does not say.
absl::Time TokenExpiry(absl::string_view token);

}  // namespace openelb::kube

#pragma once
// Certificates that an operator keeps in files, such as a mounted Secret, and replaces there.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace openelb::tls {

struct PemFiles {
  std::string cert;  // the server's, with what leads to its authority; empty: it has one elsewhere
  std::string key;
  std::string ca;  // signs what clients show; empty: nothing is asked of them

  bool operator==(const PemFiles&) const = default;
};

// Certificate and key, if any, can be read and belong together, and so can `ca`. Error:
// InvalidArgument naming the flag, which is `flags` (such as "plan-tls") with "-cert", "-key" or
// "-ca", the file and what is wrong.
absl::Status CheckPemFiles(const PemFiles& files, absl::string_view flags);

// Empty when it cannot be read.
std::string ReadPem(const std::string& file);

// Tells when files may have changed. Not a watch of the system: that waits by the calendar in some
// libraries, and costs a descriptor.
class PemFileWatch {
 public:
  explicit PemFileWatch(PemFiles files) : files_(std::move(files)) {}

  const PemFiles& files() const { return files_; }
  // Whether one is another, or was written to, since the last call; true at the first.
  bool Changed();

 private:
  // Which file it is and when it was last written to. One that is not there has none.
  struct Stamp {
    uint64_t device, inode;
    int64_t size, second, nanosecond;
    bool operator==(const Stamp&) const = default;
  };
  static std::optional<Stamp> StampOf(const std::string& file);

  const PemFiles files_;
  std::vector<std::optional<Stamp>> stamps_;
};

}  // namespace openelb::tls

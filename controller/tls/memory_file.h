#pragma once
// A file in memory that has a path within this process, for libraries that read and watch files.

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace openelb::tls {

class MemoryFile {
 public:
  // Empty at first. `name` is for people who look at /proc. Error: Internal.
  static absl::StatusOr<std::unique_ptr<MemoryFile>> Create(const std::string& name);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // Whoever opens path() sees the old content or the new one, whole. Any thread.
  absl::Status Replace(absl::string_view content);
  std::string path() const;

 private:
  MemoryFile(std::string name, int fd) : name_(std::move(name)), fd_(fd) {}
  const std::string name_;
  const int fd_;  // what it refers to changes
};

}  // namespace openelb::tls

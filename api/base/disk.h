#pragma once
// The seam to the disk: small named files in one folder, each replaced as a whole.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace openelb {

// Names are relative to the folder and may contain "/". Errors name the file and the system's
// reason.
class Disk {
 public:
  virtual ~Disk() = default;
  // NotFound when there is no such file.
  virtual absl::StatusOr<std::string> Read(absl::string_view name) = 0;
  // Replaces the file atomically and durably: after a crash at any moment the old or the new
  // content is there, whole. Missing folders are made. On an error (full disk: ResourceExhausted)
  // the old content stays.
  virtual absl::Status Write(absl::string_view name, absl::string_view content) = 0;
  // As Write, but until the next Sync only a crash of the process is survived for certain; one of
  // the machine may undo it. Waits for no disk, so that it may be called often.
  virtual absl::Status WriteCached(absl::string_view name, absl::string_view content) {
    return Write(name, content);
  }
  // Makes durable what WriteCached and Remove did. Waits for the disk.
  virtual absl::Status Sync() { return absl::OkStatus(); }
  // No error when there is no such file.
  virtual absl::Status Remove(absl::string_view name) = 0;
  // The names of all files below `folder` ("" for all), sorted. Files that a crash left half
  // written are not named.
  virtual absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) = 0;
  // What messages call the file.
  virtual std::string Describe(absl::string_view name) const { return std::string(name); }
};

// Files below `root` with mode 0600: what is kept includes session passwords. Write = temporary
// file, fsync, rename, fsync of the folder. A missing `root` is made by the first write; without
// the folder above it writing is NotFound.
class FileDisk final : public Disk {
 public:
  explicit FileDisk(std::string root) : root_(std::move(root)) {}
  absl::StatusOr<std::string> Read(absl::string_view name) override;
  absl::Status Write(absl::string_view name, absl::string_view content) override;
  absl::Status WriteCached(absl::string_view name, absl::string_view content) override;
  absl::Status Sync() override;
  absl::Status Remove(absl::string_view name) override;
  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override;
  std::string Describe(absl::string_view name) const override;

 private:
  absl::Status Replace(absl::string_view name, absl::string_view content, bool sync);

  std::string root_;
};

// In memory, for tests and simulation. `fault`, when set, is asked before each write: an error
// makes the write fail with it, leaving the old content, as a full disk does.
class MemoryDisk final : public Disk {
 public:
  absl::StatusOr<std::string> Read(absl::string_view name) override;
  absl::Status Write(absl::string_view name, absl::string_view content) override;
  absl::Status Remove(absl::string_view name) override;
  absl::StatusOr<std::vector<std::string>> List(absl::string_view folder) override;

  std::function<absl::Status(absl::string_view name)> fault;
  std::map<std::string, std::string> files;  // open to tests that damage them
};

}  // namespace openelb

#pragma once
// The fencing number of a controller's leadership: larger at each start, never smaller than what
// any speaker has seen.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/disk.h"

namespace openelb {

// The seam to where the epoch is kept: the status folder here, the Lease behind the same calls.
class Epoch {
 public:
  virtual ~Epoch() = default;
  virtual uint64_t current() const = 0;
  // Makes current() larger than `seen`. An error says that the new value could not be kept; it is
  // in force all the same, because speakers tell a later start of theirs.
  virtual absl::Status RaiseAbove(uint64_t seen) = 0;
};

// Kept in the file "epoch" of a Disk.
class DiskEpoch final : public Epoch {
 public:
  // Takes 1 + the kept value. A missing or damaged file counts as 0: the speakers' own numbers
  // correct it.
  explicit DiskEpoch(Disk* disk);
  // What went wrong with the file at the start, if anything.
  const absl::Status& start_status() const { return start_status_; }
  uint64_t current() const override { return current_; }
  absl::Status RaiseAbove(uint64_t seen) override;

 private:
  Disk* disk_;
  uint64_t current_ = 0;
  absl::Status start_status_;
};

// Excludes a second controller from the same status folder for as long as it lives, also across a
// crash of either.
class FolderLock {
 public:
  // Error: FailedPrecondition naming the folder when another process holds it, Internal when it
  // cannot be locked.
  static absl::StatusOr<std::unique_ptr<FolderLock>> Acquire(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace openelb

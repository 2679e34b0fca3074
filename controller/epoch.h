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

// The seam to leadership and its epoch: a file of the status folder here, a Lease behind the same
// calls (controller/kube/lease_epoch.h). The owner asks anew at each turn.
class Epoch {
 public:
  virtual ~Epoch() = default;
  // Of the plans that may be sent. 0: none may be, because this controller does not lead or the
  // epoch is not kept yet.
  virtual uint64_t current() const = 0;
  // Makes current() larger than `seen`, at once or later. An error says that the new value could
  // not be kept.
  virtual absl::Status RaiseAbove(uint64_t seen) = 0;
  // The leadership had lapsed for so long that the cluster's state may be an old copy of itself.
  virtual bool after_long_lapse() const { return false; }
  // OK: this controller leads, so it decides and serves speakers. Else what they are told instead.
  virtual absl::Status leads() const { return absl::OkStatus(); }
};

// Kept in the file "epoch" of a Disk. A value that could not be kept is in force all the same,
// because speakers tell a later start of theirs.
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
  // Makes `folder` where it is missing, and none above it: those may be a mount that is not there
  // yet. Error: NotFound when there is nothing to make it in, FailedPrecondition when another
  // process holds it, Internal when it cannot be locked; each names the folder.
  static absl::StatusOr<std::unique_ptr<FolderLock>> Acquire(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace openelb

#include "controller/epoch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace openelb {
namespace {

constexpr const char* kFile = "epoch";

}  // namespace

DiskEpoch::DiskEpoch(Disk* disk) : disk_(disk) {
  const auto kept = disk_->Read(kFile);
  uint64_t last = 0;
  if (kept.ok() && !absl::SimpleAtoi(absl::StripSuffix(*kept, "\n"), &last)) {
    start_status_ = absl::DataLossError(
        absl::StrCat(kFile, ": \"", *kept, "\" is not a number; starting from 0"));
    last = 0;
  } else if (!kept.ok() && !absl::IsNotFound(kept.status())) {
    start_status_ = kept.status();
  }
  if (absl::Status status = RaiseAbove(last); start_status_.ok()) start_status_ = status;
}

absl::Status DiskEpoch::RaiseAbove(uint64_t seen) {
  current_ = std::max(current_, seen + 1);
  return disk_->Write(kFile, absl::StrCat(current_, "\n"));
}

absl::StatusOr<std::unique_ptr<FolderLock>> FolderLock::Acquire(const std::string& folder) {
  if (mkdir(folder.c_str(), 0777) != 0 && errno == ENOENT) {
    return absl::NotFoundError(
        absl::StrCat("status folder ", folder, ": there is no folder to make it in"));
  }
  const std::string path = absl::StrCat(folder, "/lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return absl::InternalError(absl::StrCat("open ", path, ": ", std::strerror(errno)));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    close(fd);
    if (reason == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          absl::StrCat("another controller uses the status folder ", folder));
    }
    return absl::InternalError(absl::StrCat("lock ", path, ": ", std::strerror(reason)));
  }
  return std::unique_ptr<FolderLock>(new FolderLock(fd));
}

FolderLock::~FolderLock() { close(fd_); }

}  // namespace openelb

#pragma once
// Writes files on a thread of its own: whoever hands them over does not wait for the disk, not even
// for one that hangs.

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/base/disk.h"
#include "api/base/post.h"

namespace openelb::link {

class DiskThread {
 public:
  // `post` hands a task to the owner thread, which calls all of the below; it outlives the
  // DiskThread. The disk must not be written to by others.
  DiskThread(std::shared_ptr<Disk> disk, Post post);
  // What waits is dropped. A write that hangs is left behind, with the disk.
  ~DiskThread();
  DiskThread(const DiskThread&) = delete;
  DiskThread& operator=(const DiskThread&) = delete;

  // As Disk::Write, one after the other. `done` is handed to the owner thread afterwards.
  void Write(std::string name, std::string content, std::function<void(const absl::Status&)> done);
  // Whether all that was handed over has been written, which is waited for up to `timeout`.
  bool WaitUntilWritten(absl::Duration timeout);

 private:
  struct Shared;
  static void Run(Shared* shared);

  const std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace openelb::link

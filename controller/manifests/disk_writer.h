#pragma once
// Writes small files without making anybody wait for the disk: the newest content of each file
// wins, what fails is tried again, what has not changed is not written. What is written outlives
// the process at once, and the machine after a second of quiet.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/disk.h"
#include "api/base/log.h"
#include "api/base/mutex.h"

namespace openelb::manifests {

struct DiskWriterCounters {
  uint64_t writes = 0;    // files written or removed
  uint64_t failures = 0;  // attempts that failed; each is repeated
};

// Put and Remove may be called from any thread and never touch the disk; a thread of its own does.
// The disk must not be written to by others at the names used here.
class DiskWriter {
 public:
  // All outlive the writer.
  DiskWriter(Disk* disk, const Clock* clock, LogSink* log);
  // As Stop.
  ~DiskWriter();
  DiskWriter(const DiskWriter&) = delete;
  DiskWriter& operator=(const DiskWriter&) = delete;

  // `content` is called once, on the writer's thread, and not at all when a newer Put or Remove of
  // the same name comes first.
  void Put(std::string name, std::function<std::string()> content);
  void Remove(std::string name);
  // Tries once more to write everything that waits, then ends the thread. What comes later is
  // dropped.
  void Stop();
  // Whether everything that was put has been written; waits for it up to `timeout`.
  bool WaitUntilWritten(absl::Duration timeout);
  DiskWriterCounters counters() const;

 private:
  // An empty function removes the file.
  using Batch = std::map<std::string, std::function<std::string()>>;

  void Run();
  // Waits until there is something to write, to sync or to stop for; takes what is to be written.
  Batch Wait(absl::Duration not_before, bool* stop);
  // Returns what could not be written.
  Batch Write(Batch batch);
  void Sync();
  // Whether anything had to be written.
  absl::StatusOr<bool> WriteOne(const std::string& name,
                                const std::function<std::string()>& content);

  Disk* disk_;
  const Clock* clock_;
  Logger log_;                             // of the writer's thread
  std::map<std::string, size_t> written_;  // name -> hash of the content; of the writer's thread
  // When to sync what was written since the last time; of the writer's thread.
  absl::Duration sync_at_ = absl::InfiniteDuration();

  mutable Mutex mutex_;
  CondVar changed_;
  Batch waiting_ GUARDED_BY(mutex_);
  bool busy_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  DiskWriterCounters counters_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace openelb::manifests

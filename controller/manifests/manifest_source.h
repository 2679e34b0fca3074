#pragma once
// A folder of manifests as the source of cluster state.
//
// Life of a change: the kernel tells FolderWatcher; ReadSchedule says when the file is complete;
// Folder reads it; ManifestSet decides what is in effect; the handler gets what is new; last good
// copies go to the status folder. A full listing every half minute, and whenever folders move,
// finds what the kernel did not tell.
//
// A folder that is away (removed, unmounted, not permitted, or replaced by an empty one, also while
// no controller ran) deletes nothing. When it is back, missing files count only after a pause,
// because whoever put it back may still be filling it.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/disk.h"
#include "api/base/log.h"
#include "api/base/mutex.h"
#include "controller/event_source.h"
#include "controller/manifests/disk_writer.h"
#include "controller/manifests/folder.h"
#include "controller/manifests/manifest_set.h"
#include "controller/manifests/read_schedule.h"
#include "controller/manifests/watcher.h"

namespace openelb::manifests {

struct ManifestSourceOptions {
  std::string folder;
  std::string status_folder;  // passed over when it lies below `folder`
  // How long a file must stay missing or half written before that counts.
  absl::Duration quiet = absl::Milliseconds(50);
  absl::Duration list_interval = absl::Seconds(30);
  // Between attempts to reach a folder that is away, listings where the kernel cannot watch, and
  // looks whether the folder is still the one that is watched.
  absl::Duration retry_interval = absl::Seconds(1);
  absl::Duration hold_missing_after_return = absl::Seconds(2);
};

struct ManifestSourceCounters {
  ManifestCounters manifests;
  uint64_t objects = 0;   // in effect now
  uint64_t listings = 0;  // of the whole folder
  uint64_t away = 0;      // times the folder went away
};

class ManifestSource final : public EventSource {
 public:
  // `disk` is the status folder, `writer` writes there; all outlive the source.
  ManifestSource(ManifestSourceOptions options, Disk* disk, DiskWriter* writer, const Clock* clock,
                 LogSink* log);
  // Ends the thread; the handler is not called any more.
  ~ManifestSource() override;

  void Start(Handler* handler) override;
  // From any thread.
  ManifestSourceCounters counters() const;

 private:
  void Run();
  void Wait();
  void TakeEvents();
  void ListFolder();
  // Lists the folder and watches all of it.
  absl::StatusOr<FolderListing> ListAndWatch();
  void Compare(const FolderListing& listing);
  void ReadDue();
  void ReadOne(const ReadSchedule::Due& due);
  void Deliver();
  void GoAway(std::string reason);
  void ComeBack();
  bool IsUnreadable(const std::string& path) const;

  const ManifestSourceOptions options_;
  Disk* disk_;
  DiskWriter* writer_;
  const Clock* clock_;
  Handler* handler_ = nullptr;

  // Of the source's thread:
  Logger log_;
  Folder folder_;
  std::unique_ptr<FolderWatcher> watcher_;
  std::optional<ManifestSet> set_;
  ReadSchedule schedule_;
  std::map<std::string, FileStamp> stamps_;        // of the files read last
  std::map<std::string, std::string> unreadable_;  // subfolders
  std::optional<Inode> root_;                      // as listed last
  absl::Duration next_listing_;
  absl::Duration complete_from_;  // the first reading is not over before
  bool listed_ = false;
  bool synced_ = false;
  bool away_ = false;
  uint64_t listings_ = 0;
  uint64_t times_away_ = 0;

  int stop_fd_;
  mutable Mutex mutex_;
  ManifestSourceCounters counters_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace openelb::manifests

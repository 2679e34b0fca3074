#pragma once
// inotify(7) on a folder and all below it: what happened to which manifest.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace openelb::manifests {

struct WatchEvent {
  enum class Kind {
    kWritten,   // closed after writing, or renamed to this name
    kTouched,   // mode or the like changed
    kCreated,   // new; its content may follow
    kModified,  // being written
    kMissing,   // removed or renamed away; may be about to be replaced
    kVanished,  // renamed to the name of another manifest
    kRescan,    // folders changed, the root itself, too, or events were lost: list everything
  };
  Kind kind;
  std::string path;  // below the root; empty for the last
  bool operator==(const WatchEvent&) const = default;
};

class FolderWatcher {
 public:
  // Error: the kernel gives no more inotify instances.
  static absl::StatusOr<std::unique_ptr<FolderWatcher>> Create();
  ~FolderWatcher();
  FolderWatcher(const FolderWatcher&) = delete;
  FolderWatcher& operator=(const FolderWatcher&) = delete;

  // Becomes readable when there are events.
  int fd() const { return fd_; }
  // Begin, Watch for each folder of a listing, End: folders not named in between are watched no
  // more. Watch before listing a folder's files, so that none slips through.
  void Begin() { named_.clear(); }
  // Error: the kernel gives no more watches. A folder that is gone or not permitted is none.
  absl::Status Watch(const std::string& root, const std::string& path);
  void End();
  // What happened since the last call; does not wait.
  std::vector<WatchEvent> Take();

 private:
  // What one Take collects.
  struct Batch {
    std::vector<WatchEvent> events;
    std::map<uint32_t, size_t> moved_from;  // cookie of a rename -> index of its event
    bool rescan = false;
  };

  explicit FolderWatcher(int fd) : fd_(fd) {}
  void Note(int descriptor, uint32_t mask, uint32_t cookie, absl::string_view name, Batch* batch);

  int fd_;
  std::map<int, std::string> paths_;  // watch descriptor -> path
  std::set<int> named_;
};

}  // namespace openelb::manifests

#include "controller/manifests/watcher.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controller/manifests/folder.h"

namespace openelb::manifests {
namespace {

using Kind = WatchEvent::Kind;

// IN_MASK_ADD: to watch a folder once more loses no event; without it the kernel clears the mask
// for an instant.
constexpr uint32_t kMask = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE |
                           IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |
                           IN_ONLYDIR | IN_MASK_ADD;

// A Kubernetes volume changes all its files at once by renaming a link of this name.
constexpr absl::string_view kVolumeLink = "..";

absl::Status Errno(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

Kind KindOf(uint32_t mask) {
  if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) return Kind::kWritten;
  if (mask & (IN_DELETE | IN_MOVED_FROM)) return Kind::kMissing;
  if (mask & IN_CREATE) return Kind::kCreated;
  return mask & IN_MODIFY ? Kind::kModified : Kind::kTouched;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FolderWatcher>> FolderWatcher::Create() {
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return Errno("inotify");
  return std::unique_ptr<FolderWatcher>(new FolderWatcher(fd));
}

FolderWatcher::~FolderWatcher() { close(fd_); }

absl::Status FolderWatcher::Watch(const std::string& root, const std::string& path) {
  const std::string absolute = path.empty() ? root : absl::StrCat(root, "/", path);
  const int descriptor = inotify_add_watch(fd_, absolute.c_str(), kMask);
  if (descriptor < 0) {
    const bool exhausted = errno == ENOSPC || errno == ENOMEM;
    return exhausted ? Errno(absl::StrCat("inotify ", absolute)) : absl::OkStatus();
  }
  paths_[descriptor] = path;
  named_.insert(descriptor);
  return absl::OkStatus();
}

void FolderWatcher::End() {
  for (auto it = paths_.begin(); it != paths_.end();) {
    if (named_.contains(it->first)) {
      ++it;
    } else {
      inotify_rm_watch(fd_, it->first);
      it = paths_.erase(it);
    }
  }
}

std::vector<WatchEvent> FolderWatcher::Take() {
  Batch batch;
  alignas(inotify_event) char buffer[65536];
  for (;;) {
    const ssize_t size = read(fd_, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    for (const char* at = buffer; at < buffer + size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      Note(event->wd, event->mask, event->cookie, event->len > 0 ? event->name : "", &batch);
      at += sizeof(inotify_event) + event->len;
    }
  }
  if (batch.rescan) batch.events.push_back({Kind::kRescan, ""});
  return std::move(batch.events);
}

void FolderWatcher::Note(int descriptor, uint32_t mask, uint32_t cookie, absl::string_view name,
                         Batch* batch) {
  if (mask & IN_Q_OVERFLOW) batch->rescan = true;
  const auto folder = paths_.find(descriptor);
  if (folder == paths_.end()) return;  // no longer watched
  if (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
    batch->rescan = true;
    if (mask & IN_IGNORED) paths_.erase(folder);
  } else if (mask & IN_ISDIR) {
    batch->rescan |= !Folder::IsHidden(name);
  } else if (absl::StartsWith(name, kVolumeLink) && (mask & IN_MOVED_TO)) {
    batch->rescan = true;
  } else if (Folder::IsManifest(name)) {
    const auto from = batch->moved_from.find(cookie);
    if ((mask & IN_MOVED_TO) && from != batch->moved_from.end()) {
      batch->events[from->second].kind = Kind::kVanished;
    }
    if (mask & IN_MOVED_FROM) batch->moved_from[cookie] = batch->events.size();
    const std::string below = folder->second.empty() ? "" : folder->second + "/";
    batch->events.push_back({KindOf(mask), absl::StrCat(below, name)});
  }
}

}  // namespace openelb::manifests

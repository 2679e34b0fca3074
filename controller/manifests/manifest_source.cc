#include "controller/manifests/manifest_source.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controller/manifests/saved.h"

namespace openelb::manifests {
ManifestSource::ManifestSource(ManifestSourceOptions options, Disk* disk, DiskWriter* writer,
                               const Clock* clock, LogSink* log)
    : options_(std::move(options)),
      disk_(disk),
      writer_(writer),
      clock_(clock),
      log_(log, clock),
      folder_(options_.folder, options_.status_folder),
      schedule_(options_.quiet),
      stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

ManifestSource::~ManifestSource() {
  eventfd_write(stop_fd_, 1);
  if (thread_.joinable()) thread_.join();
  close(stop_fd_);
}

void ManifestSource::Start(Handler* handler) {
  handler_ = handler;
  thread_ = std::thread([this] { Run(); });
}

ManifestSourceCounters ManifestSource::counters() const {
  MutexLock lock(&mutex_);
  return counters_;
}

void ManifestSource::Run() {
  std::vector<std::string> problems;
  set_ = LoadManifestSet(disk_, &problems);
  for (const std::string& problem : problems) {
    log_.Warning("cannot read the status folder", {{"error", problem}});
  }
  next_listing_ = clock_->Monotonic();
  pollfd stop{.fd = stop_fd_, .events = POLLIN, .revents = 0};
  while (poll(&stop, 1, 0) == 0) {
    // A link that leads to another folder now tells the kernel's watch nothing, nor does a mount.
    const bool moved = root_.has_value() && !away_ && folder_.RootNow() != root_;
    if (moved || clock_->Monotonic() >= next_listing_) ListFolder();
    if (!away_) ReadDue();
    Deliver();
    Wait();
    TakeEvents();
  }
}

// Until something happens or is due.
void ManifestSource::Wait() {
  const absl::Duration now = clock_->Monotonic();
  absl::Duration until = next_listing_;
  if (!away_) until = std::min(until, schedule_.NextDue());
  if (!away_) until = std::min(until, now + options_.retry_interval);
  if (!away_ && now < complete_from_) until = std::min(until, complete_from_);
  const absl::Duration left = std::max(until - now, absl::ZeroDuration());
  const timespec timeout = absl::ToTimespec(left);
  pollfd fds[2] = {{.fd = stop_fd_, .events = POLLIN, .revents = 0},
                   {.fd = watcher_ ? watcher_->fd() : -1, .events = POLLIN, .revents = 0}};
  ppoll(fds, 2, &timeout, nullptr);
}

void ManifestSource::TakeEvents() {
  if (!watcher_) return;
  const absl::Duration now = clock_->Monotonic();
  const std::vector<WatchEvent> events = watcher_->Take();
  if (away_ && !events.empty()) next_listing_ = now;
  for (const WatchEvent& event : events) {
    switch (event.kind) {
      case WatchEvent::Kind::kWritten:
        schedule_.Written(event.path, now);
        break;
      case WatchEvent::Kind::kTouched:
        schedule_.Touched(event.path, now);
        break;
      case WatchEvent::Kind::kCreated:
        schedule_.Created(event.path, now);
        break;
      case WatchEvent::Kind::kModified:
        schedule_.Modified(event.path, now);
        break;
      case WatchEvent::Kind::kMissing:
        schedule_.Missing(event.path, now);
        break;
      case WatchEvent::Kind::kVanished:
        schedule_.Vanished(event.path, now);
        break;
      case WatchEvent::Kind::kRescan:
        next_listing_ = now;
        break;
    }
  }
}

void ManifestSource::ListFolder() {
  ++listings_;
  const absl::StatusOr<FolderListing> listing = ListAndWatch();
  next_listing_ =
      clock_->Monotonic() + (watcher_ ? options_.list_interval : options_.retry_interval);
  if (!listing.ok()) return GoAway(std::string(listing.status().message()));
  if (root_.has_value() && *root_ != listing->root && listing->files.empty() && !stamps_.empty()) {
    return GoAway(absl::StrCat(options_.folder, ": replaced by a folder without manifests"));
  }
  if (!listed_ && listing->files.empty() && listing->unreadable.empty() &&
      set_->early_copies() > 0) {
    return GoAway(absl::StrCat(options_.folder, ": no manifests, but there were ",
                               set_->early_copies(),
                               ", as last-good/ of the status folder says; an empty file such as "
                               "none.yaml says that none are wanted"));
  }
  root_ = listing->root;
  if (away_) ComeBack();
  Compare(*listing);
  listed_ = true;
}

absl::StatusOr<FolderListing> ManifestSource::ListAndWatch() {
  absl::Status watched;
  if (!watcher_) {
    absl::StatusOr<std::unique_ptr<FolderWatcher>> watcher = FolderWatcher::Create();
    if (watcher.ok()) {
      watcher_ = *std::move(watcher);
    } else {
      watched = watcher.status();
    }
  }
  if (watcher_) watcher_->Begin();
  absl::StatusOr<FolderListing> listing = folder_.List([&](const std::string& path) {
    if (watcher_) watched.Update(watcher_->Watch(folder_.root(), path));
  });
  if (watcher_) watcher_->End();
  if (!listing.ok()) return listing;
  constexpr absl::string_view kProblem = "watch";
  if (watched.ok()) {
    log_.Recovered(kProblem, "the manifests are watched");
  } else {
    watcher_.reset();
    log_.Damped(kProblem, "cannot watch the manifests; listing them each second instead",
                watched.ToString());
  }
  return listing;
}

// Schedules what the listing shows to be different from what was read.
void ManifestSource::Compare(const FolderListing& listing) {
  const absl::Duration now = clock_->Monotonic();
  std::map<Inode, std::string> appeared;
  for (const auto& [path, stamp] : listing.files) {
    const auto read = stamps_.find(path);
    if (read == stamps_.end()) appeared[stamp.inode] = path;
    if (read == stamps_.end() || read->second != stamp) schedule_.Touched(path, now);
  }
  for (const auto& [path, reason] : std::exchange(unreadable_, listing.unreadable)) {
    if (!listing.unreadable.contains(path)) set_->RemoveFile(path + "/");
  }
  for (const auto& [path, reason] : unreadable_) set_->SetUnreadable(path + "/", reason);
  for (const std::string& path : set_->Files()) {
    if (listing.files.contains(path) || IsUnreadable(path)) continue;
    const auto read = stamps_.find(path);
    if (read != stamps_.end() && appeared.contains(read->second.inode)) {
      schedule_.Vanished(path, now);  // it has another name now
    } else {
      schedule_.Missing(path, now);
    }
  }
}

// Whether `path` is, or lies in, a subfolder that cannot be listed.
bool ManifestSource::IsUnreadable(const std::string& path) const {
  return std::any_of(unreadable_.begin(), unreadable_.end(), [&](const auto& folder) {
    return absl::StartsWith(path, folder.first + "/");
  });
}

void ManifestSource::ReadDue() {
  for (const ReadSchedule::Due& due : schedule_.TakeDue(clock_->Monotonic())) ReadOne(due);
}

void ManifestSource::ReadOne(const ReadSchedule::Due& due) {
  FileStamp stamp;
  const absl::StatusOr<std::string> text = folder_.Read(due.name, &stamp);
  TakeEvents();
  if (schedule_.IsBeingWritten(due.name)) return;  // it was changing under our eyes
  if (text.ok()) {
    if (set_->SetFile(due.name, *text, due.settled)) {
      stamps_[due.name] = stamp;
    } else {
      schedule_.Unfinished(due.name, clock_->Monotonic());
    }
  } else if (!absl::IsNotFound(text.status())) {
    set_->SetUnreadable(due.name, text.status().message());
    stamps_[due.name] = stamp;
  } else if (due.settled) {
    set_->RemoveFile(due.name);
    stamps_.erase(due.name);
  } else {
    schedule_.Missing(due.name, clock_->Monotonic());
  }
}

void ManifestSource::Deliver() {
  // What looked unfinished at the start is waited for; what somebody keeps open is not.
  const bool complete = listed_ && !away_ && clock_->Monotonic() >= complete_from_ &&
                        schedule_.NextDue() > clock_->Monotonic() + options_.quiet;
  const bool first = complete && !synced_;
  if (first) set_->EndOfFirstReading();
  ManifestChanges changes = set_->TakeChanges();
  if (!changes.events.empty()) handler_->OnEvents(std::move(changes.events));
  if (first) {
    synced_ = true;
    handler_->OnSynced();
    log_.Info("manifests read", {{"folder", options_.folder},
                                 {"files", stamps_.size()},
                                 {"objects", set_->object_count()}});
  }
  for (const Problem& problem : changes.problems) {
    if (problem.warning) {
      log_.Warning("manifest with an unknown field", {{"warning", problem.text}});
    } else {
      log_.Error("manifest refused, what was right before stays", {{"error", problem.text}});
    }
  }
  for (const std::string& file : changes.recovered) {
    log_.Info("manifest is right again", {{"file", file}});
  }
  for (auto& [file, copy] : changes.copies) {
    if (copy.has_value()) {
      writer_->Put(CopyName(file), [text = *std::move(copy)] { return text; });
    } else {
      writer_->Remove(CopyName(file));
    }
  }
  MutexLock lock(&mutex_);
  counters_ = {.manifests = set_->counters(),
               .objects = set_->object_count(),
               .listings = listings_,
               .away = times_away_};
}

void ManifestSource::GoAway(std::string reason) {
  next_listing_ = clock_->Monotonic() + options_.retry_interval;
  schedule_.Clear();
  if (std::exchange(away_, true)) return;
  ++times_away_;
  log_.Error("manifests cannot be read, what they said last stays", {{"error", reason}});
  handler_->OnAway(std::move(reason));
}

void ManifestSource::ComeBack() {
  away_ = false;
  complete_from_ = clock_->Monotonic() + options_.hold_missing_after_return;
  schedule_.HoldMissing(complete_from_);
  log_.Info("manifests can be read again", {{"folder", options_.folder}});
  handler_->OnBack();
}

}  // namespace openelb::manifests

#include "controller/manifests/disk_writer.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"

namespace openelb::manifests {
namespace {

constexpr absl::Duration kFirstRetry = absl::Milliseconds(200);
constexpr absl::Duration kLongestRetry = absl::Seconds(30);
// Of quiet before a sync: its journal commit would delay the user's own edits.
constexpr absl::Duration kQuiet = absl::Seconds(1);
constexpr const char* kProblem = "status folder";

}  // namespace

DiskWriter::DiskWriter(Disk* disk, const Clock* clock, LogSink* log)
    : disk_(disk), clock_(clock), log_(log, clock), thread_([this] { Run(); }) {}

DiskWriter::~DiskWriter() { Stop(); }

void DiskWriter::Put(std::string name, std::function<std::string()> content) {
  MutexLock lock(&mutex_);
  if (stopping_) return;
  waiting_[std::move(name)] = std::move(content);
  changed_.NotifyAll();
}

void DiskWriter::Remove(std::string name) { Put(std::move(name), nullptr); }

void DiskWriter::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool DiskWriter::WaitUntilWritten(absl::Duration timeout) {
  const absl::Duration deadline = clock_->Monotonic() + timeout;
  MutexLock lock(&mutex_);
  while (busy_ || !waiting_.empty()) {
    const absl::Duration left = deadline - clock_->Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(&mutex_, absl::ToChronoNanoseconds(left));
  }
  return true;
}

DiskWriterCounters DiskWriter::counters() const {
  MutexLock lock(&mutex_);
  return counters_;
}

void DiskWriter::Run() {
  absl::Duration retry = kFirstRetry;
  absl::Duration not_before = clock_->Monotonic();
  for (bool last = false; !last;) {
    Batch batch = Wait(not_before, &last);
    const bool wrote = !batch.empty();
    Batch failed = Write(std::move(batch));
    retry = failed.empty() ? kFirstRetry : std::min(retry * 2, kLongestRetry);
    not_before = clock_->Monotonic() + (failed.empty() ? absl::ZeroDuration() : retry);
    if (wrote) sync_at_ = clock_->Monotonic() + kQuiet;
    const bool written = sync_at_ < absl::InfiniteDuration();
    if (written && (last || sync_at_ <= clock_->Monotonic())) Sync();
    MutexLock lock(&mutex_);
    waiting_.merge(failed);  // newer content of the same name stays
    busy_ = false;
    changed_.NotifyAll();
  }
}

DiskWriter::Batch DiskWriter::Wait(absl::Duration not_before, bool* stop) {
  MutexLock lock(&mutex_);
  while (!stopping_) {
    const absl::Duration now = clock_->Monotonic();
    const absl::Duration next = waiting_.empty() ? sync_at_ : std::min(not_before, sync_at_);
    if (next <= now) break;
    if (next == absl::InfiniteDuration()) {
      changed_.Wait(&mutex_);
    } else {
      changed_.WaitFor(&mutex_, absl::ToChronoNanoseconds(next - now));
    }
  }
  *stop = stopping_;
  busy_ = true;
  const bool too_early = !stopping_ && clock_->Monotonic() < not_before;
  return too_early ? Batch() : std::exchange(waiting_, {});
}

void DiskWriter::Sync() {
  sync_at_ = absl::InfiniteDuration();
  if (const absl::Status status = disk_->Sync(); !status.ok() && !absl::IsNotFound(status)) {
    log_.Damped("sync", "the status folder cannot be synced", status.message());
  }
}

DiskWriter::Batch DiskWriter::Write(Batch batch) {
  DiskWriterCounters done;
  absl::Status first_error;
  for (auto it = batch.begin(); it != batch.end();) {
    const absl::StatusOr<bool> written = WriteOne(it->first, it->second);
    if (written.ok()) {
      done.writes += *written ? 1 : 0;
      it = batch.erase(it);
    } else {
      ++done.failures;
      first_error.Update(written.status());
      ++it;
    }
  }
  if (first_error.ok()) {
    log_.Recovered(kProblem, "statuses are written again");
  } else {
    log_.Damped(kProblem, "cannot write to the status folder", first_error.ToString(),
                {{"waiting", batch.size()}});
  }
  MutexLock lock(&mutex_);
  counters_.writes += done.writes;
  counters_.failures += done.failures;
  return batch;
}

absl::StatusOr<bool> DiskWriter::WriteOne(const std::string& name,
                                          const std::function<std::string()>& content) {
  if (!content) {
    written_.erase(name);
    if (absl::Status status = disk_->Remove(name); !status.ok()) return status;
    return true;
  }
  const std::string text = content();
  const size_t hash = absl::HashOf(text);
  const auto it = written_.find(name);
  bool same = it != written_.end() && it->second == hash;
  if (it == written_.end()) {
    // Not written by this process yet: an earlier one may have left just this.
    const auto before = disk_->Read(name);
    same = before.ok() && *before == text;
  }
  if (!same) {
    if (absl::Status status = disk_->WriteCached(name, text); !status.ok()) return status;
  }
  written_[name] = hash;
  return !same;
}

}  // namespace openelb::manifests

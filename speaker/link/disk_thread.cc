#include "speaker/link/disk_thread.h"

#include <chrono>
#include <deque>
#include <utility>

#include "api/base/mutex.h"

namespace openelb::link {
namespace {

struct Job {
  std::string name;
  std::string content;
  std::function<void(const absl::Status&)> done;
};

}  // namespace

// Held by both sides: a thread that hangs may be the last one.
struct DiskThread::Shared {
  Shared(std::shared_ptr<Disk> disk, Post post) : disk(std::move(disk)), owner(std::move(post)) {}

  const std::shared_ptr<Disk> disk;
  PostGate owner;
  Mutex mutex;
  CondVar changed;
  std::deque<Job> jobs GUARDED_BY(mutex);
  bool writing GUARDED_BY(mutex) = false;
  bool closed GUARDED_BY(mutex) = false;
};

DiskThread::DiskThread(std::shared_ptr<Disk> disk, Post post)
    : shared_(std::make_shared<Shared>(std::move(disk), std::move(post))),
      thread_([shared = shared_] { Run(shared.get()); }) {}

DiskThread::~DiskThread() {
  shared_->owner.Shut();
  bool hangs = false;
  {
    MutexLock lock(&shared_->mutex);
    shared_->closed = true;
    shared_->jobs.clear();
    hangs = shared_->writing;
    shared_->changed.NotifyAll();
  }
  if (hangs) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void DiskThread::Write(std::string name, std::string content,
                       std::function<void(const absl::Status&)> done) {
  MutexLock lock(&shared_->mutex);
  shared_->jobs.push_back({std::move(name), std::move(content), std::move(done)});
  shared_->changed.NotifyAll();
}

bool DiskThread::WaitUntilWritten(absl::Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  MutexLock lock(&shared_->mutex);
  while (shared_->writing || !shared_->jobs.empty()) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds::zero()) return false;
    shared_->changed.WaitFor(&shared_->mutex, left);
  }
  return true;
}

void DiskThread::Run(Shared* shared) {
  while (true) {
    Job job;
    {
      MutexLock lock(&shared->mutex);
      shared->writing = false;
      shared->changed.NotifyAll();
      while (shared->jobs.empty() && !shared->closed) shared->changed.Wait(&shared->mutex);
      if (shared->closed) return;
      job = std::move(shared->jobs.front());
      shared->jobs.pop_front();
      shared->writing = true;
    }
    const absl::Status status = shared->disk->Write(job.name, job.content);
    shared->owner.Post([done = std::move(job.done), status] { done(status); });
  }
}

}  // namespace openelb::link

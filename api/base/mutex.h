#pragma once
// Mutex and condition variable over the standard ones, with clang's thread-safety attributes.
// absl::Mutex lives in an uninstrumented shared library, where the thread sanitizer reports races
// on correctly locked data.

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"  // GUARDED_BY

#if defined(__clang__)
#define OPENELB_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define OPENELB_THREAD_ATTRIBUTE(x)
#endif
#define REQUIRES(m) OPENELB_THREAD_ATTRIBUTE(requires_capability(m))

namespace openelb {

class OPENELB_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void Lock() OPENELB_THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void Unlock() OPENELB_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class OPENELB_THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex* m) OPENELB_THREAD_ATTRIBUTE(acquire_capability(m)) : mutex_(m) {
    m->Lock();
  }
  ~MutexLock() OPENELB_THREAD_ATTRIBUTE(release_capability()) { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* mutex_;
};

class CondVar {
 public:
  // Returns after a notification, a spurious wake-up, or `timeout`. The caller holds `m` and
  // re-checks its condition.
  void WaitFor(Mutex* m, std::chrono::nanoseconds timeout) REQUIRES(m) {
    std::unique_lock<std::mutex> lock(m->mutex_, std::adopt_lock);
    condition_.wait_for(lock, timeout);
    lock.release();
  }
  void Wait(Mutex* m) REQUIRES(m) {
    std::unique_lock<std::mutex> lock(m->mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace openelb

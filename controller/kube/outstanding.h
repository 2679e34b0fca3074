#pragma once
// What other threads still have to finish.

#include <chrono>

#include "api/base/mutex.h"

namespace openelb::kube {

// A count that one thread waits for while others bring it down.
class Outstanding {
 public:
  void Add() {
    MutexLock lock(&mutex_);
    ++count_;
  }
  void Remove() {
    MutexLock lock(&mutex_);
    --count_;
    changed_.NotifyAll();
  }
  void WaitForNone(std::chrono::nanoseconds patience) {
    const std::chrono::steady_clock::time_point end = std::chrono::steady_clock::now() + patience;
    MutexLock lock(&mutex_);
    while (count_ > 0 && std::chrono::steady_clock::now() < end) {
      changed_.WaitFor(&mutex_, end - std::chrono::steady_clock::now());
    }
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace openelb::kube

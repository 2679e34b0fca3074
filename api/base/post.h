#pragma once
// How other threads reach an owner thread: by handing it functions to run.

#include <functional>
#include <utility>

#include "api/base/mutex.h"

namespace openelb {

// Runs `function` on the owner thread, later, in the order of the calls. Callable from any thread.
using Post = std::function<void(std::function<void()> function)>;

// A Post that can be shut while other threads still hold it: what they hand over then is dropped.
class PostGate {
 public:
  explicit PostGate(openelb::Post post) : post_(std::move(post)) {}
  void Post(std::function<void()> function) {
    MutexLock lock(&mutex_);
    if (post_) post_(std::move(function));
  }
  // Once it returns, the Post given to the constructor is called no more.
  void Shut() {
    MutexLock lock(&mutex_);
    post_ = nullptr;
  }

 private:
  Mutex mutex_;
  openelb::Post post_ GUARDED_BY(mutex_);
};

}  // namespace openelb

#pragma once
// Makes the thread of a test the owner of a transport that has threads of its own.

#include <chrono>
#include <deque>
#include <functional>
#include <utility>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/mutex.h"

namespace openelb::kube::contract {

class Mailbox {
 public:
  // Any thread.
  void Post(std::function<void()> message) {
    MutexLock lock(&mutex_);
    messages_.push_back(std::move(message));
    changed_.NotifyAll();
  }

  // Runs messages until `done` says so, asked after each. False: not within `limit`.
  bool RunUntil(const std::function<bool()>& done, absl::Duration limit) {
    const absl::Duration end = clock_.Monotonic() + limit;
    while (!done()) {
      std::function<void()> message;
      {
        MutexLock lock(&mutex_);
        while (messages_.empty()) {
          const absl::Duration rest = end - clock_.Monotonic();
          if (rest <= absl::ZeroDuration()) return false;
          changed_.WaitFor(&mutex_, absl::ToChronoNanoseconds(rest));
        }
        message = std::move(messages_.front());
        messages_.pop_front();
      }
      message();
    }
    return true;
  }

 private:
  const SystemClock clock_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> messages_ GUARDED_BY(mutex_);
};

}  // namespace openelb::kube::contract

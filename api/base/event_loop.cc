#include "api/base/event_loop.h"

#include <algorithm>
#include <utility>

namespace openelb {
namespace {

// Keeps conversions to chrono within range; waking once an hour for nothing costs nothing.
constexpr absl::Duration kLongestWait = absl::Hours(1);

}  // namespace

void EventLoop::Post(std::function<void()> message) {
  {
    MutexLock lock(&mutex_);
    if (stopped_) return;
    messages_.push_back(std::move(message));
  }
  changed_.NotifyOne();
}

void EventLoop::Stop() {
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
  }
  changed_.NotifyOne();
}

bool EventLoop::Wait(absl::Duration deadline, std::vector<std::function<void()>>* batch) {
  batch->clear();
  MutexLock lock(&mutex_);
  while (messages_.empty() && !stopped_) {
    const absl::Duration left = deadline - clock_->Monotonic();
    if (left <= absl::ZeroDuration()) return true;
    changed_.WaitFor(&mutex_, absl::ToChronoNanoseconds(std::min(left, kLongestWait)));
  }
  batch->swap(messages_);
  return !stopped_ || !batch->empty();
}

void EventLoop::Run(EventLoopWork* work) {
  std::vector<std::function<void()>> batch;
  do {
    for (const auto& message : batch) message();
    work->Turn();
  } while (Wait(work->NextWakeup(), &batch));
}

}  // namespace openelb

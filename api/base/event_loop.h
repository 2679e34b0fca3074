#pragma once
// One thread that owns all state of a program, and the mailbox through which other threads hand it
// work. Nothing that only the owner touches needs a lock.

#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/mutex.h"

namespace openelb {

// What the owner does between messages. Called on the owner thread only.
class EventLoopWork {
 public:
  virtual ~EventLoopWork() = default;
  // Acts on what the messages since the last turn changed, and on deadlines that have come.
  virtual void Turn() = 0;
  // When (Clock::Monotonic) the next turn is due though no message comes;
  // absl::InfiniteDuration(): never. Asked after each turn.
  virtual absl::Duration NextWakeup() = 0;
};

// A turn follows each batch of messages, so a burst costs one turn, not one each. Messages run in
// the order in which each thread posted them.
class EventLoop {
 public:
  explicit EventLoop(const Clock* clock) : clock_(clock) {}
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Any thread, also the owner (then it runs after the present turn). Dropped after Stop.
  void Post(std::function<void()> message);
  // Any thread. Run returns after the messages posted before and the turn that follows them.
  void Stop();

  // Makes the calling thread the owner until Stop. Begins with a turn.
  void Run(EventLoopWork* work);

 private:
  // Blocks until a message, Stop or `deadline`; takes what has been posted. False: the
  // loop is done.
  bool Wait(absl::Duration deadline, std::vector<std::function<void()>>* batch);

  const Clock* const clock_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::function<void()>> messages_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace openelb

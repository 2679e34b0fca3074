#pragma once
// How other threads reach an owner thread: by handing it functions to run.

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "api/base/mutex.h"

namespace openelb {

// Runs `function` on the owner thread, later, in the order of the calls. Callable from any thread.
using Post = std::function<void(std::function<void()> function)>;

// The answer of `question` from the owner thread; nothing when it does not answer within a second.
// Never from the owner thread itself.
template <typename Answer>
std::optional<Answer> Ask(const Post& post, std::function<Answer()> question) {
  auto promise = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer = promise->get_future();
  post([promise, question = std::move(question)] { promise->set_value(question()); });
  if (answer.wait_for(std::chrono::seconds(1)) != std::future_status::ready) return std::nullopt;
  return answer.get();
}

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

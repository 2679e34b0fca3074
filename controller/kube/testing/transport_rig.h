#pragma once
// What tests of a Transport on real sockets share: an owner thread, which is the test's own, and a
// sink that remembers.

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/base/mutex.h"
#include "api/base/post.h"
#include "controller/kube/transport.h"

namespace openelb::kube {

// The thread that calls RunUntil owns what is posted.
class TestOwner {
 public:
  openelb::Post post() {
    return [this](std::function<void()> message) {
      MutexLock lock(&mutex_);
      messages_.push_back(std::move(message));
      changed_.NotifyOne();
    };
  }

  // Runs messages until `done`, which is asked after each and every 10 ms. False: it is not so
  // after 20 s.
  bool RunUntil(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      if (const auto message = Next()) (*message)();
    }
    return true;
  }

 private:
  std::optional<std::function<void()>> Next() {
    MutexLock lock(&mutex_);
    if (messages_.empty()) changed_.WaitFor(&mutex_, std::chrono::milliseconds(10));
    if (messages_.empty()) return std::nullopt;
    std::function<void()> next = std::move(messages_.front());
    messages_.pop_front();
    return next;
  }

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> messages_ GUARDED_BY(mutex_);
};

// Fails the test when what it is told comes in another order than promised.
class RecordingSink final : public ResponseSink {
 public:
  void OnHead(int s, const HttpHeaders& h) override;
  void OnData(absl::string_view data) override;
  void OnDone(const absl::Status& status) override;

  int status = 0;  // 0: no head
  HttpHeaders headers;
  std::string body;
  std::optional<absl::Status> done;
  std::function<void()> on_event;  // called after each
};

}  // namespace openelb::kube

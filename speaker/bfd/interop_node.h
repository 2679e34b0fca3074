#pragma once
// For tests: our BFD on a thread of its own, over real sockets in the namespace of the caller.

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "api/base/log.h"
#include "speaker/bfd/instance.h"
#include "speaker/io/epoll_io.h"
#include "speaker/io/epoll_udp.h"
#include "speaker/io/recording_handler.h"

namespace openelb::bfd {

class InteropNode final : public Observer {
 public:
  struct Change {
    absl::Time at;
    SessionKey key;
    Transition transition;
  };

  InteropNode() {
    udp_.SetHandler(&instance_);
    thread_ = std::thread([this] { Run(); });
  }
  ~InteropNode() override {
    done_ = true;
    thread_.join();
  }

  // Runs `task` with the instance on its thread and returns what it returns.
  template <typename Task>
  auto Do(Task task) {
    std::packaged_task<decltype(task(&instance_))()> packaged([&] { return task(&instance_); });
    auto result = packaged.get_future();
    io_->Post([&packaged] { packaged(); });
    return result.get();
  }
  // All that was changed since the last call.
  std::vector<Change> TakeChanges() {
    return Do([this](Instance*) { return std::exchange(changes_, {}); });
  }
  void OnSessionChanged(const SessionKey& key, const Transition& transition) override {
    changes_.push_back({absl::Now(), key, transition});
  }

 private:
  void Run() {
    while (!done_) {
      const absl::Duration wait = instance_.NextWakeup() - clock_.Monotonic();
      io_->RunOnce(std::min(wait, absl::Milliseconds(20)));
      if (instance_.NextWakeup() <= clock_.Monotonic()) instance_.Tick();
    }
  }

  SystemClock clock_;
  SystemRandom random_;
  NullLogSink sink_;
  Logger logger_{&sink_, &clock_};
  io::RecordingHandler tcp_;
  std::unique_ptr<io::EpollIo> io_ = [this] {
    auto io = io::EpollIo::Create(&clock_).value();
    io->SetHandler(&tcp_);
    return io;
  }();
  io::EpollUdp udp_{io_.get()};
  Instance instance_{&udp_, &clock_, &random_, &logger_, this};
  std::vector<Change> changes_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace openelb::bfd

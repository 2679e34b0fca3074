#pragma once
// For tests: nodes that run BFD over simulated links, and the virtual time they share.

#include <memory>
#include <string>
#include <vector>

#include "api/base/log.h"
#include "api/base/scheduler.h"
#include "speaker/bfd/instance.h"
#include "speaker/io/sim_udp.h"

namespace openelb::bfd {

// One node named N has 10.0.0.N on eth0.
class TestNode final : public Observer {
 public:
  struct Change {
    absl::Duration at;
    SessionKey key;
    Transition transition;
  };

  TestNode(int number, io::SimUdp* network, Scheduler* scheduler, LogSink* sink)
      : number_(number),
        scheduler_(scheduler),
        random_(static_cast<uint64_t>(number)),
        logger_(sink, scheduler) {
    network->SetAddresses(Name(number), {{"eth0", Address(number), 24}});
    udp_ = network->Start(Name(number));
    instance_ = std::make_unique<Instance>(udp_.get(), scheduler, &random_, &logger_, this);
    udp_->SetHandler(instance_.get());
  }

  static std::string Name(int number) { return std::to_string(number); }
  static IpAddress Address(int number) {
    return IpAddress::FromV4(0x0a000000U + static_cast<uint32_t>(number));
  }
  static SessionKey KeyOf(int number) { return {Address(number), "eth0"}; }
  PeerConfig Watching(int peer, SessionConfig session = {}) const {
    return {KeyOf(peer), Address(number_), std::move(session)};
  }

  Instance& instance() { return *instance_; }
  State StateOf(int peer) const {
    for (const SessionView& view : instance_->Sessions()) {
      if (view.key == KeyOf(peer)) return view.state;
    }
    return State::kAdminDown;
  }
  // A new process with another seed takes the place of this one, without a word.
  void Restart(io::SimUdp* network) {
    instance_.reset();
    udp_ = network->Start(Name(number_));
    random_ = SeededRandom(static_cast<uint64_t>(number_) + 1000);
    instance_ = std::make_unique<Instance>(udp_.get(), scheduler_, &random_, &logger_, this);
    udp_->SetHandler(instance_.get());
  }
  void OnSessionChanged(const SessionKey& key, const Transition& transition) override {
    changes.push_back({scheduler_->Monotonic(), key, transition});
  }

  std::vector<Change> changes;
  bool stopped = false;  // its process gets no time

 private:
  const int number_;
  Scheduler* scheduler_;
  SeededRandom random_;
  Logger logger_;
  std::unique_ptr<io::Udp> udp_;
  std::unique_ptr<Instance> instance_;
};

// Nodes 1, 2 ... on one segment.
class TestSegment {
 public:
  explicit TestSegment(int nodes) : network(&scheduler, 7) {
    for (int number = 1; number <= nodes; ++number) {
      nodes_.push_back(std::make_unique<TestNode>(number, &network, &scheduler, &sink_));
    }
  }
  TestNode& operator[](int number) { return *nodes_[static_cast<size_t>(number - 1)]; }

  void Run(absl::Duration time) {
    const absl::Duration end = scheduler.Monotonic() + time;
    while (scheduler.Monotonic() < end) {
      absl::Duration next = end;
      for (const auto& node : nodes_) {
        if (!node->stopped) next = std::min(next, node->instance().NextWakeup());
      }
      if (!scheduler.Step(next)) scheduler.RunUntil(next);
      for (const auto& node : nodes_) {
        if (!node->stopped && node->instance().NextWakeup() <= scheduler.Monotonic()) {
          node->instance().Tick();
        }
      }
    }
  }

  Scheduler scheduler;
  io::SimUdp network;

 private:
  NullLogSink sink_;
  std::vector<std::unique_ptr<TestNode>> nodes_;
};

}  // namespace openelb::bfd

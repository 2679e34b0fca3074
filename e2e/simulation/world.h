#pragma once
// One controller, speakers and their leaf routers in one process and virtual time, with the faults
// that befall them. Everything outlives a crash that would outlive it in reality: disks, the
// cluster, the routers' tables.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/base/disk.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "api/base/scheduler.h"
#include "controller/controller.h"
#include "e2e/simulation/memory_link.h"
#include "e2e/simulation/sim_cluster.h"
#include "speaker/bgp/test_router.h"
#include "speaker/io/sim_network.h"
#include "speaker/speaker.h"

namespace openelb::simulation {

// Every log line of every process, with its name: the event log of a run.
class EventLog {
 public:
  explicit EventLog(const Scheduler* scheduler) : scheduler_(scheduler) {}
  void Add(const std::string& who, const std::string& what);
  // A sink whose lines are added under `who`.
  std::unique_ptr<LogSink> SinkFor(const std::string& who);
  // Of all lines so far; equal for equal runs.
  uint64_t hash() const { return hash_; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  const Scheduler* scheduler_;
  std::vector<std::string> lines_;
  uint64_t hash_ = 0;
};

class World {
 public:
  explicit World(uint64_t seed);
  ~World();

  Scheduler& scheduler() { return scheduler_; }
  io::SimNetwork& network() { return network_; }
  MemoryNet& streams() { return streams_; }
  SimCluster& cluster() { return cluster_; }
  EventLog& log() { return log_; }
  Random& random() { return random_; }

  // A leaf router that waits for sessions at `address`.
  bgp::TestRouter& AddRouter(const std::string& name, const std::string& address, uint32_t as);
  // A node's network and disk; no process runs yet.
  void AddSpeakerHost(const std::string& node, const std::string& address);

  // Processes. A crash ends one without a word; a stop in order.
  void StartController();
  void CrashController();
  void StartSpeaker(const std::string& node);
  void CrashSpeaker(const std::string& node);
  void StopSpeaker(const std::string& node);
  Controller* controller() { return controller_ ? controller_->controller.get() : nullptr; }
  Speaker* speaker(const std::string& node);
  MemoryDisk& DiskOf(const std::string& name) { return disks_[name]; }
  const bgp::TestRouter& router(const std::string& name) const { return *routers_.at(name).router; }
  std::vector<std::string> SpeakerHosts() const;

  // Runs until `when` (monotonic) and calls `check`, if given, after each step.
  void RunUntil(absl::Duration when, const std::function<void()>& check = nullptr);
  void RunFor(absl::Duration time, const std::function<void()>& check = nullptr) {
    RunUntil(scheduler_.Monotonic() + time, check);
  }

 private:
  struct ControllerProcess {
    std::unique_ptr<LogSink> sink;
    std::unique_ptr<Logger> log;
    std::unique_ptr<DiskEpoch> epoch;
    std::unique_ptr<Controller> controller;
  };
  struct SpeakerProcess {
    std::unique_ptr<LogSink> sink;
    std::unique_ptr<Logger> log;
    std::unique_ptr<Random> random;
    std::unique_ptr<io::Io> io;
    std::unique_ptr<Speaker> speaker;
  };
  struct Router {
    std::unique_ptr<io::Io> io;
    std::unique_ptr<bgp::TestRouter> router;
  };
  // One turn of every process, then an event at the earliest deadline.
  void Turn();

  Scheduler scheduler_;
  SeededRandom random_;
  EventLog log_;
  io::SimNetwork network_;
  MemoryNet streams_;
  SimCluster cluster_;
  std::map<std::string, MemoryDisk> disks_;
  std::map<std::string, Router> routers_;
  std::unique_ptr<ControllerProcess> controller_;
  std::map<std::string, std::unique_ptr<SpeakerProcess>> speakers_;  // null: not running
  std::map<std::string, int> incarnations_;
  std::optional<Scheduler::EventId> wakeup_;
};

}  // namespace openelb::simulation

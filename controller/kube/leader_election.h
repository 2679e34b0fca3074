#pragma once
// Drives LeaseMachine with calls to the API server, and says what came of them.

#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/kube/client.h"
#include "controller/kube/leadership.h"
#include "controller/kube/lease_machine.h"

namespace openelb::kube {

struct ElectionCounters {
  uint64_t renewals = 0;  // updates of the Lease that were done
  uint64_t failures = 0;  // calls that were not
  uint64_t lapses = 0;    // times the leadership could not be renewed in time
};

// Owner thread only. Makes no call before its first Turn.
class LeaderElection {
 public:
  struct Seams {
    Client* client;
    const Clock* clock;
    Random* random;
    Logger* log;
    // Called within Turn whenever leadership() has changed. A process that was deposed starts over:
    // what it has decided may contradict what the new leader has.
    std::function<void(const Leadership&)> on_change;
    // Called within Turn when speakers should look for another leader: ours has lapsed for so long
    // that there may be one.
    std::function<void()> on_search;
  };
  // All pointers outlive it.
  LeaderElection(LeaseOptions options, Seams seams);
  ~LeaderElection();  // Dones of calls under way do nothing then

  const Leadership& leadership() const { return machine_.leadership(); }
  const StoreWitness& witness() const { return machine_.witness(); }
  void RaiseAbove(uint64_t seen) { machine_.RaiseAbove(seen); }
  void Recovered() { machine_.Recovered(); }
  // At an orderly stop: gives the Lease up, so that another takes over at once. Turn until
  // released() or patience ends.
  void Release() { machine_.Release(); }
  bool released() const { return machine_.released(); }

  // Call after each batch of messages and at NextWakeup (monotonic).
  void Turn();
  absl::Duration NextWakeup() const { return machine_.NextWakeup(); }

  const ElectionCounters& counters() const { return counters_; }

 private:
  void OnAnswer(absl::string_view method, absl::StatusOr<codec::Value> answer);
  void Tell();

  const LeaseOptions options_;
  const Seams seams_;
  LeaseMachine machine_;
  Leadership told_;
  int searches_told_ = 0;
  ElectionCounters counters_;
  const std::shared_ptr<LeaderElection*> self_;  // of calls under way; null once destroyed
};

}  // namespace openelb::kube

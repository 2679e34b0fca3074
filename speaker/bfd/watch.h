#pragma once
// The BFD sessions of a node behind a seam: on the thread that owns everything else, for
// simulations, or on a thread of their own (watch_thread.h), so that a large plan or a slow disk
// never lets a neighbour take this node for dead.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/bfd/counters.h"
#include "speaker/bfd/instance.h"
#include "speaker/bfd/key_roll.h"
#include "speaker/io/udp.h"

namespace openelb::bfd {

// Owner thread only; the observer is called there as well.
class Watch {
 public:
  virtual ~Watch() = default;
  // These are the sessions from now on, as Instance::Apply says. One that cannot be is logged, once
  // while it stays the same. A session whose only key changes takes the new one as KeyRoll says,
  // without going down.
  virtual void Apply(const std::vector<PeerConfig>& peers) = 0;
  // The node's interfaces or their addresses changed.
  virtual void OnInterfacesChanged() = 0;
  // Tells every peer AdminDown and forgets all sessions. The packets have left when it returns.
  virtual void Stop() = 0;
  // Does what is due at NextWakeup.
  virtual void Tick() = 0;
  // In the clock's monotonic time; infinite: not before something happens.
  virtual absl::Duration NextWakeup() const = 0;
  // Sorted by key. They may be ahead of what the observer has been told.
  virtual std::vector<SessionView> Sessions() const = 0;
  virtual Counters counters() const = 0;
};

// On the owner thread.
class LocalWatch final : public Watch {
 public:
  // Becomes the handler of `udp`. All outlive it.
  LocalWatch(io::Udp* udp, const Clock* clock, Random* random, Logger* logger, Observer* observer);

  void Apply(const std::vector<PeerConfig>& peers) override;
  void OnInterfacesChanged() override { instance_.OnInterfacesChanged(); }
  void Stop() override;
  void Tick() override;
  absl::Duration NextWakeup() const override;
  std::vector<SessionView> Sessions() const override { return instance_.Sessions(); }
  Counters counters() const override { return instance_.counters(); }

 private:
  struct Roll {
    KeyRoll keys;
    absl::Duration ends_at = absl::InfiniteDuration();  // finite: no longer configured
  };

  void RollKeys();
  // Hands the instance what is configured, with the keys of this moment.
  void Configure();

  const Clock* const clock_;
  Logger* const logger_;
  Instance instance_;
  std::vector<PeerConfig> peers_;
  std::map<SessionKey, Roll> rolls_;  // of sessions that are given one key
  absl::Duration next_roll_ = absl::InfiniteDuration();
  std::set<std::string> errors_;  // of the last Apply
};

}  // namespace openelb::bfd

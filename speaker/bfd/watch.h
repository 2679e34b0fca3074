#pragma once
// The BFD sessions of a node as its plan has them: sessions that were refused are logged, and
// secrets roll.

#include <map>
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

// Owner thread only.
class Watch final {
 public:
  // Becomes the handler of `udp`. All outlive it.
  Watch(io::Udp* udp, const Clock* clock, Random* random, Logger* logger, Observer* observer);

  // These are the sessions from now on, as Instance::Apply says. One that cannot be is logged, once
  // while it stays the same. A session whose only key changes takes the new one as KeyRoll says,
  // without going down.
  void Apply(const std::vector<PeerConfig>& peers);
  // The node's interfaces or their addresses changed.
  void OnInterfacesChanged() { instance_.OnInterfacesChanged(); }
  // Tells every peer AdminDown and forgets all sessions. The packets have left when it returns.
  void Stop();
  // Does what is due at NextWakeup.
  void Tick();
  // In the clock's monotonic time; infinite: not before something happens.
  absl::Duration NextWakeup() const;
  // Sorted by key.
  std::vector<SessionView> Sessions() const { return instance_.Sessions(); }
  const Counters& counters() const { return instance_.counters(); }

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

#pragma once
// When a controller that has just begun to lead knows enough to act. Its store may have forgotten
// (a wiped folder, a restored backup), while speakers announce what an earlier controller told
// them: acting on the store alone could move addresses and withdraw routes. So the first speaker
// heard decides, by the epoch it has seen, unless the store itself looks old; where the store did
// forget, all speakers are asked first. Pure.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/plan/resource.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb {

class Recovery {
 public:
  // `patience`: how long speakers are waited for at most.
  explicit Recovery(absl::Duration patience) : patience_(patience) {}

  // The cluster's state is complete. `known`: nodes whose speakers the saved facts name; nullopt:
  // there are no saved facts.
  void Begin(std::optional<std::set<std::string>> known, absl::Duration now);
  // There are other signs that the store may have forgotten.
  void DistrustStore() { forgot_ = true; }
  // `epoch`: ours when we began to lead; 0: not known. A speaker that has seen it, before any plan
  // of ours, has it from somebody else. Also before Begin.
  void OnSpeakerUp(const std::string& node, const plan::v1::Hello& hello, uint64_t epoch);
  // Entries that are no addresses are passed over.
  void OnAnnounced(const std::string& node, const plan::v1::Announced& announced);

  // Speakers are to be asked what they announce.
  bool Asks() const { return begun_ && forgot_; }
  bool IsDone(absl::Duration now) const;
  // When IsDone becomes true by itself; InfiniteDuration: not begun.
  absl::Duration deadline() const { return deadline_; }
  // "namespace/name" -> address, of the newest plan that names the Service.
  std::map<std::string, IpAddress> announced() const;
  // What speakers hold of earlier choices of nodes for addresses, with whose speaker says so; the
  // newest plans come last. Once.
  std::vector<std::pair<std::string, plan::v1::AnnouncedAddress>> TakeChoices();

 private:
  struct Speaker {
    bool holds_plan = false;
    plan::Generation generation;
    bool told = false;  // what it announces, to the end
    std::vector<plan::v1::AnnouncedAddress> choices;
  };

  const absl::Duration patience_;
  bool begun_ = false;
  bool forgot_ = false;  // the store did, or may have
  absl::Duration deadline_ = absl::InfiniteDuration();
  std::optional<std::set<std::string>> known_;
  std::map<std::string, Speaker> speakers_;  // heard since the start
  std::map<std::string, std::pair<plan::Generation, IpAddress>> announced_;
};

}  // namespace openelb

#pragma once
// What the plan says of Layer 2 addresses, done on this node: the owner of an address answers for
// it, nobody else does.
//
//   an address is  because of                              and leaves that when
//   not ours       the plan ranks another node first       the plan ranks us first
//   probed         ours by a saved plan, whose owner may   nobody else has it: owned; somebody has:
//                  have been replaced meanwhile            standing by
//   standing by    somebody else answers for it            a controller says that it is ours:
//   owned;
//                                                          some seconds pass: probed
//   owned          a controller's plan, or a free address  the plan ranks another node first
//   failed         its interface is not there              that changes, or some seconds pass

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/io/packet_io.h"
#include "speaker/layer2/layer2.h"
#include "speaker/link/plan_state.h"

namespace openelb::layer2 {

class Owner final : private Layer2Observer {
 public:
  // All outlive it. `node`: ours, as plans name it.
  Owner(std::string node, io::PacketIo* io, const Clock* clock, Random* random, Logger* log);
  ~Owner() override;

  // `changed` are addresses of `plan`, or no longer of it. `confirmed`: a controller says so now;
  // else the plan is one that was saved.
  void Apply(const link::PlanState& plan, const std::set<IpAddress>& changed, bool confirmed);
  // Answers for nothing any more.
  void Stop();

  // To be called at NextWakeup, and after any call above or round of the event loop.
  void Tick();
  absl::Duration NextWakeup() const;

  size_t owned() const { return owned_; }
  // What keeps addresses of ours from being answered, or who else answers: one sentence each.
  const std::map<IpAddress, std::string>& problems() const { return problems_; }
  // Whether problems() has changed since this was last asked.
  bool TakeProblemsChanged() { return std::exchange(problems_changed_, false); }
  const Layer2& wire() const { return layer2_; }

 private:
  enum class State { kProbed, kStandingBy, kOwned, kFailed };
  struct Held {
    std::string interface;
    State state = State::kFailed;
    absl::Duration retry_at = absl::InfiniteDuration();
  };

  void OnProbed(const std::string& interface, const ProbeResult& result) override;
  void OnConflict(const std::string& interface, const Conflict& conflict) override;
  void OnInterfacesChanged() override;

  void Take(const IpAddress& address, const std::string& interface, bool probe);
  void LetGo(const IpAddress& address);
  void SetState(Held* held, State state);
  void SetProblem(const IpAddress& address, std::string sentence);  // empty: there is none

  const std::string node_;
  const Clock* const clock_;
  Logger* const log_;
  Layer2 layer2_;
  std::map<IpAddress, Held> held_;  // those that the plan gives us
  std::set<IpAddress> retries_;     // of held_, whose retry_at is set
  size_t owned_ = 0;
  std::map<IpAddress, std::string> problems_;
  bool problems_changed_ = false;
};

}  // namespace openelb::layer2

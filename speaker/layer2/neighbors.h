#pragma once
// Which of the nodes that this one watches are there. Pure: sessions and time come in.
//
//   a neighbour is  because of                                         and leaves that when
//   unknown         its session is new, or it went down in order       the session is Up
//   up              its session is Up                                  it is not: lost; AdminDown:
//   unknown lost            it was up, and fell silent or started anew         the session is Up
//
// AdminDown is no failure: the neighbour, or the plan, ends the session. Whoever hands over says so
// with a claim; else who owns what is asked on the wire.

#include <map>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "speaker/bfd/instance.h"
#include "speaker/link/plan_state.h"

namespace openelb::layer2 {

enum class Liveness : uint8_t { kUnknown, kUp, kLost };

// How soon a session that is new comes up; a neighbour that takes longer was away.
constexpr absl::Duration kNew = absl::Seconds(3);

struct Neighbor {
  Liveness liveness = Liveness::kUnknown;
  absl::Duration since;   // when unknown, the infinite past: it said goodbye
  bool was_away = false;  // before it was up: it may have taken over meanwhile, or we from it
};

class Neighbors {
 public:
  // These sessions are planned from now on.
  void Apply(const std::map<link::BfdName, link::BfdSession>& planned, absl::Duration now);
  // Whether the neighbour's liveness changed.
  bool OnSession(const link::BfdName& name, const bfd::Transition& transition, absl::Duration now);
  // As the sessions are now: a session that went on while the plan left it out tells of no change.
  // The neighbours whose liveness changed.
  std::vector<link::BfdName> Refresh(const std::vector<bfd::SessionView>& sessions,
                                     absl::Duration now);

  // One that is not planned is unknown, since ever.
  Neighbor Find(const link::BfdName& name) const;
  bool AnyUnknown() const;

 private:
  std::map<link::BfdName, Neighbor> neighbors_;
};

}  // namespace openelb::layer2

#pragma once
// Which speakers each rack has, and which of them are ready: by the plan and by what the speakers
// say. Pure.

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "controller/observe/session_board.h"
#include "controller/plan/model.h"

namespace openelb::observe {

enum class SpeakerState : uint8_t {
  kReady,      // would go on alone, were the others of the rack lost
  kNoSession,  // none of its BGP sessions is established
  kSilent,     // has no stream to the controller
  kLeaving,    // has stopped in order, or the DaemonSet no longer wants it there
};
inline constexpr std::array kSpeakerStates = {SpeakerState::kReady, SpeakerState::kNoSession,
                                              SpeakerState::kSilent, SpeakerState::kLeaving};
// "ready", "no_session", "silent", "leaving".
absl::string_view SpeakerStateName(SpeakerState state);

using SpeakerStates = std::map<std::string, SpeakerState>;  // by node

struct RackTable {
  // By rack with nodes that are to have a session with some router: their speakers. The one rack of
  // a cluster without rack labels is named "".
  std::map<std::string, SpeakerStates> bgp;
  // By Eip of protocol layer2 or vip with addresses in use: the speakers in its mode in the racks
  // of the nodes that can have them.
  std::map<std::string, SpeakerStates> eips;
  // By rack that is in either of these: the first where it has both.
  std::map<std::string, SpeakerStates> racks;
};

// Costs as much as there are nodes, and addresses of Layer 2 and VIP Eips. A node that is in no
// rack counts nowhere: a condition of its own says so.
RackTable RacksOf(const plan::Model& model, const SessionBoard& board);

}  // namespace openelb::observe

#pragma once
// Plain counters of a node's BFD. The shell around it exports them as metrics.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "speaker/bfd/packet.h"

namespace openelb::bfd {

// Of all sessions since the start, those of removed peers included.
struct Counters {
  uint64_t sent = 0;
  uint64_t send_errors = 0;                      // packets that did not leave
  uint64_t received = 0;                         // accepted ones only
  std::array<uint64_t, kDropReasons> dropped{};  // by Drop
  // By state entered (as StateName spells it) and reason (as ReasonName spells it).
  std::map<std::pair<std::string, std::string>, uint64_t> transitions;

  uint64_t DroppedFor(Drop reason) const { return dropped[static_cast<size_t>(reason)]; }
};

}  // namespace openelb::bfd

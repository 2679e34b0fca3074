#pragma once
// Plain counters of VIP mode. The shell around it exports them as metrics.

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace openelb::vrrp {

// Of all virtual routers since the start, those of removed ones included.
struct Counters {
  uint64_t sent = 0;      // ADVERTISEMENTs, one for each destination
  uint64_t received = 0;  // those that a virtual router of ours took
  uint64_t releases_sent = 0;
  uint64_t releases_received = 0;
  uint64_t became_active = 0;
  // Changes of state, by the state entered and why, as RouterStateName and ReasonName spell them.
  std::map<std::pair<std::string, std::string>, uint64_t> transitions;
  // ADVERTISEMENTs of another Active with less right to be it.
  uint64_t rivals = 0;
  // ADVERTISEMENTs taken whose addresses are not just ours.
  uint64_t address_mismatches = 0;
  // Packets dropped, by reason: as PacketErrorName spells it, or one of "foreign_vrid",
  // "other_version", "other_interval", "own_address", "not_a_peer".
  std::map<std::string, uint64_t> dropped;
  uint64_t send_errors = 0;
  uint64_t hold_errors = 0;
  bool operator==(const Counters&) const = default;
};

}  // namespace openelb::vrrp

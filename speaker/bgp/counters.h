#pragma once
// Plain counters of the BGP speaker. The shell around it exports them as metrics.

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace openelb::bgp {

// Messages of one direction.
struct MessageCounts {
  uint64_t open = 0;
  uint64_t update = 0;
  uint64_t notification = 0;
  uint64_t keepalive = 0;
  uint64_t refresh = 0;
  uint64_t withdrawn_prefixes = 0;
  bool operator==(const MessageCounts&) const = default;
};

// Of all sessions since the start, those of removed peers included.
struct Counters {
  // By state entered (as SessionStateName spells it) and reason (as ReasonName spells it).
  std::map<std::pair<std::string, std::string>, uint64_t> transitions;
  // NOTIFICATIONs by their meaning, such as "OPEN Message Error/Bad Peer AS".
  std::map<std::string, uint64_t> notifications_sent;
  std::map<std::string, uint64_t> notifications_received;
  // Malformed UPDATEs by what they cost (as ApproachName spells it) and what was wrong most of all.
  std::map<std::pair<std::string, std::string>, uint64_t> update_errors;
  // ROUTE-REFRESHes received, by what they led to: "answered", "joined" to a request that waits,
  // "marked" (the peer's own answer begins or ends), "unknown_family", "unknown_subtype".
  std::map<std::string, uint64_t> refreshes;
  MessageCounts sent;
  MessageCounts received;
  // Inbound connections closed at once: from an address that is no peer's, or from a peer whose
  // session must stay down.
  uint64_t rejected_connections = 0;
};

}  // namespace openelb::bgp

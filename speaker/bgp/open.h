#pragma once
// OPEN messages: what each end says of itself and what both then agree on (RFC 4271 4.2 and 6.2;
// capabilities: capabilities.h; extended optional parameters RFC 9072; identifiers RFC 6286; AS 0
// RFC 7607).
//
// Life of an OPEN: LocalOpen makes ours from the plan. The peer's is decoded, checked against what
// the plan expects of the peer, and Negotiate joins the two; from then on the session knows no more
// of OPENs than the result.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/base/wire.h"
#include "speaker/bgp/capabilities.h"
#include "speaker/bgp/message.h"
#include "speaker/bgp/notification.h"
#include "speaker/link/plan_state.h"

namespace openelb::bgp {

constexpr uint8_t kVersion = 4;
constexpr uint32_t kAsTrans = 23456;  // RFC 6793: stands for an AS that two octets cannot hold

struct OpenMessage : Capabilities {
  uint16_t two_octet_as = 0;
  uint16_t hold_time = 0;   // seconds
  uint32_t identifier = 0;  // host order

  uint32_t as() const { return four_octet_as.value_or(two_octet_as); }
  bool operator==(const OpenMessage&) const = default;
};

// Fills `*open`, or says what is malformed.
std::optional<MessageError> DecodeOpen(std::span<const uint8_t> body, OpenMessage* open);
void EncodeOpen(const OpenMessage& open, Bytes* out);

// The parts of a plan that go into our OPEN or decide whether the peer's is acceptable: none of
// them can change without a new session.
struct OpenTerms {
  uint32_t local_as = 0;
  uint32_t remote_as = 0;
  uint32_t router_id = 0;
  uint16_t hold_time = 0;
  struct FamilyTerm {
    Family family = Family::kV4;
    bool add_path_send = false;
    bool graceful_restart = false;
    bool operator==(const FamilyTerm&) const = default;
  };
  std::vector<FamilyTerm> families;
  bool ipv6_transport = false;  // of the connection
  std::optional<link::GracefulRestart> graceful_restart;

  OpenTerms() = default;
  OpenTerms(const link::BgpPeer& peer, uint32_t router_id);
  // Whether routes of the family may have IPv6 next hops although they are IPv4 (RFC 8950): offered
  // where the session itself needs no IPv4.
  bool OffersIpv6NextHops(Family of) const { return ipv6_transport && of == Family::kV4; }
  bool ebgp() const { return local_as != remote_as; }
  bool operator==(const OpenTerms&) const = default;
};

// What the last end of a session left behind, as graceful restart tells the peer.
struct RestartState {
  bool restarted = false;   // this process has not had a session with the peer yet
  bool forwarding = false;  // traffic to what was announced went on meanwhile
};

OpenMessage LocalOpen(const OpenTerms& terms, const RestartState& restart = {});

// What a session uses of one address family.
struct FamilyUse {
  bool negotiated = false;
  bool add_path = false;        // several paths per prefix may be sent, each with its id
  bool ipv6_next_hops = false;  // for IPv4: the peer takes them (RFC 8950)
  bool operator==(const FamilyUse&) const = default;
};

struct Negotiated {
  uint16_t hold_time = 0;      // seconds; 0: the session is not timed
  bool four_octet_as = false;  // AS_PATH carries four octets per AS
  bool route_refresh = false;
  bool enhanced_refresh = false;     // answers to refreshes are marked
  bool end_of_rib = false;           // the peer waits for End-of-RIB markers
  bool keeps_routes = false;         // while this speaker restarts
  bool keeps_when_notified = false;  // the same after a NOTIFICATION that is not a Hard Reset
  size_t max_message = kMaxMessage;  // that the peer takes
  FamilyUse v4;
  FamilyUse v6;

  const FamilyUse& use(Family family) const { return family == Family::kV4 ? v4 : v6; }
  bool add_path() const { return v4.add_path || v6.add_path; }
};

// Joins our terms and the peer's OPEN, or says why there can be no session.
std::optional<MessageError> Negotiate(const OpenTerms& terms, const OpenMessage& peer,
                                      Negotiated* negotiated);

}  // namespace openelb::bgp

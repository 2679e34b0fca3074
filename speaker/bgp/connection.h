#pragma once
// One TCP connection of a session: while our OPEN waits for the peer's (DelayOpen of RFC
// 4271 8.1.1, in CONNECT and ACTIVE), then OPENSENT, OPENCONFIRM or ESTABLISHED of 8.2.2. Which
// message is allowed in which state stands in one table.

#include <algorithm>
#include <optional>

#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/base/random.h"
#include "speaker/bgp/message.h"
#include "speaker/bgp/open.h"
#include "speaker/bgp/outbox.h"
#include "speaker/io/io.h"

namespace openelb::bgp {

enum class ConnectionState : uint8_t { kDelayed, kOpenSent, kOpenConfirm, kEstablished };

// What a received message leads to.
enum class Step : uint8_t {
  kOpen,        // check the OPEN; if it is good, answer with KEEPALIVE and go to OPENCONFIRM
  kConfirm,     // go to ESTABLISHED
  kAlive,       // the hold timer starts anew
  kUpdate,      // the same, and the UPDATE is checked
  kRefresh,     // the routes are sent once more
  kEnd,         // the peer has closed the session
  kUnexpected,  // NOTIFICATION Finite State Machine Error
};
Step StepFor(ConnectionState state, MessageType type);
// Finite State Machine Error with the subcode of the state (RFC 6608).
MessageError Unexpected(ConnectionState state, MessageType type);

// RFC 4271 8.2.2: the hold timer until the peer's OPEN has come.
constexpr absl::Duration kOpenHoldTime = absl::Minutes(4);
// RFC 9687: how long a peer may take nothing of what waits for it, where twice the hold time is
// not longer.
constexpr absl::Duration kSendHoldTime = absl::Minutes(8);

struct Connection {
  // Our OPEN has not been sent: SendOpen does it, or Tick of the session at `open_at`.
  Connection(io::ConnId conn, bool dialled, const OpenTerms& terms, const RestartState& restart,
             absl::Duration open_at);

  // Puts our OPEN into the outbox.
  void SendOpen(absl::Duration now);
  // The peer's OPEN is accepted: KEEPALIVE, timers as negotiated. `configured_keepalive` 0: a third
  // of the hold time, which is also the longest allowed.
  void Confirm(const OpenMessage& open, const Negotiated& agreed, uint16_t configured_keepalive,
               absl::Duration now, Random* random);
  void SetKeepalive(uint16_t configured_keepalive);
  // The peer has shown that it is alive.
  void RestartHold(absl::Duration now);
  // Sends a KEEPALIVE when one is due, unless something else is still waiting to leave. True when
  // it did.
  bool KeepAlive(absl::Duration now, Random* random);
  // TCP took `octets` of the outbox.
  void Take(size_t octets, absl::Duration now);
  absl::Duration NextTimer() const {
    return std::min({open_at, hold_deadline, keepalive_at, send_hold_deadline});
  }

  io::ConnId conn;
  bool dialled;
  ConnectionState state = ConnectionState::kDelayed;
  bool confirmed = false;  // the peer's KEEPALIVE has come, but another connection goes first
  Framer framer;
  Outbox outbox;
  IpAddress local;  // this end's address
  OpenTerms terms;  // what our OPEN says
  RestartState restart;
  OpenMessage peer;  // from OPENCONFIRM on, as the next three
  Negotiated negotiated;
  absl::Duration keepalive;  // interval; 0: none are sent
  absl::Duration keepalive_at = absl::InfiniteDuration();
  absl::Duration open_at;  // when our OPEN leaves (DelayOpenTimer); infinite once it has left
  absl::Duration opened;
  absl::Duration hold_deadline = absl::InfiniteDuration();
  absl::Duration send_hold_deadline = absl::InfiniteDuration();  // while octets wait for TCP
  bool silence_reported = false;
};

}  // namespace openelb::bgp

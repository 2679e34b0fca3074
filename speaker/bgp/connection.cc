#include "speaker/bgp/connection.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "speaker/bgp/backoff.h"

namespace openelb::bgp {
namespace {

// Columns: OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE-REFRESH. Rows: as ConnectionState.
constexpr Step kSteps[4][5] = {
    {Step::kOpen, Step::kUnexpected, Step::kEnd, Step::kUnexpected, Step::kUnexpected},
    {Step::kOpen, Step::kUnexpected, Step::kEnd, Step::kUnexpected, Step::kUnexpected},
    {Step::kUnexpected, Step::kUnexpected, Step::kEnd, Step::kConfirm, Step::kUnexpected},
    {Step::kUnexpected, Step::kUpdate, Step::kEnd, Step::kAlive, Step::kRefresh},
};
constexpr const char* kStateNames[] = {"CONNECT or ACTIVE", "OPENSENT", "OPENCONFIRM",
                                       "ESTABLISHED"};

}  // namespace

Step StepFor(ConnectionState state, MessageType type) {
  return kSteps[static_cast<size_t>(state)][static_cast<size_t>(type) - 1];
}

MessageError Unexpected(ConnectionState state, MessageType type) {
  constexpr uint8_t kSubcodes[] = {0, fsm_error::kInOpenSent, fsm_error::kInOpenConfirm,
                                   fsm_error::kInEstablished};
  const size_t row = static_cast<size_t>(state);
  return {{ErrorCode::kFsm, kSubcodes[row], {static_cast<uint8_t>(type)}},
          absl::StrCat("the peer sent ", MessageTypeName(type), " in state ", kStateNames[row])};
}

Connection::Connection(io::ConnId id, bool dialled_by_us, const OpenTerms& our_terms,
                       const RestartState& restart_state, absl::Duration open_due)
    : conn(id),
      dialled(dialled_by_us),
      terms(our_terms),
      restart(restart_state),
      open_at(open_due) {}

void Connection::SendOpen(absl::Duration now) {
  state = ConnectionState::kOpenSent;
  open_at = absl::InfiniteDuration();
  opened = now;
  hold_deadline = now + kOpenHoldTime;
  EncodeOpen(LocalOpen(terms, restart), outbox.tail());
}

void Connection::Confirm(const OpenMessage& open, const Negotiated& agreed,
                         uint16_t configured_keepalive, absl::Duration now, Random* random) {
  peer = open;
  negotiated = agreed;
  state = ConnectionState::kOpenConfirm;
  framer.AllowExtended();  // our OPEN said that we take them
  RestartHold(now);
  SetKeepalive(configured_keepalive);
  EncodeKeepalive(outbox.tail());
  if (keepalive > absl::ZeroDuration()) keepalive_at = now + Jittered(keepalive, random);
}

void Connection::SetKeepalive(uint16_t configured) {
  const absl::Duration longest = absl::Seconds(negotiated.hold_time) / 3;
  keepalive = configured == 0 ? longest : std::min(longest, absl::Seconds(configured));
}

void Connection::RestartHold(absl::Duration now) {
  hold_deadline = negotiated.hold_time == 0 ? absl::InfiniteDuration()
                                            : now + absl::Seconds(negotiated.hold_time);
}

bool Connection::KeepAlive(absl::Duration now, Random* random) {
  if (now < keepalive_at) return false;
  keepalive_at = now + Jittered(keepalive, random);
  if (!outbox.empty()) return false;
  EncodeKeepalive(outbox.tail());
  return true;
}

void Connection::Take(size_t octets, absl::Duration now) {
  outbox.Consume(octets);
  if (outbox.empty() || negotiated.hold_time == 0) {
    send_hold_deadline = absl::InfiniteDuration();
  } else if (octets > 0 || send_hold_deadline == absl::InfiniteDuration()) {
    send_hold_deadline = now + std::max(kSendHoldTime, 2 * absl::Seconds(negotiated.hold_time));
  }
}

}  // namespace openelb::bgp

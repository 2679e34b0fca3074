#pragma once
// NOTIFICATION messages: why one end closes a session, as code, subcode and data (RFC 4271 4.5 and
// 6; Cease subcodes RFC 4486, 8538 and 9384; FSM subcodes RFC 6608; shutdown communication RFC
// 9003; Hard Reset RFC 8538; send hold timer RFC 9687).

#include <cstdint>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "api/base/wire.h"

namespace openelb::bgp {

enum class ErrorCode : uint8_t {
  kHeader = 1,
  kOpen = 2,
  kUpdate = 3,
  kHoldTimer = 4,
  kFsm = 5,
  kCease = 6,
  kRefresh = 7,
  kSendHoldTimer = 8,
};

namespace header_error {
constexpr uint8_t kNotSynchronized = 1;
constexpr uint8_t kBadLength = 2;
constexpr uint8_t kBadType = 3;
}  // namespace header_error

namespace open_error {
constexpr uint8_t kUnspecific = 0;
constexpr uint8_t kUnsupportedVersion = 1;
constexpr uint8_t kBadPeerAs = 2;
constexpr uint8_t kBadIdentifier = 3;
constexpr uint8_t kUnsupportedParameter = 4;
constexpr uint8_t kUnacceptableHoldTime = 6;
constexpr uint8_t kUnsupportedCapability = 7;
}  // namespace open_error

namespace update_error {
constexpr uint8_t kMalformedAttributes = 1;
constexpr uint8_t kUnrecognizedWellKnown = 2;
constexpr uint8_t kMissingWellKnown = 3;
constexpr uint8_t kAttributeFlags = 4;
constexpr uint8_t kAttributeLength = 5;
constexpr uint8_t kInvalidOrigin = 6;
constexpr uint8_t kInvalidNextHop = 8;
constexpr uint8_t kOptionalAttribute = 9;
constexpr uint8_t kInvalidNetwork = 10;
constexpr uint8_t kMalformedAsPath = 11;
}  // namespace update_error

namespace fsm_error {
constexpr uint8_t kInOpenSent = 1;
constexpr uint8_t kInOpenConfirm = 2;
constexpr uint8_t kInEstablished = 3;
}  // namespace fsm_error

namespace refresh_error {
constexpr uint8_t kInvalidLength = 1;
}  // namespace refresh_error

namespace cease {
constexpr uint8_t kAdministrativeShutdown = 2;
constexpr uint8_t kPeerDeconfigured = 3;
constexpr uint8_t kAdministrativeReset = 4;
constexpr uint8_t kConnectionRejected = 5;
constexpr uint8_t kConfigurationChange = 6;
constexpr uint8_t kCollision = 7;
constexpr uint8_t kHardReset = 9;
}  // namespace cease

struct Notification {
  ErrorCode code = ErrorCode::kCease;
  uint8_t subcode = 0;
  Bytes data{};
  bool operator==(const Notification&) const = default;
};

// Cease, Administrative Shutdown, that tells the peer's operator why (RFC 9003). Of a `text` longer
// than 255 octets the whole characters that fit are sent.
Notification ShutdownNotification(absl::string_view text);
// The same NOTIFICATION as a Hard Reset (RFC 8538 3.1): the peer is to keep no routes.
Notification HardReset(const Notification& notification);

// "OPEN Message Error/Bad Peer AS"; numbers stand for what no RFC names.
std::string NotificationName(const Notification& notification);
// The name, and what the data says: the text of a shutdown communication (in quotes, escaped), what
// a Hard Reset wraps, the number the sender supports, else octets in hex, cut where they get long.
std::string DescribeNotification(const Notification& notification);

// What is wrong with a received message: the NOTIFICATION that answers it and a sentence for
// people.
struct MessageError {
  // RFC 7606: what a broken UPDATE costs. Everything else costs the session.
  enum class Severity : uint8_t { kReset, kTreatAsWithdraw, kDiscardAttribute };

  Notification notification;
  std::string reason;
  Severity severity = Severity::kReset;
};
// "session_reset", "treat_as_withdraw" or "attribute_discard", as RFC 7606 2 names them.
absl::string_view ApproachName(MessageError::Severity severity);

}  // namespace openelb::bgp

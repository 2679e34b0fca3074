#include "speaker/bgp/notification.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace openelb::bgp {
namespace {

constexpr size_t kMostHexOctets = 32;
constexpr size_t kLongestShutdownText = 255;

struct CodeName {
  ErrorCode code;
  const char* name;
};
constexpr CodeName kCodes[] = {
    {ErrorCode::kHeader, "Message Header Error"},
    {ErrorCode::kOpen, "OPEN Message Error"},
    {ErrorCode::kUpdate, "UPDATE Message Error"},
    {ErrorCode::kHoldTimer, "Hold Timer Expired"},
    {ErrorCode::kFsm, "Finite State Machine Error"},
    {ErrorCode::kCease, "Cease"},
    {ErrorCode::kRefresh, "ROUTE-REFRESH Message Error"},
    {ErrorCode::kSendHoldTimer, "Send Hold Timer Expired"},
};

struct SubcodeName {
  ErrorCode code;
  uint8_t subcode;
  const char* name;
};
constexpr SubcodeName kSubcodes[] = {
    {ErrorCode::kHeader, 1, "Connection Not Synchronized"},
    {ErrorCode::kHeader, 2, "Bad Message Length"},
    {ErrorCode::kHeader, 3, "Bad Message Type"},
    {ErrorCode::kOpen, 1, "Unsupported Version Number"},
    {ErrorCode::kOpen, 2, "Bad Peer AS"},
    {ErrorCode::kOpen, 3, "Bad BGP Identifier"},
    {ErrorCode::kOpen, 4, "Unsupported Optional Parameter"},
    {ErrorCode::kOpen, 5, "Authentication Failure"},
    {ErrorCode::kOpen, 6, "Unacceptable Hold Time"},
    {ErrorCode::kOpen, 7, "Unsupported Capability"},
    {ErrorCode::kOpen, 11, "Role Mismatch"},
    {ErrorCode::kUpdate, 1, "Malformed Attribute List"},
    {ErrorCode::kUpdate, 2, "Unrecognized Well-known Attribute"},
    {ErrorCode::kUpdate, 3, "Missing Well-known Attribute"},
    {ErrorCode::kUpdate, 4, "Attribute Flags Error"},
    {ErrorCode::kUpdate, 5, "Attribute Length Error"},
    {ErrorCode::kUpdate, 6, "Invalid ORIGIN Attribute"},
    {ErrorCode::kUpdate, 7, "AS Routing Loop"},
    {ErrorCode::kUpdate, 8, "Invalid NEXT_HOP Attribute"},
    {ErrorCode::kUpdate, 9, "Optional Attribute Error"},
    {ErrorCode::kUpdate, 10, "Invalid Network Field"},
    {ErrorCode::kUpdate, 11, "Malformed AS_PATH"},
    {ErrorCode::kFsm, 1, "Unexpected Message in OpenSent"},
    {ErrorCode::kFsm, 2, "Unexpected Message in OpenConfirm"},
    {ErrorCode::kFsm, 3, "Unexpected Message in Established"},
    {ErrorCode::kCease, 1, "Maximum Number of Prefixes Reached"},
    {ErrorCode::kCease, 2, "Administrative Shutdown"},
    {ErrorCode::kCease, 3, "Peer De-configured"},
    {ErrorCode::kCease, 4, "Administrative Reset"},
    {ErrorCode::kCease, 5, "Connection Rejected"},
    {ErrorCode::kCease, 6, "Other Configuration Change"},
    {ErrorCode::kCease, 7, "Connection Collision Resolution"},
    {ErrorCode::kCease, 8, "Out of Resources"},
    {ErrorCode::kCease, 9, "Hard Reset"},
    {ErrorCode::kCease, 10, "BFD Down"},
    {ErrorCode::kRefresh, 1, "Invalid Message Length"},
};

uint64_t Number(const Bytes& data) {
  uint64_t value = 0;
  for (uint8_t byte : data) value = value << 8 | byte;
  return value;
}

std::string Hex(const Bytes& data) {
  const size_t shown = std::min(data.size(), kMostHexOctets);
  std::string text =
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(data.data()), shown));
  return shown < data.size() ? absl::StrCat(text, "... (", data.size(), " octets)") : text;
}

bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const uint8_t lead = static_cast<uint8_t>(text[i++]);
    const int more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (more < 0 || lead > 0xf4 || text.size() - i < static_cast<size_t>(more)) return false;
    uint32_t character = lead & (0x3fu >> more);
    for (int k = 0; k < more; ++k, ++i) {
      const uint8_t octet = static_cast<uint8_t>(text[i]);
      if ((octet & 0xc0) != 0x80) return false;
      character = character << 6 | (octet & 0x3f);
    }
    if (more == 2 && (character < 0x800 || character >> 11 == 0x1b)) return false;  // surrogates
    if (more == 3 && (character < 0x10000 || character > 0x10ffff)) return false;
  }
  return true;
}

// RFC 9003: one octet of length, so at most 255 octets, then UTF-8. Operators write it; control
// characters would break the line, and what is not UTF-8 the status that shows it.
std::string ShutdownText(const Bytes& data) {
  if (data.empty()) return "";
  const size_t length = std::min<size_t>(data[0], data.size() - 1);
  const absl::string_view text(reinterpret_cast<const char*>(data.data()) + 1, length);
  return absl::StrCat("\"", IsUtf8(text) ? absl::Utf8SafeCEscape(text) : absl::CEscape(text), "\"");
}

// How many octets of `text` are whole UTF-8 characters within the first `most`.
size_t WholeCharacters(absl::string_view text, size_t most) {
  if (text.size() <= most) return text.size();
  while (most > 0 && (static_cast<uint8_t>(text[most]) & 0xc0) == 0x80) --most;
  return most;
}

}  // namespace

Notification ShutdownNotification(absl::string_view text) {
  Notification notification{ErrorCode::kCease, cease::kAdministrativeShutdown};
  text = text.substr(0, WholeCharacters(text, kLongestShutdownText));
  notification.data.reserve(1 + text.size());
  PutU8(&notification.data, static_cast<uint8_t>(text.size()));
  notification.data.insert(notification.data.end(), text.begin(), text.end());
  return notification;
}

Notification HardReset(const Notification& notification) {
  Notification hard{ErrorCode::kCease, cease::kHardReset};
  hard.data.reserve(2 + notification.data.size());
  PutU8(&hard.data, static_cast<uint8_t>(notification.code));
  PutU8(&hard.data, notification.subcode);
  PutBytes(&hard.data, notification.data);
  return hard;
}

std::string NotificationName(const Notification& notification) {
  const auto code = std::find_if(std::begin(kCodes), std::end(kCodes),
                                 [&](const CodeName& c) { return c.code == notification.code; });
  std::string name = code == std::end(kCodes)
                         ? absl::StrCat("code ", static_cast<int>(notification.code))
                         : code->name;
  if (notification.subcode == 0) return name;
  for (const SubcodeName& s : kSubcodes) {
    if (s.code == notification.code && s.subcode == notification.subcode) {
      return absl::StrCat(name, "/", s.name);
    }
  }
  return absl::StrCat(name, "/subcode ", notification.subcode);
}

absl::string_view ApproachName(MessageError::Severity severity) {
  switch (severity) {
    case MessageError::Severity::kReset:
      return "session_reset";
    case MessageError::Severity::kTreatAsWithdraw:
      return "treat_as_withdraw";
    case MessageError::Severity::kDiscardAttribute:
      return "attribute_discard";
  }
  return "";
}

std::string DescribeNotification(const Notification& notification) {
  const std::string name = NotificationName(notification);
  const Bytes& data = notification.data;
  if (data.empty()) return name;
  const auto is = [&](ErrorCode code, uint8_t subcode) {
    return notification.code == code && notification.subcode == subcode;
  };
  if (is(ErrorCode::kCease, cease::kAdministrativeShutdown) ||
      is(ErrorCode::kCease, cease::kAdministrativeReset)) {
    return absl::StrCat(name, ": ", ShutdownText(data));
  }
  if (is(ErrorCode::kCease, cease::kHardReset) && data.size() >= 2) {
    const Notification inner{static_cast<ErrorCode>(data[0]), data[1],
                             Bytes(data.begin() + 2, data.end())};
    // Hard Resets do not nest: one inside another is shown, not followed.
    const bool nested = inner.code == ErrorCode::kCease && inner.subcode == cease::kHardReset;
    return absl::StrCat(name, ": ", nested ? NotificationName(inner) : DescribeNotification(inner));
  }
  if (is(ErrorCode::kOpen, open_error::kBadPeerAs) && (data.size() == 2 || data.size() == 4)) {
    return absl::StrCat(name, ": AS ", Number(data));
  }
  if (is(ErrorCode::kOpen, open_error::kUnsupportedVersion) && data.size() == 2) {
    return absl::StrCat(name, ": supports version ", Number(data));
  }
  return absl::StrCat(name, ": data ", Hex(data));
}

}  // namespace openelb::bgp

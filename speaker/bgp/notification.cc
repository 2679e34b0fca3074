#include "speaker/bgp/notification.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace openelb::bgp {
namespace {

constexpr size_t kMostHexOctets = 32;

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

// RFC 9003: one octet of length, then UTF-8. Operators write it; control characters would break
// the line.
std::string ShutdownText(const Bytes& data) {
  if (data.empty()) return "";
  const size_t length = std::min<size_t>(data[0], data.size() - 1);
  const absl::string_view text(reinterpret_cast<const char*>(data.data()) + 1, length);
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
}

}  // namespace

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

std::string DescribeNotification(const Notification& notification) {
  const std::string name = NotificationName(notification);
  const Bytes& data = notification.data;
  if (data.empty()) return name;
  const auto is = [&](ErrorCode code, uint8_t subcode) {
    return notification.code == code && notification.subcode == subcode;
  };
  if (is(ErrorCode::kCease, cease::kAdministrativeShutdown) || is(ErrorCode::kCease, 4)) {
    return absl::StrCat(name, ": ", ShutdownText(data));
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

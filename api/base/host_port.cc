#include "api/base/host_port.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "api/base/ip.h"

namespace openelb {
namespace {

absl::Status Bad(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\" is not HOST:PORT: ", why,
                   R"( (such as 10.0.0.1:50052, [::1]:50052, :50052))"));
}

bool IsNameOrV4(absl::string_view host) {
  for (const char c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string HostPort::ToString() const {
  if (absl::StrContains(host, ':')) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return Bad(text, "no port");
  absl::string_view host = text.substr(0, colon);
  const absl::string_view digits = text.substr(colon + 1);

  uint32_t port = 0;
  if (digits.empty() || digits.size() > 5 ||
      digits.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return Bad(text, "the port must be 0..65535");
  }
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(host);
    if (!address.ok() || !address->is_v6()) {
      return Bad(text, "what stands in brackets must be an IPv6 address");
    }
  } else if (absl::StrContains(host, ':')) {
    return Bad(text, "an IPv6 address needs brackets");
  } else if (!IsNameOrV4(host)) {
    return Bad(text, "the host must be an address or a DNS name");
  }
  return HostPort{std::string(host), static_cast<uint16_t>(port)};
}

}  // namespace openelb

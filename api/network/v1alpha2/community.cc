#include "api/network/v1alpha2/community.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "api/base/ip.h"

namespace openelb::network {
namespace {

// Of several names of one community the first is shown.
constexpr struct {
  const char* name;
  uint32_t value;
} kWellKnown[] = {
    {"graceful-shutdown", 0xffff0000},  // RFC 8326
    {"accept-own", 0xffff0001},         // RFC 7611
    {"llgr-stale", 0xffff0006},         // RFC 9494
    {"no-llgr", 0xffff0007},            // RFC 9494
    {"blackhole", 0xffff029a},          // RFC 7999
    {"no-export", 0xffffff01},          // RFC 1997
    {"no-advertise", 0xffffff02},       // RFC 1997
    {"local-as", 0xffffff03},           // RFC 1997, where it is called
    {"no-export-subconfed", 0xffffff03},
    {"no-peer", 0xffffff04},  // RFC 3765
};

// Types of extended communities, high and low octet (RFC 4360 3, RFC 5668,
// draft-ietf-idr-link-bandwidth).
constexpr uint64_t kTwoOctetAs = 0x0000;
constexpr uint64_t kIpv4Address = 0x0100;
constexpr uint64_t kFourOctetAs = 0x0200;
constexpr uint64_t kNonTransitive = 0x4000;
constexpr struct {
  const char* name;
  uint64_t subtype;
} kSubtypes[] = {{"rt", 0x02}, {"soo", 0x03}};
constexpr uint64_t kLinkBandwidth = kNonTransitive | kTwoOctetAs | 0x04;

constexpr uint64_t kMax16 = std::numeric_limits<uint16_t>::max();
constexpr uint64_t kMax32 = std::numeric_limits<uint32_t>::max();

// Decimal digits only.
std::optional<uint64_t> Number(absl::string_view text, uint64_t most) {
  uint64_t value = 0;
  if (text.empty() || text.size() > 10 ||
      !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &value) || value > most) {
    return std::nullopt;
  }
  return value;
}

std::optional<Community> ParseTyped(absl::string_view global, absl::string_view local,
                                    uint64_t subtype) {
  const auto as = Number(global, kMax32);
  uint64_t type = kTwoOctetAs;
  std::optional<uint64_t> rest;
  if (as && *as <= kMax16) {
    if (const auto number = Number(local, kMax32)) rest = *as << 32 | *number;
  } else if (const auto number = Number(local, kMax16); as && number) {
    type = kFourOctetAs;
    rest = *as << 16 | *number;
  } else if (const auto address = IpAddress::Parse(global);
             number && address.ok() && address->is_v4()) {
    type = kIpv4Address;
    rest = static_cast<uint64_t>(address->Ordinal()) << 16 | *number;
  }
  if (!rest) return std::nullopt;
  return ExtendedCommunity{(type | subtype) << 48 | *rest};
}

std::optional<Community> ParseBandwidth(absl::string_view as, absl::string_view octets) {
  const auto number = Number(as, kMax16);
  const auto rate = Number(octets, UINT64_MAX);
  if (!number || !rate) return std::nullopt;
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(*rate));
  return ExtendedCommunity{kLinkBandwidth << 48 | *number << 32 | bits};
}

std::optional<Community> ParseRaw(absl::string_view digits) {
  if (digits.size() != 16 || !std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit))
    return std::nullopt;
  uint64_t value = 0;
  for (const char digit : digits) {
    const char lower = absl::ascii_tolower(digit);
    value = value << 4 | static_cast<uint64_t>(lower <= '9' ? lower - '0' : lower - 'a' + 10);
  }
  return ExtendedCommunity{value};
}

// As rt: or soo:, if those have a form for it.
std::optional<std::string> FormatTyped(uint64_t value) {
  for (const auto& [name, subtype] : kSubtypes) {
    const uint64_t type = value >> 48;
    const auto upper = static_cast<uint32_t>(value >> 16);
    if (type == (kTwoOctetAs | subtype))
      return absl::StrCat(name, ":", value >> 32 & kMax16, ":", value & kMax32);
    if (type == (kFourOctetAs | subtype) && upper > kMax16)
      return absl::StrCat(name, ":", upper, ":", value & kMax16);
    if (type == (kIpv4Address | subtype))
      return absl::StrCat(name, ":", IpAddress::FromV4(upper).ToString(), ":", value & kMax16);
  }
  return std::nullopt;
}

std::string Format(const ExtendedCommunity& community) {
  if (const auto typed = FormatTyped(community.value)) return *typed;
  if (community.value >> 48 == kLinkBandwidth) {
    const auto rate = std::bit_cast<float>(static_cast<uint32_t>(community.value));
    if (rate >= 0 && rate < 1e10F && rate == std::floor(rate)) {
      return absl::StrCat("lb:", community.value >> 32 & kMax16, ":", static_cast<uint64_t>(rate));
    }
  }
  return absl::StrCat("0x", absl::Hex(community.value, absl::kZeroPad16));
}

std::string Format(const StandardCommunity& community) {
  for (const auto& [name, value] : kWellKnown) {
    if (value == community.value) return name;
  }
  return absl::StrCat(community.value >> 16, ":", community.value & kMax16);
}

std::string Format(const LargeCommunity& community) {
  return absl::StrCat("large:", community.parts[0], ":", community.parts[1], ":",
                      community.parts[2]);
}

}  // namespace

std::optional<Community> ParseCommunity(absl::string_view text) {
  for (const auto& [name, value] : kWellKnown) {
    if (text == name) return StandardCommunity{value};
  }
  if (absl::ConsumePrefix(&text, "0x")) return ParseRaw(text);
  std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts.size() == 2) {
    const auto high = Number(parts[0], kMax16);
    const auto low = Number(parts[1], kMax16);
    if (!high || !low) return std::nullopt;
    return StandardCommunity{static_cast<uint32_t>(*high << 16 | *low)};
  }
  if (parts.size() == 4 && parts[0] == "large") parts.erase(parts.begin());
  if (parts.size() != 3) return std::nullopt;
  for (const auto& [name, subtype] : kSubtypes) {
    if (parts[0] == name) return ParseTyped(parts[1], parts[2], subtype);
  }
  if (parts[0] == "lb") return ParseBandwidth(parts[1], parts[2]);
  LargeCommunity large;
  for (size_t i = 0; i < 3; ++i) {
    const auto part = Number(parts[i], kMax32);
    if (!part) return std::nullopt;
    large.parts[i] = static_cast<uint32_t>(*part);
  }
  return large;
}

std::string FormatCommunity(const Community& community) {
  return std::visit([](const auto& c) { return Format(c); }, community);
}

bool IsAliasName(absl::string_view text) {
  constexpr size_t kMaxLength = 63;
  return !text.empty() && text.size() <= kMaxLength && absl::ascii_islower(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) {
                       return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' ||
                              c == '_' || c == '.';
                     }) &&
         !ParseCommunity(text).has_value();
}

}  // namespace openelb::network

#include "api/base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace openelb {
namespace {

absl::uint128 LowBits(int bits) {
  return bits >= 128 ? absl::Uint128Max() : (absl::uint128(1) << bits) - 1;
}

absl::Status Invalid(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" ", why));
}

// Splits "ADDRESS/LENGTH" and checks the length against the family.
absl::StatusOr<std::pair<IpAddress, int>> ParseSlash(absl::string_view text) {
  const size_t slash = std::min(text.find('/'), text.size());
  const absl::string_view bits = text.substr(std::min(slash + 1, text.size()));
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address.ok()) return Invalid(text, "is not an IP prefix: its address does not parse");
  int length = -1;
  const bool digits = !bits.empty() && std::all_of(bits.begin(), bits.end(), ::isdigit);
  if (!digits || !absl::SimpleAtoi(bits, &length) || length > FamilyBits(address->family())) {
    return Invalid(text, absl::StrCat("is not an IP prefix: the length must be 0..",
                                      FamilyBits(address->family())));
  }
  return std::make_pair(*address, length);
}

// As inet_pton: four numbers without leading zeros.
bool ParseV4(absl::string_view text, uint8_t* octets) {
  int octet = 0;
  int value = -1;  // no digit yet
  for (const char c : text) {
    if (c == '.' && value >= 0 && octet < 3) {
      octets[octet++] = static_cast<uint8_t>(value);
      value = -1;
    } else if (absl::ascii_isdigit(static_cast<unsigned char>(c)) && value != 0) {
      value = std::max(value, 0) * 10 + (c - '0');
      if (value > 255) return false;
    } else {
      return false;
    }
  }
  octets[octet] = static_cast<uint8_t>(value);
  return octet == 3 && value >= 0;
}

}  // namespace

absl::string_view FamilyName(Family family) { return family == Family::kV4 ? "IPv4" : "IPv6"; }

absl::StatusOr<IpAddress> IpAddress::Parse(absl::string_view text) {
  IpAddress out;
  if (ParseV4(text, out.bytes_.data())) return out;
  out.family_ = Family::kV6;
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() < sizeof(terminated) && !absl::StrContains(text, '\0')) {
    std::copy(text.begin(), text.end(), terminated);
    if (inet_pton(AF_INET6, terminated, out.bytes_.data()) == 1) return out;
  }
  return Invalid(text, "is not an IP address");
}

IpAddress IpAddress::FromBytes(std::span<const uint8_t> bytes) {
  assert(bytes.size() == 4 || bytes.size() == 16);
  IpAddress out;
  out.family_ = bytes.size() == 4 ? Family::kV4 : Family::kV6;
  std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
  return out;
}

IpAddress IpAddress::FromV4(uint32_t host_order) { return FromOrdinal(Family::kV4, host_order); }

IpAddress IpAddress::FromOrdinal(Family family, absl::uint128 value) {
  IpAddress out;
  out.family_ = family;
  if (family == Family::kV4) {
    const uint32_t word = htobe32(static_cast<uint32_t>(absl::Uint128Low64(value)));
    std::memcpy(out.bytes_.data(), &word, sizeof(word));
  } else {
    const uint64_t words[] = {htobe64(absl::Uint128High64(value)),
                              htobe64(absl::Uint128Low64(value))};
    std::memcpy(out.bytes_.data(), words, sizeof(words));
  }
  return out;
}

absl::uint128 IpAddress::Ordinal() const {
  return is_v4() ? absl::uint128(Word(0) >> 32) : absl::MakeUint128(Word(0), Word(8));
}

bool IpAddress::IsLoopback() const { return is_v4() ? bytes_[0] == 127 : Ordinal() == 1; }

bool IpAddress::IsMulticast() const {
  return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff;
}

bool IpAddress::IsLinkLocal() const {
  return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254
                 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::string IpAddress::ToString() const {
  if (is_v4()) {  // inet_ntop goes through printf
    return absl::StrCat(bytes_[0], ".", bytes_[1], ".", bytes_[2], ".", bytes_[3]);
  }
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, bytes_.data(), text, sizeof(text));
  return text;
}

IpPrefix::IpPrefix(const IpAddress& address, int length) : length_(static_cast<uint8_t>(length)) {
  const int bits = FamilyBits(address.family());
  assert(length >= 0 && length <= bits);
  address_ = address;
  if (length == bits) return;
  address_ = IpAddress::FromOrdinal(address.family(), address.Ordinal() & ~LowBits(bits - length));
}

absl::StatusOr<IpPrefix> IpPrefix::Parse(absl::string_view text) {
  const auto parts = ParseSlash(text);
  if (!parts.ok()) return parts.status();
  return IpPrefix(parts->first, parts->second);
}

bool IpPrefix::Contains(const IpAddress& address) const {
  return address.family() == family() && IpPrefix(address, length_).address_ == address_;
}

std::string IpPrefix::ToString() const { return absl::StrCat(address_.ToString(), "/", length_); }

IpRange::IpRange(const IpAddress& first, const IpAddress& last) : first_(first), last_(last) {
  assert(first.family() == last.family() && first <= last);
}

absl::StatusOr<IpRange> IpRange::Parse(absl::string_view text) {
  if (absl::StrContains(text, '/')) {
    const auto prefix = IpPrefix::Parse(text);
    if (!prefix.ok()) return prefix.status();
    const Family family = prefix->family();
    const absl::uint128 last =
        prefix->address().Ordinal() | LowBits(FamilyBits(family) - prefix->length());
    return IpRange(prefix->address(), IpAddress::FromOrdinal(family, last));
  }
  const std::vector<absl::string_view> ends = absl::StrSplit(text, '-');
  if (ends.size() > 2) return Invalid(text, "has more than one \"-\": a range is FIRST-LAST");
  const auto first = IpAddress::Parse(ends[0]);
  if (ends.size() == 1) {
    if (!first.ok())
      return Invalid(text, "is not an address, a prefix (ADDRESS/LENGTH) or a range (FIRST-LAST)");
    return IpRange(*first, *first);
  }
  const auto last = IpAddress::Parse(ends[1]);
  if (!first.ok() || !last.ok()) {
    return Invalid(
        text, absl::StrCat("is not a range: ", (first.ok() ? last : first).status().message()));
  }
  if (first->family() != last->family())
    return Invalid(text, "is not a range: its ends are of different families");
  if (*last < *first) return Invalid(text, "is not a range: its end is below its start");
  return IpRange(*first, *last);
}

bool IpRange::Contains(const IpAddress& address) const {
  return address.family() == family() && first_ <= address && address <= last_;
}

bool IpRange::Overlaps(const IpRange& other) const {
  return family() == other.family() && first_ <= other.last_ && other.first_ <= last_;
}

absl::uint128 IpRange::Size() const {
  const absl::uint128 span = last_.Ordinal() - first_.Ordinal();
  return span == absl::Uint128Max() ? span : span + 1;
}

std::string IpRange::ToString() const {
  return first_ == last_ ? first_.ToString()
                         : absl::StrCat(first_.ToString(), "-", last_.ToString());
}

absl::StatusOr<InterfaceAddress> InterfaceAddress::Parse(absl::string_view text) {
  const auto parts = ParseSlash(text);
  if (!parts.ok()) return parts.status();
  return InterfaceAddress{.interface = "", .address = parts->first, .length = parts->second};
}

std::string InterfaceAddress::ToString() const {
  return absl::StrCat(address.ToString(), "/", length);
}

}  // namespace openelb

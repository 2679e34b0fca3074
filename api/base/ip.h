#pragma once
// IP addresses, prefixes and ranges as values: parsed once at the edge, compared and hashed
// everywhere else.

#include <endian.h>

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace openelb {

enum class Family : uint8_t { kV4 = 4, kV6 = 6 };

// "IPv4" or "IPv6", as Kubernetes spells families.
absl::string_view FamilyName(Family family);
// 32 or 128.
constexpr int FamilyBits(Family family) { return family == Family::kV4 ? 32 : 128; }

// One IPv4 or IPv6 address. Ordered by family, then numerically. Default: 0.0.0.0.
class IpAddress {
 public:
  IpAddress() = default;

  // Accepts dotted-quad IPv4 and RFC 4291 IPv6 text; no zone, no mask, no surrounding space. A
  // v4-mapped IPv6 address
  // (::ffff:a.b.c.d) stays IPv6. Error: InvalidArgument naming the text.
  static absl::StatusOr<IpAddress> Parse(absl::string_view text);
  // `bytes` holds 4 or 16 octets in network order; anything else is a programming error.
  static IpAddress FromBytes(std::span<const uint8_t> bytes);
  static IpAddress FromV4(uint32_t host_order);
  // The address of `family` whose big-endian value is `value`; for v4 the value must fit 32 bits.
  static IpAddress FromOrdinal(Family family, absl::uint128 value);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::kV4; }
  bool is_v6() const { return family_ == Family::kV6; }
  // The address as a big-endian number.
  absl::uint128 Ordinal() const;
  // 4 or 16 octets in network order.
  std::span<const uint8_t> bytes() const {
    return {bytes_.data(), is_v4() ? size_t{4} : size_t{16}};
  }
  bool IsUnspecified() const { return Ordinal() == 0; }
  bool IsLoopback() const;
  bool IsMulticast() const;
  bool IsLinkLocal() const;
  // RFC 5952 text.
  std::string ToString() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  // Not the default, which goes octet by octet: every table here is ordered by this.
  friend std::strong_ordering operator<=>(const IpAddress& a, const IpAddress& b) {
    if (a.family_ != b.family_) return a.family_ <=> b.family_;
    const uint64_t high_a = a.Word(0);
    const uint64_t high_b = b.Word(0);
    return high_a != high_b ? high_a <=> high_b : a.Word(8) <=> b.Word(8);
  }
  friend bool operator<(const IpAddress& a, const IpAddress& b) {
    if (a.family_ != b.family_) return a.family_ < b.family_;
    const uint64_t high_a = a.Word(0);
    const uint64_t high_b = b.Word(0);
    return high_a != high_b ? high_a < high_b : a.Word(8) < b.Word(8);
  }
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& a) {
    return H::combine(std::move(h), a.family_, a.bytes_);
  }

 private:
  // The eight octets from `at` on as a number.
  uint64_t Word(size_t at) const {
    uint64_t word = 0;
    std::memcpy(&word, bytes_.data() + at, sizeof(word));
    return be64toh(word);
  }

  Family family_ = Family::kV4;
  std::array<uint8_t, 16> bytes_{};  // v4 uses the first four
};

// A CIDR block; host bits are always zero.
class IpPrefix {
 public:
  IpPrefix() = default;
  // Host bits of `address` are cleared. `length` must be within 0..FamilyBits.
  IpPrefix(const IpAddress& address, int length);

  // "ADDRESS/LENGTH"; host bits are dropped as Go's ParseCIDR does. Error: InvalidArgument naming
  // the text.
  static absl::StatusOr<IpPrefix> Parse(absl::string_view text);
  // The /32 or /128 of one address.
  static IpPrefix Host(const IpAddress& address) { return {address, FamilyBits(address.family())}; }

  const IpAddress& address() const { return address_; }
  int length() const { return length_; }
  Family family() const { return address_.family(); }
  bool Contains(const IpAddress& address) const;
  std::string ToString() const;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
  // What ordered tables ask all the time, in a form that compilers inline.
  friend bool operator<(const IpPrefix& a, const IpPrefix& b) {
    return a.address_ == b.address_ ? a.length_ < b.length_ : a.address_ < b.address_;
  }
  template <typename H>
  friend H AbslHashValue(H h, const IpPrefix& p) {
    return H::combine(std::move(h), p.address_, p.length_);
  }

 private:
  IpAddress address_;
  uint8_t length_ = 0;  // in an octet: tables hold very many prefixes
};

// An inclusive range within one family, the form every Eip address takes. Sizes up to 2^128 are
// exact where the result type can hold them; nothing here allocates in proportion to the range.
class IpRange {
 public:
  IpRange() = default;
  // first <= last and one family, else a programming error.
  IpRange(const IpAddress& first, const IpAddress& last);

  // One of "IP", "IP/LENGTH" (host bits dropped) and "IP-IP", without spaces. Error:
  // InvalidArgument that says which form is wrong and why.
  static absl::StatusOr<IpRange> Parse(absl::string_view text);

  const IpAddress& first() const { return first_; }
  const IpAddress& last() const { return last_; }
  Family family() const { return first_.family(); }
  bool Contains(const IpAddress& address) const;
  bool Overlaps(const IpRange& other) const;
  // Number of addresses; the whole IPv6 space saturates at 2^128-1.
  absl::uint128 Size() const;
  std::string ToString() const;

  friend auto operator<=>(const IpRange&, const IpRange&) = default;

 private:
  IpAddress first_;
  IpAddress last_;
};

// An address with the prefix length of the interface that carries it, such as 192.168.0.3/24 on
// eth0.
struct InterfaceAddress {
  std::string interface;  // empty where the source does not know it
  IpAddress address;
  int length = 0;

  // "ADDRESS/LENGTH", host bits kept. Error: InvalidArgument naming the text.
  static absl::StatusOr<InterfaceAddress> Parse(absl::string_view text);
  IpPrefix Prefix() const { return {address, length}; }
  std::string ToString() const;  // "192.168.0.3/24"
  friend auto operator<=>(const InterfaceAddress&, const InterfaceAddress&) = default;
};

}  // namespace openelb

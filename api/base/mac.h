#pragma once
// A 48-bit Ethernet address as a value.

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "api/base/ip.h"

namespace openelb {

class MacAddress {
 public:
  static constexpr size_t kSize = 6;

  constexpr MacAddress() = default;  // 00:00:00:00:00:00
  constexpr explicit MacAddress(std::array<uint8_t, kSize> octets) : octets_(octets) {}
  // None unless there are six octets.
  static std::optional<MacAddress> FromBytes(std::span<const uint8_t> octets) {
    if (octets.size() != kSize) return std::nullopt;
    MacAddress mac;
    std::copy(octets.begin(), octets.end(), mac.octets_.begin());
    return mac;
  }
  static constexpr MacAddress Broadcast() {
    return MacAddress({0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  }
  // Where frames for an IPv6 multicast group go (RFC 2464 7).
  static MacAddress OfGroup(const IpAddress& group) {
    const std::span<const uint8_t> octets = group.bytes();
    return MacAddress({0x33, 0x33, octets[12], octets[13], octets[14], octets[15]});
  }

  std::span<const uint8_t> bytes() const { return octets_; }
  bool IsZero() const { return *this == MacAddress(); }
  // Broadcast included.
  bool IsMulticast() const { return (octets_[0] & 1) != 0; }
  // Whether one station can have it.
  bool IsStation() const { return !IsMulticast() && !IsZero(); }
  std::string ToString() const;  // "02:00:5e:10:00:01"

  friend auto operator<=>(const MacAddress&, const MacAddress&) = default;

 private:
  std::array<uint8_t, kSize> octets_{};
};

}  // namespace openelb

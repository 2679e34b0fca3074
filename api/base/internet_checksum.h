#pragma once
// The Internet checksum (RFC 1071), with the pseudo-headers of IPv4 (RFC 793) and IPv6 (RFC 8200
// 8.1).

#include <cstddef>
#include <cstdint>
#include <span>

#include "api/base/ip.h"

namespace openelb {

class InternetChecksum {
 public:
  // Every span but the last has an even number of octets.
  InternetChecksum& Add(std::span<const uint8_t> data) {
    for (size_t i = 0; i < data.size(); ++i) {
      sum_ += i % 2 == 0 ? uint64_t{data[i]} << 8 : uint64_t{data[i]};
    }
    return *this;
  }
  // `length` is that of what follows the IP header; both addresses are of one family.
  InternetChecksum& AddPseudoHeader(const IpAddress& source, const IpAddress& destination,
                                    uint8_t protocol, size_t length) {
    Add(source.bytes()).Add(destination.bytes());
    sum_ += protocol + uint64_t{length};
    return *this;
  }
  // What belongs in the field that was zero while summed; 0 for data that carries its right
  // checksum.
  uint16_t Value() const {
    uint64_t folded = sum_;
    while (folded > 0xffff) folded = (folded >> 16) + (folded & 0xffff);
    return static_cast<uint16_t>(~folded);
  }

 private:
  uint64_t sum_ = 0;
};

}  // namespace openelb

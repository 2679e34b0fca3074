#pragma once
// The Ethernet II header before every ARP and IPv6 packet (RFC 894, RFC 2464 section 3).

#include <cstdint>
#include <optional>

#include "api/base/mac.h"
#include "api/base/wire.h"

namespace openelb::layer2 {

constexpr uint16_t kEtherTypeArp = 0x0806;
constexpr uint16_t kEtherTypeIpv6 = 0x86dd;

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  uint16_t type = 0;
};

enum class EthernetError : uint8_t {
  kTruncated,
  kTagged,  // of an 802.1Q or 802.1ad VLAN, which is another segment than ours
  kSource,  // no single station's address
};

// Takes the header off `frame`.
inline std::optional<EthernetError> TakeEthernetHeader(Reader* frame, EthernetHeader* header) {
  std::span<const uint8_t> destination;
  std::span<const uint8_t> source;
  if (!frame->Take(MacAddress::kSize, &destination) || !frame->Take(MacAddress::kSize, &source) ||
      !frame->U16(&header->type)) {
    return EthernetError::kTruncated;
  }
  if (header->type == 0x8100 || header->type == 0x88a8) return EthernetError::kTagged;
  header->destination = *MacAddress::FromBytes(destination);
  header->source = *MacAddress::FromBytes(source);
  if (!header->source.IsStation()) return EthernetError::kSource;
  return std::nullopt;
}

inline void PutEthernetHeader(const EthernetHeader& header, Bytes* out) {
  PutBytes(out, header.destination.bytes());
  PutBytes(out, header.source.bytes());
  PutU16(out, header.type);
}

}  // namespace openelb::layer2

#include "speaker/vrrp/packet.h"

#include "api/base/internet_checksum.h"

namespace openelb::vrrp {
namespace {

constexpr uint8_t kAdvertisement = 1;
constexpr size_t kChecksumOffset = 6;
// Version 2 ends with the authentication data of RFC 2338, which RFC 3768 keeps as zeros.
constexpr size_t kAuthenticationData = 8;
constexpr uint16_t kInterval3Mask = 0x0fff;  // the upper four bits are reserved
constexpr absl::Duration kStep3 = absl::Milliseconds(10);
constexpr absl::Duration kStep2 = absl::Seconds(1);

size_t AddressLength(Family family) { return family == Family::kV4 ? 4 : 16; }

bool ChecksumHolds(int version, const PacketHeader& header, std::span<const uint8_t> payload) {
  const bool plain = InternetChecksum().Add(payload).Value() == 0;
  if (version == 2) return plain;
  if (plain && header.source.is_v4()) return true;
  return InternetChecksum()
             .AddPseudoHeader(header.source, header.destination, kIpProtocol, payload.size())
             .Add(payload)
             .Value() == 0;
}

}  // namespace

IpAddress MulticastGroup(Family family) {
  constexpr uint8_t kGroup6[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12};
  return family == Family::kV4 ? IpAddress::FromV4(0xe0000012) : IpAddress::FromBytes(kGroup6);
}

absl::string_view PacketErrorName(PacketError error) {
  switch (error) {
    case PacketError::kTtl:
      return "ttl";
    case PacketError::kVersion:
      return "version";
    case PacketError::kLength:
      return "length";
    case PacketError::kChecksum:
      return "checksum";
    case PacketError::kType:
      return "type";
    case PacketError::kVrid:
      return "vrid";
    case PacketError::kAddressCount:
      return "address_count";
    case PacketError::kInterval:
      return "interval";
    case PacketError::kAuthentication:
      return "authentication";
  }
  return "unknown";
}

std::optional<PacketError> ParseAdvertisement(const PacketHeader& header,
                                              std::span<const uint8_t> payload,
                                              Advertisement* result) {
  if (header.ttl != kTtl) return PacketError::kTtl;
  Reader reader(payload);
  uint8_t version_and_type;
  uint8_t count;
  uint16_t timing;  // version 3: reserved and interval; version 2: authentication type and interval
  uint16_t checksum;
  if (!reader.U8(&version_and_type) || !reader.U8(&result->vrid) || !reader.U8(&result->priority) ||
      !reader.U8(&count) || !reader.U16(&timing) || !reader.U16(&checksum)) {
    return PacketError::kLength;
  }
  const Family family = header.source.family();
  const int version = version_and_type >> 4;
  if (version != 3 && !(version == 2 && family == Family::kV4)) return PacketError::kVersion;
  const size_t addresses = count * AddressLength(family);
  if (reader.remaining() != addresses + (version == 2 ? kAuthenticationData : 0)) {
    return PacketError::kLength;
  }
  if (!ChecksumHolds(version, header, payload)) return PacketError::kChecksum;
  if ((version_and_type & 0xf) != kAdvertisement) return PacketError::kType;
  if (result->vrid == 0) return PacketError::kVrid;
  if (count == 0) return PacketError::kAddressCount;
  const uint8_t authentication = version == 2 ? timing >> 8 : 0;
  result->version = version;
  result->interval = version == 2 ? (timing & 0xff) * kStep2 : (timing & kInterval3Mask) * kStep3;
  if (result->interval == absl::ZeroDuration()) return PacketError::kInterval;
  if (authentication != 0) return PacketError::kAuthentication;
  result->addresses.clear();
  std::span<const uint8_t> address;
  while (result->addresses.size() < count && reader.Take(AddressLength(family), &address)) {
    result->addresses.push_back(IpAddress::FromBytes(address));
  }
  return std::nullopt;
}

Bytes SerializeAdvertisement(const Advertisement& message, const IpAddress& source,
                             const IpAddress& destination) {
  Bytes out;
  PutU8(&out, static_cast<uint8_t>(message.version << 4 | kAdvertisement));
  PutU8(&out, message.vrid);
  PutU8(&out, message.priority);
  PutU8(&out, static_cast<uint8_t>(message.addresses.size()));
  const absl::Duration step = message.version == 2 ? kStep2 : kStep3;
  PutU16(&out, static_cast<uint16_t>(message.interval / step));
  PutU16(&out, 0);
  for (const IpAddress& address : message.addresses) PutBytes(&out, address.bytes());
  InternetChecksum sum;
  if (message.version == 2) {
    out.resize(out.size() + kAuthenticationData);
  } else {
    sum.AddPseudoHeader(source, destination, kIpProtocol, out.size());
  }
  const uint16_t checksum = sum.Add(out).Value();
  out[kChecksumOffset] = static_cast<uint8_t>(checksum >> 8);
  out[kChecksumOffset + 1] = static_cast<uint8_t>(checksum);
  return out;
}

}  // namespace openelb::vrrp

// Any octets as a VRRP packet: the decoder never reads past the end, and what it accepts survives
// being written and read again. The first octet chooses family, TTL and whether the checksum is
// made right first (so that the fuzzer gets past it).
#include <algorithm>
#include <cstdlib>

#include "api/base/internet_checksum.h"
#include "speaker/vrrp/packet.h"

namespace openelb::vrrp {
namespace {

constexpr uint8_t kIpv6 = 1;
constexpr uint8_t kChecksumAsItIs = 2;
constexpr uint8_t kRouted = 4;

PacketHeader MakeHeader(uint8_t choice) {
  const Family family = (choice & kIpv6) != 0 ? Family::kV6 : Family::kV4;
  const IpAddress source =
      family == Family::kV4 ? IpAddress::FromV4(0xc0000201) : IpAddress::Parse("fe80::1").value();
  return {source, MulticastGroup(family), (choice & kRouted) != 0 ? 64 : kTtl};
}

void RepairChecksum(const PacketHeader& header, Bytes* payload) {
  if (payload->size() < 8) return;
  (*payload)[6] = (*payload)[7] = 0;
  InternetChecksum sum;
  if ((*payload)[0] >> 4 != 2) {
    sum.AddPseudoHeader(header.source, header.destination, kIpProtocol, payload->size());
  }
  const uint16_t checksum = sum.Add(*payload).Value();
  (*payload)[6] = static_cast<uint8_t>(checksum >> 8);
  (*payload)[7] = static_cast<uint8_t>(checksum);
}

}  // namespace
}  // namespace openelb::vrrp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace openelb::vrrp;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  const PacketHeader header = MakeHeader(data[0]);
  openelb::Bytes payload(data + 1, data + size);
  if ((data[0] & kChecksumAsItIs) == 0) RepairChecksum(header, &payload);
  Advertisement message;
  if (const auto error = ParseAdvertisement(header, payload, &message)) {
    if (PacketErrorName(*error) == "unknown") std::abort();
    return 0;
  }
  Advertisement again;
  const openelb::Bytes written = SerializeAdvertisement(message, header.source, header.destination);
  if (ParseAdvertisement(header, written, &again).has_value() || again != message) std::abort();
  return 0;
}

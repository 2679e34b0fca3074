// Any octets as a neighbour discovery frame: the decoder never reads past the end, and what it
// accepts survives being written and read again. The first octet chooses whether the checksum is
// made right first, so that the fuzzer gets past it.
#include <algorithm>
#include <cstdlib>

#include "api/base/internet_checksum.h"
#include "speaker/ndp/packet.h"

namespace openelb::ndp {
namespace {

constexpr uint8_t kChecksumAsItIs = 1;
constexpr size_t kMessage = 54;  // after the headers of Ethernet and IPv6

void RepairChecksum(Bytes* frame) {
  if (frame->size() < kMessage + 4) return;
  const std::span<const uint8_t> octets(*frame);
  const size_t length = size_t{octets[18]} << 8 | octets[19];
  const size_t size = std::min(length, frame->size() - kMessage);
  (*frame)[kMessage + 2] = (*frame)[kMessage + 3] = 0;
  InternetChecksum sum;
  sum.AddPseudoHeader(IpAddress::FromBytes(octets.subspan(22, 16)),
                      IpAddress::FromBytes(octets.subspan(38, 16)), 58, size);
  const uint16_t checksum = sum.Add(octets.subspan(kMessage, size)).Value();
  (*frame)[kMessage + 2] = static_cast<uint8_t>(checksum >> 8);
  (*frame)[kMessage + 3] = static_cast<uint8_t>(checksum);
}

}  // namespace
}  // namespace openelb::ndp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace openelb::ndp;  // NOLINT(google-build-using-namespace)
  if (size == 0) return 0;
  openelb::Bytes frame(data + 1, data + size);
  if ((data[0] & kChecksumAsItIs) == 0) RepairChecksum(&frame);
  Packet packet;
  if (const auto error = ParsePacket(frame, &packet)) {
    if (PacketErrorName(*error) == "unknown") std::abort();
    return 0;
  }
  Packet again;
  if (ParsePacket(SerializePacket(packet), &again).has_value() || again != packet) std::abort();
  // Our own answer to any solicitation is well-formed.
  if (packet.type != Type::kSolicitation || packet.target.IsUnspecified()) return 0;
  const Packet answer = MakeAnswer(packet, openelb::MacAddress({2, 0, 0, 0, 0, 1}), true);
  if (!answer.destination.IsMulticast() || packet.IsProbe()) {
    if (ParsePacket(SerializePacket(answer), &again).has_value()) std::abort();
  }
  return 0;
}

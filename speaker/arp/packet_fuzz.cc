// Any octets as an ARP frame: the decoder never reads past the end, and what it accepts survives
// being written and read again.
#include <cstdlib>

#include "speaker/arp/packet.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace openelb::arp;  // NOLINT(google-build-using-namespace)
  Packet packet;
  if (const auto error = ParsePacket({data, size}, &packet)) {
    if (PacketErrorName(*error) == "unknown") std::abort();
    return 0;
  }
  Packet again;
  if (ParsePacket(SerializePacket(packet), &again).has_value() || again != packet) std::abort();
  const Packet reply = MakeReply(packet, openelb::MacAddress({2, 0, 0, 0, 0, 1}));
  if (reply.target != packet.sender || reply.sender != packet.target) std::abort();
  return 0;
}

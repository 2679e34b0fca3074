// Any octets as a BFD Control packet: neither decoder nor authentication reads past the end, what
// is understood survives being written again, and only the holder of a key is taken for authentic.
// The first octet chooses the authentication, and whether the rest is signed before it is read.
#include <cstdlib>

#include "speaker/bfd/authentication.h"
#include "speaker/bfd/packet.h"

namespace openelb::bfd {
namespace {

constexpr AuthenticationType kTypes[] = {AuthenticationType::kNone, AuthenticationType::kKeyedSha1,
                                         AuthenticationType::kMeticulousKeyedSha1};

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  const std::span<const uint8_t> datagram(data + 1, size - 1);
  Authentication authentication{kTypes[choice % 3], {}};
  if (authentication.type != AuthenticationType::kNone) {
    authentication.keys = {{1, "first"}, {2, "second"}};
  }

  Packet packet;
  std::span<const uint8_t> octets;
  if (DecodePacket(datagram, &packet, &octets).has_value()) return 0;
  Check(octets.size() <= datagram.size());
  std::optional<uint32_t> last;
  if (!Authenticate(authentication, packet, octets, &last).has_value()) {
    Check(last.has_value() == (authentication.type != AuthenticationType::kNone));
  }

  packet.authenticated = authentication.type != AuthenticationType::kNone;
  Bytes encoded = EncodePacket(packet);
  if (packet.authenticated) Sign(authentication, 1, &encoded);
  Packet again;
  Check(!DecodePacket(encoded, &again, &octets).has_value());
  Check(again == packet);
  last.reset();
  Check(!Authenticate(authentication, again, octets, &last).has_value());
  if (packet.authenticated) {
    // One bit anywhere makes it worthless.
    encoded[choice % encoded.size()] ^= 1;
    last.reset();
    if (!DecodePacket(encoded, &again, &octets).has_value()) {
      Check(Authenticate(authentication, again, octets, &last).has_value());
    }
  }
  return 0;
}

}  // namespace openelb::bfd

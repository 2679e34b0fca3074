// Any octets as a BFD Control packet: neither decoder nor authentication reads past the end, what
// is understood survives being written again, only the holder of a key is taken for authentic, and
// whatever a packet says or is dropped for has a name.
// The first octet chooses the authentication; a few of its values one that cannot be used.
#include <cstdlib>

#include "speaker/bfd/authentication.h"
#include "speaker/bfd/packet.h"

namespace openelb::bfd {
namespace {

constexpr AuthenticationType kTypes[] = {AuthenticationType::kNone, AuthenticationType::kKeyedSha1,
                                         AuthenticationType::kMeticulousKeyedSha1};
constexpr uint8_t kUnusable = 250;  // from here on, of the types that need keys
constexpr size_t kLongestSecret = 20;

void Check(bool holds) {
  if (!holds) std::abort();
}

Authentication AuthenticationOf(uint8_t choice) {
  Authentication authentication{kTypes[choice % 3], {}};
  if (authentication.type == AuthenticationType::kNone || choice == kUnusable) {
    return authentication;
  }
  authentication.keys = {{1, "first"}, {2, "second"}};
  if (choice == kUnusable + 1) authentication.keys[1].secret.clear();
  if (choice > kUnusable + 1) authentication.keys[1].secret.assign(kLongestSecret + 1, 'k');
  return authentication;
}

// As they are logged and counted.
void CheckNames(const Packet& packet, std::optional<Drop> drop) {
  Check(!StateName(packet.state).empty());
  Check(!DiagnosticName(packet.diagnostic).empty());
  if (drop.has_value()) Check(!DropName(*drop).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  const std::span<const uint8_t> datagram(data + 1, size - 1);
  const Authentication authentication = AuthenticationOf(choice);
  const bool authenticates = authentication.type != AuthenticationType::kNone;
  const bool usable = CheckAuthentication(authentication).ok();
  Check(usable == (choice < kUnusable || !authenticates));
  if (!usable) return 0;

  Packet packet;
  std::span<const uint8_t> octets;
  const std::optional<Drop> malformed = DecodePacket(datagram, &packet, &octets);
  CheckNames(packet, malformed);
  if (malformed.has_value()) return 0;
  Check(octets.size() <= datagram.size());
  std::optional<uint32_t> last;
  const std::optional<Drop> unauthentic = Authenticate(authentication, packet, octets, &last);
  CheckNames(packet, unauthentic);
  if (!unauthentic.has_value()) {
    Check(last.has_value() == authenticates);
    // Played again it is only good where sequence numbers may stand still.
    const std::optional<Drop> again = Authenticate(authentication, packet, octets, &last);
    const bool meticulous = authentication.type == AuthenticationType::kMeticulousKeyedSha1;
    Check(again == (meticulous ? std::optional(Drop::kAuthenticationSequence) : std::nullopt));
  }

  packet.authenticated = authenticates;
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

#pragma once
// Authentication of BFD Control packets: Keyed SHA1 and Meticulous Keyed SHA1 (RFC 5880 4.4 and
// 6.7.4).
//
// The digest covers the whole packet with the key in the digest's place. A sequence number keeps
// old packets from being played again: with the meticulous type each packet has a new one. A key is
// rolled without losing a session in three steps, each on both ends before the next: both keys with
// the old one first, both with the new one first, the new one alone (key_roll.h does it by time).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "api/base/wire.h"
#include "speaker/bfd/packet.h"

namespace openelb::bfd {

// The numbers are those on the wire; the types left out are weaker and not offered.
enum class AuthenticationType : uint8_t { kNone = 0, kKeyedSha1 = 4, kMeticulousKeyedSha1 = 5 };

struct Key {
  uint8_t id = 0;
  std::string secret;  // 1..20 octets
  bool operator==(const Key&) const = default;
};

struct Authentication {
  AuthenticationType type = AuthenticationType::kNone;
  // The first signs what is sent; packets received may use any. Where two have one id, either
  // digest will do.
  std::vector<Key> keys{};
  bool operator==(const Authentication&) const = default;
};

// InvalidArgument that names the key (never its secret): none at all, a secret of a wrong length.
absl::Status CheckAuthentication(const Authentication& authentication);

// Appends the authentication section to an encoded packet whose `authenticated` is set.
void Sign(const Authentication& authentication, uint32_t sequence, Bytes* octets);

// Whether a received packet (as DecodePacket delimits it) is authentic. `last_sequence` is that of
// the last authentic packet, none before the first; it moves on when the packet is.
std::optional<Drop> Authenticate(const Authentication& authentication, const Packet& packet,
                                 std::span<const uint8_t> octets,
                                 std::optional<uint32_t>* last_sequence);

}  // namespace openelb::bfd

#pragma once
// Datagrams by which two speakers tell each other of addresses that they own. Both know a secret
// from their plans.
//
//   octets  4     1        1         2      8      10 + 4 or 16 each                    32
//           OELC  version  reserved  count  stamp  family, rank, turn (8), address ...  HMAC-SHA256
//
// The code covers all before it and the addresses of sender and receiver, so that a datagram is
// worth nothing between others or on its way back. The stamp grows with each datagram, also over a
// restart of the sender: it is the time of its sending, in nanoseconds since 1970, or one more than
// the last stamp where that is larger. A receiver takes no stamp twice and none older than the last
// one, so nothing can be played again. A node whose clock went back over a restart is not heard
// until the clock has caught up.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/base/wire.h"

namespace openelb::layer2 {

// "I own this address", or no longer.
struct Claim {
  IpAddress address;  // unicast
  uint64_t turn = 0;  // of the plan that the sender holds
  uint8_t rank = 1;   // of the sender, 1..255; 0: it gives the address up
  bool operator==(const Claim&) const = default;
};

// Why a datagram was dropped, in the order of the checks.
enum class ClaimDrop : uint8_t {
  kTtl,          // not 255: it may come from elsewhere (RFC 5082)
  kUnknownPeer,  // the plan names no session with the sender on this interface
  kLength,       // too short for what every datagram holds
  kMagic,        // not ours
  kVersion,
  kDigest,   // wrong secret, or changed on the way
  kContent,  // authentic, but no list of claims
  kReplay,   // not newer than the last one
};
constexpr size_t kClaimDrops = static_cast<size_t>(ClaimDrop::kReplay) + 1;
absl::string_view ClaimDropName(ClaimDrop drop);  // "unknown_peer"

struct ClaimMessage {
  uint64_t stamp = 0;
  std::vector<Claim> claims;  // never empty
  bool operator==(const ClaimMessage&) const = default;
};

// Between which two addresses a datagram goes.
struct ClaimWay {
  IpAddress from;
  IpAddress to;
};

constexpr size_t kMaxClaimDatagram = 1200;
// How many of the first claims, at least one, fit into one datagram.
size_t ClaimsThatFit(std::span<const Claim> claims);

// Appends the code to a datagram that lacks it.
void SignClaims(const ClaimWay& way, absl::string_view secret, Bytes* datagram);
// A datagram of claims that fit, signed.
Bytes EncodeClaims(uint64_t stamp, std::span<const Claim> claims, const ClaimWay& way,
                   absl::string_view secret);
// Accepts a code made with any of the secrets. `message` is set where nothing is returned.
std::optional<ClaimDrop> DecodeClaims(std::span<const uint8_t> datagram, const ClaimWay& way,
                                      std::span<const std::string> secrets, ClaimMessage* message);

}  // namespace openelb::layer2

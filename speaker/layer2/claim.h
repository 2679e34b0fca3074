#pragma once
// Datagrams by which two speakers tell each other of addresses that they own. Both know a secret
// from their plans.
//
//   octets  4     1        1         2      8     8       8         8       10 + 4 or 16 each
//           OELC  version  reserved  count  life  number  question  answer  family, rank, turn (8),
//                                                                           address ...
//   and then 32: HMAC-SHA256
//
// The code covers all before it and the addresses of sender and receiver, so that a datagram is
// worth nothing between others or on its way back.
//
// Nothing can be played again, and no clock has a part in that. `life` is a random number of the
// sending process, and `number` grows with each of its datagrams: of a process that is known, a
// receiver takes no number twice and none that is older than the last one. A process that is not
// known yet must show that it is there now: it returns, as `answer`, the random `question` that the
// receiver asks of that neighbour until it knows the next process. A datagram that does not is
// dropped, and the receiver sends one of its own without any claims: that has its question, and
// asks for everything to be said again.

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
  kDigest,    // wrong secret, or changed on the way
  kContent,   // authentic, but no list of claims
  kReplay,    // not newer than the last one
  kUnproven,  // of a process that is not known and may be long gone; it is asked to say it again
};
constexpr size_t kClaimDrops = static_cast<size_t>(ClaimDrop::kUnproven) + 1;
absl::string_view ClaimDropName(ClaimDrop drop);  // "unknown_peer"

// What tells a datagram from one that is played again.
struct ClaimStamp {
  uint64_t life = 0;      // of the sender, not 0
  uint64_t number = 0;    // at least 1
  uint64_t question = 0;  // for the receiver, not 0
  uint64_t answer = 0;    // the receiver's last question; 0: not known
  bool operator==(const ClaimStamp&) const = default;
};

struct ClaimMessage {
  ClaimStamp stamp;
  std::vector<Claim> claims;  // none: asks for all of them
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
Bytes EncodeClaims(const ClaimStamp& stamp, std::span<const Claim> claims, const ClaimWay& way,
                   absl::string_view secret);
// Accepts a code made with any of the secrets. `message` is set where nothing is returned.
std::optional<ClaimDrop> DecodeClaims(std::span<const uint8_t> datagram, const ClaimWay& way,
                                      std::span<const std::string> secrets, ClaimMessage* message);

}  // namespace openelb::layer2

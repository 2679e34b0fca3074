#pragma once
// BFD Control packets (RFC 5880 section 4) and what makes one unacceptable before any session is
// looked at (the first checks of section 6.8.6).
//
// Life of a received packet: DecodePacket checks what the packet says of itself; the Instance finds
// its session by discriminator or address; authentication.h checks who sent it; the Session takes
// what it says. Each of these may drop it, for a reason that is counted.

#include <cstdint>
#include <optional>
#include <span>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/wire.h"

namespace openelb::bfd {

// RFC 5880 4.1. The numbers are those on the wire.
enum class State : uint8_t { kAdminDown = 0, kDown = 1, kInit = 2, kUp = 3 };
absl::string_view StateName(State state);  // "AdminDown"

// Why a session last left Up (or never got there), as its end tells the other. Others may come over
// the wire: the numbers 9 to 31 are reserved.
enum class Diagnostic : uint8_t {
  kNone = 0,
  kDetectionTimeExpired = 1,
  kEchoFailed = 2,
  kNeighborSignaledDown = 3,
  kForwardingPlaneReset = 4,
  kPathDown = 5,
  kConcatenatedPathDown = 6,
  kAdminDown = 7,
  kReverseConcatenatedPathDown = 8,
};
absl::string_view DiagnosticName(Diagnostic diagnostic);  // "control detection time expired"

// Why a packet was dropped, in the order of the checks.
enum class Drop : uint8_t {
  kTtl,             // not 255: it may come from elsewhere (RFC 5881 section 5)
  kVersion,         // not 1
  kLengthTooSmall,  // the Length field, for what the packet must hold
  kLengthTooLarge,  // the Length field, for the datagram
  kDetectMultZero,
  kMultipoint,
  kMyDiscriminatorZero,
  kUnknownDiscriminator,      // Your Discriminator names no session
  kYourDiscriminatorZero,     // though the state is neither Down nor AdminDown
  kUnknownPeer,               // Your Discriminator is 0 and the sender's address names no session
  kWrongPeer,                 // from another address or interface than the session's
  kUnexpectedAuthentication,  // the session uses none
  kMissingAuthentication,     // the session wants it
  kAuthenticationType,        // not the session's
  kAuthenticationKeyId,       // names no key of the session
  kAuthenticationLength,
  kAuthenticationSequence,  // replayed, or beyond the window
  kAuthenticationDigest,    // wrong key, or changed on the way
};
constexpr size_t kDropReasons = static_cast<size_t>(Drop::kAuthenticationDigest) + 1;
absl::string_view DropName(Drop drop);  // "wrong_peer"

constexpr uint8_t kVersion = 1;
constexpr size_t kMandatoryLength = 24;
constexpr size_t kMinAuthenticatedLength = 26;

struct Packet {
  Diagnostic diagnostic = Diagnostic::kNone;
  State state = State::kDown;
  bool poll = false;
  bool final = false;
  bool control_plane_independent = false;
  bool authenticated = false;  // an authentication section follows the mandatory one
  bool demand = false;
  uint8_t detect_mult = 3;  // never 0
  uint32_t my_discriminator = 0;
  uint32_t your_discriminator = 0;
  // Whole microseconds, 0 .. 2^32-1 of them.
  absl::Duration desired_min_tx;
  absl::Duration required_min_rx;
  absl::Duration required_min_echo_rx;
  bool operator==(const Packet&) const = default;
};

// Reads the mandatory section of a datagram. On success `octets` is the packet alone, as its Length
// delimits it, authentication section included: a part of `datagram`.
std::optional<Drop> DecodePacket(std::span<const uint8_t> datagram, Packet* packet,
                                 std::span<const uint8_t>* octets);

// The mandatory section, with the Length of a packet that ends there. Times beyond the range are
// cut to it.
Bytes EncodePacket(const Packet& packet);
// Corrects the Length after something was appended.
void SetPacketLength(Bytes* octets);

}  // namespace openelb::bfd

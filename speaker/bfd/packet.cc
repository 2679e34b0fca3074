#include "speaker/bfd/packet.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace openelb::bfd {
namespace {

constexpr size_t kLengthOffset = 3;

// Bits of the second octet, below the state.
constexpr uint8_t kPoll = 0x20;
constexpr uint8_t kFinal = 0x10;
constexpr uint8_t kControlPlaneIndependent = 0x08;
constexpr uint8_t kAuthenticationPresent = 0x04;
constexpr uint8_t kDemand = 0x02;
constexpr uint8_t kMultipoint = 0x01;

absl::Duration TakeMicroseconds(Reader* reader) {
  uint32_t time = 0;
  reader->U32(&time);
  return absl::Microseconds(time);
}

void PutMicroseconds(absl::Duration time, Bytes* out) {
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  PutU32(out,
         static_cast<uint32_t>(std::clamp<int64_t>(absl::ToInt64Microseconds(time), 0, kMost)));
}

}  // namespace

absl::string_view StateName(State state) {
  switch (state) {
    case State::kAdminDown:
      return "AdminDown";
    case State::kDown:
      return "Down";
    case State::kInit:
      return "Init";
    case State::kUp:
      return "Up";
  }
  return "";
}

absl::string_view DiagnosticName(Diagnostic diagnostic) {
  static constexpr absl::string_view kNames[] = {
      "no diagnostic",
      "control detection time expired",
      "echo function failed",
      "neighbor signaled session down",
      "forwarding plane reset",
      "path down",
      "concatenated path down",
      "administratively down",
      "reverse concatenated path down",
  };
  const auto index = static_cast<size_t>(diagnostic);
  return index < std::size(kNames) ? kNames[index] : "reserved diagnostic";
}

absl::string_view DropName(Drop drop) {
  static constexpr absl::string_view kNames[] = {
      "ttl",
      "version",
      "length_too_small",
      "length_too_large",
      "detect_mult_zero",
      "multipoint",
      "my_discriminator_zero",
      "unknown_discriminator",
      "your_discriminator_zero",
      "unknown_peer",
      "wrong_peer",
      "unexpected_authentication",
      "missing_authentication",
      "authentication_type",
      "authentication_key_id",
      "authentication_length",
      "authentication_sequence",
      "authentication_digest",
  };
  static_assert(std::size(kNames) == kDropReasons);
  return kNames[static_cast<size_t>(drop)];
}

std::optional<Drop> DecodePacket(std::span<const uint8_t> datagram, Packet* packet,
                                 std::span<const uint8_t>* octets) {
  Reader reader(datagram);
  uint8_t first = 0;
  uint8_t second = 0;
  uint8_t length = 0;
  // Octets that are missing read as zeros, which one of the checks turns down.
  reader.U8(&first);
  reader.U8(&second);
  reader.U8(&packet->detect_mult);
  reader.U8(&length);
  packet->diagnostic = static_cast<Diagnostic>(first & 0x1f);
  packet->state = static_cast<State>(second >> 6);
  packet->poll = (second & kPoll) != 0;
  packet->final = (second & kFinal) != 0;
  packet->control_plane_independent = (second & kControlPlaneIndependent) != 0;
  packet->authenticated = (second & kAuthenticationPresent) != 0;
  packet->demand = (second & kDemand) != 0;
  if (first >> 5 != kVersion) return Drop::kVersion;
  if (length < (packet->authenticated ? kMinAuthenticatedLength : kMandatoryLength)) {
    return Drop::kLengthTooSmall;
  }
  if (length > datagram.size()) return Drop::kLengthTooLarge;
  if (packet->detect_mult == 0) return Drop::kDetectMultZero;
  if ((second & kMultipoint) != 0) return Drop::kMultipoint;

  reader.U32(&packet->my_discriminator);
  reader.U32(&packet->your_discriminator);
  packet->desired_min_tx = TakeMicroseconds(&reader);
  packet->required_min_rx = TakeMicroseconds(&reader);
  packet->required_min_echo_rx = TakeMicroseconds(&reader);
  if (packet->my_discriminator == 0) return Drop::kMyDiscriminatorZero;
  *octets = datagram.first(length);
  return std::nullopt;
}

Bytes EncodePacket(const Packet& packet) {
  Bytes out;
  PutU8(&out, static_cast<uint8_t>(kVersion << 5 | static_cast<uint8_t>(packet.diagnostic)));
  uint8_t second = static_cast<uint8_t>(static_cast<uint8_t>(packet.state) << 6);
  if (packet.poll) second |= kPoll;
  if (packet.final) second |= kFinal;
  if (packet.control_plane_independent) second |= kControlPlaneIndependent;
  if (packet.authenticated) second |= kAuthenticationPresent;
  if (packet.demand) second |= kDemand;
  PutU8(&out, second);
  PutU8(&out, packet.detect_mult);
  PutU8(&out, kMandatoryLength);
  PutU32(&out, packet.my_discriminator);
  PutU32(&out, packet.your_discriminator);
  PutMicroseconds(packet.desired_min_tx, &out);
  PutMicroseconds(packet.required_min_rx, &out);
  PutMicroseconds(packet.required_min_echo_rx, &out);
  return out;
}

void SetPacketLength(Bytes* octets) {
  (*octets)[kLengthOffset] = static_cast<uint8_t>(octets->size());
}

}  // namespace openelb::bfd

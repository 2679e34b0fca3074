#pragma once
// Octets for tests, written as hex.

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "speaker/bgp/message.h"

namespace openelb::bgp {

// "02 0a ff": spaces are for the reader.
inline Bytes Hex(absl::string_view text) {
  const std::string octets = absl::HexStringToBytes(absl::StrReplaceAll(text, {{" ", ""}}));
  return Bytes(octets.begin(), octets.end());
}

inline std::string ToHex(std::span<const uint8_t> octets) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(octets.data()), octets.size()));
}

// The body as a whole message.
inline Bytes Framed(MessageType type, const Bytes& body) {
  Bytes message;
  const size_t start = BeginMessage(type, &message);
  PutBytes(&message, body);
  FinishMessage(start, &message);
  return message;
}

}  // namespace openelb::bgp

#pragma once
// Octets for tests, written as hex.

#include <span>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "api/base/wire.h"

namespace openelb {

// "02 0a ff": spaces are for the reader.
inline Bytes Hex(absl::string_view text) {
  const std::string octets = absl::HexStringToBytes(absl::StrReplaceAll(text, {{" ", ""}}));
  return {octets.begin(), octets.end()};
}

inline std::string ToHex(std::span<const uint8_t> octets) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(octets.data()), octets.size()));
}

}  // namespace openelb

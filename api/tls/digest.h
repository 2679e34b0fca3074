#pragma once
// What is kept of secrets that need not be known, only recognised.

#include <string>

#include "absl/strings/string_view.h"

namespace openelb::tls {

// SHA-256 (FIPS 180-4): 32 octets.
std::string Sha256(absl::string_view text);

}  // namespace openelb::tls

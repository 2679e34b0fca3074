#pragma once
// Keys made of other keys.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace openelb::tls {

// HMAC-SHA256 (RFC 2104) of `text` under `key`: 32 octets.
std::string HmacSha256(absl::string_view key, absl::string_view text);

// `octets` of them, good for keys. Error: Internal.
absl::StatusOr<std::string> RandomKey(size_t octets);

}  // namespace openelb::tls

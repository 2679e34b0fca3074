#pragma once
// "HOST:PORT" as flags and plans write it.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace openelb {

struct HostPort {
  std::string host;  // an address without brackets, a DNS name, or empty: every local address
  uint16_t port = 0;

  // "10.0.0.1:50052", "[::1]:50052", "name:50052", ":50052"; the form ParseHostPort reads.
  std::string ToString() const;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Reads the forms above. An IPv6 address needs its brackets; the port is 0..65535 in decimal.
// Error: InvalidArgument that names the text and what is allowed.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);

}  // namespace openelb

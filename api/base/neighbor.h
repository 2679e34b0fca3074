#pragma once
// How a session names its router: its IP address, and where that is link-local (RFC 4291 2.5.6) the
// interface over which it is reached, as RFC 4007 11 writes the two: fe80::1%eth0.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/base/ip.h"

namespace openelb {

struct Neighbor {
  IpAddress address;
  std::string interface;  // of a link-local IPv6 address; else empty
  bool operator==(const Neighbor&) const = default;
};

// Error: InvalidArgument that quotes the text and says what is wrong with it.
absl::StatusOr<Neighbor> ParseNeighbor(absl::string_view text);

constexpr size_t kMaxInterfaceName = 15;  // IFNAMSIZ less the end
// Whether Linux would take it for the name of an interface, and people would.
bool IsInterfaceName(absl::string_view text);

}  // namespace openelb

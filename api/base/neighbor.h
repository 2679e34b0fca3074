#pragma once
// How a session names its router: its IP address, and where that is link-local (RFC 4291 2.5.6) the
// interface over which it is reached, as RFC 4007 11 writes the two: fe80::1%eth0. An unnumbered
// one is whoever is on the link of an interface, which is then all that is known: eth0.

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/base/ip.h"

namespace openelb {

struct Neighbor {
  Neighbor() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): most are nothing but an address.
  Neighbor(const IpAddress& its_address, std::string on = "")
      : address(its_address), interface(std::move(on)) {}
  static Neighbor Unnumbered(std::string interface);
  bool unnumbered() const { return address.IsUnspecified() && !interface.empty(); }

  std::string ToString() const;
  // What ToString gave. Error: InvalidArgument that quotes the text and says what is wrong with it.
  static absl::StatusOr<Neighbor> Parse(absl::string_view text);

  auto operator<=>(const Neighbor&) const = default;

  IpAddress address;      // of an unnumbered one ::
  std::string interface;  // of a link-local IPv6 address and an unnumbered one; else empty
};

// One with an address. Errors as of Neighbor::Parse.
absl::StatusOr<Neighbor> ParseNeighborAddress(absl::string_view text);

constexpr size_t kMaxInterfaceName = 15;  // IFNAMSIZ less the end
// Whether Linux would take it for the name of an interface, and people would.
bool IsInterfaceName(absl::string_view text);

}  // namespace openelb

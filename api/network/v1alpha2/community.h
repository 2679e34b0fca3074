#pragma once
// BGP communities as operators write them: standard (RFC 1997), extended (RFC 4360, four-octet AS
// RFC 5668) and large ones (RFC 8092).
//
//   65000:100                      standard
//   no-export, graceful-shutdown   standard, by the name that IANA's registry has for it
//   large:65000:1:2, 65000:1:2     large
//   rt:65000:100                   extended: route target (soo: site of origin) of an AS or, as
//   rt:192.0.2.1:100               here, of an IPv4 address
//   lb:65000:125000000             extended: link bandwidth, octets per second
//   0x0002fde800000064             extended, its eight octets

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"

namespace openelb::network {

struct StandardCommunity {
  uint32_t value = 0;
  bool operator==(const StandardCommunity&) const = default;
};
struct ExtendedCommunity {
  uint64_t value = 0;
  bool operator==(const ExtendedCommunity&) const = default;
};
struct LargeCommunity {
  std::array<uint32_t, 3> parts{};
  bool operator==(const LargeCommunity&) const = default;
};
using Community = std::variant<StandardCommunity, ExtendedCommunity, LargeCommunity>;

// nullopt: it is none of these forms.
std::optional<Community> ParseCommunity(absl::string_view text);
// In the shortest of these forms; what ParseCommunity makes of it is the same.
std::string FormatCommunity(const Community& community);

// Whether an alias can have that name: up to 63 lower-case letters, digits, "-", "_" and ".", the
// first a letter, and no community by itself.
bool IsAliasName(absl::string_view text);

}  // namespace openelb::network

#include "api/base/neighbor.h"

#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

absl::Status Bad(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" ", why));
}

}  // namespace

bool IsInterfaceName(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxInterfaceName &&
         text.find_first_of("/: \t\n%") == absl::string_view::npos;
}

Neighbor Neighbor::Unnumbered(std::string interface) {
  return {IpAddress::FromOrdinal(Family::kV6, 0), std::move(interface)};
}

std::string Neighbor::ToString() const {
  if (unnumbered()) return interface;
  return absl::StrCat(address.ToString(), interface.empty() ? "" : "%", interface);
}

absl::StatusOr<Neighbor> Neighbor::Parse(absl::string_view text) {
  if (IsInterfaceName(text) && !IpAddress::Parse(text).ok()) return Unnumbered(std::string(text));
  return ParseNeighborAddress(text);
}

absl::StatusOr<Neighbor> ParseNeighborAddress(absl::string_view text) {
  const size_t percent = text.find('%');
  const auto address = IpAddress::Parse(text.substr(0, percent));
  if (!address.ok() || address->IsUnspecified() || address->IsMulticast()) {
    return Bad(text, "is not the IP address of a router");
  }
  const bool link_local = address->is_v6() && address->IsLinkLocal();
  if (percent == absl::string_view::npos) {
    if (link_local) return Bad(text, "is link-local; name its interface, too, as in fe80::1%eth0");
    return Neighbor{*address, ""};
  }
  if (!link_local) return Bad(text, "names an interface, but is not a link-local IPv6 address");
  const absl::string_view interface = text.substr(percent + 1);
  if (!IsInterfaceName(interface)) {
    return Bad(text, absl::StrCat("does not name an interface (up to ", kMaxInterfaceName,
                                  " characters) after \"%\""));
  }
  return Neighbor{*address, std::string(interface)};
}

}  // namespace openelb

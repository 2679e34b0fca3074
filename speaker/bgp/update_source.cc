#include "speaker/bgp/update_source.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::bgp {

absl::StatusOr<std::optional<IpAddress>> UpdateSource(const link::BgpPeer& peer,
                                                      std::span<const InterfaceAddress> addresses) {
  const std::string& text = peer.update_source;
  // A link-local peer is reached over its interface anyway.
  if (text.empty() || text == peer.neighbor.interface) return std::nullopt;
  const Family family = peer.neighbor.address.family();
  const auto refuse = [&](absl::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat("updateSource \"", text, "\": ", why));
  };
  if (const auto address = IpAddress::Parse(text); address.ok()) {
    if (address->family() != family) {
      return refuse(absl::StrCat("the peer's address is ", FamilyName(family)));
    }
    const bool here = std::any_of(addresses.begin(), addresses.end(),
                                  [&](const auto& own) { return own.address == *address; });
    return here ? absl::StatusOr<std::optional<IpAddress>>(*address)
                : refuse("the node has no interface that is up and has this address");
  }
  std::optional<IpAddress> first;
  for (const InterfaceAddress& address : addresses) {
    if (address.interface != text || address.address.family() != family) continue;
    if (address.Prefix().Contains(peer.neighbor.address)) return address.address;
    if (!first.has_value()) first = address.address;
  }
  if (first.has_value()) return first;
  return refuse(absl::StrCat("the node has no interface of that name that is up and has an ",
                             FamilyName(family), " address"));
}

}  // namespace openelb::bgp

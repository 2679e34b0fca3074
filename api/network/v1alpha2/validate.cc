#include "api/network/v1alpha2/validate.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "api/base/ip.h"
#include "api/base/neighbor.h"
#include "api/base/tcp_ao.h"
#include "api/network/v1alpha2/community.h"

namespace openelb::network {
namespace {

constexpr absl::string_view kCanReach = "can_reach:";
constexpr size_t kMaxPassword = 80;  // TCP_MD5SIG_MAXKEYLEN
constexpr size_t kMaxAuthKeys = 16;

std::string Quote(absl::string_view text) { return absl::StrCat("\"", text, "\""); }

// Ranges no Service can be reached at.
struct Unusable {
  const char* range;
  const char* what;
};
constexpr Unusable kUnusable[] = {
    {"0.0.0.0", "the unspecified address"}, {"127.0.0.0/8", "loopback addresses"},
    {"224.0.0.0/4", "multicast addresses"}, {"255.255.255.255", "the broadcast address"},
    {"::", "the unspecified address"},      {"::1", "the loopback address"},
    {"fe80::/10", "link-local addresses"},  {"ff00::/8", "multicast addresses"},
};

void ValidateAddress(const std::string& address, std::vector<FieldError>* errors) {
  constexpr absl::string_view kAllowed = "IP, IP/LENGTH or IP-IP";
  if (address.empty()) {
    errors->push_back({"spec.address", absl::StrCat("missing; ", kAllowed)});
    return;
  }
  const auto range = IpRange::Parse(address);
  if (!range.ok()) {
    errors->push_back({"spec.address", absl::StrCat(range.status().message(), "; ", kAllowed)});
    return;
  }
  for (const Unusable& unusable : kUnusable) {
    if (IpRange::Parse(unusable.range)->Overlaps(*range)) {
      errors->push_back({"spec.address", absl::StrCat(Quote(address), " holds ", unusable.what,
                                                      ", which no Service can have")});
      return;
    }
  }
}

void ValidateInterface(const Eip& eip, std::vector<FieldError>* errors) {
  const auto report = [&](std::string message) {
    errors->push_back({"spec.interface", std::move(message)});
  };
  if (eip.off_link && (eip.protocol == Protocol::kBgp || eip.interface.empty())) {
    errors->push_back({"spec.offLink",
                       "true needs protocol layer2 or vip and the name of an interface, or "
                       "can_reach:IP"});
  }
  // OpenELB's pages know pools of VIP mode without one; the CRD refuses new ones of Layer 2 mode.
  if (eip.interface.empty()) return;
  absl::string_view rest = eip.interface;
  if (absl::ConsumePrefix(&rest, kCanReach)) {
    if (!IpAddress::Parse(rest).ok()) {
      report(absl::StrCat(Quote(eip.interface), " is not can_reach: and an IP address"));
    }
  } else if (rest.size() > kMaxInterfaceName ||
             rest.find_first_of("/ \t:") != absl::string_view::npos) {
    report(absl::StrCat(Quote(eip.interface), " is not the name of an interface (up to ",
                        kMaxInterfaceName, " characters) or can_reach:IP"));
  }
}

constexpr absl::string_view kCommunityForms =
    "is not a community (65000:100, large:65000:1:2, rt:65000:100, 0x0002fde800000064) or the name "
    "of one";

void ValidateSource(const std::string& source, const IpAddress& neighbor,
                    std::vector<FieldError>* errors) {
  const auto report = [&](absl::string_view why) {
    errors->push_back({"spec.transport.updateSource", absl::StrCat(Quote(source), " ", why)});
  };
  if (source.empty()) return;
  const auto address = IpAddress::Parse(source);
  if (!address.ok()) {
    if (!IsInterfaceName(source)) {
      report(absl::StrCat("is neither an IP address nor the name of an interface (up to ",
                          kMaxInterfaceName, " characters)"));
    }
  } else if (address->IsUnspecified() || address->IsMulticast()) {
    report("is not an address that a node can have");
  } else if (address->is_v6() && address->IsLinkLocal()) {
    report("is link-local; name an interface or another address");
  } else if (address->family() != neighbor.family()) {
    report(absl::StrCat("is ", FamilyName(address->family()), ", but neighborAddress is ",
                        FamilyName(neighbor.family())));
  }
}

void ValidateAuthKeys(const BgpPeer& peer, std::vector<FieldError>* errors) {
  constexpr const char* kField = "spec.conf.authKeys";
  if (peer.auth_keys.empty()) return;
  if (!peer.auth_password.empty() || peer.auth_password_secret.has_value()) {
    errors->push_back(
        {kField, absl::StrCat("given beside ",
                              peer.auth_password.empty() ? "authPasswordSecretRef" : "authPassword",
                              "; a session has a password or keys")});
  }
  if (peer.auth_keys.size() > kMaxAuthKeys) {
    errors->push_back({kField, absl::StrCat(peer.auth_keys.size(), " keys; at most ", kMaxAuthKeys,
                                            " are taken")});
    return;
  }
  TcpAoKeys keys;
  for (const AuthKey& key : peer.auth_keys) keys.push_back(key.key);
  if (const std::string id = SharedTcpAoId(keys); !id.empty())
    errors->push_back({kField, absl::StrCat(id, " stands twice; ids tell keys apart")});
}

}  // namespace

absl::StatusOr<Neighbor> NeighborOf(const BgpPeer& peer) {
  if (!peer.neighbor_address.empty()) return ParseNeighborAddress(peer.neighbor_address);
  if (IsInterfaceName(peer.neighbor_interface)) {
    return Neighbor::Unnumbered(peer.neighbor_interface);
  }
  return absl::InvalidArgumentError(absl::StrCat(Quote(peer.neighbor_interface),
                                                 " is not the name of an interface (up to ",
                                                 kMaxInterfaceName, " characters)"));
}

std::vector<FieldError> Validate(const Advertise& advertise, absl::string_view prefix) {
  std::vector<FieldError> errors;
  if (advertise.communities.size() > kMaxCommunities) {
    errors.push_back(
        {absl::StrCat(prefix, "communities"),
         absl::StrCat(advertise.communities.size(), " items; at most ", kMaxCommunities)});
  }
  for (size_t i = 0; i < advertise.communities.size(); ++i) {
    const std::string& text = advertise.communities[i];
    if (ParseCommunity(text).has_value() || IsAliasName(text)) continue;
    errors.push_back({absl::StrCat(prefix, "communities[", i, "]"),
                      absl::StrCat(Quote(text), " ", kCommunityForms)});
  }
  if (advertise.prepend.value_or(0) > kMaxPrepend) {
    errors.push_back({absl::StrCat(prefix, "prepend"),
                      absl::StrCat(*advertise.prepend, " is not within 0..", kMaxPrepend)});
  }
  return errors;
}

std::vector<FieldError> Validate(const Eip& eip) {
  std::vector<FieldError> errors = Validate(eip.advertise, "spec.advertise.");
  ValidateAddress(eip.address, &errors);
  ValidateInterface(eip, &errors);
  return errors;
}

std::vector<FieldError> Validate(const BgpConf& conf) {
  std::vector<FieldError> errors;
  if (!conf.router_id.empty()) {
    const auto id = IpAddress::Parse(conf.router_id);
    if (!id.ok() || !id->is_v4() || id->IsUnspecified()) {
      errors.push_back(
          {"spec.routerId",
           absl::StrCat(Quote(conf.router_id), " is not an IPv4 address other than 0.0.0.0")});
    }
  }
  for (size_t i = 0; i < conf.listen_addresses.size(); ++i) {
    if (!IpAddress::Parse(conf.listen_addresses[i]).ok()) {
      errors.push_back({absl::StrCat("spec.listenAddresses[", i, "]"),
                        absl::StrCat(Quote(conf.listen_addresses[i]), " is not an IP address")});
    }
  }
  for (const auto& [name, text] : conf.community_aliases) {
    if (!IsAliasName(name)) {
      errors.push_back({"spec.communityAliases",
                        absl::StrCat(Quote(name),
                                     " is not a name of up to 63 lower-case letters, digits, '-', "
                                     "'_' and '.', or is that of a community already")});
    } else if (!ParseCommunity(text).has_value()) {
      errors.push_back({absl::StrCat("spec.communityAliases[", name, "]"),
                        absl::StrCat(Quote(text), " is not a community")});
    }
  }
  return errors;
}

std::vector<FieldError> Validate(const BgpPeer& peer) {
  std::vector<FieldError> errors = ValidateShared(peer);
  if (peer.neighbor_address.empty() && peer.neighbor_interface.empty()) {
    errors.push_back({"spec.conf.neighborAddress",
                      "missing; the IP address of the router, or neighborInterface"});
  } else if (const auto neighbor = NeighborOf(peer); !neighbor.ok()) {
    errors.push_back({peer.neighbor_address.empty() ? "spec.conf.neighborInterface"
                                                    : "spec.conf.neighborAddress",
                      std::string(neighbor.status().message())});
  } else {
    ValidateSource(peer.update_source, neighbor->address, &errors);
  }
  return errors;
}

std::vector<FieldError> ValidateShared(const BgpPeer& peer) {
  std::vector<FieldError> errors = Validate(peer.advertise, "spec.advertise.");
  if (peer.auth_password.size() > kMaxPassword) {
    errors.push_back({"spec.conf.authPassword",
                      absl::StrCat("longer than the ", kMaxPassword, " bytes that TCP MD5 takes")});
  }
  ValidateAuthKeys(peer, &errors);
  if (!peer.auth_password.empty() && peer.auth_password_secret.has_value()) {
    errors.push_back({"spec.conf.authPasswordSecretRef",
                      "given beside authPassword; a session has one password"});
  }
  if (peer.hold_time_s == 1 || peer.hold_time_s == 2) {
    errors.push_back({"spec.timers.config.holdTime",
                      absl::StrCat(*peer.hold_time_s, " is not 0 or from 3 to 65535")});
  }
  std::set<absl::string_view> families;
  for (size_t i = 0; i < peer.afi_safis.size(); ++i) {
    if (families.insert(peer.afi_safis[i].text).second) continue;
    errors.push_back({absl::StrCat("spec.afiSafis[", i, "]"),
                      absl::StrCat(peer.afi_safis[i].text, " stands twice")});
  }
  return errors;
}

}  // namespace openelb::network

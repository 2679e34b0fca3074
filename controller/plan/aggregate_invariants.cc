#include "controller/plan/aggregate_invariants.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "controller/plan/announce.h"
#include "controller/plan/model.h"

namespace openelb::plan {
namespace {

using Hops = std::set<IpAddress>;
using Routes = std::map<IpPrefix, Hops>;

bool IsHost(const IpPrefix& prefix) { return prefix.length() == FamilyBits(prefix.family()); }

Routes RoutesTo(const AnnouncedPeer& peer) {
  Routes routes;
  for (const AnnouncedRoute& route : peer.routes)
    routes[route.prefix] = {route.next_hops.begin(), route.next_hops.end()};
  return routes;
}

// The Eip of the Services that hold the address; null: there is none, or several.
const network::Eip* EipOf(
    const IpAddress& address, const Planner& planner,
    const std::map<std::string, network::Eip>& eips,
    const std::map<std::string, std::pair<std::vector<IpAddress>, std::string>>& held) {
  std::set<std::string> names;
  for (const auto& [service, addresses] : held) {
    if (!planner.model().services.contains(service)) continue;
    if (std::find(addresses.first.begin(), addresses.first.end(), address) != addresses.first.end())
      names.insert(addresses.second);
  }
  if (names.size() != 1) return nullptr;
  const auto eip = eips.find(*names.begin());
  return eip == eips.end() ? nullptr : &eip->second;
}

// The prefix that may be announced for the address, by its Eip alone; nullopt: there is none.
std::optional<IpPrefix> AggregateOf(const network::Eip* eip, const IpAddress& address) {
  if (eip == nullptr || eip->protocol != network::Protocol::kBgp) return std::nullopt;
  const std::optional<int> length =
      address.is_v4() ? eip->aggregation.length : eip->aggregation.length_v6;
  const auto range = IpRange::Parse(eip->address);
  if (!length.has_value() || !range.ok() || !range->Contains(address)) return std::nullopt;
  const IpPrefix prefix(address, *length);
  if (IsHost(prefix)) return std::nullopt;
  // Pools of this test are small.
  const absl::uint128 size = absl::uint128(1) << (FamilyBits(prefix.family()) - *length);
  for (absl::uint128 i = 0; i < size; ++i) {
    if (!range->Contains(IpAddress::FromOrdinal(prefix.family(), prefix.address().Ordinal() + i)))
      return std::nullopt;
  }
  return prefix;
}

}  // namespace

std::string CheckAggregates(
    const Planner& with, const Planner& without, const std::map<std::string, network::Eip>& eips,
    const std::map<std::string, std::pair<std::vector<IpAddress>, std::string>>& held) {
  std::map<IpAddress, const network::Eip*> served;
  for (const auto& [address, view] : without.model().addresses) {
    if (view.kind != AddressView::Kind::kNone)
      served[address] = EipOf(address, without, eips, held);
  }
  for (const auto& [speaker, view] : without.model().speakers) {
    const auto plain_peers = Announcements(without, speaker, /*add_path=*/true);
    const auto peers = Announcements(with, speaker, /*add_path=*/true);
    if (peers.size() != plain_peers.size()) return absl::StrCat("peers of ", speaker);
    for (const auto& [neighbor, plain_peer] : plain_peers) {
      const Routes plain = RoutesTo(plain_peer);
      const Routes routes = RoutesTo(peers.at(neighbor));
      const auto wrong = [&speaker = speaker, &neighbor = neighbor](const IpPrefix& prefix,
                                                                    const char* what) {
        return absl::StrCat(prefix.ToString(), " of ", speaker, " to ", neighbor.ToString(), ": ",
                            what);
      };
      for (const auto& [prefix, hops] : plain) {
        const auto own = AggregateOf(served.at(prefix.address()), prefix.address());
        const auto host = routes.find(prefix);
        if (host != routes.end()) {
          if (host->second != hops) return wrong(prefix, "other next hops");
          const bool replaced = own.has_value() && routes.contains(*own) &&
                                !served.at(prefix.address())->aggregation.host_routes;
          if (replaced) return wrong(prefix, "beside its aggregate");
          continue;
        }
        if (!own.has_value()) return wrong(prefix, "lost, and its Eip has no aggregate for it");
        if (!routes.contains(*own)) return wrong(prefix, "lost without its aggregate");
        if (served.at(prefix.address())->aggregation.host_routes)
          return wrong(prefix, "lost though host routes are to stay");
      }
      for (const auto& [prefix, hops] : routes) {
        if (IsHost(prefix)) {
          if (!plain.contains(prefix)) return wrong(prefix, "a host route from nowhere");
          continue;
        }
        bool asked = false;
        for (const auto& [address, eip] : served) {
          if (!prefix.Contains(address)) continue;
          asked |= AggregateOf(eip, address) == prefix;
          // A policy about the host route says nothing about who serves the address.
          if (plain_peer.rejected.contains(IpPrefix::Host(address))) continue;
          const auto host = plain.find(IpPrefix::Host(address));
          if (host == plain.end() ||
              !std::includes(host->second.begin(), host->second.end(), hops.begin(), hops.end()))
            return wrong(prefix, "a next hop that does not serve all of it");
        }
        if (!asked) return wrong(prefix, "nobody asks for it");
      }
    }
  }
  return "";
}

std::vector<IpAddress> ReachedBy(const Model& model, const IpPrefix& prefix) {
  if (IsHost(prefix)) return {prefix.address()};
  std::vector<IpAddress> addresses;
  for (const auto& [address, view] : model.addresses) {
    if (!view.host_route && view.aggregate == prefix) addresses.push_back(address);
  }
  return addresses;
}

}  // namespace openelb::plan

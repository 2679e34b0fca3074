#include "controller/plan/announce.h"

#include <algorithm>
#include <utility>

#include "api/plan/path_attributes_codec.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::plan {
namespace {

// A speaker's plan by kind.
struct Decoded {
  std::vector<v1::BgpPeer> peers;
  std::map<std::string, v1::NextHopGroup> groups;
  std::map<std::string, std::string> places;  // node by group
  std::map<IpPrefix, v1::Route> routes;
};

Decoded Decode(const PlanView& plan, absl::string_view node) {
  Decoded out;
  for (const std::string& set : plan.SetsOf(node)) {
    const ResourceSet* resources = plan.Find(set);
    if (resources == nullptr) continue;
    for (const auto& [key, resource] : resources->resources()) {
      v1::ResourceBody body;
      body.ParseFromString(*resource.body);
      if (body.has_peer()) out.peers.push_back(body.peer());
      if (body.has_group()) out.groups[body.group().id()] = body.group();
      if (body.has_place()) out.places[body.place().group()] = body.place().node();
      if (body.has_route()) out.routes[*IpPrefix::Parse(body.route().prefix())] = body.route();
    }
  }
  return out;
}

struct Hop {
  IpAddress address;
  uint32_t weight = 1;
  bool draining = false;
};

// The members in the order in which the speaker prefers them: from its place on, then around, those
// that are draining last. `ipv6`: of IPv4 routes, too.
std::vector<Hop> NextHops(const Decoded& plan, const std::string& group, bool ipv6) {
  std::vector<Hop> hops;
  const auto it = plan.groups.find(group);
  if (it == plan.groups.end()) return hops;
  const auto place = plan.places.find(group);
  size_t first = 0;
  for (const v1::Member& member : it->second.members()) {
    if (place != plan.places.end() && member.node() == place->second) first = hops.size();
    const bool other = ipv6 && !member.ipv6_address().empty();
    hops.push_back({*IpAddress::Parse(other ? member.ipv6_address() : member.address()),
                    std::max(member.weight(), 1u), member.draining()});
  }
  std::rotate(hops.begin(), hops.begin() + static_cast<std::ptrdiff_t>(first), hops.end());
  std::stable_partition(hops.begin(), hops.end(), [](const Hop& hop) { return !hop.draining; });
  return hops;
}

Neighbor NeighborOf(const v1::BgpPeer& peer) {
  Neighbor neighbor = Neighbor::Unnumbered(peer.interface());
  if (!peer.address().empty()) neighbor.address = *IpAddress::Parse(peer.address());
  return neighbor;
}

IpAddress OwnLinkLocal() { return *IpAddress::Parse("fe80::"); }

size_t PathsFor(const v1::AddressFamily& family, bool add_path, size_t members) {
  if (!add_path || !family.add_path_send()) return 1;
  return family.send_max() == 0 ? members : std::min<size_t>(family.send_max(), members);
}

}  // namespace

std::map<Neighbor, AnnouncedPeer> Announcements(const PlanView& plan, absl::string_view node,
                                                bool add_path) {
  const Decoded decoded = Decode(plan, node);
  std::map<Neighbor, AnnouncedPeer> out;
  for (const v1::BgpPeer& peer : decoded.peers) {
    const Neighbor neighbor = NeighborOf(peer);
    AnnouncedPeer& announced = out[neighbor];
    announced.peer = peer.name();
    announced.scope = peer.scope();
    announced.down = peer.admin_down() ? "spec.conf.adminDown is true" : peer.held_down();
    if (!announced.down.empty()) continue;
    const PathAttributes of_peer = ReadAttributes(peer.attributes()).value();
    std::vector<ExportRule> rules;
    for (const v1::ExportRule& rule : peer.export_rules())
      rules.push_back(ReadExportRule(rule).value());
    for (const auto& [prefix, route] : decoded.routes) {
      const auto family = std::find_if(
          peer.families().begin(), peer.families().end(), [&](const v1::AddressFamily& f) {
            return f.family() == static_cast<uint32_t>(prefix.family());
          });
      const auto target =
          std::find_if(route.targets().begin(), route.targets().end(),
                       [&](const v1::Target& t) { return t.scope() == peer.scope(); });
      if (family == peer.families().end() || target == route.targets().end()) continue;
      auto hops = NextHops(decoded, target->group(), neighbor.address.is_v6());
      if (hops.empty()) continue;
      if (const ExportRule* rule = RejectedBy(rules, prefix)) {
        announced.rejected[prefix] = rule->name;
        continue;
      }
      auto attributes =
          Export(rules, prefix, Merge(of_peer, ReadAttributes(route.attributes()).value()));
      hops.resize(PathsFor(*family, add_path, hops.size()));
      AnnouncedRoute& out_route = announced.routes.emplace_back();
      out_route.prefix = prefix;
      out_route.attributes = *std::move(attributes);
      out_route.services.assign(route.services().begin(), route.services().end());
      for (const Hop& hop : hops) {
        const IpAddress shown = family->link_local_next_hop() ? OwnLinkLocal() : hop.address;
        out_route.next_hops.push_back(shown);
        if (hop.draining) out_route.draining.insert(shown);
        if (peer.link_bandwidth()) out_route.weights.push_back(hop.weight);
      }
    }
  }
  return out;
}

}  // namespace openelb::plan

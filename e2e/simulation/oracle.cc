#include "e2e/simulation/oracle.h"

#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "speaker/link/decode.h"

namespace openelb::simulation {

std::string Path::ToString() const {
  return absl::StrCat(node, " to ", peer.ToString(), ": ", prefix.ToString(), " via ",
                      next_hop.ToString());
}

std::set<Path> PathsOf(const plan::PlanView& view, const std::string& node) {
  std::vector<link::BgpPeer> peers;
  std::map<IpPrefix, link::Route> routes;
  std::map<std::string, link::Members> groups;
  for (const std::string& name : view.SetsOf(node)) {
    const plan::ResourceSet* set = view.Find(name);
    if (set == nullptr) continue;
    for (const auto& [text, resource] : set->resources()) {
      const link::ResourceKey key = link::ParseKey(text).value();
      link::DecodedResource decoded = link::DecodeResource(key, *resource.body).value();
      if (auto* peer = std::get_if<link::BgpPeer>(&decoded)) peers.push_back(*peer);
      if (auto* route = std::get_if<link::Route>(&decoded)) {
        routes[std::get<link::RouteKey>(key).prefix] = *route;
      }
      if (auto* members = std::get_if<link::Members>(&decoded)) {
        groups[std::get<link::GroupKey>(key).id] = *members;
      }
    }
  }
  std::set<Path> paths;
  for (const link::BgpPeer& peer : peers) {
    for (const auto& [prefix, route] : routes) {
      const auto target = route.groups.find(peer.scope);
      if (target == route.groups.end()) continue;
      for (const link::NextHop& hop : groups[target->second]) {
        paths.insert({node, peer.neighbor.address, prefix, hop.address});
      }
    }
  }
  return paths;
}

void Oracle::Update() {
  if (cluster_->version() == seen_) return;
  seen_ = cluster_->version();
  plan::Planner planner;
  for (const auto& [key, object] : cluster_->objects()) planner.Upsert(object);
  for (const auto& [key, status] : cluster_->services()) {
    std::vector<IpAddress> addresses;
    for (const std::string& ip : status.ips) addresses.push_back(IpAddress::Parse(ip).value());
    planner.SetAddresses(absl::StrCat(key.namespace_, "/", key.name), addresses);
  }
  for (const auto& [node, prefix] : speakers_) {
    planner.SetFact(
        {node, plan::kPrefixesFact, {absl::StrCat("eth0 ", prefix)}, absl::UnixEpoch()});
    planner.SetFact({node, plan::kSpeakerFact, {"simulated"}, absl::UnixEpoch()});
  }
  planner.Step();
  wanted_.clear();
  for (const auto& [node, prefix] : speakers_) wanted_.merge(PathsOf(planner, node));
  std::map<Path, absl::Duration> since;
  for (const Path& path : wanted_) {
    const auto known = wanted_since_.find(path);
    since[path] = known == wanted_since_.end() ? scheduler_->Monotonic() : known->second;
  }
  wanted_since_ = std::move(since);
}

bool Oracle::WantedSince(const Path& path, absl::Duration since) const {
  const auto it = wanted_since_.find(path);
  return it != wanted_since_.end() && it->second <= since;
}

}  // namespace openelb::simulation

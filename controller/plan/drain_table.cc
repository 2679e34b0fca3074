#include "controller/plan/drain_table.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/plan/node_hops.h"

namespace openelb::plan {
namespace {

using Kind = AddressView::Kind;

// Whether some router is told of the node.
bool IsTold(const Model& model, const std::string& name, Family family) {
  const NodeView& node = model.nodes.at(name);
  const auto of = model.audiences_of.find(node.rack);
  if (of == model.audiences_of.end()) return false;
  return std::any_of(of->second.begin(), of->second.end(), [&](const std::string& audience_name) {
    const Audience& audience = model.audiences.at(audience_name);
    return std::any_of(audience.scopes.begin(), audience.scopes.end(), [&](const Scope& scope) {
      return HopsInScope(scope, name, node, family).any() &&
             HasPeer(model, audience, scope, family, /*heard=*/true);
    });
  });
}

bool AnyStays(const Model& model, Kind kind, Family family) {
  return std::any_of(model.nodes.begin(), model.nodes.end(), [&](const auto& entry) {
    const auto& [name, node] = entry;
    const bool counts = node.health == Health::kReady ||
                        (kind == Kind::kLastResort && node.health == Health::kUnknown);
    return counts && node.drain == Drain::kNone && IsTold(model, name, family);
  });
}

}  // namespace

bool SharedStays(const Model& model, Kind kind, Family family) {
  const DrainView& drains = model.drains;
  return (kind == Kind::kCluster ? drains.cluster_stays : drains.last_resort_stays)[family];
}

bool Stays(const Model& model, Family family, const AddressView& route) {
  if (model.drains.nodes.empty()) return true;
  if (route.kind != Kind::kOwn) return SharedStays(model, route.kind, family);
  return std::any_of(route.nodes.begin(), route.nodes.end(), [&](const std::string& name) {
    return model.nodes.at(name).drain == Drain::kNone && IsTold(model, name, family);
  });
}

void DrainTable::SetSessionsDown(const std::string& node, std::set<std::string> neighbors,
                                 Model* model) {
  const auto held = model->sessions_down.find(node);
  if (held == model->sessions_down.end() ? neighbors.empty() : held->second == neighbors) return;
  if (neighbors.empty())
    model->sessions_down.erase(node);
  else
    model->sessions_down[node] = std::move(neighbors);
  sessions_changed_ = true;
}

DrainChanges DrainTable::Derive(const NodeChanges& nodes, const RouteChanges& routes,
                                const AudienceChanges& audiences, Model* model) {
  DrainChanges changes;
  const bool sessions = std::exchange(sessions_changed_, false);
  DrainView now;
  now.nodes = model->drains.nodes;
  for (const auto& [name, before] : nodes) {
    const auto node = model->nodes.find(name);
    if (node != model->nodes.end() && node->second.drain != Drain::kNone)
      now.nodes.insert(name);
    else
      now.nodes.erase(name);
  }
  if (now.nodes.empty() && model->drains.nodes.empty()) return changes;
  const bool hops = sessions || !nodes.empty() || audiences.problems || !audiences.fresh.empty() ||
                    !audiences.gone.empty() || !audiences.regrouped.empty();
  if (!hops && routes.empty()) return changes;
  if (!now.nodes.empty()) {
    for (const Family family : kFamilies) {
      now.cluster_stays[family] = AnyStays(*model, Kind::kCluster, family);
      now.last_resort_stays[family] = AnyStays(*model, Kind::kLastResort, family);
    }
  }
  changes.problems = true;
  changes.shared = now.cluster_stays != model->drains.cluster_stays ||
                   now.last_resort_stays != model->drains.last_resort_stays;
  if (hops) {
    ForEachRoute(*model, [&](const IpPrefix& prefix, const AddressView& view) {
      const bool concerned =
          view.kind == Kind::kOwn &&
          std::any_of(view.nodes.begin(), view.nodes.end(),
                      [&](const std::string& name) { return now.nodes.contains(name); });
      if (concerned) changes.own.insert(prefix);
    });
  }
  model->drains = std::move(now);
  return changes;
}

void DrainTable::AddProblems(const Model& model, std::set<Problem>* out) const {
  if (model.drains.nodes.empty()) return;
  struct Kept {
    size_t addresses = 0;
    IpAddress first;
  };
  std::map<std::string, Kept> kept;
  const auto keep = [&](const std::string& node, const IpAddress& address) {
    Kept& entry = kept[node];
    if (entry.addresses++ == 0) entry.first = address;
  };
  for (const auto& [address, view] : model.addresses) {
    const AddressView& route = AnnouncedBy(model, view);
    if (route.kind == Kind::kNone || Stays(model, address.family(), route)) continue;
    for (const std::string& name : model.drains.nodes) {
      const bool hop = route.kind == Kind::kOwn ? route.nodes.contains(name)
                                                : IsTold(model, name, address.family());
      if (hop) keep(name, address);
    }
  }
  for (const auto& [name, entry] : kept) {
    out->insert(
        {{kube::Node::kKind, "", name},
         "DrainWaits",
         absl::StrCat("the node is to be drained, but stays a next hop of ", entry.addresses,
                      entry.addresses == 1 ? " address" : " addresses", " (",
                      entry.first.ToString(), entry.addresses == 1 ? "" : " among them",
                      ") because nothing else is left to carry the traffic")});
  }
}

}  // namespace openelb::plan

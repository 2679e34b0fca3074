// What an aggregate is, once it is known which addresses are in it: its next hops, or why it is
// refused.

#include <algorithm>
#include <utility>

#include "controller/plan/aggregate_table.h"
#include "controller/plan/node_hops.h"

namespace openelb::plan {
namespace {

using Kind = AddressView::Kind;

// Whether the node serves addresses of one of the kinds that every such node serves.
bool ServesAll(Kind kind, const NodeView& node) {
  return node.health == Health::kReady ||
         (kind == Kind::kLastResort && node.health == Health::kUnknown);
}

}  // namespace

bool Serves(const AddressView& aggregate, const std::string& name, const NodeView& node) {
  if (aggregate.kind == Kind::kOwn) return aggregate.nodes.contains(name);
  return aggregate.kind != Kind::kNone && ServesAll(aggregate.kind, node);
}

AggregateView AggregateTable::Decide(const IpPrefix& prefix, const Aggregate& aggregate,
                                     const Model& model) const {
  AggregateView view;
  view.addresses = aggregate.members.size();
  bool replaces = false;  // host routes
  for (const auto& [pool, count] : aggregate.pools) {
    view.pools.insert(pool);
    (KeepsHostRoutes(pool) ? view.host_routes : replaces) = true;
    // Of several Eips, the first by name has its way with single values.
    if (const auto wish = model.advertised_by_eip.find(pool); wish != model.advertised_by_eip.end())
      view.route.attributes = Merge(wish->second, view.route.attributes);
  }
  AddressView& route = view.route;
  const Kind shared = aggregate.cluster > 0 ? Kind::kCluster : Kind::kLastResort;
  if (aggregate.own == 0) {
    route.kind = shared;
  } else {
    route.kind = Kind::kOwn;
    const bool any_shared = aggregate.cluster + aggregate.last_resort > 0;
    for (const auto& [name, use] : aggregate.nodes) {
      if (use.addresses < aggregate.own) continue;
      if (any_shared && !ServesAll(shared, model.nodes.at(name))) continue;
      route.nodes.insert(name);
      if (model.weighted) {
        // Still fits when it is multiplied by the node's own weight.
        route.weights[name] =
            static_cast<uint32_t>(std::min<uint64_t>(use.endpoints, UINT32_MAX / kMaxNodeWeight));
      }
    }
    if (route.nodes.empty()) view.refusal = AggregateView::Refusal::kNoCommonNextHop;
  }
  const bool uneven = aggregate.own > 0 || (aggregate.cluster > 0 && aggregate.last_resort > 0);
  if (view.refusal == AggregateView::Refusal::kNone && uneven && replaces) {
    if (auto rack = RackOutOfReach(prefix, aggregate, route, model)) {
      view.refusal = AggregateView::Refusal::kOutOfReach;
      view.rack = *std::move(rack);
    }
  }
  if (view.refusal != AggregateView::Refusal::kNone) route = AddressView();
  return view;
}

std::optional<std::string> AggregateTable::RackOutOfReach(const IpPrefix& prefix,
                                                          const Aggregate& aggregate,
                                                          const AddressView& route,
                                                          const Model& model) {
  const bool any_shared = aggregate.cluster + aggregate.last_resort > 0;
  const Kind widest = aggregate.last_resort > 0 ? Kind::kLastResort : Kind::kCluster;
  std::map<std::string, std::vector<std::string>> racks;  // their nodes that serve any of it
  if (any_shared) {
    for (const auto& [name, node] : model.nodes) {
      if (ServesAll(widest, node) || aggregate.nodes.contains(name))
        racks[node.rack].push_back(name);
    }
  } else {
    for (const auto& [name, use] : aggregate.nodes)
      racks[model.nodes.at(name).rack].push_back(name);
  }
  for (const auto& [rack, names] : racks) {
    const auto audiences = model.audiences_of.find(rack);
    if (audiences == model.audiences_of.end()) continue;
    for (const std::string& audience : audiences->second) {
      for (const Scope& scope : model.audiences.at(audience).scopes) {
        bool some = false;
        bool all = false;
        for (const std::string& name : names) {
          const NodeView& node = model.nodes.at(name);
          if (!HopsInScope(scope, name, node, prefix.family()).any()) continue;
          some = true;
          // One that is to be drained may be none of its next hops any more.
          all |= node.drain == Drain::kNone && Serves(route, name, node);
        }
        if (some && !all) return rack;
      }
    }
  }
  return std::nullopt;
}

}  // namespace openelb::plan

#include "controller/plan/local_eligibility.h"

#include <algorithm>
#include <set>

#include "absl/strings/strip.h"

namespace openelb::plan {
namespace {

// What is let pass for want of better nodes.
struct Leniency {
  bool draining = false;
  bool silence = false;
  bool no_carrier = false;
  EndpointState endpoints = EndpointState::kReady;  // at least
};

using enum EndpointState;
constexpr Leniency kLeniencies[] = {
    {},
    {.endpoints = kServingWhileTerminating},
    {.draining = true},
    {.draining = true, .endpoints = kServingWhileTerminating},
    {.draining = true, .silence = true},
    {.draining = true, .silence = true, .endpoints = kServingWhileTerminating},
    {.draining = true, .silence = true, .no_carrier = true},
    {.draining = true, .silence = true, .no_carrier = true, .endpoints = kServingWhileTerminating},
};

// The nodes from which the Services can be served.
struct Backed {
  bool everywhere = false;
  std::set<std::string> nodes;
};

Backed FindBacked(Family family, const std::vector<std::string>& services, const Leniency& leniency,
                  const Model& model) {
  Backed backed;
  const auto silent = [&](const std::string& name) {
    const auto node = model.nodes.find(name);
    return leniency.silence && node != model.nodes.end() && IsSilent(node->second);
  };
  for (const std::string& key : services) {
    const auto service = model.services.find(key);
    if (service == model.services.end()) continue;
    const FamilyEndpoints& endpoints = service->second.endpoints[family];
    // With policy Cluster any endpoint will do, wherever it is.
    const bool cluster = service->second.policy == kube::TrafficPolicy::kCluster;
    backed.everywhere |= cluster && (endpoints.ready || endpoints.serving);
    for (const auto& [name, state] : endpoints.nodes) {
      if (cluster) {
        backed.everywhere |= silent(name);
      } else if (state >= leniency.endpoints || silent(name)) {
        backed.nodes.insert(name);
      }
    }
  }
  return backed;
}

bool Answers(bool NodeView::* mode, const NodeView& node, const PoolInterface& pool,
             const IpAddress& address, const Leniency& leniency) {
  const bool healthy =
      node.health == Health::kReady || (leniency.silence && node.health == Health::kUnknown);
  if (!healthy || !(node.*mode) || node.stopped || node.leaving) return false;
  if (node.drain != Drain::kNone && !leniency.draining) return false;
  const InterfaceAddress* link = LinkFor(mode, node, pool, address);
  return link != nullptr && (leniency.no_carrier || !node.no_carrier.contains(link->interface));
}

// The smallest network that contains `address`, on the interface `name` (empty: on any) or on one
// whose name is not known.
const InterfaceAddress* NetworkOf(const NodeView& node, absl::string_view name,
                                  const IpAddress& address) {
  const InterfaceAddress* smallest = nullptr;
  for (const InterfaceAddress& link : node.prefixes) {
    const bool named = name.empty() || link.interface.empty() || link.interface == name;
    if (!named || !link.Prefix().Contains(address)) continue;
    if (smallest == nullptr || link.length > smallest->length) smallest = &link;
  }
  return smallest;
}

// An address on the interface `name`, of `family` if there is one.
const InterfaceAddress* AnyOn(const NodeView& node, absl::string_view name, Family family) {
  const InterfaceAddress* any = nullptr;
  for (const InterfaceAddress& link : node.prefixes) {
    if (name.empty() || link.interface != name) continue;
    if (link.address.family() == family) return &link;
    if (any == nullptr) any = &link;
  }
  return any;
}

}  // namespace

absl::string_view AnnotatedInterface(const NodeView& node) {
  if (node.layer2_address.empty()) return "";
  const absl::StatusOr<IpAddress> own = IpAddress::Parse(node.layer2_address);
  if (!own.ok()) return "";
  const auto link =
      std::find_if(node.prefixes.begin(), node.prefixes.end(),
                   [&](const InterfaceAddress& candidate) { return candidate.address == *own; });
  return link == node.prefixes.end() ? absl::string_view() : link->interface;
}

const InterfaceAddress* LinkFor(bool NodeView::* mode, const NodeView& node,
                                const PoolInterface& pool, const IpAddress& address) {
  const auto on = [&](absl::string_view name) {
    const InterfaceAddress* link = NetworkOf(node, name, address);
    return link == nullptr && pool.off_link ? AnyOn(node, name, address.family()) : link;
  };
  if (mode == &NodeView::layer2) {
    const absl::string_view annotated = AnnotatedInterface(node);
    const InterfaceAddress* link = annotated.empty() ? nullptr : on(annotated);
    if (link != nullptr) return link;
  }
  absl::string_view name = pool.name;
  if (absl::ConsumePrefix(&name, "can_reach:")) {
    const absl::StatusOr<IpAddress> target = IpAddress::Parse(name);
    if (!target.ok()) return nullptr;
    if (const InterfaceAddress* towards = NetworkOf(node, "", *target)) {
      name = towards->interface;
    } else {
      name = node.default_routes[target->family()];
      if (name.empty()) return nullptr;
    }
  }
  return on(name);
}

LocalEligible FindEligible(bool NodeView::* mode, const IpAddress& address,
                           const std::vector<std::string>& services, const PoolInterface& pool,
                           const Model& model) {
  LocalEligible eligible;
  for (const Leniency& leniency : kLeniencies) {
    const Backed backed = FindBacked(address.family(), services, leniency, model);
    const auto add = [&](const std::string& name, const NodeView& node) {
      if (Answers(mode, node, pool, address, leniency)) eligible.nodes.push_back(name);
    };
    if (backed.everywhere) {
      for (const auto& [name, node] : model.nodes) add(name, node);
    } else {
      for (const std::string& name : backed.nodes) {
        if (const auto node = model.nodes.find(name); node != model.nodes.end())
          add(name, node->second);
      }
    }
    if (eligible.nodes.empty()) {
      eligible.makeshift = true;
      continue;
    }
    eligible.no_carrier = leniency.no_carrier;
    return eligible;
  }
  return {};
}

}  // namespace openelb::plan

#pragma once
// The routes of a plan: host routes of addresses, and aggregates.

#include <map>

#include "api/base/ip.h"
#include "controller/plan/address_table.h"
#include "controller/plan/model.h"

namespace openelb::plan {

inline bool IsHost(const IpPrefix& prefix) {
  return prefix.length() == FamilyBits(prefix.family());
}

// What is announced of the prefix; nullptr: nothing.
const AddressView* RouteOf(const Model& model, const IpPrefix& prefix);

// By what an address is announced: its host route or the aggregate that stands for it.
const AddressView& AnnouncedBy(const Model& model, const AddressView& address);

// Calls `handle` with the prefix and view of every route.
template <typename Handle>
void ForEachRoute(const Model& model, const Handle& handle) {
  for (const auto& [address, view] : model.addresses) {
    if (view.host_route && view.kind != AddressView::Kind::kNone)
      handle(IpPrefix::Host(address), view);
  }
  for (const auto& [prefix, view] : model.aggregates) {
    if (view.route.kind != AddressView::Kind::kNone) handle(prefix, view.route);
  }
}

// The routes that may have changed, each with its kind before.
using RouteChanges = std::map<IpPrefix, AddressView::Kind>;
// `aggregates`: those that were decided anew.
RouteChanges ChangedRoutes(const AddressChanges& addresses, const RouteChanges& aggregates);

}  // namespace openelb::plan

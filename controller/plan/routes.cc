#include "controller/plan/routes.h"

namespace openelb::plan {

using Kind = AddressView::Kind;

const AddressView* RouteOf(const Model& model, const IpPrefix& prefix) {
  const AddressView* view = nullptr;
  if (!IsHost(prefix)) {
    const auto it = model.aggregates.find(prefix);
    if (it != model.aggregates.end()) view = &it->second.route;
  } else if (const auto it = model.addresses.find(prefix.address()); it != model.addresses.end()) {
    if (it->second.host_route) view = &it->second;
  }
  return view == nullptr || view->kind == Kind::kNone ? nullptr : view;
}

const AddressView& AnnouncedBy(const Model& model, const AddressView& address) {
  return address.host_route ? address : model.aggregates.at(*address.aggregate).route;
}

RouteChanges ChangedRoutes(const AddressChanges& addresses, const RouteChanges& aggregates) {
  RouteChanges routes = aggregates;
  for (const auto& [address, before] : addresses)
    routes[IpPrefix::Host(address)] = before.host_route ? before.kind : Kind::kNone;
  return routes;
}

}  // namespace openelb::plan

// What users should know about Eips of VIP mode.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/plan/local_problems.h"
#include "controller/plan/vip_table.h"

namespace openelb::plan {
namespace {

constexpr LocalMode kMode = {
    .member = &NodeView::vip, .name = "VIP", .verb = "hold", .flag = "--enable-keepalived-vip"};

// The nodes of the router that hear a router of others with the id.
std::vector<std::string> Hearing(const Model& model, const RouterView& router, const RouterId& id) {
  std::vector<std::string> nodes;
  for (const auto& [node, interface] : *router.links) {
    if (router.heard_ours.contains(node)) continue;
    if (model.nodes.at(node).heard.contains({interface, id})) nodes.push_back(node);
  }
  return nodes;
}

}  // namespace

void VipTable::AddProblems(const Model& model, std::set<Problem>* out) const {
  struct Pool {
    std::vector<std::string> unheld;
    std::vector<std::string> no_carrier;
    std::vector<std::string> without_id;
    std::set<std::string> without_source;
    std::set<std::string> racks;
    size_t nodes_left_out = 0;
  };
  std::map<std::string, Pool> pools;
  for (const auto& [address, view] : model.vips) {
    Pool& pool = pools[view.pool];
    if (view.links->empty())
      pool.unheld.push_back(address.ToString());
    else if (view.vrid == 0 && !routers_.patient())
      pool.without_id.push_back(address.ToString());
    if (view.no_carrier) pool.no_carrier.push_back(address.ToString());
    for (const auto& [node, interface] : *view.links) pool.racks.insert(model.nodes.at(node).rack);
    pool.nodes_left_out = std::max(pool.nodes_left_out, view.nodes_left_out);
    pool.without_source.insert(view.without_source.begin(), view.without_source.end());
  }
  const std::string range =
      absl::StrCat("--vrrp-vrid-range ", options_.first_vrid, "-", options_.last_vrid);
  for (const auto& [name, pool] : pools) {
    const auto add = [out, &name = name](const char* reason, std::string message) {
      out->insert({{network::Eip::kKind, "", name}, reason, std::move(message)});
    };
    if (!pool.unheld.empty())
      out->insert(NoNode(kMode, name, local_.InterfaceOf(name), pool.unheld, model));
    if (!pool.no_carrier.empty()) {
      add("NoCarrier", absl::StrCat("no node that can hold ", Shown(pool.no_carrier),
                                    " has a carrier on its interface"));
    }
    if (!pool.without_id.empty()) {
      add("NoVrid", absl::StrCat("no VRRP router id is free in ", range, " for ",
                                 Shown(pool.without_id), ": they are not announced"));
    }
    if (!pool.without_source.empty()) {
      add("NoVrrpSource",
          absl::StrCat("with --vrrp-unicast nodes that do not say from where they send take no "
                       "part: ",
                       absl::StrJoin(pool.without_source, ", ")));
    }
    if (pool.nodes_left_out > 0) {
      add("TooManyNodes",
          absl::StrCat("a virtual router has room for ", RouterTable::kMostNodes,
                       " nodes: ", pool.nodes_left_out, ", the last ones by name, take no part"));
    }
    if (pool.racks.size() > 1) {
      add("SeveralRacks",
          absl::StrCat("the nodes that hold its addresses are in several racks (",
                       absl::StrJoin(pool.racks, ", "), "), and VRRP does not cross routers"));
    }
  }
  for (const RouterId& id : routers_.conflicts()) {
    const RouterView& router = model.routers.at(id);
    const RouterId left{id.family, router.left_vrid};
    const bool moved = router.left_vrid != 0;
    const std::vector<std::string> nodes = Hearing(model, router, moved ? left : id);
    if (nodes.empty()) continue;
    std::set<std::string> names;
    for (const IpAddress& address : router.addresses) names.insert(model.vips.at(address).pool);
    const std::string message =
        absl::StrCat("another VRRP router has id ", moved ? left.vrid : id.vrid, " (",
                     FamilyName(id.family), "), heard by ", absl::StrJoin(nodes, ", "), ": ",
                     moved ? absl::StrCat("our addresses have moved to id ", id.vrid)
                           : absl::StrCat("our addresses with this id move to another one of ",
                                          range, " when all their nodes hear it and one is free"));
    for (const std::string& name : names)
      out->insert({{network::Eip::kKind, "", name}, "VridConflict", message});
  }
}

}  // namespace openelb::plan

#include "controller/plan/vip_table.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/plan/local_eligibility.h"
#include "controller/plan/speaker_table.h"

namespace openelb::plan {
namespace {

std::string Key(const std::string& interface, const RouterId& id) {
  return absl::StrCat("vrrp/", interface, "/", static_cast<int>(id.family), "/", id.vrid);
}

// The address from which the node's speaker sends there; nullopt: not known. One that does not say
// so sends from its lowest IPv4 address there.
std::optional<IpAddress> SourceOf(const NodeView& node, const std::string& interface,
                                  Family family) {
  for (const auto& [where, source] : node.vrrp_sources) {
    if (where == interface && source.family() == family) return source;
  }
  if (family == Family::kV6) return std::nullopt;
  std::optional<IpAddress> lowest;
  for (const InterfaceAddress& link : node.prefixes) {
    if (link.interface != interface || link.address.family() != family) continue;
    if (!lowest || link.address < *lowest) lowest = link.address;
  }
  return lowest;
}

// What a change of has to be looked at.
bool SameForVip(const NodeView& a, const NodeView& b) {
  return a.health == b.health && a.returning == b.returning && a.vip == b.vip &&
         a.stopped == b.stopped && a.leaving == b.leaving && a.drain == b.drain &&
         a.prefixes == b.prefixes && a.default_routes == b.default_routes &&
         a.no_carrier == b.no_carrier && a.rack == b.rack && a.vrrp_sources == b.vrrp_sources;
}

}  // namespace

std::vector<IpAddress> HeldBy(const Model& model, const RouterView& router) {
  std::vector<IpAddress> addresses;
  for (const IpAddress& address : router.addresses) {
    if (!model.vips.at(address).links->empty()) addresses.push_back(address);
  }
  return addresses;
}

void VipTable::Look(const IpAddress& address, Model* model) {
  VipView& view = model->vips[address];
  view.services = local_.ServicesOf(address);
  if (view.services.empty()) return;
  view.pool = local_.PoolOf(address);
  const PoolInterface& interface = local_.InterfaceOf(view.pool);
  LocalEligible eligible = FindEligible(&NodeView::vip, address, view.services, interface, *model);
  view.makeshift = eligible.makeshift;
  view.no_carrier = eligible.no_carrier;
  view.without_source.clear();
  view.nodes_left_out = 0;
  Links links;
  for (const std::string& name : eligible.nodes) {
    const NodeView& node = model->nodes.at(name);
    std::string link = LinkFor(&NodeView::vip, node, interface, address)->interface;
    if (link.empty()) link = interface.name;
    if (options_.unicast && !SourceOf(node, link, address.family())) {
      view.without_source.push_back(name);
    } else if (links.size() == RouterTable::kMostNodes) {
      ++view.nodes_left_out;
    } else {
      links[name] = std::move(link);
    }
  }
  view.links = routers_.Intern(std::move(links));
}

bool VipTable::Derive(const NodeChanges& nodes, const std::set<std::string>& services, Model* model,
                      SetStore* sets, Visits* visits) {
  std::set<std::string> hear_otherwise;
  for (const auto& [name, before] : nodes) {
    const auto now = model->nodes.find(name);
    const bool stays = before && now != model->nodes.end();
    if (!stays || !SameForVip(*before, now->second)) local_.TouchAll();
    if (stays && before->heard != now->second.heard) hear_otherwise.insert(name);
  }
  std::set<IpAddress> touched = local_.TakeTouched(services);
  routers_.TakeLoaded(model, &touched);
  const bool resumed = routers_.TakeResumed();
  if (touched.empty() && hear_otherwise.empty() && !resumed) return false;
  visits->addresses += touched.size();
  for (const IpAddress& address : touched) Look(address, model);
  for (const RouterId& id : routers_.Update(touched, hear_otherwise, model))
    Write(id, *model, sets);
  return true;
}

void VipTable::Write(const RouterId& id, const Model& model, SetStore* sets) {
  const auto it = model.routers.find(id);
  const Links none;
  const Links& links = it == model.routers.end() ? none : *it->second.links;
  Links& told = told_[id];
  for (const auto& [node, interface] : told) {
    const auto link = links.find(node);
    if (link == links.end() || link->second != interface)
      sets->Erase(NodeSet(node), Key(interface, id));
  }
  told = links;
  if (links.empty()) {
    told_.erase(id);
    return;
  }
  const RouterView& router = it->second;
  v1::ResourceBody body;
  v1::VrrpInstance& instance = *body.mutable_vrrp_instance();
  instance.set_family(static_cast<uint32_t>(id.family));
  instance.set_vrid(static_cast<uint32_t>(id.vrid));
  const bool old = options_.version == 2 && id.family == Family::kV4;
  instance.set_version(old ? 2 : 3);
  const absl::Duration interval =
      old ? absl::Ceil(options_.interval, absl::Seconds(1)) : options_.interval;
  instance.set_interval_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(interval)));
  instance.set_preempt(options_.preempt);
  std::set<std::string> pools;
  for (const IpAddress& address : HeldBy(model, router)) {
    const VipView& view = model.vips.at(address);
    instance.add_addresses(address.ToString());
    v1::AnnouncedAddress* announced = instance.add_services();
    announced->set_address(address.ToString());
    for (const std::string& service : view.services) announced->add_services(service);
    pools.insert(view.pool);
  }
  instance.set_name(absl::StrJoin(pools, ","));
  std::map<std::string, std::string> sources;  // by node
  if (options_.unicast) {
    for (const auto& [node, interface] : links) {
      if (const auto source = SourceOf(model.nodes.at(node), interface, id.family))
        sources[node] = source->ToString();
    }
  }
  for (const auto& [node, interface] : links) {
    instance.set_interface(interface);
    instance.set_priority(static_cast<uint32_t>(router.priorities.at(node)));
    instance.clear_unicast_peers();
    for (const auto& [other, source] : sources) {
      if (other != node) instance.add_unicast_peers(source);
    }
    sets->Put(NodeSet(node), Key(interface, id), body);
  }
}

}  // namespace openelb::plan

#include "controller/plan/layer2_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "controller/plan/speaker_table.h"

namespace openelb::plan {
namespace {

constexpr absl::string_view kRankGroup = "layer2/";  // of assignments, and of resources

std::string Key(const IpAddress& address) { return absl::StrCat(kRankGroup, address.ToString()); }

// What a change of has to be looked at.
bool SameForLayer2(const NodeView& a, const NodeView& b) {
  return a.health == b.health && a.returning == b.returning && a.layer2 == b.layer2 &&
         a.stopped == b.stopped && a.leaving == b.leaving && a.prefixes == b.prefixes &&
         a.rack == b.rack;
}

// The best state of a Service's endpoint on `node`.
std::optional<EndpointState> EndpointOn(const FamilyEndpoints& endpoints, const std::string& node) {
  const auto it = endpoints.nodes.find(node);
  return it == endpoints.nodes.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace

const InterfaceAddress* LinkFor(const NodeView& node, absl::string_view pool_interface,
                                const IpAddress& address) {
  absl::string_view name = pool_interface;
  if (absl::ConsumePrefix(&name, "can_reach:")) {
    const absl::StatusOr<IpAddress> target = IpAddress::Parse(name);
    if (!target.ok()) return nullptr;
    const InterfaceAddress* towards = nullptr;
    for (const InterfaceAddress& link : node.prefixes) {
      if (!link.Prefix().Contains(*target)) continue;
      if (towards == nullptr || link.length > towards->length) towards = &link;
    }
    if (towards == nullptr) return nullptr;
    name = towards->interface;
  }
  for (const InterfaceAddress& link : node.prefixes) {
    const bool named = name.empty() || link.interface.empty() || link.interface == name;
    if (named && link.Prefix().Contains(address)) return &link;
  }
  return nullptr;
}

void Layer2Table::Upsert(const network::Eip& eip) {
  const auto [it, added] = interfaces_.try_emplace(eip.meta.name, eip.interface);
  if (!added && it->second == eip.interface) return;
  it->second = eip.interface;
  all_touched_ = true;
}

void Layer2Table::RemoveEip(const std::string& name) {
  if (interfaces_.erase(name) > 0) all_touched_ = true;
}

absl::string_view Layer2Table::InterfaceOf(const std::string& pool) const {
  const auto it = interfaces_.find(pool);
  return it == interfaces_.end() ? absl::string_view() : it->second;
}

void Layer2Table::SetAddresses(const std::string& service, const std::string& pool,
                               std::vector<IpAddress> addresses) {
  const auto held = held_.find(service);
  if (held != held_.end()) {
    for (const IpAddress& address : held->second.addresses) {
      touched_.insert(address);
      const auto it = services_of_.find(address);
      it->second.erase(service);
      if (it->second.empty()) services_of_.erase(it);
    }
    held_.erase(held);
  }
  if (addresses.empty()) return;
  for (const IpAddress& address : addresses) {
    touched_.insert(address);
    services_of_[address].insert(service);
  }
  held_[service] = {pool, std::move(addresses)};
}

bool Layer2Table::IsRank(const Assignment& assignment) {
  return absl::StartsWith(assignment.group, kRankGroup);
}

void Layer2Table::Load(const Assignment& assignment) {
  const absl::StatusOr<IpAddress> address =
      IpAddress::Parse(absl::StripPrefix(assignment.group, kRankGroup));
  int rank = 0;
  if (!address.ok() || !absl::SimpleAtoi(assignment.speaker, &rank)) return;
  loaded_[*address][rank] = assignment.node;
  touched_.insert(*address);
}

void Layer2Table::AddAssignments(const Model& model, std::vector<Assignment>* out) const {
  for (const auto& [address, view] : model.layer2) {
    for (size_t rank = 0; rank < view.ranks.size(); ++rank)
      out->push_back({Key(address), absl::StrCat(rank + 1), view.ranks[rank]});
  }
  for (const auto& [address, ranks] : loaded_) {
    if (model.layer2.contains(address)) continue;
    for (const auto& [rank, node] : ranks) out->push_back({Key(address), absl::StrCat(rank), node});
  }
}

// Sorted. `last_resort`: silent nodes count as Ready, and so do the endpoints there.
std::vector<std::string> Layer2Table::Eligible(const IpAddress& address, const Layer2View& view,
                                               const Model& model, bool last_resort) const {
  const Family family = address.family();
  const auto endpoint_counts = [&](const ServiceView& service, const std::string& name,
                                   const NodeView& node, EndpointState least) {
    const std::optional<EndpointState> state = EndpointOn(service.endpoints[family], name);
    return state && (*state >= least || (last_resort && IsSilent(node)));
  };
  // With policy Cluster any endpoint will do, wherever it is.
  const auto usable_anywhere = [&](const ServiceView& service) {
    const FamilyEndpoints& endpoints = service.endpoints[family];
    if (endpoints.ready || endpoints.serving) return true;
    return last_resort &&
           std::any_of(endpoints.nodes.begin(), endpoints.nodes.end(), [&](const auto& endpoint) {
             const auto node = model.nodes.find(endpoint.first);
             return node != model.nodes.end() && IsSilent(node->second);
           });
  };
  const auto wanted = [&](const std::string& name, const NodeView& node, EndpointState least) {
    return std::any_of(view.services.begin(), view.services.end(), [&](const std::string& key) {
      const auto service = model.services.find(key);
      if (service == model.services.end()) return false;
      return service->second.policy == kube::TrafficPolicy::kCluster
                 ? usable_anywhere(service->second)
                 : endpoint_counts(service->second, name, node, least);
    });
  };
  std::vector<std::string> eligible;
  for (const EndpointState least :
       {EndpointState::kReady, EndpointState::kServingWhileTerminating}) {
    for (const auto& [name, node] : model.nodes) {
      const bool healthy =
          node.health == Health::kReady || (last_resort && node.health == Health::kUnknown);
      if (!healthy || !node.layer2 || node.stopped || node.leaving) continue;
      if (LinkFor(node, InterfaceOf(view.pool), address) == nullptr) continue;
      if (wanted(name, node, least)) eligible.push_back(name);
    }
    if (!eligible.empty()) break;
  }
  return eligible;
}

std::string Layer2Table::ChooseOwner(const std::vector<std::string>& standing,
                                     const std::vector<std::string>& eligible) const {
  for (const std::string& node : standing) {
    if (std::binary_search(eligible.begin(), eligible.end(), node)) return node;
  }
  const auto load = [this](const std::string& node) {
    const auto it = owned_.find(node);
    return it == owned_.end() ? size_t{0} : it->second;
  };
  return *std::min_element(
      eligible.begin(), eligible.end(),
      [&](const std::string& a, const std::string& b) { return load(a) < load(b); });
}

Layer2View Layer2Table::Decide(const IpAddress& address, const Model& model) {
  Layer2View view;
  std::vector<std::string> standing;
  if (const auto before = model.layer2.find(address); before != model.layer2.end()) {
    standing = before->second.ranks;
  } else if (const auto loaded = loaded_.extract(address)) {
    for (const auto& [rank, node] : loaded.mapped()) standing.push_back(node);
  }
  const auto services = services_of_.find(address);
  if (services == services_of_.end()) return view;
  view.services.assign(services->second.begin(), services->second.end());
  view.pool = held_.at(view.services.front()).pool;
  std::vector<std::string> eligible = Eligible(address, view, model, /*last_resort=*/false);
  if (eligible.empty()) {
    eligible = Eligible(address, view, model, /*last_resort=*/true);
    view.last_resort = !eligible.empty();
  }
  if (eligible.empty()) {
    graph_.Remove(Key(address));
    return view;
  }
  const std::string owner = ChooseOwner(standing, eligible);
  std::erase(standing, owner);
  view.ranks = graph_.Assign(Key(address), owner, standing, eligible);
  return view;
}

void Layer2Table::Write(const IpAddress& address, const Layer2View* before, const Layer2View* now,
                        const Model& model, SetStore* sets) {
  const std::vector<std::string> none;
  const std::vector<std::string>& ranks = now == nullptr ? none : now->ranks;
  if (before != nullptr) {
    for (const std::string& node : before->ranks) {
      if (std::find(ranks.begin(), ranks.end(), node) == ranks.end())
        sets->Erase(NodeSet(node), Key(address));
    }
  }
  for (const std::string& node : ranks) {
    const InterfaceAddress* link = LinkFor(model.nodes.at(node), InterfaceOf(now->pool), address);
    v1::ResourceBody body;
    v1::Layer2Address& resource = *body.mutable_layer2_address();
    resource.set_address(address.ToString());
    resource.set_interface(link->interface);
    for (const std::string& ranked : ranks) resource.add_ranks()->set_node(ranked);
    for (const std::string& service : now->services) resource.add_services(service);
    sets->Put(NodeSet(node), Key(address), body);
  }
}

bool Layer2Table::Derive(const NodeChanges& nodes, const std::set<std::string>& services,
                         Model* model, SetStore* sets, Visits* visits) {
  bool all = std::exchange(all_touched_, false);
  for (const auto& [name, before] : nodes) {
    const auto now = model->nodes.find(name);
    all |= !before || now == model->nodes.end() || !SameForLayer2(*before, now->second);
  }
  std::set<IpAddress> touched = std::exchange(touched_, {});
  for (const std::string& service : services) {
    if (const auto it = held_.find(service); it != held_.end())
      touched.insert(it->second.addresses.begin(), it->second.addresses.end());
  }
  if (all) {
    for (const auto& [address, holders] : services_of_) touched.insert(address);
  }
  for (const IpAddress& address : touched) {
    ++visits->addresses;
    const auto it = model->layer2.find(address);
    std::optional<Layer2View> before;
    if (it != model->layer2.end()) before = it->second;
    Layer2View now = Decide(address, *model);
    if (before && !before->ranks.empty()) --owned_[before->ranks.front()];
    if (!now.ranks.empty()) ++owned_[now.ranks.front()];
    const bool gone = !services_of_.contains(address);
    if (gone) graph_.Remove(Key(address));
    Write(address, before ? &*before : nullptr, gone ? nullptr : &now, *model, sets);
    if (gone)
      model->layer2.erase(address);
    else
      model->layer2[address] = std::move(now);
  }
  return !touched.empty();
}

void Layer2Table::AddProblems(const Model& model, std::set<Problem>* out) const {
  struct Pool {
    std::vector<std::string> ownerless;
    std::set<std::string> racks;
  };
  std::map<std::string, Pool> pools;
  for (const auto& [address, view] : model.layer2) {
    Pool& pool = pools[view.pool];
    if (view.ranks.empty()) pool.ownerless.push_back(address.ToString());
    for (const std::string& node : view.ranks) pool.racks.insert(model.nodes.at(node).rack);
  }
  for (const auto& [name, pool] : pools) {
    const ObjectKey about{network::Eip::kKind, "", name};
    if (!pool.ownerless.empty()) {
      const absl::string_view interface = InterfaceOf(name);
      out->insert({about, "NoOwner",
                   absl::StrCat("no node can answer for ", pool.ownerless.front(),
                                pool.ownerless.size() > 1
                                    ? absl::StrCat(" and ", pool.ownerless.size() - 1, " more")
                                    : "",
                                ": it takes a Ready node with a speaker in Layer 2 mode",
                                interface.empty() ? "" : absl::StrCat(", interface ", interface),
                                ", a network there that contains the address, and a ready endpoint "
                                "of the Service as its policy asks")});
    }
    if (pool.racks.size() > 1) {
      out->insert(
          {about, "SeveralRacks",
           absl::StrCat("the nodes that answer for its addresses are in several racks (",
                        absl::StrJoin(pool.racks, ", "), "), and Layer 2 does not cross routers")});
    }
  }
}

}  // namespace openelb::plan

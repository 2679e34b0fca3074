#include "controller/plan/planner.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/address_table.h"
#include "controller/plan/advertise_table.h"
#include "controller/plan/aggregate_table.h"
#include "controller/plan/drain_table.h"
#include "controller/plan/group_table.h"
#include "controller/plan/layer2_table.h"
#include "controller/plan/model.h"
#include "controller/plan/node_table.h"
#include "controller/plan/place_table.h"
#include "controller/plan/service_table.h"
#include "controller/plan/set_store.h"
#include "controller/plan/speaker_table.h"
#include "controller/plan/vip_table.h"

namespace openelb::plan {

namespace {

// What a node does for its rack.
auto SpeakerOf(const NodeView& node) {
  return std::tie(node.rack, node.speaker, node.stopped, node.leaving, node.layer2, node.vip);
}

// One for each silent node that is a next hop nevertheless, however many addresses need it.
void AddLastResorts(const Model& model, std::set<Problem>* out) {
  std::set<std::string> used;
  PerFamily<bool> all;
  for (const auto& [address, view] : model.addresses) {
    if (!view.last_resort) continue;
    used.insert(view.nodes.begin(), view.nodes.end());
    all[address.family()] |= view.kind == AddressView::Kind::kLastResort;
  }
  for (const auto& [name, node] : model.nodes) {
    if (node.health != Health::kUnknown) continue;
    const NodeView& view = node;
    const bool in_all = std::any_of(kFamilies.begin(), kFamilies.end(), [&](Family family) {
      return all[family] && CanBeNextHop(model, view, family);
    });
    if (!in_all && !used.contains(name)) continue;
    out->insert({{kube::Node::kKind, "", name},
                 "LastResort",
                 "the node's Ready condition is Unknown, but addresses that would have no next hop "
                 "anywhere are still announced for it"});
  }
}

}  // namespace

class Planner::Impl {
 public:
  explicit Impl(const Options& options)
      : nodes(options),
        speakers(options.system_namespace),
        layer2(options.bfd_interval, options.bfd_multiplier),
        vips(options.vrrp) {}

  // What the speaker reads now.
  std::vector<std::string> Reads(const std::string& node) const {
    const auto speaker = model.speakers.find(node);
    if (speaker == model.speakers.end())
      return nodes.HasSpeaker(node) ? std::vector{NodeSet(node)} : std::vector<std::string>{};
    const std::string& audience = speaker->second.audience;
    if (audience.empty()) return {NodeSet(node)};
    return {model.audiences.at(audience).routes, audience, NodeSet(node)};
  }

  Model model;
  NodeTable nodes;
  ServiceTable services;
  AdvertiseTable advertise;
  AddressTable addresses;
  AggregateTable aggregates;
  SpeakerTable speakers;
  DrainTable drains;
  GroupTable groups;
  PlaceTable places;
  Layer2Table layer2;
  VipTable vips;
  SetStore sets;
  std::map<std::string, std::vector<std::string>, std::less<>> reads;  // by speaker
  std::vector<Problem> pool_problems;
  bool pool_problems_changed = false;
  size_t last_resorts = 0;  // addresses that are announced only as a last resort
  Visits visits;
};

Planner::Planner(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Planner::~Planner() = default;

void Planner::Upsert(const Object& object) {
  std::visit(
      [this](const auto& o) {
        using T = std::decay_t<decltype(o)>;
        if constexpr (!std::is_same_v<T, kube::Namespace> && !std::is_same_v<T, network::OpenElb>)
          Upsert(o);
      },
      object);
}

void Planner::Upsert(const kube::Node& node) { impl_->nodes.Upsert(node); }
void Planner::Upsert(const kube::EndpointSlice& slice) { impl_->services.Upsert(slice); }

const std::vector<kube::Endpoint>* Planner::FindEndpoints(const std::string& slice) const {
  return impl_->services.FindEndpoints(slice);
}

void Planner::Upsert(const kube::Service& service) {
  impl_->services.Upsert(service);
  impl_->advertise.Upsert(service);
}
void Planner::Upsert(const kube::DaemonSet& daemon_set) { impl_->nodes.Upsert(daemon_set); }
void Planner::Upsert(const kube::ConfigMap& map) { impl_->speakers.policies()->Upsert(map); }
void Planner::Upsert(const kube::Secret& secret) { impl_->speakers.Upsert(secret); }
void Planner::Upsert(const network::Eip& eip) {
  impl_->layer2.Upsert(eip);
  impl_->vips.local()->Upsert(eip);
  impl_->advertise.Upsert(eip);
  impl_->aggregates.Upsert(eip);
}
void Planner::Upsert(const network::BgpConf& conf) {
  impl_->speakers.Upsert(conf);
  impl_->advertise.Upsert(conf);
}
void Planner::Upsert(const network::BgpPeer& peer) { impl_->speakers.Upsert(peer); }

void Planner::Remove(const ObjectKey& key) {
  const std::string name = absl::StrCat(key.namespace_, "/", key.name);
  if (key.kind == kube::Node::kKind) {
    impl_->nodes.RemoveNode(key.name);
    impl_->drains.SetSessionsDown(key.name, {}, &impl_->model);
  }
  if (key.kind == kube::DaemonSet::kKind) impl_->nodes.RemoveDaemonSet(key.namespace_, key.name);
  if (key.kind == kube::ConfigMap::kKind)
    impl_->speakers.policies()->Remove(key.namespace_, key.name);
  if (key.kind == kube::Secret::kKind) impl_->speakers.RemoveSecret(key.namespace_, key.name);
  if (key.kind == kube::Service::kKind) {
    impl_->services.RemoveService(name);
    impl_->advertise.RemoveService(name);
  }
  if (key.kind == kube::EndpointSlice::kKind) impl_->services.RemoveSlice(name);
  if (key.kind == network::Eip::kKind) {
    impl_->layer2.RemoveEip(key.name);
    impl_->vips.local()->RemoveEip(key.name);
    impl_->advertise.RemoveEip(key.name);
    impl_->aggregates.RemoveEip(key.name);
  }
  if (key.kind == network::BgpConf::kKind) {
    impl_->speakers.RemoveConf(key.name);
    impl_->advertise.RemoveConf(key.name);
  }
  if (key.kind == network::BgpPeer::kKind) impl_->speakers.RemovePeer(key.name);
}

void Planner::SetAddresses(const std::string& service, std::vector<IpAddress> addresses,
                           const std::string& pool) {
  impl_->advertise.SetPool(service, addresses.empty() ? "" : pool);
  impl_->addresses.SetAddresses(service, std::move(addresses), pool, &impl_->model);
}

void Planner::SetLayer2(const std::string& service, const std::string& pool,
                        std::vector<IpAddress> addresses) {
  impl_->layer2.SetAddresses(service, pool, std::move(addresses));
}

void Planner::SetVip(const std::string& service, const std::string& pool,
                     std::vector<IpAddress> addresses) {
  impl_->vips.local()->SetAddresses(service, pool, std::move(addresses));
}

void Planner::SetPoolProblems(std::vector<Problem> problems) {
  impl_->pool_problems_changed |= problems != impl_->pool_problems;
  impl_->pool_problems = std::move(problems);
}

void Planner::GatherVipNodes(bool gather) { impl_->vips.routers()->SetPatient(gather); }

void Planner::SetFact(const Fact& fact) { impl_->nodes.SetFact(fact); }
std::vector<Fact> Planner::facts() const { return impl_->nodes.facts(); }

void Planner::LoadAssignments(const std::vector<Assignment>& assignments) {
  for (const Assignment& assignment : assignments) {
    if (assignment.group == kRouterIdGroup)
      impl_->speakers.LoadRouterIdHolder(assignment.speaker);
    else if (PeerTable::IsOurs(assignment))
      impl_->speakers.peers()->Load(assignment);
    else if (PolicyTable::IsOurs(assignment))
      impl_->speakers.policies()->Load(assignment);
    else if (Layer2Table::IsOurs(assignment))
      impl_->layer2.Load(assignment);
    else if (RouterTable::IsOurs(assignment))
      impl_->vips.routers()->Load(assignment);
    else
      impl_->places.Load(assignment);
  }
}

void Planner::LoadAnnounced(const std::string& node, const v1::AnnouncedAddress& announced) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(announced.address());
  if (!address.ok()) return;
  const std::vector<std::string> ranks(announced.ranks().begin(), announced.ranks().end());
  if (!ranks.empty()) impl_->layer2.Load(*address, ranks, announced.turn());
  if (announced.vrid() != 0) {
    impl_->vips.routers()->Load(*address, static_cast<int>(announced.vrid()), node,
                                static_cast<int>(announced.priority()));
  }
}

std::vector<Assignment> Planner::assignments() const {
  std::vector<Assignment> all;
  const std::string& holder = impl_->speakers.router_id_holder();
  if (!holder.empty()) all.push_back({kRouterIdGroup, holder, holder});
  if (auto policy = impl_->speakers.policies()->Saved()) all.push_back(*std::move(policy));
  impl_->speakers.peers()->AddAssignments(&all);
  impl_->places.AddAssignments(&all);
  impl_->layer2.AddAssignments(impl_->model, &all);
  impl_->vips.routers()->AddAssignments(impl_->model, &all);
  std::sort(all.begin(), all.end());
  return all;
}

bool Planner::ExpectsSpeaker(const std::string& node) const {
  return impl_->nodes.ExpectsSpeaker(node);
}

void Planner::SetReturning(const std::string& node, bool returning) {
  impl_->nodes.SetReturning(node, returning);
}

void Planner::SetSessionsDown(const std::string& node, std::set<std::string> neighbors) {
  impl_->drains.SetSessionsDown(node, std::move(neighbors), &impl_->model);
}

void Planner::SetWatchSecret(std::string secret) {
  impl_->layer2.SetWatchSecret(std::move(secret));
}

void Planner::FinishExchanges(uint64_t exchange) { impl_->aggregates.FinishExchanges(exchange); }

void Planner::SetEpoch(uint64_t epoch) { impl_->layer2.SetEpoch(epoch); }

void Planner::Hold(bool hold) {
  impl_->nodes.Hold(hold);
  impl_->services.Hold(hold);
}

PlanChange Planner::Step() {
  Impl& p = *impl_;
  const std::set<std::string> touched = p.nodes.touched();
  const NodeChanges nodes = p.nodes.Derive(&p.model, &p.visits);
  const std::set<std::string> services = p.services.Derive(&p.model, &p.visits);
  const AdvertiseChanges advertised = p.advertise.Derive(&p.model);
  const bool weights_turned = p.speakers.TellsWeights() != p.model.weighted;
  p.model.weighted ^= weights_turned;
  const bool hops_turned = p.speakers.TellsIpv6Hops() != p.model.ipv6_hops;
  p.model.ipv6_hops ^= hops_turned;
  std::set<std::string> asked = services;
  if (weights_turned || hops_turned) {
    for (const auto& [service, view] : p.model.services) asked.insert(service);
  }
  asked.insert(advertised.services.begin(), advertised.services.end());
  AddressChanges addresses = p.addresses.Derive(nodes, asked, &p.model, &p.visits);
  const AudienceChanges audiences = p.speakers.Derive(nodes, &p.model, &p.sets, &p.visits);
  const AggregateChanges aggregates =
      p.aggregates.Derive(nodes, audiences, advertised.eips, &addresses, &p.model, &p.visits);
  const RouteChanges routes = ChangedRoutes(addresses, aggregates.routes);
  const DrainChanges drains = p.drains.Derive(nodes, routes, audiences, &p.model);
  const GroupChanges groups = p.groups.Derive(nodes, routes, audiences, drains, weights_turned,
                                              &p.model, &p.sets, &p.visits);
  p.places.Derive(groups, audiences, p.model, &p.sets, &p.visits);
  const bool layer2 = p.layer2.Derive(nodes, services, &p.model, &p.sets, &p.visits);
  const bool vips = p.vips.Derive(nodes, services, &p.model, &p.sets, &p.visits);

  const size_t last_resorts = p.last_resorts;
  bool shared = false;  // by Services that may ask for different things
  for (const auto& [address, before] : addresses) {
    const auto now = p.model.addresses.find(address);
    shared |= before.services.size() > 1 ||
              (now != p.model.addresses.end() && now->second.services.size() > 1);
    if (before.last_resort) --p.last_resorts;
    if (now != p.model.addresses.end() && now->second.last_resort) ++p.last_resorts;
  }
  const bool pool_problems = std::exchange(p.pool_problems_changed, false);
  PlanChange change;
  change.keys = p.sets.TakeChanges();
  change.exchange = aggregates.exchange;
  change.problems = audiences.problems || advertised.problems || aggregates.problems ||
                    drains.problems || (shared && !p.model.advertised.empty()) || layer2 || vips ||
                    pool_problems || last_resorts != p.last_resorts ||
                    (last_resorts > 0 && !(nodes.empty() && addresses.empty()));
  change.racks = audiences.peered || layer2 || vips;
  for (const auto& [name, before] : nodes) {
    const auto now = p.model.nodes.find(name);
    change.problems |= !before.has_value() || now == p.model.nodes.end() ||
                       before->placement != now->second.placement ||
                       before->bad_prefixes != now->second.bad_prefixes ||
                       before->bad_weight != now->second.bad_weight ||
                       before->bad_drain != now->second.bad_drain;
    change.racks |= !before.has_value() || now == p.model.nodes.end() ||
                    SpeakerOf(*before) != SpeakerOf(now->second);
  }
  const auto compare = [&](const std::string& speaker) {
    std::vector<std::string> reads = p.Reads(speaker);
    const auto it = p.reads.find(speaker);
    if (it == p.reads.end() ? reads.empty() : it->second == reads) return;
    change.speakers.insert(speaker);
    if (reads.empty())
      p.reads.erase(speaker);
    else
      p.reads[speaker] = std::move(reads);
  };
  for (const std::string& name : touched) compare(name);
  for (const auto& [name, before] : nodes) compare(name);
  for (const auto& [name, audience] : audiences.left) compare(name);
  for (const std::string& audience : audiences.regrouped) {
    for (const std::string& name : p.model.audiences.at(audience).speakers) compare(name);
  }
  return change;
}

std::vector<std::string> Planner::SetsOf(absl::string_view node) const {
  const auto it = impl_->reads.find(node);
  return it == impl_->reads.end() ? std::vector<std::string>{} : it->second;
}

const ResourceSet* Planner::Find(absl::string_view set) const { return impl_->sets.Find(set); }

std::vector<Problem> Planner::Problems() const {
  std::set<Problem> problems(impl_->pool_problems.begin(), impl_->pool_problems.end());
  for (const auto& [name, view] : impl_->model.nodes) {
    if (view.InRack()) continue;
    problems.insert(
        {{kube::Node::kKind, "", name},
         "NoRack",
         absl::StrCat("the node has no rack label and its address is on-link for the labelled "
                      "nodes of ",
                      view.placement == Placement::kNowhere ? "no rack" : "several racks",
                      "; only its own speaker, if it has one, announces it")});
  }
  for (const auto& [name, view] : impl_->model.nodes) {
    const ObjectKey about{kube::Node::kKind, "", name};
    if (!view.bad_prefixes.empty()) {
      problems.insert(
          {about, "BadPrefixes",
           absl::StrCat("annotation ", network::kPrefixes.openelb, ": ", view.bad_prefixes,
                        ": not an address of the node with the length of its subnet, "
                        "such as 192.168.0.3/24; it does not count")});
    }
    if (view.bad_weight) {
      problems.insert({about, "BadWeight",
                       absl::StrCat("annotation ", network::kWeight, ": \"", *view.bad_weight,
                                    "\" is not a number from 1 to ", kMaxNodeWeight,
                                    "; the node's weight is 1")});
    }
    if (view.bad_drain) {
      problems.insert({about, "BadDrain",
                       absl::StrCat("annotation ", network::kDrain, ": \"", *view.bad_drain,
                                    "\" is neither true nor false; the node is not drained")});
    }
  }
  impl_->drains.AddProblems(impl_->model, &problems);
  if (impl_->last_resorts > 0) AddLastResorts(impl_->model, &problems);
  impl_->speakers.AddProblems(&problems);
  impl_->advertise.AddProblems(impl_->model, &problems);
  impl_->aggregates.AddProblems(impl_->model, &problems);
  impl_->layer2.AddProblems(impl_->model, &problems);
  impl_->vips.AddProblems(impl_->model, &problems);
  return {problems.begin(), problems.end()};
}

const Model& Planner::model() const { return impl_->model; }
const Visits& Planner::visits() const { return impl_->visits; }

}  // namespace openelb::plan

#include "controller/plan/node_table.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::plan {
namespace {

constexpr size_t kShownText = 40;
constexpr size_t kShownPrefixes = 3;

Health HealthOf(const kube::Node& node) {
  if (node.meta.labels.contains(network::kExcludeNodeLabel)) return Health::kExcludedByLabel;
  if (node.ready == kube::ConditionStatus::kFalse) return Health::kNotReady;
  if (node.network_unavailable == kube::ConditionStatus::kTrue) return Health::kNetworkUnavailable;
  return node.ready == kube::ConditionStatus::kTrue ? Health::kReady : Health::kUnknown;
}

// Prefixes that say which nodes are neighbours: not a host's own address (a Service address on
// kube-ipvs0), not loopback or link-local, not everything.
bool IsLink(const InterfaceAddress& address) {
  return address.length > 0 && address.length < FamilyBits(address.address.family()) &&
         !address.address.IsLoopback() && !address.address.IsLinkLocal();
}

// What a router can forward to.
bool IsNextHop(const IpAddress& address) {
  return !address.IsUnspecified() && !address.IsLoopback() && !address.IsMulticast() &&
         !address.IsLinkLocal();
}

void Add(InterfaceAddress address, std::vector<InterfaceAddress>* out) {
  if (IsLink(address)) out->push_back(std::move(address));
}

// What the annotation says is used where no speaker reports; what is wrong with it is named anyhow.
void ReadPrefixes(absl::string_view text, bool used, NodeView* view) {
  std::vector<std::string> bad;
  for (absl::string_view part : absl::StrSplit(text, absl::ByAnyChar(", "), absl::SkipEmpty())) {
    absl::StatusOr<InterfaceAddress> address = InterfaceAddress::Parse(part);
    // One with the length of a single address is of no subnet, and with length 0 of none that
    // could be told from others.
    const bool in_subnet = address.ok() && address->length > 0 &&
                           address->length < FamilyBits(address->address.family());
    if (!in_subnet)
      bad.push_back(absl::StrCat("\"", part.substr(0, kShownText), "\""));
    else if (used)
      Add(*std::move(address), &view->prefixes);
  }
  if (bad.size() > kShownPrefixes) {
    const size_t more = bad.size() - kShownPrefixes;
    bad.resize(kShownPrefixes);
    bad.push_back(absl::StrCat(more, " more"));
  }
  view->bad_prefixes = absl::StrJoin(bad, ", ");
}

// Of "INTERFACE FAMILY VRID"; nullopt: it is something else.
std::optional<std::pair<std::string, RouterId>> ParseHeard(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ' ', absl::SkipEmpty());
  int family = 0;
  RouterId id;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &family) || (family != 4 && family != 6) ||
      !absl::SimpleAtoi(parts[2], &id.vrid)) {
    return std::nullopt;
  }
  id.family = static_cast<Family>(family);
  return std::pair(std::string(parts[0]), id);
}

bool IsToDrain(const kube::Node& node) {
  const auto text = node.meta.annotations.find(network::kDrain);
  return text != node.meta.annotations.end() && text->second == "true";
}

// A health that stops traffic and that the API server may have wrong after it was away.
bool WorseHealth(const kube::Node& before, const kube::Node& after) {
  using Status = kube::ConditionStatus;
  return (before.ready == Status::kTrue && after.ready != Status::kTrue) ||
         (before.network_unavailable != Status::kTrue &&
          after.network_unavailable == Status::kTrue);
}

void KeepRealChanges(const Model& model, NodeChanges* changes) {
  std::erase_if(*changes, [&](const auto& change) {
    const auto now = model.nodes.find(change.first);
    return now == model.nodes.end() ? !change.second.has_value()
                                    : change.second == std::optional(now->second);
  });
}

void MoveBetweenRacks(const std::string& name, const std::optional<NodeView>& before,
                      Model* model) {
  if (before.has_value()) {
    const auto rack = model->racks.find(before->rack);
    rack->second.erase(name);
    if (rack->second.empty()) model->racks.erase(rack);
  }
  const auto now = model->nodes.find(name);
  if (now != model->nodes.end()) model->racks[now->second.rack].insert(name);
}

}  // namespace

void NodeTable::Upsert(const kube::Node& node) {
  const std::string& name = node.meta.name;
  touched_.insert(name);
  withheld_.erase(name);
  if (!IsToDrain(node)) facts_.erase({name, kDrainedFact});
  const auto it = nodes_.find(name);
  if (it == nodes_.end() || !hold_ || !WorseHealth(it->second, node)) {
    nodes_[name] = node;
    return;
  }
  withheld_[name] = node;
  kube::Node kept = node;
  if (it->second.ready == kube::ConditionStatus::kTrue) kept.ready = it->second.ready;
  if (it->second.network_unavailable != kube::ConditionStatus::kTrue)
    kept.network_unavailable = it->second.network_unavailable;
  it->second = std::move(kept);
}

void NodeTable::RemoveNode(const std::string& name) {
  touched_.insert(name);
  nodes_.erase(name);
  withheld_.erase(name);
  returning_.erase(name);
  ForgetFacts(name);
}

// What a speaker that runs there has said stays true, should the Node be made anew under it.
void NodeTable::ForgetFacts(const std::string& name) {
  if (nodes_.contains(name) || (HasSpeaker(name) && !SpeakerStopped(name))) return;
  std::erase_if(facts_, [&](const auto& entry) {
    const auto& [key, fact] = entry;
    return key.first == name && (key.second != kSpeakerFact || fact.values.empty());
  });
}

void NodeTable::Upsert(const kube::DaemonSet& daemon_set) {
  if (daemon_set.meta.name != network::kSpeakerDaemonSet) return;
  daemon_sets_[{daemon_set.meta.namespace_, daemon_set.meta.name}] = daemon_set;
  all_touched_ = true;
}

void NodeTable::RemoveDaemonSet(const std::string& namespace_, const std::string& name) {
  if (daemon_sets_.erase({namespace_, name}) > 0) all_touched_ = true;
}

void NodeTable::SetFact(const Fact& fact) {
  const std::pair key(fact.subject, fact.kind);
  const auto it = facts_.find(key);
  if (it != facts_.end() && it->second.observed_at >= fact.observed_at) return;
  if (fact.kind == kDrainedFact) {
    // Of a drain that was called off, the next one must know nothing.
    const auto node = nodes_.find(fact.subject);
    if (node != nodes_.end() && !IsToDrain(node->second)) return;
  }
  facts_[key] = fact;
  touched_.insert(fact.subject);
  if (fact.kind == kSpeakerFact) ForgetFacts(fact.subject);
}

std::vector<Fact> NodeTable::facts() const {
  std::vector<Fact> all;
  for (const auto& [key, fact] : facts_) all.push_back(fact);
  return all;
}

void NodeTable::Hold(bool hold) {
  hold_ = hold;
  if (hold) return;
  for (auto& [name, node] : withheld_) {
    nodes_[name] = std::move(node);
    touched_.insert(name);
  }
  withheld_.clear();
}

void NodeTable::SetReturning(const std::string& name, bool returning) {
  const bool changed = returning ? returning_.insert(name).second : returning_.erase(name) > 0;
  if (changed) touched_.insert(name);
}

bool NodeTable::HasSpeaker(absl::string_view node) const {
  const auto it = facts_.find({std::string(node), kSpeakerFact});
  return it != facts_.end() && !it->second.values.empty();
}

bool NodeTable::ExpectsSpeaker(const std::string& node) const {
  if (!SpeakerStopped(node)) return HasSpeaker(node);
  const auto it = nodes_.find(node);
  if (it == nodes_.end() || !options_.speakers_return) return false;
  const kube::DaemonSet* daemon_set = SpeakerDaemonSet();
  return daemon_set == nullptr || daemon_set->Selects(it->second);
}

bool NodeTable::SpeakerStopped(absl::string_view node) const {
  const auto it = facts_.find({std::string(node), kSpeakerFact});
  return it != facts_.end() && it->second.values == std::vector<std::string>{kSpeakerStopped};
}

const kube::DaemonSet* NodeTable::SpeakerDaemonSet() const {
  for (const auto& [key, daemon_set] : daemon_sets_) {
    if (options_.system_namespace.empty() || key.first == options_.system_namespace)
      return &daemon_set;
  }
  return nullptr;
}

const Fact* NodeTable::FactOf(const std::string& node, const char* kind) const {
  const auto it = facts_.find({node, kind});
  return it == facts_.end() ? nullptr : &it->second;
}

NodeView NodeTable::BaseView(const kube::Node& node, const kube::DaemonSet* daemon_set) const {
  NodeView view;
  view.labels = node.meta.labels;
  view.internal_ips = node.internal_ips;
  view.health = HealthOf(node);
  view.returning = returning_.contains(node.meta.name);
  for (const IpAddress& address : node.internal_ips) {
    if (!IsNextHop(address)) continue;
    std::optional<IpAddress>& first = view.next_hops[address.family()];
    if (!first.has_value()) first = address;
  }
  const Fact* reported = FactOf(node.meta.name, kPrefixesFact);
  for (const std::string& value :
       reported != nullptr ? reported->values : std::vector<std::string>()) {
    const std::vector<absl::string_view> parts = absl::StrSplit(value, ' ', absl::SkipEmpty());
    if (parts.size() != 2) continue;
    absl::StatusOr<InterfaceAddress> address = InterfaceAddress::Parse(parts[1]);
    if (!address.ok()) continue;
    address->interface = std::string(parts[0]);
    Add(*std::move(address), &view.prefixes);
  }
  if (const auto text = network::Find(node.meta.annotations, network::kPrefixes))
    ReadPrefixes(*text, /*used=*/reported == nullptr, &view);
  std::sort(view.prefixes.begin(), view.prefixes.end());
  view.layer2_address = network::Find(node.meta.annotations, network::kLayer2Address).value_or("");
  if (const auto text = node.meta.annotations.find(network::kWeight);
      text != node.meta.annotations.end()) {
    if (!absl::SimpleAtoi(text->second, &view.weight) || view.weight < 1 ||
        view.weight > kMaxNodeWeight) {
      view.weight = 1;
      view.bad_weight = text->second.substr(0, kShownText);
    }
  }
  if (const auto text = node.meta.annotations.find(network::kDrain);
      text != node.meta.annotations.end()) {
    if (IsToDrain(node)) {
      const Fact* drained = FactOf(node.meta.name, kDrainedFact);
      view.drain = drained != nullptr ? Drain::kDrained : Drain::kDraining;
    } else if (text->second != "false") {
      view.bad_drain = text->second.substr(0, kShownText);
    }
  }
  view.rack_label = network::Find(node.meta.labels, network::kRack).value_or("");
  const bool wanted = daemon_set == nullptr || daemon_set->Selects(node);
  if (options_.speakers_from == Options::Speakers::kDaemonSet) {
    view.speaker = view.layer2 = view.vip = wanted;
    if (wanted) view.tcp_ao = TcpAo::kThere;
  } else {
    view.speaker = ExpectsSpeaker(node.meta.name);
    const Fact* modes = FactOf(node.meta.name, kModesFact);
    const auto in_mode = [&](absl::string_view mode) {
      return view.speaker && modes != nullptr &&
             std::find(modes->values.begin(), modes->values.end(), mode) != modes->values.end();
    };
    view.layer2 = in_mode(kLayer2Mode);
    view.vip = in_mode(kVipMode);
    view.tcp_ao = in_mode(kTcpAoMode)     ? TcpAo::kThere
                  : in_mode(kNoTcpAoMode) ? TcpAo::kMissing
                                          : TcpAo::kUnknown;
    view.stopped = view.speaker && SpeakerStopped(node.meta.name);
    view.leaving = view.speaker && !wanted;
    view.leaves_on_stop = view.leaving || (view.speaker && !options_.speakers_return);
  }
  if (const Fact* fact = FactOf(node.meta.name, kDefaultRoutesFact)) {
    for (const std::string& value : fact->values) {
      const std::pair<std::string, std::string> parts = absl::StrSplit(value, ' ');
      if (parts.second == "4") view.default_routes.v4 = parts.first;
      if (parts.second == "6") view.default_routes.v6 = parts.first;
    }
  }
  if (const Fact* fact = FactOf(node.meta.name, kNoCarrierFact))
    view.no_carrier = {fact->values.begin(), fact->values.end()};
  if (const Fact* fact = FactOf(node.meta.name, kTakenOverFact)) {
    for (const std::string& value : fact->values) {
      if (const auto address = IpAddress::Parse(value); address.ok())
        view.taken_over.insert(*address);
    }
    if (!view.taken_over.empty()) view.taken_over_at = fact->observed_at;
  }
  if (const Fact* fact = FactOf(node.meta.name, kVrrpHeardFact)) {
    for (const std::string& value : fact->values) {
      if (auto heard = ParseHeard(value)) view.heard.insert(*std::move(heard));
    }
  }
  if (const Fact* fact = FactOf(node.meta.name, kVrrpSourcesFact)) {
    for (const std::string& value : fact->values) {
      const std::pair<std::string, std::string> parts = absl::StrSplit(value, ' ');
      if (const auto source = IpAddress::Parse(parts.second); source.ok())
        view.vrrp_sources.emplace(parts.first, *source);
    }
  }
  return view;
}

bool NodeTable::Index(const NodeView& view, bool add) {
  if (view.rack_label.empty()) return false;
  labelled_ += add ? 1 : -1;
  bool changed = false;
  for (const InterfaceAddress& address : view.prefixes) {
    const IpPrefix prefix = address.Prefix();
    std::map<std::string, int>& racks = on_link_[prefix];
    int& count = racks[view.rack_label];
    changed |= count == (add ? 0 : 1);
    count += add ? 1 : -1;
    if (count == 0) racks.erase(view.rack_label);
    if (racks.empty()) on_link_.erase(prefix);
  }
  return changed;
}

void NodeTable::Place(const std::string& name, NodeView* view) const {
  if (labelled_ == 0) {
    view->placement = Placement::kFlat;
    view->rack.clear();
    return;
  }
  if (!view->rack_label.empty()) {
    view->placement = Placement::kLabel;
    view->rack = view->rack_label;
    return;
  }
  std::set<std::string> racks;
  for (const Family family : kFamilies) {
    if (!view->next_hops[family].has_value()) continue;
    for (int length = 1; length < FamilyBits(family); ++length) {
      const auto it = on_link_.find(IpPrefix(*view->next_hops[family], length));
      if (it == on_link_.end()) continue;
      for (const auto& [rack, count] : it->second) racks.insert(rack);
    }
  }
  view->placement = racks.empty()       ? Placement::kNowhere
                    : racks.size() == 1 ? Placement::kAddress
                                        : Placement::kSeveral;
  view->rack = racks.size() == 1 ? *racks.begin() : NoRackName(name);
}

NodeChanges NodeTable::Derive(Model* model, Visits* visits) {
  if (all_touched_) {
    for (const auto& [name, node] : nodes_) touched_.insert(name);
  }
  NodeChanges changes;
  if (touched_.empty()) return changes;
  const auto note = [&](const std::string& name) {
    ++visits->nodes;
    const auto it = model->nodes.find(name);
    changes.emplace(name, it == model->nodes.end() ? std::nullopt : std::optional(it->second));
  };

  const kube::DaemonSet* daemon_set = SpeakerDaemonSet();
  const bool was_flat = labelled_ == 0;
  bool racks_moved = false;
  for (const std::string& name : touched_) {
    note(name);
    const std::optional<NodeView>& before = changes[name];
    const auto node = nodes_.find(name);
    std::optional<NodeView> now;
    if (node != nodes_.end()) now = BaseView(node->second, daemon_set);
    const bool same_links = before.has_value() && now.has_value() &&
                            before->rack_label == now->rack_label &&
                            before->prefixes == now->prefixes;
    if (before.has_value() && !same_links) racks_moved |= Index(*before, /*add=*/false);
    if (now.has_value() && !same_links) racks_moved |= Index(*now, /*add=*/true);
    if (now.has_value())
      model->nodes[name] = *std::move(now);
    else
      model->nodes.erase(name);
  }

  for (const std::string& name : touched_) {
    if (const auto it = model->nodes.find(name); it != model->nodes.end()) Place(name, &it->second);
  }
  if (racks_moved || was_flat != (labelled_ == 0)) {
    for (auto& [name, view] : model->nodes) {
      if (!view.rack_label.empty() || touched_.contains(name)) continue;
      NodeView placed = view;
      Place(name, &placed);
      if (placed == view) continue;
      note(name);
      view = std::move(placed);
    }
  }
  touched_.clear();
  all_touched_ = false;
  KeepRealChanges(*model, &changes);
  for (const auto& [name, before] : changes) MoveBetweenRacks(name, before, model);
  return changes;
}

}  // namespace openelb::plan

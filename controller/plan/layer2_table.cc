#include "controller/plan/layer2_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "api/network/v1alpha2/names.h"
#include "controller/plan/speaker_table.h"

namespace openelb::plan {
namespace {

constexpr absl::string_view kGroup = "layer2/";  // of assignments, and of resources
constexpr int kEpochShift = 32;                  // within turns
// In a rank's place.
constexpr const char* kTurn = "turn";
constexpr const char* kTakenAt = "taken-at";  // nanoseconds since 1970
constexpr const char* kOverruled = "overruled";

std::string Key(const IpAddress& address) { return absl::StrCat(kGroup, address.ToString()); }

// What a change of has to be looked at.
bool SameForLayer2(const NodeView& a, const NodeView& b) {
  return a.health == b.health && a.returning == b.returning && a.layer2 == b.layer2 &&
         a.stopped == b.stopped && a.leaving == b.leaving && a.drain == b.drain &&
         a.prefixes == b.prefixes && a.default_routes == b.default_routes &&
         a.layer2_address == b.layer2_address && a.rack == b.rack && a.no_carrier == b.no_carrier &&
         a.taken_over == b.taken_over && a.taken_over_at == b.taken_over_at;
}

}  // namespace

void Layer2Table::Upsert(const network::Eip& eip) {
  local_.Upsert(eip);
  const bool unnamed = eip.protocol == network::Protocol::kLayer2 && eip.interface.empty();
  unnamed_changed_ |=
      unnamed ? unnamed_.insert(eip.meta.name).second : unnamed_.erase(eip.meta.name) > 0;
}

void Layer2Table::RemoveEip(const std::string& name) {
  local_.RemoveEip(name);
  unnamed_changed_ |= unnamed_.erase(name) > 0;
}

void Layer2Table::SetWatchSecret(std::string secret) {
  watches_.SetSecret(std::move(secret));
  local_.TouchAll();
}

void Layer2Table::SetEpoch(uint64_t epoch) {
  if (epoch <= epoch_) return;
  const uint64_t first_turn = epoch << kEpochShift;
  if (epoch_ != 0) {
    doubtful_ = first_turn;
    local_.TouchAll();
  }
  epoch_ = epoch;
  last_turn_ = std::max(last_turn_, first_turn);
}

bool Layer2Table::IsOurs(const Assignment& assignment) {
  return absl::StartsWith(assignment.group, kGroup);
}

void Layer2Table::Load(const Assignment& assignment) {
  const absl::StatusOr<IpAddress> address =
      IpAddress::Parse(absl::StripPrefix(assignment.group, kGroup));
  if (!address.ok()) return;
  Loaded& loaded = loaded_[*address];
  int rank = 0;
  int64_t number = 0;
  if (absl::SimpleAtoi(assignment.speaker, &rank)) loaded.ranks[rank] = assignment.node;
  if (assignment.speaker == kOverruled) loaded.owners.overruled.insert(assignment.node);
  if (assignment.speaker == kTurn && absl::SimpleAtoi(assignment.node, &loaded.owners.turn))
    last_turn_ = std::max(last_turn_, loaded.owners.turn);
  if (assignment.speaker == kTakenAt && absl::SimpleAtoi(assignment.node, &number))
    loaded.owners.taken_at = absl::FromUnixNanos(number);
  local_.Touch(*address);
}

void Layer2Table::Load(const IpAddress& address, const std::vector<std::string>& ranks,
                       uint64_t turn) {
  if (turn >> kEpochShift > epoch_) return;  // of no plan that anybody was sent
  Loaded& loaded = loaded_[address] = {};
  for (const std::string& node : ranks)
    loaded.ranks.emplace(static_cast<int>(loaded.ranks.size()) + 1, node);
  loaded.owners.turn = turn;
  last_turn_ = std::max(last_turn_, turn);
  local_.Touch(address);
}

void Layer2Table::AddAssignments(const Model& model, std::vector<Assignment>* out) const {
  const auto add = [&](const IpAddress& address, const Layer2View& owners) {
    const std::string key = Key(address);
    if (owners.turn > 0) out->push_back({key, kTurn, absl::StrCat(owners.turn)});
    if (owners.taken_at != absl::Time())
      out->push_back({key, kTakenAt, absl::StrCat(absl::ToUnixNanos(owners.taken_at))});
    for (const std::string& node : owners.overruled) out->push_back({key, kOverruled, node});
  };
  for (const auto& [address, view] : model.layer2) {
    for (size_t rank = 0; rank < view.ranks.size(); ++rank)
      out->push_back({Key(address), absl::StrCat(rank + 1), view.ranks[rank]});
    add(address, view);
  }
  for (const auto& [address, loaded] : loaded_) {
    if (model.layer2.contains(address)) continue;
    for (const auto& [rank, node] : loaded.ranks)
      out->push_back({Key(address), absl::StrCat(rank), node});
    add(address, loaded.owners);
  }
}

std::string Layer2Table::ChooseOwner(const std::vector<std::string>& standing,
                                     const std::vector<std::string>& eligible,
                                     const std::set<std::string>& takers) const {
  const auto taker = std::find_if(standing.begin(), standing.end(),
                                  [&](const std::string& node) { return takers.contains(node); });
  if (taker != standing.end()) return *taker;
  if (!takers.empty()) return *takers.begin();
  if (!standing.empty()) return standing.front();
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
  const auto keep = [&view](const Layer2View& owners) {
    view.turn = owners.turn;
    view.taken_at = owners.taken_at;
    view.overruled = owners.overruled;
  };
  if (const auto before = model.layer2.find(address); before != model.layer2.end()) {
    standing = before->second.ranks;
    keep(before->second);
  } else if (const auto loaded = loaded_.extract(address)) {
    for (const auto& [rank, node] : loaded.mapped().ranks) standing.push_back(node);
    keep(loaded.mapped().owners);
  }
  if (!local_.IsHeld(address)) return view;
  view.services = local_.ServicesOf(address);
  view.pool = local_.PoolOf(address);
  const LocalEligible eligible =
      FindEligible(&NodeView::layer2, address, view.services, local_.InterfaceOf(view.pool), model);
  if (eligible.nodes.empty()) {
    graph_.Remove(Key(address));
    return view;
  }
  view.makeshift = eligible.makeshift;
  view.no_carrier = eligible.no_carrier;
  view.alone = eligible.nodes.size() == 1;

  const std::string owned_before = standing.empty() ? "" : standing.front();
  const auto is_eligible = [&](const std::string& node) {
    return std::binary_search(eligible.nodes.begin(), eligible.nodes.end(), node);
  };
  std::erase_if(standing, [&](const std::string& node) { return !is_eligible(node); });
  const bool owner_stands = is_eligible(owned_before);
  std::set<std::string> takers;
  for (const std::string& name : eligible.nodes) {
    const NodeView& node = model.nodes.at(name);
    const bool rests =
        owner_stands && view.overruled.contains(name) && node.taken_over_at < view.taken_at + kRest;
    if (!rests && node.taken_over.contains(address)) takers.insert(name);
  }
  const std::string owner = ChooseOwner(standing, eligible.nodes, takers);
  if (owner != owned_before || view.turn <= doubtful_) view.turn = ++last_turn_;
  if (owner != owned_before) {
    const bool taken = takers.contains(owner);
    view.taken_at = taken ? model.nodes.at(owner).taken_over_at : absl::Time();
    view.overruled.merge(takers);
    view.overruled.insert(owned_before);
    std::erase_if(view.overruled, [&](const std::string& node) {
      return !taken || node == owner || !is_eligible(node);
    });
  }
  std::erase(standing, owner);
  view.ranks = graph_.Seat(Key(address), owner, standing);
  view.crowded = view.ranks.size() < std::min(WatchGraph::kRanks, eligible.nodes.size());
  return view;
}

void Layer2Table::SetView(const IpAddress& address, Layer2View view, Model* model,
                          Changes* changes) {
  const auto it = model->layer2.try_emplace(address).first;
  Layer2View before = std::exchange(it->second, std::move(view));
  const Layer2View& now = it->second;
  if (!before.ranks.empty()) --owned_[before.ranks.front()];
  if (!now.ranks.empty()) ++owned_[now.ranks.front()];
  for (const std::string& node : before.ranks) {
    const auto ranked = ranked_.find(node);
    ranked->second.erase(address);
    if (ranked->second.empty()) ranked_.erase(ranked);
  }
  for (const std::string& node : now.ranks) ranked_[node].insert(address);
  const auto keep = [&](std::set<IpAddress>* set, bool wanted) {
    if (wanted)
      set->insert(address);
    else
      set->erase(address);
  };
  const bool known = !now.services.empty();
  keep(&unsettled_, known && (now.makeshift || now.ranks.size() < WatchGraph::kRanks));
  keep(&unfilled_, now.crowded);
  if (!known) model->layer2.erase(it);
  changes->try_emplace(address, std::move(before));
}

// What stands is seated before anybody looks for room, or what is ranked would depend on the order
// in which a planner came to know of it. A session that one address opens can be shared by another
// that found no room before: so this goes on until nobody finds any.
void Layer2Table::Fill(Model* model, Changes* changes) {
  for (bool again = true; again;) {
    again = false;
    for (const IpAddress& address : std::set<IpAddress>(unfilled_)) {
      Layer2View view = model->layer2.at(address);
      const LocalEligible eligible = FindEligible(&NodeView::layer2, address, view.services,
                                                  local_.InterfaceOf(view.pool), *model);
      const std::vector<std::string>& ranks = graph_.Fill(Key(address), eligible.nodes);
      if (ranks == view.ranks) continue;
      again = true;
      view.ranks = ranks;
      view.crowded = ranks.size() < std::min(WatchGraph::kRanks, eligible.nodes.size());
      SetView(address, std::move(view), model, changes);
    }
  }
}

void Layer2Table::Write(const IpAddress& address, const Layer2View& before, const Model& model,
                        SetStore* sets) {
  const auto now = model.layer2.find(address);
  const Layer2View view = now == model.layer2.end() ? Layer2View() : now->second;
  const std::vector<std::string>& ranks = view.ranks;
  for (const std::string& node : before.ranks) {
    if (std::find(ranks.begin(), ranks.end(), node) == ranks.end())
      sets->Erase(NodeSet(node), Key(address));
  }
  std::set<Watch> watches;
  bool unwatched = false;
  const auto link_of = [&](const std::string& name) -> NodeLink {
    const NodeView& node = model.nodes.at(name);
    return {name, node,
            LinkFor(&NodeView::layer2, node, local_.InterfaceOf(view.pool), address)->interface};
  };
  for (const std::string& node : ranks) {
    v1::ResourceBody body;
    v1::Layer2Address& resource = *body.mutable_layer2_address();
    resource.set_address(address.ToString());
    resource.set_interface(std::string(link_of(node).interface));
    resource.set_turn(view.turn);
    for (const std::string& other : ranks) {
      v1::Layer2Rank& rank = *resource.add_ranks();
      rank.set_node(other);
      if (other == node) continue;
      std::optional<Watch> watch;
      if (watches_.has_secret()) watch = FindWatch(link_of(node), link_of(other));
      if (!watch) {
        unwatched = true;
        continue;
      }
      rank.set_bfd_peer((watch->low.node == other ? watch->low : watch->high).address.ToString());
      watches.insert(*watch);
    }
    for (const std::string& service : view.services) resource.add_services(service);
    sets->Put(NodeSet(node), Key(address), body);
  }
  watches_.Need(address, std::move(watches), sets);
  if (unwatched)
    unwatched_.insert(address);
  else
    unwatched_.erase(address);
}

void Layer2Table::TouchFor(const NodeChanges& nodes, const Model& model) {
  const auto touch = [this](const std::set<IpAddress>& addresses) {
    for (const IpAddress& address : addresses) {
      if (local_.IsHeld(address)) local_.Touch(address);
    }
  };
  bool any = false;
  for (const auto& [name, before] : nodes) {
    const auto it = model.nodes.find(name);
    const NodeView* now = it == model.nodes.end() ? nullptr : &it->second;
    if (before && now != nullptr && SameForLayer2(*before, *now)) continue;
    any = true;
    if (const auto ranked = ranked_.find(name); ranked != ranked_.end()) touch(ranked->second);
    if (before) touch(before->taken_over);
    if (now != nullptr) touch(now->taken_over);
  }
  if (any) touch(unsettled_);
}

bool Layer2Table::Derive(const NodeChanges& nodes, const std::set<std::string>& services,
                         Model* model, SetStore* sets, Visits* visits) {
  watches_.Rewrite(sets);
  TouchFor(nodes, *model);
  const std::set<IpAddress> touched = local_.TakeTouched(services);
  if (touched.empty()) return std::exchange(unnamed_changed_, false);
  unnamed_changed_ = false;
  Changes changes;
  for (const IpAddress& address : touched) {
    ++visits->addresses;
    Layer2View view = Decide(address, *model);
    if (view.services.empty()) graph_.Remove(Key(address));
    SetView(address, std::move(view), model, &changes);
  }
  Fill(model, &changes);
  for (const auto& [address, before] : changes) Write(address, before, *model, sets);
  return true;
}

}  // namespace openelb::plan

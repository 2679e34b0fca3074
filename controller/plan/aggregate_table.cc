#include "controller/plan/aggregate_table.h"

#include <utility>

namespace openelb::plan {
namespace {

using Kind = AddressView::Kind;

IpAddress LastOf(const IpPrefix& prefix) {
  const int host_bits = FamilyBits(prefix.family()) - prefix.length();
  const absl::uint128 mask =
      host_bits == 128 ? absl::Uint128Max() : (absl::uint128(1) << host_bits) - 1;
  return IpAddress::FromOrdinal(prefix.family(), prefix.address().Ordinal() | mask);
}

bool Holds(const IpRange& range, const IpPrefix& prefix) {
  return range.Contains(prefix.address()) && range.Contains(LastOf(prefix));
}

// Whether a change of the node can change which aggregates are refused, or their next hops.
bool Matters(const std::optional<NodeView>& before, const NodeView* now) {
  return !before.has_value() || now == nullptr || before->health != now->health ||
         before->next_hops != now->next_hops || before->rack != now->rack ||
         before->rack_label != now->rack_label || before->weight != now->weight ||
         before->drain != now->drain || before->prefixes != now->prefixes;
}

bool AnyServed(const IpPrefix& prefix, const Model& model) {
  for (auto it = model.addresses.lower_bound(prefix.address());
       it != model.addresses.end() && prefix.Contains(it->first); ++it) {
    if (it->second.kind != Kind::kNone) return true;
  }
  return false;
}

void Drop(const std::string& name, const IpPrefix& prefix,
          std::map<std::string, std::set<IpPrefix>>* index) {
  const auto it = index->find(name);
  it->second.erase(prefix);
  if (it->second.empty()) index->erase(it);
}

}  // namespace

void AggregateTable::Upsert(const network::Eip& eip) {
  if (eip.aggregation.empty()) return RemoveEip(eip.meta.name);
  Asked asked{eip.aggregation, eip.protocol, std::nullopt, std::nullopt};
  if (const auto range = IpRange::Parse(eip.address); range.ok()) asked.range = *range;
  if (asked.range.has_value() && eip.protocol == network::Protocol::kBgp) {
    const bool v4 = asked.range->family() == Family::kV4;
    const std::optional<int> length = v4 ? eip.aggregation.length : eip.aggregation.length_v6;
    const int least = v4 ? network::kMinAggregationLength : network::kMinAggregationLengthV6;
    // As long as the address, it is the host route.
    if (length.has_value() && *length >= least && *length < FamilyBits(asked.range->family()))
      asked.length = length;
  }
  SetAsked(eip.meta.name, std::move(asked));
}

void AggregateTable::RemoveEip(const std::string& name) { SetAsked(name, std::nullopt); }

void AggregateTable::SetAsked(const std::string& name, std::optional<Asked> asked) {
  const auto held = asked_.find(name);
  if (held == asked_.end() ? !asked.has_value() : held->second == asked) return;
  problems_ = true;
  if (held != asked_.end()) {
    if (held->second.length.has_value()) touched_.push_back(*held->second.range);
    asked_.erase(held);
  }
  if (!asked.has_value()) return;
  if (asked->length.has_value()) touched_.push_back(*asked->range);
  asked_.emplace(name, *std::move(asked));
}

std::optional<IpPrefix> AggregateTable::Of(const IpAddress& address,
                                           const std::string& pool) const {
  const auto asked = asked_.find(pool);
  if (asked == asked_.end() || !asked->second.length.has_value()) return std::nullopt;
  const IpRange& range = *asked->second.range;
  if (!range.Contains(address)) return std::nullopt;
  const IpPrefix prefix(address, *asked->second.length);
  return Holds(range, prefix) ? std::optional(prefix) : std::nullopt;
}

bool AggregateTable::KeepsHostRoutes(const std::string& pool) const {
  const auto asked = asked_.find(pool);
  return asked != asked_.end() && asked->second.aggregation.host_routes;
}

// ---- which addresses are in which aggregates ----

void AggregateTable::Enter(const IpPrefix& prefix, Aggregate* aggregate, const IpAddress& address,
                           const AddressView* view) {
  const auto count = [aggregate](Kind kind) -> size_t& {
    if (kind == Kind::kCluster) return aggregate->cluster;
    return kind == Kind::kLastResort ? aggregate->last_resort : aggregate->own;
  };
  if (const auto held = aggregate->members.find(address); held != aggregate->members.end()) {
    const Member& member = held->second;
    --count(member.kind);
    if (!member.pool.empty() && --aggregate->pools.at(member.pool) == 0) {
      aggregate->pools.erase(member.pool);
      Drop(member.pool, prefix, &by_eip_);
    }
    for (const auto& [node, endpoints] : member.nodes) {
      const auto use = aggregate->nodes.find(node);
      use->second.endpoints -= endpoints;
      if (--use->second.addresses > 0) continue;
      aggregate->nodes.erase(use);
      Drop(node, prefix, &by_node_);
    }
    aggregate->members.erase(held);
  }
  if (view == nullptr || view->kind == Kind::kNone) return;
  Member& member = aggregate->members[address];
  member.kind = view->kind;
  ++count(member.kind);
  if (Of(address, view->pool) == prefix) {
    member.pool = view->pool;
    if (++aggregate->pools[member.pool] == 1) by_eip_[member.pool].insert(prefix);
  }
  if (member.kind != Kind::kOwn) return;
  for (const std::string& node : view->nodes) {
    const auto weight = view->weights.find(node);
    const uint32_t endpoints = weight == view->weights.end() ? 1 : weight->second;
    member.nodes.emplace_back(node, endpoints);
    Use& use = aggregate->nodes[node];
    if (++use.addresses == 1) by_node_[node].insert(prefix);
    use.endpoints += endpoints;
  }
}

void AggregateTable::Follow(const IpAddress& address, const Model& model, std::set<IpPrefix>* due) {
  const auto it = model.addresses.find(address);
  const AddressView* view = it == model.addresses.end() ? nullptr : &it->second;
  std::set<IpPrefix> in;
  for (const auto& [length, count] : lengths_[address.family()]) {
    const IpPrefix prefix(address, length);
    if (aggregates_.contains(prefix)) in.insert(prefix);
  }
  for (const IpPrefix& prefix : in) Enter(prefix, &aggregates_.at(prefix), address, view);
  due->insert(in.begin(), in.end());
  if (view == nullptr || view->kind == Kind::kNone) return;
  const std::optional<IpPrefix> own = Of(address, view->pool);
  if (!own.has_value() || in.contains(*own)) return;
  Aggregate& aggregate = aggregates_[*own];
  ++lengths_[own->family()][own->length()];
  for (auto next = model.addresses.lower_bound(own->address());
       next != model.addresses.end() && own->Contains(next->first); ++next) {
    Enter(*own, &aggregate, next->first, &next->second);
  }
  due->insert(*own);
}

void AggregateTable::Sort(const IpPrefix& prefix, const Aggregate& aggregate) {
  const auto set = [&prefix](bool in, std::set<IpPrefix>* prefixes) {
    if (in)
      prefixes->insert(prefix);
    else
      prefixes->erase(prefix);
  };
  set(aggregate.own > 0, &own_);
  set((aggregate.own > 0) + (aggregate.cluster > 0) + (aggregate.last_resort > 0) > 1, &mixed_);
}

void AggregateTable::Forget(const IpPrefix& prefix) {
  const auto it = aggregates_.find(prefix);
  for (const auto& [node, use] : it->second.nodes) Drop(node, prefix, &by_node_);
  aggregates_.erase(it);
  own_.erase(prefix);
  mixed_.erase(prefix);
  auto& lengths = lengths_[prefix.family()];
  if (--lengths.at(prefix.length()) == 0) lengths.erase(prefix.length());
}

void AggregateTable::Exchange(const IpPrefix& prefix, Kind before, Kind now, const Model& model,
                              AggregateChanges* changes) {
  const auto leaving = leaving_.find(prefix);
  if (now != Kind::kNone) {
    changes->routes[prefix] = leaving == leaving_.end() ? before : leaving->second.kind;
    if (leaving != leaving_.end()) leaving_.erase(leaving);
  } else if (leaving == leaving_.end() && before != Kind::kNone && AnyServed(prefix, model)) {
    changes->exchange = begun_ + 1;
    leaving_[prefix] = {before, changes->exchange};
  } else if (leaving == leaving_.end()) {
    changes->routes[prefix] = before;
  }
}

bool AggregateTable::Stays(const IpAddress& address, bool announced, AggregateChanges* changes) {
  if (staying_.contains(address)) return true;
  if (!announced || ended_.contains(address)) return false;
  changes->exchange = begun_ + 1;
  staying_[address] = changes->exchange;
  return true;
}

AggregateChanges AggregateTable::Derive(const NodeChanges& nodes, const AudienceChanges& audiences,
                                        const std::set<std::string>& eips,
                                        AddressChanges* addresses, Model* model, Visits* visits) {
  AggregateChanges changes;
  changes.problems = std::exchange(problems_, false);
  if (asked_.empty() && aggregates_.empty() && touched_.empty() && leaving_.empty() &&
      staying_.empty())
    return changes;
  std::set<IpAddress> touched;
  ended_.clear();
  for (const auto& [address, exchange] : staying_) {
    if (exchange <= finished_) ended_.insert(address);
  }
  for (const IpAddress& address : ended_) staying_.erase(address);
  touched.insert(ended_.begin(), ended_.end());
  for (const IpRange& range : std::exchange(touched_, {})) {
    for (auto it = model->addresses.lower_bound(range.first());
         it != model->addresses.end() && range.Contains(it->first); ++it)
      touched.insert(it->first);
  }
  for (const auto& [address, before] : *addresses) touched.insert(address);
  std::set<IpPrefix> due;
  for (const IpAddress& address : touched) Follow(address, *model, &due);

  const auto add = [&due](const std::set<IpPrefix>& prefixes) {
    due.insert(prefixes.begin(), prefixes.end());
  };
  for (const auto& [name, before] : nodes) {
    const auto now = model->nodes.find(name);
    if (!Matters(before, now == model->nodes.end() ? nullptr : &now->second)) continue;
    add(mixed_);
    if (const auto in = by_node_.find(name); in != by_node_.end()) add(in->second);
  }
  for (const std::string& eip : eips) {
    if (const auto in = by_eip_.find(eip); in != by_eip_.end()) add(in->second);
  }
  if (!audiences.fresh.empty() || !audiences.gone.empty()) {
    add(own_);
    add(mixed_);
  }

  for (const IpPrefix& prefix : due) {
    const auto it = aggregates_.find(prefix);
    ++visits->aggregates;
    const auto held = model->aggregates.find(prefix);
    const AggregateView before = held == model->aggregates.end() ? AggregateView() : held->second;
    AggregateView now;
    if (it->second.pools.empty()) {
      Forget(prefix);
      model->aggregates.erase(prefix);
    } else {
      Sort(prefix, it->second);
      now = Decide(prefix, it->second, *model);
      model->aggregates[prefix] = now;
      // Only then can the host routes of others than those that were touched come or go.
      if ((before.route.kind == Kind::kNone) != (now.route.kind == Kind::kNone)) {
        for (const auto& [address, member] : it->second.members) touched.insert(address);
      }
    }
    Exchange(prefix, before.route.kind, now.route.kind, *model, &changes);
    changes.problems |= before.refusal != AggregateView::Refusal::kNone ||
                        now.refusal != AggregateView::Refusal::kNone;
  }

  std::erase_if(leaving_, [&](const auto& entry) {
    const auto& [prefix, leaving] = entry;
    if (leaving.exchange > finished_ && AnyServed(prefix, *model)) return false;
    changes.routes[prefix] = leaving.kind;
    return true;
  });

  for (const IpAddress& address : touched) {
    const auto it = model->addresses.find(address);
    if (it == model->addresses.end()) {
      staying_.erase(address);
      continue;
    }
    AddressView& view = it->second;
    std::optional<IpPrefix> aggregate;
    if (view.kind != Kind::kNone) aggregate = Of(address, view.pool);
    bool host_route = !aggregate.has_value() || KeepsHostRoutes(view.pool) ||
                      model->aggregates.at(*aggregate).route.kind == Kind::kNone;
    const auto known = addresses->find(address);
    const AddressView& before = known == addresses->end() ? view : known->second;
    const bool had = before.host_route;
    if (host_route)
      staying_.erase(address);
    else
      host_route = Stays(address, had && before.kind != Kind::kNone, &changes);
    // Services' own wishes have no effect on aggregates.
    changes.problems |= !(had && host_route) && !model->advertised.empty();
    if (view.aggregate == aggregate && view.host_route == host_route) continue;
    addresses->try_emplace(address, view);
    view.aggregate = aggregate;
    view.host_route = host_route;
  }
  begun_ = std::max(begun_, changes.exchange);
  return changes;
}

}  // namespace openelb::plan

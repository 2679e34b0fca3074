#include "controller/ipam/pool_table.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::ipam {
namespace {

// The API server puts this label on every Namespace; a manifest need not repeat it.
constexpr const char* kNamespaceNameLabel = "kubernetes.io/metadata.name";

constexpr const char* kNotDefault = "NotDefault";

std::string Decimal(absl::uint128 value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

Pool Read(const network::Eip& eip) {
  Pool pool{.eip = eip};
  if (const auto range = IpRange::Parse(eip.address); range.ok()) {
    pool.range = *range;
  } else {
    pool.refused = absl::StrCat("spec.address: ", std::string(range.status().message()));
  }
  pool.wants_default = WantsDefault(eip);
  return pool;
}

kube::Condition MakeCondition(const Pool& pool, absl::string_view type, bool status,
                              absl::string_view reason, std::string message) {
  kube::Condition condition;
  condition.type = std::string(type);
  condition.status = status;
  condition.reason = std::string(reason);
  condition.message = std::move(message);
  condition.observed_generation = pool.eip.meta.generation;
  return condition;
}

const char* RefusalReason(const Pool& pool) { return pool.range ? "Overlap" : "InvalidAddress"; }

kube::Condition ReadyCondition(const Pool& pool) {
  if (!pool.refused.empty())
    return MakeCondition(pool, "Ready", false, RefusalReason(pool), pool.refused);
  if (pool.eip.meta.deletion_timestamp) {
    return MakeCondition(
        pool, "Ready", true, "Deleting",
        "gives no new address because it is being deleted; it goes when no Service "
        "holds one: delete those, or let them name another Eip");
  }
  if (pool.eip.disable) {
    return MakeCondition(
        pool, "Ready", true, "Disabled",
        "gives no new address because spec.disable is true; addresses in use stay");
  }
  return MakeCondition(pool, "Ready", true, "Usable", "");
}

// How an Eip stands in a conflict with another one: the smaller comes first.
using Precedence = std::tuple<absl::Time, int, bool, std::string>;

// `standing`: 0 if it has already what both want, larger the less it had of it. An Eip of unknown
// age is taken for the oldest if it has that, and else for the youngest: nobody is to lose what
// carries traffic to one that may be new.
Precedence PrecedenceOf(const Pool& pool, int standing) {
  absl::Time created = pool.eip.meta.creation_timestamp;
  if (created == absl::InfinitePast() && standing > 0) created = absl::InfiniteFuture();
  return {created, standing, pool.status.used.empty(), pool.name()};
}

bool IsOlder(const Pool& a, const Pool& b) {
  const absl::Time created = a.eip.meta.creation_timestamp;
  return created != absl::InfinitePast() && created < b.eip.meta.creation_timestamp;
}

}  // namespace

std::string DescribeOverlap(const network::Eip& eip, const Pool& other) {
  return absl::StrCat("spec.address: \"", eip.address, "\" overlaps Eip \"", other.name(), "\" (",
                      other.eip.address, ")");
}

bool WantsDefault(const network::Eip& eip) {
  const auto annotation = network::Find(eip.meta.annotations, network::kDefaultEip);
  return annotation && absl::EqualsIgnoreCase(*annotation, "true");
}

std::string Pool::Obstacle(const FamilySet& families) const {
  if (!refused.empty()) return absl::StrCat("is not usable (", refused, ")");
  if (eip.meta.deletion_timestamp) return "is being deleted";
  if (eip.disable) return "is disabled";
  if (!families.Has(range->family())) {
    return absl::StrCat("holds ", FamilyName(range->family()),
                        " addresses, which spec.ipFamilies of the Service does not list");
  }
  return "";
}

std::vector<PoolTable::Change> PoolTable::Apply(
    const std::map<std::string, std::optional<network::Eip>>& eips,
    const std::set<std::string>& in_use) {
  std::map<std::string, Change> changes;
  std::map<std::string, network::EipStatus> before;
  for (auto& [name, pool] : pools_) {
    before[name].ready = pool.status.ready;
    before[name].conditions = pool.status.conditions;
    pool.had = pool.refused.empty() ? pool.range : std::nullopt;
  }
  for (const auto& [name, eip] : eips) {
    const auto old = pools_.find(name);
    if (old == pools_.end() && !eip) continue;
    changes[name].range_before = old == pools_.end() ? std::nullopt : old->second.range;
    if (!eip) {
      pools_.erase(old);
      continue;
    }
    Pool pool = Read(*eip);
    if (old != pools_.end()) {
      pool.status = std::move(old->second.status);
      pool.had = old->second.had;
      pool.is_default = old->second.is_default;
    }
    pools_[name] = std::move(pool);
  }
  candidates_.clear();
  ChooseUsable(in_use);
  ChooseDefault(in_use);

  for (auto& [name, pool] : pools_) {
    RefreshStatus(&pool);
    const auto old = before.find(name);
    if (old != before.end() && old->second.conditions != pool.status.conditions)
      changes.try_emplace(name, Change{.name = "", .range_before = pool.range});
    if ((old == before.end() || old->second.ready) && !pool.status.ready)
      changes[name].newly_refused = true;
  }
  std::vector<Change> out;
  for (auto& [name, change] : changes) {
    change.name = name;
    out.push_back(std::move(change));
  }
  return out;
}

void PoolTable::ChooseUsable(const std::set<std::string>& in_use) {
  std::vector<std::pair<Precedence, Pool*>> order;
  for (auto& [name, pool] : pools_) {
    const bool stands = in_use.contains(name) || (pool.had && pool.had == pool.range);
    order.emplace_back(PrecedenceOf(pool, stands ? 0 : pool.had ? 1 : 2), &pool);
  }
  std::sort(order.begin(), order.end());
  in_order_.clear();
  usable_.clear();
  for (const auto& [precedence, pool] : order) {
    in_order_.push_back(pool);
    if (!pool->range) continue;
    pool->refused.clear();
    const Pool* winner = Overlapping(*pool->range);
    if (winner == nullptr) {
      usable_.emplace(pool->range->first(), pool);
      continue;
    }
    pool->refused = absl::StrCat(DescribeOverlap(pool->eip, *winner), ", which is ",
                                 IsOlder(*winner, *pool) ? "older" : "usable already");
  }
}

// Usable ranges are disjoint: those that overlap ours lie side by side, below its end.
const Pool* PoolTable::Overlapping(const IpRange& range, absl::string_view name) const {
  for (auto it = usable_.upper_bound(range.last()); it != usable_.begin();) {
    const Pool& pool = *(--it)->second;
    if (!pool.range->Overlaps(range)) break;
    if (pool.name() != name) return &pool;
  }
  return nullptr;
}

void PoolTable::ChooseDefault(const std::set<std::string>& in_use) {
  std::vector<std::pair<Precedence, Pool*>> order;
  for (auto& [name, pool] : pools_) {
    const bool was = std::exchange(pool.is_default, false) || in_use.contains(name);
    if (pool.wants_default && pool.refused.empty() && !pool.eip.meta.deletion_timestamp)
      order.emplace_back(PrecedenceOf(pool, was ? 0 : 1), &pool);
  }
  const auto first = std::min_element(order.begin(), order.end());
  default_ = first == order.end() ? nullptr : first->second;
  if (first != order.end()) first->second->is_default = true;
}

bool PoolTable::ApplyNamespace(const std::string& name,
                               const std::optional<kube::Namespace>& object) {
  kube::Labels labels;
  if (object) labels = object->meta.labels;
  labels[kNamespaceNameLabel] = name;
  const auto old = namespaces_.find(name);
  const bool same = old == namespaces_.end() ? labels.size() == 1 : old->second == labels;
  if (object) {
    namespaces_[name] = std::move(labels);
  } else {
    namespaces_.erase(name);
  }
  if (!same) candidates_.erase(name);
  return !same;
}

std::vector<Problem> PoolTable::Problems() const {
  std::vector<Problem> problems;
  for (const auto& [name, pool] : pools_) {
    const ObjectKey about{network::Eip::kKind, "", name};
    if (!pool.refused.empty()) {
      problems.push_back(
          {about, RefusalReason(pool), absl::StrCat(pool.refused, "; it gives no new address")});
    } else if (IsSecondDefault(pool) && !pool.eip.meta.deletion_timestamp) {
      problems.push_back({about, kNotDefault,
                          absl::StrCat("annotation ", network::kDefaultEip.openelb,
                                       ": \"true\": ", WhyNotDefault())});
    }
  }
  return problems;
}

bool PoolTable::IsSecondDefault(const Pool& pool) const {
  return pool.wants_default && default_ != nullptr && default_ != &pool;
}

std::string PoolTable::WhyNotDefault() const {
  return default_ == nullptr ? "not used as default because it is not usable"
                             : absl::StrCat("not used as default because Eip \"", default_->name(),
                                            "\" is it: remove one of the two annotations");
}

const Pool* PoolTable::Find(absl::string_view name) const {
  const auto it = pools_.find(name);
  return it == pools_.end() ? nullptr : &it->second;
}

network::EipStatus* PoolTable::StatusOf(absl::string_view name) {
  const auto it = pools_.find(name);
  return it == pools_.end() ? nullptr : &it->second.status;
}

const Pool* PoolTable::Covering(const IpAddress& address) const {
  const auto next = usable_.upper_bound(address);
  if (next != usable_.begin() && std::prev(next)->second->range->Contains(address))
    return std::prev(next)->second;
  for (const Pool* pool : in_order_) {
    if (pool->range && pool->range->Contains(address)) return pool;
  }
  return nullptr;
}

bool PoolTable::Keeps(absl::string_view name, const IpAddress& address) const {
  const Pool* pool = Find(name);
  return pool != nullptr && (!pool->range || pool->range->Contains(address));
}

bool PoolTable::Binds(const Pool& pool, const std::string& namespace_) const {
  const auto& names = pool.eip.namespaces;
  if (std::find(names.begin(), names.end(), namespace_) != names.end()) return true;
  if (pool.eip.namespace_selector.empty()) return false;
  const auto known = namespaces_.find(namespace_);
  const kube::LabelSelector selector{.match_labels = pool.eip.namespace_selector};
  return selector.Matches(
      known != namespaces_.end() ? known->second : kube::Labels{{kNamespaceNameLabel, namespace_}});
}

const std::vector<const Pool*>& PoolTable::CandidatesOf(const std::string& namespace_) {
  const auto [it, added] = candidates_.try_emplace(namespace_);
  if (!added) return it->second;
  std::vector<const Pool*>& candidates = it->second;
  for (const auto& [name, pool] : pools_) {
    if (Binds(pool, namespace_)) candidates.push_back(&pool);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Pool* a, const Pool* b) { return a->eip.priority < b->eip.priority; });
  for (const auto& [name, pool] : pools_) {
    const bool wanted = default_ != nullptr ? &pool == default_ : pool.wants_default;
    if (wanted && std::find(candidates.begin(), candidates.end(), &pool) == candidates.end())
      candidates.push_back(&pool);
  }
  return candidates;
}

void PoolTable::RefreshStatus(Pool* pool) const {
  network::EipStatus& status = pool->status;
  status.first_ip = pool->range ? pool->range->first().ToString() : "";
  status.last_ip = pool->range ? pool->range->last().ToString() : "";
  status.pool_size = pool->range ? Decimal(pool->range->Size()) : "0";
  status.v4 = pool->range && pool->range->family() == Family::kV4;
  status.ready = pool->refused.empty();
  status.conditions = {ReadyCondition(*pool)};
  if (pool->is_default) {
    status.conditions.push_back(MakeCondition(*pool, "Default", true, "IsDefault", ""));
  } else if (pool->wants_default) {
    status.conditions.push_back(
        MakeCondition(*pool, "Default", false, kNotDefault, WhyNotDefault()));
  }
}

}  // namespace openelb::ipam

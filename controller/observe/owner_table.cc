#include "controller/observe/owner_table.h"

#include <utility>

namespace openelb::observe {

void OwnerTable::Put(const IpAddress& address, const Planned& planned,
                     const std::vector<Claim>& claims, std::map<std::string, Rows>* next,
                     std::vector<OwnerMove>* moves) const {
  Row& row = (*next)[planned.pool][address];
  row.shown.address = address.ToString();
  row.shown.planned = planned.owner;
  for (const Claim& claim : claims) row.shown.actual.push_back(claim.node);
  if (const auto pool = pools_.find(planned.pool); pool != pools_.end()) {
    if (const auto before = pool->second.find(address); before != pool->second.end())
      row.last = before->second.last;
  }
  if (claims.empty()) return;
  const Claim& owner = claims.front();
  row.shown.since = owner.since;
  const std::string before = std::exchange(row.last, owner.node);
  if (before == owner.node || (before.empty() && owner.first)) return;
  moves->push_back({.address = address,
                    .pool = planned.pool,
                    .services = planned.services,
                    .owner = owner.node,
                    .planned = planned.owner,
                    .before = before});
}

OwnerTable::Changes OwnerTable::Refresh(const plan::Model& model, const OwnerBoard& board) {
  Changes changes;
  std::map<std::string, Rows> next;
  for (const auto& [address, view] : model.layer2) {
    const std::string owner = view.ranks.empty() ? "" : view.ranks.front();
    Put(address, {view.pool, view.services, owner}, board.ClaimsOf(address), &next, &changes.moves);
  }
  std::map<plan::RouterId, std::string> first_of;  // who is to be the Active
  for (const auto& [id, router] : model.routers) {
    const std::vector<std::string> order = plan::InOrder(router.priorities, *router.links);
    first_of[id] = order.empty() ? "" : order.front();
  }
  for (const auto& [address, view] : model.vips) {
    const plan::RouterId id{address.family(), view.vrid};
    const auto first = first_of.find(id);
    const bool held = first != first_of.end() && !view.links->empty();
    const VirtualRouter router{id.family, static_cast<uint32_t>(id.vrid)};
    Put(address, {view.pool, view.services, held ? first->second : ""},
        held ? board.ClaimsOf(router) : std::vector<Claim>{}, &next, &changes.moves);
  }
  for (const auto* rows : {&pools_, &next}) {
    for (const auto& [pool, unused] : *rows) {
      const auto before = pools_.find(pool);
      const auto now = next.find(pool);
      const bool same =
          before != pools_.end() && now != next.end() && before->second == now->second;
      if (!same) changes.pools.insert(pool);
    }
  }
  for (const auto& [pool, rows] : next) changes_.try_emplace(pool);
  for (const OwnerMove& move : changes.moves) changes_[move.pool] += move.before.empty() ? 0 : 1;
  pools_ = std::move(next);
  return changes;
}

void OwnerTable::Show(const std::string& pool, network::EipStatus* status) const {
  const auto rows = pools_.find(pool);
  if (rows == pools_.end()) return;
  status->owners_total = static_cast<int64_t>(rows->second.size());
  for (const auto& [address, row] : rows->second) {
    if (status->owners.size() == network::kMaxOwnersShown) break;
    status->owners.push_back(row.shown);
  }
}

OwnerCounts OwnerTable::Count() const {
  OwnerCounts counts;
  for (const auto& [pool, rows] : pools_) {
    for (const auto& [address, row] : rows) {
      const std::vector<std::string>& actual = row.shown.actual;
      int64_t& count = actual.empty()                        ? counts.nobody
                       : actual.size() > 1                   ? counts.several
                       : actual.front() == row.shown.planned ? counts.as_planned
                                                             : counts.elsewhere;
      ++count;
    }
  }
  return counts;
}

}  // namespace openelb::observe

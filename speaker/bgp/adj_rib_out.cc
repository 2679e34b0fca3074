#include "speaker/bgp/adj_rib_out.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::bgp {
namespace {

// The next hop that a session can be told of a member; none: the peer takes none of its addresses.
std::optional<IpAddress> NextHopOf(const link::NextHop& member, Family family,
                                   const FamilyUse& use) {
  if (use.ipv6_next_hops && member.ipv6_address.has_value()) return member.ipv6_address;
  if (member.address.family() == family) return member.address;
  return std::nullopt;
}

}  // namespace

AdjRibOut::Policy::Policy(const link::BgpPeer& peer)
    : scope(peer.scope),
      attributes(peer.attributes),
      rules(peer.export_rules),
      link_bandwidth(peer.link_bandwidth) {
  for (const link::PeerFamily& family : peer.families) {
    const bool v4 = family.family == Family::kV4;
    (v4 ? send_max_v4 : send_max_v6) = family.send_max;
    (v4 ? link_local_v4 : link_local_v6) = family.link_local_next_hop;
  }
}

AdjRibOut::AdjRibOut(const link::PlanState* plan, const AttributeContext& context,
                     const Negotiated& negotiated, Policy policy, size_t max_message)
    : plan_(plan),
      context_(context),
      negotiated_(negotiated),
      policy_(std::move(policy)),
      max_message_(max_message),
      looked_up_(plan->routes.end()) {
  if (!plan->routes.empty()) untold_ = plan->routes.begin()->first;
}

// ---- what has to be looked at ----

void AdjRibOut::SetPolicy(Policy policy) {
  if (policy == policy_) return;
  for (const auto& [prefix, route] : plan_->routes) Mark(prefix, route);
  policy_ = std::move(policy);
  for (auto& [group, sets] : groups_) ForgetSets(&sets);
  groups_.clear();
  problems_.clear();
  ForgetNeighbours();
}

void AdjRibOut::Touch(const link::PlanChanges& changes, std::span<const IpPrefix> prefixes) {
  looked_up_ = plan_->routes.end();
  auto before = changes.routes.begin();  // both are sorted
  for (const IpPrefix& prefix : prefixes) {
    while (before != changes.routes.end() && before->first < prefix) ++before;
    const bool changed = before != changes.routes.end() && before->first == prefix;
    Mark(prefix, changed ? before->second : RouteOf(prefix));
  }
  const auto forget = [this](const std::string& group) {
    const auto found = groups_.find(group);
    if (found != groups_.end()) {
      ForgetSets(&found->second);
      groups_.erase(found);
    }
    problems_.erase(group);
  };
  for (const std::string& group : changes.groups) forget(group);
  for (const std::string& group : changes.places) forget(group);
  ForgetNeighbours();
}

void AdjRibOut::Resend(Family family) {
  for (auto& [prefix, pending] : pending_) {
    pending.again |= prefix.family() == family && pending.sent != PathSets::kNone;
  }
  for (const auto& [prefix, route] : plan_->routes) {
    if (prefix.family() != family || !Carries(prefix) || Untold(prefix)) continue;
    if (pending_.contains(prefix)) continue;
    const PathSets::Id sent = SetOf(prefix, route, /*make=*/false);
    if (sent != PathSets::kNone) pending_.emplace(prefix, Pending{sent, /*again=*/true});
  }
  emit_first_ = staged_ > 0;
}

void AdjRibOut::Mark(const IpPrefix& prefix, const link::RouteRef& route) {
  if (!Carries(prefix)) return;
  emit_first_ = staged_ > 0;
  if (Untold(prefix)) return;
  const size_t before = pending_.size();
  const auto mark = pending_.try_emplace(pending_.end(), prefix);
  if (pending_.size() > before) mark->second.sent = SetOf(prefix, route, /*make=*/false);
}

void AdjRibOut::ForgetSets(GroupSets* group) {
  for (const auto& [key, set] : group->sets) sets_.Release(set);
  group->sets.clear();
}

void AdjRibOut::ForgetNeighbours() {
  looked_up_ = plan_->routes.end();
  alike_ = {};
}

void AdjRibOut::ForgetDifference() {
  sets_.Release(last_.from);
  sets_.Release(last_.to);
  last_ = {};
}

void AdjRibOut::Fill(size_t limit, Bytes* out) {
  while (out->size() < limit) {
    if (!pending_.empty() && !emit_first_) {
      EvaluatePending(limit, out);
    } else if (untold_.has_value() && !emit_first_) {
      EvaluateUntold(limit, out);
    } else if (!EmitNext(out)) {
      emit_first_ = false;
      if (idle()) return;
    }
  }
}

void AdjRibOut::EvaluatePending(size_t limit, Bytes* out) {
  auto next = pending_.begin();
  for (; next != pending_.end() && out->size() < limit; ++next) {
    const auto& [prefix, pending] = *next;
    Evaluate(prefix, pending, SetOf(prefix, RouteOf(prefix), /*make=*/true), out);
  }
  pending_.erase(pending_.begin(), next);
}

void AdjRibOut::EvaluateUntold(size_t limit, Bytes* out) {
  auto next = plan_->routes.lower_bound(*untold_);
  for (; next != plan_->routes.end() && out->size() < limit; ++next) {
    const auto& [prefix, route] = *next;
    if (Carries(prefix)) Evaluate(prefix, {}, SetOf(prefix, route, /*make=*/true), out);
  }
  untold_.reset();
  if (next != plan_->routes.end()) untold_ = next->first;
}

// ---- what a prefix should have ----

link::RouteRef AdjRibOut::RouteOf(const IpPrefix& prefix) {
  const RouteAt end = plan_->routes.end();
  if (looked_up_ != end) ++looked_up_;
  if (looked_up_ == end || looked_up_->first != prefix) looked_up_ = plan_->routes.find(prefix);
  return looked_up_ == end ? link::RouteRef() : looked_up_->second;
}

PathSets::Id AdjRibOut::SetOf(const IpPrefix& prefix, const link::RouteRef& route, bool make) {
  if (!route) return PathSets::kNone;
  const bool alike =
      alike_ && policy_.rules.empty() && alike_family_ == prefix.family() && alike_ == route;
  if (alike) return alike_set_;
  std::optional<Wanted> wanted = WantedOf(prefix, *route);
  alike_set_ = PathSets::kNone;
  if (wanted.has_value()) alike_set_ = make ? FindOrMake(*std::move(wanted)) : Find(*wanted);
  alike_ = route;
  alike_family_ = prefix.family();
  return alike_set_;
}

std::optional<AdjRibOut::Wanted> AdjRibOut::WantedOf(const IpPrefix& prefix,
                                                     const link::Route& route) const {
  const auto target = route.groups.find(policy_.scope);
  if (target == route.groups.end()) return std::nullopt;
  std::optional<plan::PathAttributes> attributes =
      plan::Export(policy_.rules, prefix, Merge(policy_.attributes, route.attributes));
  if (!attributes.has_value()) return std::nullopt;
  return Wanted{&target->second, {prefix.family(), *std::move(attributes)}};
}

PathSets::Id AdjRibOut::Find(const Wanted& wanted) const {
  const auto group = groups_.find(*wanted.group);
  if (group == groups_.end()) return PathSets::kNone;
  const auto set = group->second.sets.find(wanted.key);
  return set == group->second.sets.end() ? PathSets::kNone : set->second;
}

PathSets::Id AdjRibOut::FindOrMake(Wanted wanted) {
  GroupSets& group = groups_[*wanted.group];
  const auto known = group.sets.find(wanted.key);
  if (known != group.sets.end()) return known->second;
  if (group.sets.size() >= group.sweep_at) {
    std::erase_if(group.sets, [this](const auto& entry) {
      const bool unused = sets_.users(entry.second) <= 1;
      if (unused) sets_.Release(entry.second);
      return unused;
    });
    group.sweep_at = std::max<size_t>(16, 2 * group.sets.size());
  }
  PathSet paths = MakeSet(*wanted.group, wanted.key.family, wanted.key.attributes);
  const PathSets::Id set = paths.empty() ? PathSets::kNone : sets_.Add(std::move(paths));
  group.sets.emplace(std::move(wanted.key), set);
  return set;
}

PathSet AdjRibOut::MakeSet(const std::string& group, Family family,
                           const plan::PathAttributes& attributes) {
  const auto members = plan_->groups.find(group);
  if (members == plan_->groups.end()) return {};
  const FamilyUse& use = negotiated_.use(family);
  const bool asked = family == Family::kV4 ? policy_.link_local_v4 : policy_.link_local_v6;
  const bool link_local = asked && context_.local.is_v6() && context_.local.IsLinkLocal() &&
                          (family == Family::kV6 || use.ipv6_next_hops);
  struct Candidate {
    PathRef path;
    const link::NextHop* member;
  };
  std::vector<Candidate> candidates;
  std::vector<std::string> ipv6_only;
  for (const link::NextHop& member : members->second) {
    const std::optional<IpAddress> next_hop =
        link_local ? context_.local : NextHopOf(member, family, use);
    if (!next_hop.has_value()) {
      if (family == Family::kV4 && member.ipv6_address.has_value()) {
        ipv6_only.push_back(member.node);
      }
      continue;
    }
    // Two members with one address are one path.
    const auto same = [&](const Candidate& known) { return known.path->next_hop == *next_hop; };
    if (std::any_of(candidates.begin(), candidates.end(), same)) continue;
    plan::PathAttributes merged = Merge(attributes, member.attributes);
    if (policy_.link_bandwidth) {
      merged = Merge(merged,
                     {.extended_communities = {LinkBandwidth(context_.local_as, member.weight)}});
    }
    const PathRef path = table_.Intern(
        family, *next_hop,
        EncodeAttributes(context_, merged, next_hop->is_v4() ? next_hop : std::nullopt));
    if (AnnounceRoom(*path, max_message_) < LongestNlri(family, use.add_path)) {
      problems_[group] =
          absl::StrCat("the attributes of next hop ", next_hop->ToString(), " of group ", group,
                       " do not fit a message of ", max_message_, " octets");
      continue;
    }
    candidates.push_back({path, &member});
  }
  if (!ipv6_only.empty()) {
    problems_.try_emplace(
        group, absl::StrCat("of group ", group, " the nodes ", absl::StrJoin(ipv6_only, ", "),
                            " are not announced as next hops: they have no IPv4 address, and the "
                            "peer takes no IPv6 next hops of IPv4 routes (RFC 8950)"));
  }
  if (candidates.empty()) {
    if (!members->second.empty() && !problems_.contains(group)) {
      problems_[group] = absl::StrCat("group ", group, " has no ", FamilyName(family),
                                      " next hop for its ", FamilyName(family), " routes");
    }
    return {};
  }
  // This speaker's place comes first, then the others in turn, so that peers without ADD-PATH get
  // different next hops from different speakers; those that are about to go come last.
  const auto place = plan_->places.find(group);
  if (place != plan_->places.end()) {
    const auto first = std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& c) {
      return c.member->node == place->second;
    });
    if (first != candidates.end()) std::rotate(candidates.begin(), first, candidates.end());
  }
  std::stable_partition(candidates.begin(), candidates.end(),
                        [](const Candidate& c) { return !c.member->draining; });
  const uint32_t send_max = family == Family::kV4 ? policy_.send_max_v4 : policy_.send_max_v6;
  size_t most = candidates.size();
  if (!use.add_path) {
    most = 1;
  } else if (send_max != 0) {
    most = std::min<size_t>(most, send_max);
  }
  PathSet paths;
  paths.reserve(most);
  for (size_t i = 0; i < most; ++i) paths.push_back(std::move(candidates[i].path));
  return paths;
}

// ---- the difference to what it has ----

const AdjRibOut::Difference& AdjRibOut::Compare(PathSets::Id from, PathSets::Id to, bool add_path) {
  if (last_.from == from && last_.to == to) return last_;
  sets_.Use(from);
  sets_.Use(to);
  ForgetDifference();
  last_.from = from;
  last_.to = to;
  const PathSet& old_paths = sets_[from];
  const PathSet& new_paths = sets_[to];
  for (const PathRef& path : new_paths) {
    if (std::find(old_paths.begin(), old_paths.end(), path) == old_paths.end()) {
      last_.announce.push_back(path);
    }
  }
  for (const PathRef& path : old_paths) {
    // Without ADD-PATH an announcement replaces whatever stood before.
    const bool replaced = add_path
                              ? std::any_of(new_paths.begin(), new_paths.end(),
                                            [&](const PathRef& p) { return p->id == path->id; })
                              : !new_paths.empty();
    if (!replaced) last_.withdraw.push_back(path->id);
  }
  return last_;
}

void AdjRibOut::Evaluate(const IpPrefix& prefix, const Pending& pending, PathSets::Id to,
                         Bytes* out) {
  const PathSets::Id from = pending.sent;
  if (from == to && !pending.again) return;
  const Difference& difference = Compare(from, to, negotiated_.use(prefix.family()).add_path);
  for (const PathRef& path : pending.again ? sets_[to] : difference.announce) {
    StageAnnounce(prefix, path, out);
  }
  for (uint32_t id : difference.withdraw) StageWithdraw(prefix, id, out);

  paths_ += sets_[to].size() - sets_[from].size();
  prefixes_ += (to != PathSets::kNone ? 1 : 0) - (from != PathSets::kNone ? 1 : 0);
  sets_.Use(to);
  sets_.Release(from);
}

// ---- batches ----

void AdjRibOut::StageAnnounce(const IpPrefix& prefix, const PathRef& path, Bytes* out) {
  const auto [known, added] = batch_of_.try_emplace(path.get(), batches_.size());
  if (added) batches_.push_back({path, {}});
  next_batch_ = std::min(next_batch_, known->second);
  Batch& batch = batches_[known->second];
  const bool add_path = negotiated_.use(path->family).add_path;
  if (batch.nlri.size() + LongestNlri(path->family, add_path) > AnnounceRoom(*path, max_message_)) {
    EmitAnnouncements(&batch, out);
  }
  const size_t before = batch.nlri.size();
  AppendNlri(prefix, add_path ? std::optional(path->id) : std::nullopt, &batch.nlri);
  staged_ += batch.nlri.size() - before;
}

void AdjRibOut::StageWithdraw(const IpPrefix& prefix, uint32_t path_id, Bytes* out) {
  const Family family = prefix.family();
  const bool add_path = negotiated_.use(family).add_path;
  Bytes& nlri = withdrawals(family);
  if (nlri.size() + LongestNlri(family, add_path) > WithdrawRoom(family, max_message_)) {
    for (Batch& batch : batches_) EmitAnnouncements(&batch, out);
    EmitWithdrawals(family, out);
  }
  const size_t before = nlri.size();
  AppendNlri(prefix, add_path ? std::optional(path_id) : std::nullopt, &nlri);
  staged_ += nlri.size() - before;
  ++withdrawn_;
}

void AdjRibOut::EmitAnnouncements(Batch* batch, Bytes* out) {
  if (batch->nlri.empty()) return;
  AppendAnnounce(*batch->path, batch->nlri, out);
  staged_ -= batch->nlri.size();
  batch->nlri.clear();
  ++updates_;
}

void AdjRibOut::EmitWithdrawals(Family family, Bytes* out) {
  Bytes& nlri = withdrawals(family);
  if (nlri.empty()) return;
  AppendWithdraw(family, nlri, out);
  staged_ -= nlri.size();
  nlri.clear();
  ++updates_;
}

bool AdjRibOut::EmitNext(Bytes* out) {
  for (; next_batch_ < batches_.size(); ++next_batch_) {
    if (batches_[next_batch_].nlri.empty()) continue;
    EmitAnnouncements(&batches_[next_batch_], out);
    return true;
  }
  for (Family family : {Family::kV4, Family::kV6}) {
    if (withdrawals(family).empty()) continue;
    EmitWithdrawals(family, out);
    return true;
  }
  // Nothing is staged: let go of paths that only this burst still held.
  batches_.clear();
  batch_of_.clear();
  next_batch_ = 0;
  ForgetDifference();
  return false;
}

}  // namespace openelb::bgp

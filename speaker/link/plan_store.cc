#include "speaker/link/plan_store.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "speaker/link/decode.h"
#include "speaker/link/endpoint.h"

namespace openelb::link {
namespace {

constexpr int kMaxEndpoints = 64;

plan::Generation ReadGeneration(const plan::v1::Generation& from) {
  return {from.epoch(), from.counter()};
}

std::string ToString(const plan::Generation& generation) {
  return absl::StrCat(generation.epoch, ".", generation.counter);
}

// Whether it is another value than before.
template <typename Map, typename Value>
bool Replace(Map* map, const typename Map::key_type& name, Value value) {
  const auto it = map->lower_bound(name);
  if (it == map->end() || map->key_comp()(name, it->first)) {
    map->emplace_hint(it, name, std::move(value));
    return true;
  }
  if (it->second == value) return false;
  it->second = std::move(value);
  return true;
}

// Names come in the order of keys, which is nearly their own.
template <typename Map, typename Value, typename Names>
void Replace(Map* map, const typename Map::key_type& name, Value value, Names* changed) {
  if (Replace(map, name, std::move(value))) changed->insert(changed->end(), name);
}

template <typename Map, typename Names>
void Erase(Map* map, const typename Map::key_type& name, Names* changed) {
  if (map->erase(name) > 0) changed->insert(changed->end(), name);
}

uint64_t HashOf(const ResourceView& resource) {
  return plan::ResourceHash(resource.key, resource.body);
}

// Error: two of the same key.
template <typename Items, typename KeyOf>
absl::Status SortByKey(absl::string_view what, Items* items, KeyOf key_of) {
  if (!std::ranges::is_sorted(*items, {}, key_of)) std::ranges::sort(*items, {}, key_of);
  const auto twice = std::ranges::adjacent_find(*items, {}, key_of);
  if (twice == items->end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": key \"", std::invoke(key_of, *twice), "\" twice"));
}

}  // namespace

bool PlanStore::Holds(const plan::v1::Generation& generation) const {
  return has_plan() && ReadGeneration(generation) == state_.generation;
}

PlanStore::Outcome PlanStore::Apply(const plan::v1::Plan& plan) {
  using Body = plan::v1::Plan::BodyCase;
  const Body body = plan.body_case();
  const bool follows = body == Body::kChunk || body == Body::kSnapshotEnd;
  Outcome outcome;
  if (body == Body::kHeartbeat || body == Body::BODY_NOT_SET) {
    outcome.save = ReadEndpoints(plan);
    return outcome;
  }
  if (receiving_ == Receiving::kRest && follows) {
    if (body == Body::kSnapshotEnd) receiving_ = Receiving::kNothing;
    return outcome;
  }
  const plan::Generation generation = ReadGeneration(plan.generation());
  outcome.refused_epoch = generation.epoch < saved_.largest_epoch;
  std::optional<Edits> edits;
  absl::Status status = CheckEpoch(generation);
  if (status.ok()) {
    outcome.save = ReadEndpoints(plan) || generation.epoch > saved_.largest_epoch;
    saved_.largest_epoch = generation.epoch;
    status = Receive(plan, generation, &edits);
  }
  if (!status.ok()) {
    ++counters_.plan_errors;
    if (outcome.refused_epoch) ++counters_.epoch_refusals;
    receiving_ = body == Body::kSnapshotBegin || body == Body::kChunk ? Receiving::kRest
                                                                      : Receiving::kNothing;
    ForgetStaged();
    outcome.ack.emplace();
    *outcome.ack->mutable_generation() = plan.generation();
    outcome.ack->set_plan_error(std::string(status.message()));
    if (outcome.refused_epoch) outcome.ack->set_largest_epoch(saved_.largest_epoch);
    return outcome;
  }
  if (edits) {
    ++(body == Body::kDelta ? counters_.deltas : counters_.snapshots);
    outcome.changes = Commit(generation, *edits);
    ForgetStaged();
    outcome.ack = MakeAck();
    outcome.save = true;
  }
  return outcome;
}

absl::Status PlanStore::CheckEpoch(const plan::Generation& generation) const {
  if (generation.epoch == 0) return absl::InvalidArgumentError("generation.epoch: 0");
  if (generation.epoch < saved_.largest_epoch) {
    return absl::FailedPreconditionError(absl::StrCat("generation.epoch: ", generation.epoch,
                                                      " is smaller than ", saved_.largest_epoch,
                                                      ", which this speaker has seen"));
  }
  return absl::OkStatus();
}

bool PlanStore::ReadEndpoints(const plan::v1::Plan& plan) {
  std::vector<std::string> endpoints;
  for (const std::string& endpoint : plan.controller_endpoints()) {
    if (endpoints.size() < kMaxEndpoints && CheckEndpoint(endpoint).ok()) {
      endpoints.push_back(endpoint);
    }
  }
  if (endpoints.empty() || endpoints == saved_.endpoints) return false;
  saved_.endpoints = std::move(endpoints);
  return true;
}

absl::Status PlanStore::Receive(const plan::v1::Plan& plan, const plan::Generation& generation,
                                std::optional<Edits>* edits) {
  if (plan.has_snapshot_begin()) {
    receiving_ = Receiving::kSnapshot;
    ForgetStaged();
    staged_hash_ = 0;
    staged_generation_ = generation;
    staged_count_ = plan.snapshot_begin().resource_count();
    return absl::OkStatus();
  }
  if (plan.has_delta()) {
    if (receiving_ == Receiving::kSnapshot) {
      return absl::InvalidArgumentError("delta: within a snapshot");
    }
    return ReadDelta(plan.delta(), &edits->emplace());
  }
  if (receiving_ != Receiving::kSnapshot) {
    return absl::InvalidArgumentError("snapshot: continued without its begin");
  }
  if (generation != staged_generation_) {
    return absl::InvalidArgumentError(absl::StrCat("snapshot: generation ", ToString(generation),
                                                   " within one of generation ",
                                                   ToString(staged_generation_)));
  }
  if (plan.has_snapshot_end()) return EndSnapshot(plan.snapshot_end().hash(), &edits->emplace());
  for (const plan::v1::Resource& resource : plan.chunk().resources()) {
    staged_.emplace_back(resource.key(), resource.body());
    staged_hash_ += HashOf({resource.key(), resource.body()});
  }
  if (staged_.size() > staged_count_) {
    return absl::InvalidArgumentError(
        absl::StrCat("snapshot: more than the ", staged_count_, " resources announced"));
  }
  return absl::OkStatus();
}

absl::Status PlanStore::EndSnapshot(uint64_t hash, Edits* edits) {
  if (auto status = SortByKey("snapshot", &staged_, &StagedResource::key); !status.ok()) {
    return status;
  }
  if (staged_.size() != staged_count_ || staged_hash_ != hash) {
    return absl::DataLossError(absl::StrCat("snapshot: ", staged_.size(), " resources of hash ",
                                            absl::Hex(staged_hash_), ", announced were ",
                                            staged_count_, " of ", absl::Hex(hash)));
  }
  receiving_ = Receiving::kNothing;
  edits->hash = hash;
  auto held = saved_.resources.begin();
  const auto remove_until = [&](const StagedResource* next) {
    for (; held != std::default_sentinel && (next == nullptr || (*held).key < next->key());
         ++held) {
      edits->list.push_back({edits->gone.emplace_back((*held).key, "").key(), std::nullopt});
    }
  };
  for (const StagedResource& resource : staged_) {
    remove_until(&resource);
    const bool had = held != std::default_sentinel && (*held).key == resource.key();
    if (!had || (*held).body != resource.body()) {
      edits->list.push_back({resource.key(), resource.body()});
    }
    if (had) ++held;
  }
  remove_until(nullptr);
  return absl::OkStatus();
}

absl::Status PlanStore::ReadDelta(const plan::v1::Delta& delta, Edits* edits) {
  const plan::Generation base = ReadGeneration(delta.base());
  if (!has_plan() || base != state_.generation) {
    return absl::FailedPreconditionError(
        absl::StrCat("delta.base: ", ToString(base), ", but this speaker holds ",
                     has_plan() ? ToString(state_.generation) : "no plan"));
  }
  std::vector<Edit>& list = edits->list;
  list.reserve(static_cast<size_t>(delta.removals_size()) +
               static_cast<size_t>(delta.upserts_size()));
  for (const std::string& key : delta.removals()) list.push_back({key, std::nullopt});
  for (const plan::v1::Resource& upsert : delta.upserts()) {
    list.push_back({upsert.key(), upsert.body()});
  }
  if (auto status = SortByKey("delta", &list, &Edit::key); !status.ok()) return status;
  edits->hash = state_.hash;
  auto held = saved_.resources.begin();
  std::erase_if(list, [&](const Edit& edit) {
    const bool had = held.Seek(edit.key);
    if (had) edits->hash -= HashOf(*held);
    if (edit.body) edits->hash += HashOf({edit.key, *edit.body});
    return !had && !edit.body;
  });
  if (edits->hash != delta.hash()) {
    return absl::DataLossError(absl::StrCat("delta.hash: ", absl::Hex(delta.hash()),
                                            ", but the plan's is ", absl::Hex(edits->hash)));
  }
  return absl::OkStatus();
}

PlanChanges PlanStore::Commit(plan::Generation generation, const Edits& edits) {
  PlanChanges changes;
  for (const Edit& edit : edits.list) {
    if (edit.body) {
      CommitBody(edit.key, *edit.body, &changes);
    } else {
      Remove(edit.key, &changes);
      ForgetError(edit.key);
    }
  }
  saved_.resources.Apply(edits.list);
  ResolveLocalAs(&changes);
  state_.hash = edits.hash;
  state_.generation = generation;
  saved_.generation = generation;
  return changes;
}

void PlanStore::ForgetError(absl::string_view key) {
  const auto error = errors_.find(key);
  if (error == errors_.end()) return;
  errors_.erase(error);
  saved_.last_good.erase(std::string(key));
}

void PlanStore::CommitBody(absl::string_view key, absl::string_view body, PlanChanges* changes) {
  const absl::Status status = Decode(key, body, changes);
  if (status.ok()) return ForgetError(key);
  ++counters_.resource_errors;
  const std::optional<std::string> held = saved_.resources.BodyOf(key);
  const bool was_good = held.has_value() && !errors_.contains(key);
  if (was_good) saved_.last_good[std::string(key)] = *held;
  errors_[std::string(key)] = std::string(status.message());
}

absl::Status PlanStore::Decode(absl::string_view key, absl::string_view body,
                               PlanChanges* changes) {
  const auto name = ParseKey(key);
  if (!name.ok()) return name.status();
  auto decoded = DecodeResource(*name, body);
  if (!decoded.ok()) return decoded.status();
  if (auto* instance = std::get_if<BgpInstance>(&*decoded)) {
    if (state_.instance == *instance) return absl::OkStatus();
    state_.instance = std::move(*instance);
    changes->instance = true;
  } else if (auto* peer = std::get_if<BgpPeer>(&*decoded)) {
    const Neighbor neighbor = peer->neighbor;
    if (peer->local_as != 0) {
      default_as_.erase(neighbor);
    } else {
      default_as_.insert(neighbor);
      if (state_.instance) peer->local_as = state_.instance->local_as;
    }
    Replace(&state_.peers, neighbor, std::move(*peer), &changes->peers);
  } else if (auto* members = std::get_if<Members>(&*decoded)) {
    Replace(&state_.groups, std::get<GroupKey>(*name).id, std::move(*members), &changes->groups);
  } else if (auto* route = std::get_if<Route>(&*decoded)) {
    SetRoute(std::get<RouteKey>(*name).prefix, route_pool_.Share(std::move(*route)), &state_,
             changes);
  } else if (auto* place = std::get_if<Place>(&*decoded)) {
    Replace(&state_.places, std::get<PlaceKey>(*name).group, std::move(place->node),
            &changes->places);
  } else if (auto* layer2 = std::get_if<Layer2Address>(&*decoded)) {
    Replace(&state_.layer2, std::get<Layer2Key>(*name).address, std::move(*layer2),
            &changes->layer2);
  } else if (auto* bfd = std::get_if<BfdSession>(&*decoded)) {
    changes->bfd |= Replace(&state_.bfd, std::get<BfdKey>(*name).name, std::move(*bfd));
  } else if (auto* vrrp = std::get_if<VrrpInstance>(&*decoded)) {
    changes->vrrp |= Replace(&state_.vrrp, std::get<VrrpKey>(*name).name, std::move(*vrrp));
  }
  return absl::OkStatus();
}

void PlanStore::Remove(absl::string_view key, PlanChanges* changes) {
  const auto parsed = ParseKey(key);
  if (!parsed.ok()) return;  // was never in force
  if (std::holds_alternative<InstanceKey>(*parsed)) {
    changes->instance |= state_.instance.has_value();
    state_.instance.reset();
  } else if (const auto* peer = std::get_if<PeerKey>(&*parsed)) {
    default_as_.erase(peer->neighbor);
    Erase(&state_.peers, peer->neighbor, &changes->peers);
  } else if (const auto* group = std::get_if<GroupKey>(&*parsed)) {
    Erase(&state_.groups, group->id, &changes->groups);
  } else if (const auto* route = std::get_if<RouteKey>(&*parsed)) {
    SetRoute(route->prefix, RouteRef(), &state_, changes);
  } else if (const auto* place = std::get_if<PlaceKey>(&*parsed)) {
    Erase(&state_.places, place->group, &changes->places);
  } else if (const auto* layer2 = std::get_if<Layer2Key>(&*parsed)) {
    Erase(&state_.layer2, layer2->address, &changes->layer2);
  } else if (const auto* bfd = std::get_if<BfdKey>(&*parsed)) {
    changes->bfd |= state_.bfd.erase(bfd->name) > 0;
  } else if (const auto* vrrp = std::get_if<VrrpKey>(&*parsed)) {
    changes->vrrp |= state_.vrrp.erase(vrrp->name) > 0;
  }
}

void PlanStore::ResolveLocalAs(PlanChanges* changes) {
  if (!changes->instance) return;
  const uint32_t local_as = state_.instance ? state_.instance->local_as : 0;
  for (const Neighbor& neighbor : default_as_) {
    BgpPeer& peer = state_.peers.at(neighbor);
    if (peer.local_as == local_as) continue;
    peer.local_as = local_as;
    changes->peers.insert(neighbor);
  }
}

plan::v1::Ack PlanStore::MakeAck() const {
  plan::v1::Ack ack;
  ack.mutable_generation()->set_epoch(state_.generation.epoch);
  ack.mutable_generation()->set_counter(state_.generation.counter);
  for (const auto& [key, reason] : errors_) {
    plan::v1::ResourceError* error = ack.add_errors();
    error->set_key(key);
    error->set_reason(reason);
  }
  return ack;
}

std::optional<plan::v1::Ack> PlanStore::ErrorsAck() const {
  if (errors_.empty()) return std::nullopt;
  return MakeAck();
}

std::vector<std::string> PlanStore::ServicesOf(const IpPrefix& prefix) const {
  const std::string key = absl::StrCat("route/", prefix.ToString());
  const auto good = saved_.last_good.find(key);
  if (good != saved_.last_good.end()) return RouteServices(good->second);
  const std::optional<std::string> held = saved_.resources.BodyOf(key);
  return held.has_value() ? RouteServices(*held) : std::vector<std::string>();
}

void PlanStore::Restore(SavedPlan saved) {
  saved_.largest_epoch = saved.largest_epoch;
  saved_.endpoints = std::move(saved.endpoints);
  if (!saved.generation) return;
  PlanChanges unused;
  for (const ResourceView resource : saved.resources) {
    const auto good = saved.last_good.find(resource.key);
    const bool has_good =
        good != saved.last_good.end() && Decode(resource.key, good->second, &unused).ok();
    if (const absl::Status status = Decode(resource.key, resource.body, &unused); !status.ok()) {
      errors_[std::string(resource.key)] = std::string(status.message());
      if (has_good) saved_.last_good.insert(*good);
    }
    state_.hash += HashOf(resource);
  }
  saved_.resources = std::move(saved.resources);
  ResolveLocalAs(&unused);
  state_.generation = *saved.generation;
  saved_.generation = saved.generation;
}

}  // namespace openelb::link

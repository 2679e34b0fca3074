#include "controller/push/transfer.h"

#include <algorithm>

#include "api/plan/new_plan.h"

namespace openelb::push {
namespace {

// Below this many marked keys a delta is sent however small the plan is.
constexpr size_t kSmallDelta = 100;

void SetGeneration(const plan::Generation& from, plan::v1::Generation* to) {
  to->set_epoch(from.epoch);
  to->set_counter(from.counter);
}

plan::Generation ReadGeneration(const plan::v1::Generation& from) {
  return {from.epoch(), from.counter()};
}

bool TooManyForDelta(size_t keys, size_t plan_size) {
  return keys > kSmallDelta && keys * 2 > plan_size;
}

}  // namespace

SpeakerPlan::SpeakerPlan(const plan::PlanView* view, const std::vector<std::string>& sets) {
  for (const std::string& name : sets) {
    const plan::ResourceSet* set = view->Find(name);
    if (set == nullptr) continue;
    sets_.push_back(set);
    hash_ += set->hash();
    size_ += set->resources().size();
  }
}

const plan::Resource* SpeakerPlan::Find(absl::string_view key) const {
  for (const plan::ResourceSet* set : sets_) {
    const auto it = set->resources().find(key);
    if (it != set->resources().end()) return &it->second;
  }
  return nullptr;
}

void Transfer::OnHello(const plan::v1::Hello& hello) {
  largest_epoch_ = std::max(hello.largest_epoch(), hello.generation().epoch());
  if (hello.has_generation()) claim_ = {ReadGeneration(hello.generation()), hello.hash()};
}

void Transfer::NoteChange(absl::Duration at) {
  dirty_since_ = std::min(dirty_since_.value_or(at), at);
}

void Transfer::Mark(const std::set<std::string>& keys, size_t plan_size, absl::Duration now) {
  NoteChange(now);
  if (claim_ || need_snapshot_) return;
  if (TooManyForDelta(keys.size(), plan_size)) return MarkAll(now);
  dirty_.insert(keys.begin(), keys.end());
  if (TooManyForDelta(dirty_.size(), plan_size)) MarkAll(now);
}

void Transfer::MarkAll(absl::Duration now) {
  NoteChange(now);
  if (claim_) return;
  need_snapshot_ = true;
  dirty_.clear();
}

void Transfer::Restart() {
  if (!under_way_ || !under_way_->parts) return;
  if (under_way_->changed_at) NoteChange(*under_way_->changed_at);
  under_way_.reset();
  need_snapshot_ = true;
  dirty_.clear();
}

std::shared_ptr<plan::v1::Plan> Transfer::Next(const SpeakerPlan& plan, plan::Generation planned,
                                               absl::Duration now) {
  if (planned.epoch == 0 || planned.epoch < largest_epoch_) return nullptr;
  if (claim_) {
    need_snapshot_ = claim_->hash != plan.hash();
    held_ = claim_->generation;
    claim_.reset();
    if (!need_snapshot_) {
      ++counters_->resumed;
      dirty_since_.reset();
    }
  }
  if (under_way_) return under_way_->parts ? NextPart(now) : nullptr;
  if (!need_snapshot_) {
    if (held_ == planned && dirty_.empty()) return nullptr;
    if (auto delta = Delta(plan)) {
      SetGeneration(planned, delta->mutable_generation());
      dirty_.clear();
      under_way_ = UnderWay{.generation = planned,
                            .since = now,
                            .changed_at = std::exchange(dirty_since_, std::nullopt),
                            .snapshot = false,
                            .parts = nullptr};
      ++counters_->deltas;
      return delta;
    }
  }
  if (now < snapshot_after_) return nullptr;
  BeginSnapshot(plan, planned, now);
  return NextPart(now);
}

std::shared_ptr<plan::v1::Plan> Transfer::Delta(const SpeakerPlan& plan) const {
  if (TooManyForDelta(dirty_.size(), plan.size())) return nullptr;
  auto message = plan::NewPlan();
  plan::v1::Delta* delta = message->mutable_delta();
  SetGeneration(held_, delta->mutable_base());
  delta->set_hash(plan.hash());
  size_t bytes = 0;
  for (const std::string& key : dirty_) {
    const plan::Resource* resource = plan.Find(key);
    bytes += key.size();
    if (resource == nullptr) {
      delta->add_removals(key);
    } else {
      bytes += resource->body->size();
      plan::v1::Resource* upsert = delta->add_upserts();
      upsert->set_key(key);
      upsert->set_body(*resource->body);
    }
    if (bytes > options_->delta_bytes) return nullptr;
  }
  return message;
}

void Transfer::BeginSnapshot(const SpeakerPlan& plan, plan::Generation planned,
                             absl::Duration now) {
  auto snapshot = std::make_unique<Snapshot>();
  snapshot->hash = plan.hash();
  snapshot->resources.reserve(plan.size());
  for (const plan::ResourceSet* set : plan.sets()) {
    for (const auto& [key, resource] : set->resources()) {
      snapshot->resources.emplace_back(key, resource.body);
    }
  }
  need_snapshot_ = false;
  held_ = planned;  // once it is acknowledged; until then nothing else is sent
  dirty_.clear();
  under_way_ = UnderWay{.generation = planned,
                        .since = now,
                        .changed_at = std::exchange(dirty_since_, std::nullopt),
                        .snapshot = true,
                        .parts = std::move(snapshot)};
  ++counters_->snapshots;
}

std::shared_ptr<plan::v1::Plan> Transfer::NextPart(absl::Duration now) {
  auto message = plan::NewPlan();
  SetGeneration(under_way_->generation, message->mutable_generation());
  under_way_->since = now;
  Snapshot& parts = *under_way_->parts;
  if (!parts.begun) {
    parts.begun = true;
    message->mutable_snapshot_begin()->set_resource_count(parts.resources.size());
    return message;
  }
  if (parts.next == parts.resources.size()) {
    message->mutable_snapshot_end()->set_hash(parts.hash);
    under_way_->parts.reset();
    return message;
  }
  plan::v1::Chunk* chunk = message->mutable_chunk();
  size_t count = 0;
  size_t bytes = 0;
  while (parts.next < parts.resources.size() && count < options_->chunk_resources) {
    const auto& [key, body] = parts.resources[parts.next];
    bytes += key.size() + body->size();
    if (count > 0 && bytes > options_->chunk_bytes) break;
    plan::v1::Resource* resource = chunk->add_resources();
    resource->set_key(key);
    resource->set_body(*body);
    ++count;
    ++parts.next;
  }
  return message;
}

std::optional<Transfer::Acked> Transfer::OnAck(const plan::v1::Ack& ack, absl::Duration now) {
  if (!ack.plan_error().empty()) {
    ++counters_->plan_errors;
    if (ack.largest_epoch() > 0) ++counters_->epoch_refusals;
    largest_epoch_ = std::max(largest_epoch_, ack.largest_epoch());
  }
  if (!under_way_ || ReadGeneration(ack.generation()) != under_way_->generation) {
    return std::nullopt;
  }
  if (ack.plan_error().empty()) {
    if (under_way_->parts) return std::nullopt;  // what was sent in part cannot have been applied
    const Acked acked{under_way_->generation, under_way_->changed_at};
    held_ = under_way_->generation;
    under_way_.reset();
    return acked;
  }
  // A snapshot that is refused for itself would be refused again at once.
  if (under_way_->snapshot && ack.largest_epoch() == 0) {
    snapshot_after_ = now + options_->refused_retry;
  }
  if (under_way_->changed_at) NoteChange(*under_way_->changed_at);
  under_way_.reset();
  need_snapshot_ = true;
  dirty_.clear();
  return std::nullopt;
}

bool Transfer::InSync(plan::Generation planned) const {
  return planned.epoch != 0 && !claim_ && !need_snapshot_ && !under_way_ && dirty_.empty() &&
         held_ == planned;
}

absl::Duration Transfer::ack_deadline() const {
  return under_way_ ? under_way_->since + options_->ack_timeout : absl::InfiniteDuration();
}

std::optional<absl::Duration> Transfer::pending_since() const {
  if (under_way_ && under_way_->changed_at) return under_way_->changed_at;
  return dirty_since_;
}

}  // namespace openelb::push

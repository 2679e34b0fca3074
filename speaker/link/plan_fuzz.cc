// Feeds the plan store what a controller could send: a row of messages, each behind its length in
// two octets. What it leaves in force must survive being saved and restored.
//
// A message that is refused is sent again with the generation, the base, the count and the hash
// that would have been right: no input hits upon a hash by itself.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "speaker/link/plan_store.h"

namespace openelb::link {
namespace {

namespace pb = ::openelb::plan::v1;

void Check(bool holds) {
  if (!holds) abort();
}

void CheckSame(const PlanState& a, const PlanState& b) {
  Check(a.hash == b.hash);
  Check(a.instance == b.instance);
  Check(a.peers == b.peers);
  Check(a.groups == b.groups);
  Check(a.routes == b.routes);
  Check(a.places == b.places);
  Check(a.layer2 == b.layer2);
  Check(a.bfd == b.bfd);
  Check(a.vrrp == b.vrrp);
}

void CheckRestores(const PlanStore& store) {
  const SavedPlan& saved = store.saved();
  PlanStore restored;
  restored.Restore(saved);
  Check(restored.saved() == saved);
  Check(restored.errors() == store.errors());
  Check(restored.ErrorsAck().has_value() == !store.errors().empty());
  CheckSame(restored.state(), store.state());
}

// The hash of the plan that a delta leads to.
uint64_t HashAfter(const PackedResources& held, const pb::Delta& delta) {
  std::map<std::string, std::string> after;
  for (const ResourceView resource : held) after.emplace(resource.key, resource.body);
  for (const std::string& key : delta.removals()) after.erase(key);
  for (const pb::Resource& resource : delta.upserts()) after[resource.key()] = resource.body();
  uint64_t hash = 0;
  for (const auto& [key, body] : after) hash += plan::ResourceHash(key, body);
  return hash;
}

class Controller {
 public:
  void Send(pb::Plan plan) {
    const PlanStore::Outcome outcome = Apply(plan);
    if (!outcome.ack || outcome.ack->plan_error().empty()) return;
    Check(!outcome.refused_epoch || plan.generation().epoch() < store_.largest_epoch());
    plan.mutable_generation()->set_epoch(std::max<uint64_t>(1, store_.largest_epoch()));
    if (plan.has_delta()) {
      plan.mutable_delta()->mutable_base()->set_epoch(store_.state().generation.epoch);
      plan.mutable_delta()->mutable_base()->set_counter(store_.state().generation.counter);
      plan.mutable_delta()->set_hash(HashAfter(store_.saved().resources, plan.delta()));
      Apply(plan);
    } else if (plan.has_chunk()) {
      SendSnapshot(plan);
    }
  }
  const PlanStore& store() const { return store_; }

 private:
  PlanStore::Outcome Apply(const pb::Plan& plan) {
    const uint64_t hash = store_.state().hash;
    PlanStore::Outcome outcome = store_.Apply(plan);
    const bool refused = outcome.ack && !outcome.ack->plan_error().empty();
    if (refused) Check(outcome.changes.empty() && store_.state().hash == hash);
    if (outcome.ack && !refused) {
      Check(store_.Holds(plan.generation()));
      Check(static_cast<size_t>(outcome.ack->errors_size()) == store_.errors().size());
    }
    return outcome;
  }

  // Of this one chunk.
  void SendSnapshot(const pb::Plan& chunk) {
    uint64_t hash = 0;
    for (const pb::Resource& resource : chunk.chunk().resources()) {
      hash += plan::ResourceHash(resource.key(), resource.body());
    }
    pb::Plan begin;
    pb::Plan end;
    *begin.mutable_generation() = *end.mutable_generation() = chunk.generation();
    begin.mutable_snapshot_begin()->set_resource_count(
        static_cast<uint64_t>(chunk.chunk().resources_size()));
    end.mutable_snapshot_end()->set_hash(hash);
    store_.OnStreamStart();
    for (const pb::Plan& plan : {begin, chunk, end}) Apply(plan);
  }

  PlanStore store_;
};

void FuzzStream(absl::string_view input) {
  Controller controller;
  while (input.size() >= 2) {
    const size_t length = static_cast<uint8_t>(input[0]) << 8 | static_cast<uint8_t>(input[1]);
    const absl::string_view bytes = input.substr(2, length);
    input.remove_prefix(2 + bytes.size());
    pb::Plan plan;
    if (!plan.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
    controller.Send(std::move(plan));
  }
  if (controller.store().has_plan()) CheckRestores(controller.store());
}

}  // namespace
}  // namespace openelb::link

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  openelb::link::FuzzStream({reinterpret_cast<const char*>(data), size});
  return 0;
}

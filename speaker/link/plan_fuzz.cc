// Feeds the plan store what a controller could send: a row of messages, each behind its length in
// two octets. What it leaves in force must survive being saved and restored.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "speaker/link/plan_store.h"

namespace openelb::link {
namespace {

void Check(bool holds) {
  if (!holds) abort();
}

void CheckRestores(const PlanStore& store) {
  const SavedPlan saved = store.saved();
  PlanStore restored;
  restored.Restore(saved);
  Check(restored.saved() == saved);
  Check(restored.state().hash == store.state().hash);
  Check(restored.errors() == store.errors());
  Check(restored.state().peers == store.state().peers);
  Check(restored.state().groups == store.state().groups);
  Check(restored.state().routes == store.state().routes);
  Check(restored.state().places == store.state().places);
  Check(restored.state().instance == store.state().instance);
}

void FuzzStream(absl::string_view input) {
  PlanStore store;
  while (input.size() >= 2) {
    const size_t length = static_cast<uint8_t>(input[0]) << 8 | static_cast<uint8_t>(input[1]);
    const absl::string_view bytes = input.substr(2, length);
    input.remove_prefix(2 + bytes.size());
    plan::v1::Plan plan;
    if (!plan.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
    PlanStore::Outcome outcome = store.Apply(plan);
    if (!outcome.ack || outcome.ack->plan_error().empty()) continue;
    // Again with the hash and base that would have been right.
    uint64_t hash = 0;
    for (const auto& resource : plan.delta().upserts()) {
      hash += plan::ResourceHash(resource.key(), resource.body());
    }
    if (plan.has_delta() && plan.delta().removals().empty()) {
      plan.mutable_delta()->mutable_base()->set_epoch(store.state().generation.epoch);
      plan.mutable_delta()->mutable_base()->set_counter(store.state().generation.counter);
      plan.mutable_delta()->set_hash(store.state().hash + hash);
      outcome = store.Apply(plan);
    }
  }
  if (store.has_plan()) CheckRestores(store);
}

}  // namespace
}  // namespace openelb::link

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  openelb::link::FuzzStream({reinterpret_cast<const char*>(data), size});
  return 0;
}

#pragma once
// Holds the plan of this speaker: applies what the controller sends, as a whole or not at all, and
// decodes it into the PlanState that the protocol speakers read. Pure.
//
// A snapshot is staged until its end and then compared with what is held, so that only what really
// differs is reported as changed. A resource that cannot be applied keeps its last good state; its
// bytes still count into the hash, and it is named in every Ack until it is replaced.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/plan/resource.h"
#include "api/plan/v1/plan.pb.h"
#include "speaker/link/packed_resources.h"
#include "speaker/link/plan_state.h"
#include "speaker/link/route_pool.h"
#include "speaker/link/staged_resource.h"

namespace openelb::link {

// Of resources: key -> last good body, or why it cannot be applied.
using ByKey = std::map<std::string, std::string, std::less<>>;

// How old a saved plan is, and which kernel it was in force on.
struct PlanStamp {
  absl::Time confirmed_at = absl::InfinitePast();  // when a controller last vouched for the plan
  // The same on CLOCK_MONOTONIC, which no step of the calendar moves; unset: before the kernel of
  // `kernel_boot_id` was started.
  std::optional<absl::Duration> confirmed_since_boot;
  std::string kernel_boot_id;
  bool operator==(const PlanStamp&) const = default;
};

// What of a plan survives a restart of the speaker.
struct SavedPlan {
  std::optional<plan::Generation> generation;  // unset: no plan was held
  uint64_t largest_epoch = 0;
  std::vector<std::string> endpoints;  // HOST:PORT of the controllers
  PlanStamp stamp;
  PackedResources resources;  // as they came
  ByKey last_good;            // bodies in force instead of those in `resources`
  bool operator==(const SavedPlan&) const = default;
};

// Since the start.
struct PlanStoreCounters {
  uint64_t snapshots = 0;        // applied
  uint64_t deltas = 0;           // applied
  uint64_t plan_errors = 0;      // refused as a whole
  uint64_t epoch_refusals = 0;   // of these, for their epoch
  uint64_t resource_errors = 0;  // resources that could not be applied
};

class PlanStore {
 public:
  struct Outcome {
    PlanChanges changes;
    std::optional<plan::v1::Ack> ack;  // to be sent
    bool save = false;                 // saved() has changed
    bool refused_epoch = false;        // the sender has been deposed, or must raise its epoch
  };

  // In force; empty until a plan is applied or restored.
  const PlanState& state() const { return state_; }
  bool has_plan() const { return saved_.generation.has_value(); }
  bool Holds(const plan::v1::Generation& generation) const;
  uint64_t largest_epoch() const { return saved_.largest_epoch; }
  const std::vector<std::string>& endpoints() const { return saved_.endpoints; }
  // Of a route in force, "namespace/name".
  std::vector<std::string> ServicesOf(const IpPrefix& prefix) const;
  // Resources that cannot be applied -> why, naming field and value.
  const ByKey& errors() const { return errors_; }
  const PlanStoreCounters& counters() const { return counters_; }

  Outcome Apply(const plan::v1::Plan& plan);
  // A new stream: forgets a snapshot that was cut short.
  void OnStreamStart() {
    receiving_ = Receiving::kNothing;
    ForgetStaged();
  }
  // The Ack that names errors(), to follow a Hello; unset when there are none.
  std::optional<plan::v1::Ack> ErrorsAck() const;

  // All but the time and the boot id. Changes with Apply.
  const SavedPlan& saved() const { return saved_; }
  // At start only: puts a saved plan in force.
  void Restore(SavedPlan saved);

 private:
  enum class Receiving { kNothing, kSnapshot, kRest };  // kRest: of a snapshot that was refused
  using Edit = PackedResources::Edit;
  struct Edits {
    std::vector<Edit> list;            // by key, each once; no removals of what is not held
    std::vector<StagedResource> gone;  // what `list` refers to, besides the message and `staged_`
    uint64_t hash = 0;                 // of the plan that they lead to
  };

  void ForgetStaged() { staged_ = std::vector<StagedResource>(); }  // with its memory
  absl::Status CheckEpoch(const plan::Generation& generation) const;
  // Whether they are others than before. Unusable ones are left out.
  bool ReadEndpoints(const plan::v1::Plan& plan);
  // Sets `edits` when the plan can be brought up to date.
  absl::Status Receive(const plan::v1::Plan& plan, const plan::Generation& generation,
                       std::optional<Edits>* edits);
  absl::Status EndSnapshot(uint64_t hash, Edits* edits);
  absl::Status ReadDelta(const plan::v1::Delta& delta, Edits* edits);
  PlanChanges Commit(plan::Generation generation, const Edits& edits);
  // Puts `body` in force, or takes note that it cannot be.
  void CommitBody(absl::string_view key, absl::string_view body, PlanChanges* changes);
  // Of a resource that is in force, or gone: what was in its place goes with the error.
  void ForgetError(absl::string_view key);
  plan::v1::Ack MakeAck() const;
  // Puts one resource in force; on an error the state is as before.
  absl::Status Decode(absl::string_view key, absl::string_view body, PlanChanges* changes);
  void Remove(absl::string_view key, PlanChanges* changes);
  // Fills in the AS of peers that leave it to the instance.
  void ResolveLocalAs(PlanChanges* changes);

  PlanState state_;
  RoutePool route_pool_;
  SavedPlan saved_;  // held as it is saved: a plan is large, and saved often
  ByKey errors_;
  std::set<Neighbor> default_as_;  // peers whose resource leaves local_as to the instance
  Receiving receiving_ = Receiving::kNothing;
  plan::Generation staged_generation_;
  uint64_t staged_count_ = 0;
  uint64_t staged_hash_ = 0;
  std::vector<StagedResource> staged_;  // of a snapshot, until it is in force
  PlanStoreCounters counters_;
};

}  // namespace openelb::link

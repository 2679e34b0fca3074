#pragma once
// One speaker's stream: what the speaker holds, what is under way to it, and what it must be sent
// next. Pure.
//
// The Hello claims a plan. If its hash is that of the current plan, at most an empty delta is
// needed to move its generation; else a snapshot in chunks. From then on changes mark keys, and one
// delta at a time carries the latest state of the marked keys; the next waits for its
// acknowledgement.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/plan/resource.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/resource_set.h"

namespace openelb::push {

struct TransferOptions {
  size_t chunk_resources = 2000;
  size_t chunk_bytes = 1 << 20;
  size_t delta_bytes = 2 << 20;  // a larger delta becomes a snapshot; the transport takes 4 MiB
  absl::Duration ack_timeout = absl::Seconds(10);   // for a plan, or a part of one, to be taken
  absl::Duration refused_retry = absl::Seconds(1);  // before a refused snapshot is sent again
};

// Since the start.
struct TransferCounters {
  uint64_t resumed = 0;         // Hellos whose plan was the current one
  uint64_t snapshots = 0;       // begun
  uint64_t deltas = 0;          // sent
  uint64_t plan_errors = 0;     // snapshots and deltas that a speaker refused as a whole
  uint64_t epoch_refusals = 0;  // of these, for a larger epoch
};

// The plan of one speaker as the planner has it: the union of a few sets.
class SpeakerPlan {
 public:
  SpeakerPlan(const plan::PlanView* view, const std::vector<std::string>& sets);
  uint64_t hash() const { return hash_; }
  size_t size() const { return size_; }
  // nullptr: there is no such resource.
  const plan::Resource* Find(absl::string_view key) const;
  const std::vector<const plan::ResourceSet*>& sets() const { return sets_; }

 private:
  std::vector<const plan::ResourceSet*> sets_;
  uint64_t hash_ = 0;
  size_t size_ = 0;
};

class Transfer {
 public:
  // Both outlive the transfer.
  Transfer(const TransferOptions* options, TransferCounters* counters)
      : options_(options), counters_(counters) {}

  void OnHello(const plan::v1::Hello& hello);
  // Resources of the speaker's plan changed; it has `plan_size` of them now.
  void Mark(const std::set<std::string>& keys, size_t plan_size, absl::Duration now);
  // The plan changed in ways that keys do not tell.
  void MarkAll(absl::Duration now);
  // A snapshot that is under way starts again: its epoch is over.
  void Restart();

  // The next message, to be sent at `now`; null when nothing is due. `planned` is the generation of
  // `plan`; its epoch is 0 while nothing may be sent.
  std::shared_ptr<plan::v1::Plan> Next(const SpeakerPlan& plan, plan::Generation planned,
                                       absl::Duration now);

  struct Acked {
    plan::Generation generation;
    std::optional<absl::Duration> changed_at;  // of the oldest change it carried, if any
  };
  // Set when the plan under way has been applied.
  std::optional<Acked> OnAck(const plan::v1::Ack& ack, absl::Duration now);

  // The speaker holds the current plan, of generation `planned`.
  bool InSync(plan::Generation planned) const;
  // The largest epoch the speaker says it has seen.
  uint64_t largest_epoch() const { return largest_epoch_; }
  // When the speaker must have taken what is under way; InfiniteDuration: nothing is.
  absl::Duration ack_deadline() const;
  // When the oldest change that the speaker has not acknowledged was planned.
  std::optional<absl::Duration> pending_since() const;

 private:
  // Bodies are shared with the sets, so that the snapshot stays what it was when it began.
  struct Snapshot {
    std::vector<std::pair<std::string, std::shared_ptr<const std::string>>> resources;
    size_t next = 0;
    uint64_t hash = 0;
    bool begun = false;
  };
  struct UnderWay {
    plan::Generation generation;
    absl::Duration since;                      // its last part was sent
    std::optional<absl::Duration> changed_at;  // of the oldest change it carries
    bool snapshot;                             // rather than a delta
    std::unique_ptr<Snapshot> parts;           // what is left of it to send
  };
  void BeginSnapshot(const SpeakerPlan& plan, plan::Generation planned, absl::Duration now);
  std::shared_ptr<plan::v1::Plan> NextPart(absl::Duration now);
  // Null when it would be too large.
  std::shared_ptr<plan::v1::Plan> Delta(const SpeakerPlan& plan) const;
  void NoteChange(absl::Duration at);

  const TransferOptions* const options_;
  TransferCounters* const counters_;
  uint64_t largest_epoch_ = 0;
  // What the Hello claims, until it is compared with the plan.
  struct Claim {
    plan::Generation generation;
    uint64_t hash;
  };
  std::optional<Claim> claim_;
  bool need_snapshot_ = true;
  plan::Generation held_;  // by the speaker, unless need_snapshot_
  std::set<std::string> dirty_;
  std::optional<absl::Duration> dirty_since_;  // the oldest change that is not under way
  std::optional<UnderWay> under_way_;
  absl::Duration snapshot_after_ = -absl::InfiniteDuration();
};

}  // namespace openelb::push

#pragma once
// The saved plan: what a speaker puts in force after its own restart while no controller answers.
//
// One file, replaced as a whole: a line "openelb-plan 1 SHA256-IN-HEX" and then the serialized
// SavedPlan of saved_plan.proto, over which the checksum is taken.
//
// A plan is in force and acknowledged before it is saved; nobody waits for the disk, which may
// hang. What is saved is the newest plan once the disk is done with the one before.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/disk.h"
#include "api/base/log.h"
#include "speaker/link/plan_store.h"

namespace openelb::link {

// With this stamp in place of that of `plan`.
std::string SerializeSavedPlan(const SavedPlan& plan, const PlanStamp& stamp);
// DataLoss with what is wrong: not a saved plan, another version, checksum, content.
absl::StatusOr<SavedPlan> ParseSavedPlan(absl::string_view file);

// What may be done with a plan that was loaded at start.
enum class SavedPlanUse {
  kNone,     // there is none
  kAtOnce,   // the kernel has not restarted: everything is in force
  kProbe,    // after a reboot: BGP at once, L2 and VIP addresses are probed first
  kWaitBgp,  // too old: BGP waits for a controller
};

// Replaces a file, at once or on another thread; `done` is called on the owner thread afterwards.
using SaveDone = std::function<void(const absl::Status&)>;
using SaveFile = std::function<void(std::string name, std::string content, SaveDone done)>;

class PlanFile {
 public:
  // A save that takes longer is a failure, for as long as it lasts.
  static constexpr absl::Duration kPatience = absl::Seconds(10);

  struct Options {
    std::string name = "plan";  // within the disk
    std::string kernel_boot_id;
    absl::Duration max_age = absl::Hours(24);
    // After a change; gathers what follows. Longer for a large plan, which is written whole.
    absl::Duration save_delay = absl::Milliseconds(200);
    absl::Duration save_delay_per_resource = absl::Microseconds(100);
    absl::Duration confirm_every = absl::Hours(1);  // see Tick
  };
  struct Counters {
    uint64_t saves = 0;
    uint64_t save_errors = 0;
    uint64_t damaged = 0;  // files ignored at start
  };

  // All pointers outlive the file, and what `save` is given is not called after that. Without one
  // the disk is written to at once. `store` is what is saved.
  PlanFile(Disk* disk, SaveFile save, const PlanStore* store, Logger* log, Options options);

  struct Loaded {
    SavedPlanUse use = SavedPlanUse::kNone;
    SavedPlan plan;  // to be restored unless use is kNone
  };
  // A damaged file is reported, counted and ignored. `now` is CLOCK_MONOTONIC's.
  Loaded Load(absl::Duration now, absl::Time wall);

  // The store's content has changed.
  void MarkDirty(absl::Duration now);
  // Saves what is due. While `confirmed` (a controller vouches for the plan now) the file is also
  // renewed once in a while, so that its age is that of the last contact. A failed save is tried
  // again a second later. Call it also after `done` of a save.
  void Tick(absl::Duration now, absl::Time wall, bool confirmed);
  absl::Duration NextWakeup() const;
  // Hands over what is unsaved, if anything: on an orderly stop.
  void Flush(absl::Duration now, absl::Time wall);
  // The last save failed, or takes too long: what is on disk is older than the plan in force.
  bool save_failing() const { return slow_ || retry_at_ != -absl::InfiniteDuration(); }
  const Counters& counters() const { return counters_; }

 private:
  void Confirm(absl::Duration now, absl::Time wall);
  // Since a controller vouched for the plan.
  absl::Duration AgeOf(const PlanStamp& stamp, absl::Duration now, absl::Time wall) const;
  void Save(absl::Duration now, absl::Time wall);
  // Takes note of a save that has ended.
  void Settle(absl::Duration now);
  void Fail(absl::string_view why);

  Disk* const disk_;
  const SaveFile save_;
  const PlanStore* const store_;
  Logger* const log_;
  const Options options_;
  absl::Duration due_ = absl::InfiniteDuration();        // of the next save
  absl::Duration retry_at_ = -absl::InfiniteDuration();  // after a failed one
  absl::Duration renew_at_ = absl::InfiniteDuration();   // though nothing changes
  std::optional<absl::Duration> saving_since_;
  std::optional<absl::Status> saved_;  // how that ended
  bool slow_ = false;
  bool dirty_ = false;  // more than what is being saved
  bool confirmed_ = false;
  PlanStamp stamp_;  // of what is saved next
  Counters counters_;
};

}  // namespace openelb::link

// Feeds the reader of the saved plan what a disk could hold: the input as a file, and the input as
// the content of a file whose checksum is right. What comes into force by it must survive the next
// save, on a disk that fails at first or takes its time.

#include <openssl/sha.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "api/base/clock.h"
#include "speaker/link/plan_file.h"
#include "speaker/link/plan_store.h"

namespace openelb::link {
namespace {

constexpr const char* kBoot = "boot";
constexpr absl::Duration kNow = absl::Hours(100);
const absl::Time kWall = absl::FromUnixSeconds(1'780'000'000);
constexpr absl::Duration kLater = absl::Minutes(1);  // than any delay of a save

void Check(bool holds) {
  if (!holds) abort();
}

// A speaker from its start to its next one.
class Life {
 public:
  Life(MemoryDisk* disk, SaveFile save)
      : file_(disk, std::move(save), &store_, &log_, {.kernel_boot_id = kBoot}) {
    const PlanFile::Loaded loaded = file_.Load(kNow, kWall);
    use_ = loaded.use;
    if (use_ != SavedPlanUse::kNone) store_.Restore(loaded.plan);
  }
  SavedPlanUse use() const { return use_; }
  const PlanStore& store() const { return store_; }
  PlanFile& file() { return file_; }

 private:
  SystemClock clock_;
  NullLogSink sink_;
  Logger log_{&sink_, &clock_};
  PlanStore store_;
  PlanFile file_;
  SavedPlanUse use_;
};

void CheckSame(const PlanStore& a, const PlanStore& b) {
  Check(a.saved() == b.saved());
  Check(a.errors() == b.errors());
  Check(a.state().hash == b.state().hash);
  Check(a.state().peers == b.state().peers);
  Check(a.state().routes == b.state().routes);
}

// The disk is full once, then there is room; a controller vouches for the plan.
void SaveOnAFullDisk(MemoryDisk* disk, Life* life) {
  disk->fault = [](absl::string_view) { return absl::ResourceExhaustedError("full"); };
  const std::string before = disk->files["plan"];
  life->file().MarkDirty(kNow);
  life->file().Tick(kNow + kLater, kWall + kLater, true);
  Check(life->file().save_failing() && disk->files["plan"] == before);
  Check(life->file().NextWakeup() > kNow + kLater);
  disk->fault = nullptr;
  life->file().Tick(life->file().NextWakeup(), kWall + kLater, true);
  Check(!life->file().save_failing());
  Check(life->file().counters().saves == 1 && life->file().counters().save_errors == 1);
}

// The disk does not answer before the speaker has lost patience.
void SaveOnASlowDisk(MemoryDisk* disk) {
  SaveDone done;
  std::string content;
  Life life(disk, [&](const std::string&, std::string written, SaveDone then) {
    content = std::move(written);
    done = std::move(then);
  });
  life.file().MarkDirty(kNow);
  life.file().Flush(kNow, kWall);
  Check(life.file().NextWakeup() == kNow + PlanFile::kPatience);
  life.file().Tick(life.file().NextWakeup(), kWall, false);
  Check(life.file().save_failing());
  done(disk->Write("plan", content));
  life.file().Tick(kNow + kLater, kWall + kLater, false);
  Check(!life.file().save_failing());
}

void FuzzFile(absl::string_view bytes) {
  MemoryDisk disk;
  disk.files["plan"] = std::string(bytes);
  Life first(&disk, nullptr);
  Check((first.use() == SavedPlanUse::kNone) == !ParseSavedPlan(bytes).ok());
  Check(first.file().counters().damaged == (first.use() == SavedPlanUse::kNone ? 1 : 0));
  if (first.use() == SavedPlanUse::kNone) return;
  SaveOnAFullDisk(&disk, &first);
  Life second(&disk, nullptr);
  Check(second.use() == SavedPlanUse::kAtOnce);
  CheckSame(second.store(), first.store());
  SaveOnASlowDisk(&disk);
  Life third(&disk, nullptr);
  Check(third.use() == SavedPlanUse::kAtOnce);
  CheckSame(third.store(), first.store());
}

}  // namespace
}  // namespace openelb::link

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  openelb::link::FuzzFile(input);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(data, size, digest);
  const std::string checksum = absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
  openelb::link::FuzzFile(absl::StrCat("openelb-plan 1 ", checksum, "\n", input));
  return 0;
}

#include "speaker/link/plan_file.h"

#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "speaker/link/saved_plan.pb.h"

namespace openelb::link {
namespace {

constexpr absl::string_view kMagic = "openelb-plan ";
constexpr absl::string_view kVersion = "1 ";
constexpr size_t kChecksumDigits = size_t{2} * SHA256_DIGEST_LENGTH;
constexpr absl::Duration kRetry = absl::Seconds(1);

std::string Checksum(absl::string_view content) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace

std::string SerializeSavedPlan(const SavedPlan& plan, const PlanStamp& stamp) {
  std::string file = absl::StrCat(kMagic, kVersion);
  const size_t checksum_at = file.size();
  file.append(kChecksumDigits, '0');
  file.push_back('\n');
  const size_t content_at = file.size();
  SavedPlanFile part;
  if (plan.generation) {
    part.set_epoch(plan.generation->epoch);
    part.set_counter(plan.generation->counter);
  }
  part.set_largest_epoch(plan.largest_epoch);
  part.mutable_endpoints()->Assign(plan.endpoints.begin(), plan.endpoints.end());
  part.mutable_confirmed_at()->set_seconds(absl::ToUnixSeconds(stamp.confirmed_at));
  part.set_kernel_boot_id(stamp.kernel_boot_id);
  if (stamp.confirmed_since_boot) {
    part.mutable_confirmed_since_boot()->set_seconds(
        absl::ToInt64Seconds(*stamp.confirmed_since_boot));
  }
  part.AppendToString(&file);
  // Messages one after the other are one message with all of their elements: a plan of many
  // thousand resources is never there twice.
  part.Clear();
  for (const ResourceView held : plan.resources) {
    SavedPlanFile::Resource* resource = part.add_resources();
    resource->set_key(held.key.data(), held.key.size());
    resource->set_body(held.body.data(), held.body.size());
    const auto good = plan.last_good.find(held.key);
    if (good != plan.last_good.end()) resource->set_last_good(good->second);
    part.AppendToString(&file);
    part.clear_resources();
  }
  file.replace(checksum_at, kChecksumDigits, Checksum(absl::string_view(file).substr(content_at)));
  return file;
}

absl::StatusOr<SavedPlan> ParseSavedPlan(absl::string_view bytes) {
  if (!absl::ConsumePrefix(&bytes, kMagic)) return absl::DataLossError("not a saved plan");
  if (!absl::ConsumePrefix(&bytes, kVersion)) {
    return absl::DataLossError(
        absl::StrCat("version ", absl::CHexEscape(bytes.substr(0, bytes.find(' ')).substr(0, 10)),
                     " (known: 1)"));
  }
  if (bytes.size() <= kChecksumDigits || bytes[kChecksumDigits] != '\n') {
    return absl::DataLossError("cut short within its first line");
  }
  const absl::string_view content = bytes.substr(kChecksumDigits + 1);
  if (bytes.substr(0, kChecksumDigits) != Checksum(content)) {
    return absl::DataLossError(
        absl::StrCat("checksum does not match its ", content.size(), " bytes of content"));
  }
  SavedPlanFile file;
  if (!file.ParseFromArray(content.data(), static_cast<int>(content.size()))) {
    return absl::DataLossError("content is not a saved plan");
  }
  SavedPlan plan;
  if (file.epoch() != 0) plan.generation = {file.epoch(), file.counter()};
  plan.largest_epoch = std::max(file.largest_epoch(), file.epoch());
  plan.endpoints.assign(file.endpoints().begin(), file.endpoints().end());
  plan.stamp.confirmed_at = absl::FromUnixSeconds(file.confirmed_at().seconds());
  plan.stamp.kernel_boot_id = file.kernel_boot_id();
  if (file.has_confirmed_since_boot()) {
    plan.stamp.confirmed_since_boot = absl::Seconds(file.confirmed_since_boot().seconds());
  }
  std::vector<ResourceView> resources;
  resources.reserve(static_cast<size_t>(file.resources_size()));
  for (SavedPlanFile::Resource& resource : *file.mutable_resources()) {
    if (resource.has_last_good()) {
      plan.last_good.emplace(resource.key(), std::move(*resource.mutable_last_good()));
    }
    resources.push_back({resource.key(), resource.body()});
  }
  plan.resources = PackedResources::Of(std::move(resources));
  return plan;
}

PlanFile::PlanFile(Disk* disk, SaveFile save, const PlanStore* store, Logger* log, Options options)
    : disk_(disk),
      save_(save ? std::move(save)
                 : [disk](const std::string& name, const std::string& content,
                          const SaveDone& done) { done(disk->Write(name, content)); }),
      store_(store),
      log_(log),
      options_(std::move(options)) {
  stamp_.kernel_boot_id = options_.kernel_boot_id;
}

absl::Duration PlanFile::AgeOf(const PlanStamp& stamp, absl::Duration now, absl::Time wall) const {
  const bool rebooted = stamp.kernel_boot_id != options_.kernel_boot_id;
  // A clock that is behind is not the one that the stamp was taken from (a time namespace).
  const bool known = !rebooted && stamp.confirmed_since_boot && *stamp.confirmed_since_boot <= now;
  return known ? now - *stamp.confirmed_since_boot : wall - stamp.confirmed_at;
}

PlanFile::Loaded PlanFile::Load(absl::Duration now, absl::Time wall) {
  const auto bytes = disk_->Read(options_.name);
  if (absl::IsNotFound(bytes.status())) return {};
  auto plan = bytes.ok() ? ParseSavedPlan(*bytes) : bytes.status();
  if (!plan.ok()) {
    ++counters_.damaged;
    log_->Error("saved plan ignored",
                {{"file", disk_->Describe(options_.name)}, {"error", plan.status().message()}});
    return {};
  }
  const bool rebooted = plan->stamp.kernel_boot_id != options_.kernel_boot_id;
  const absl::Duration age = AgeOf(plan->stamp, now, wall);
  stamp_.confirmed_at = plan->stamp.confirmed_at;
  if (!rebooted) stamp_.confirmed_since_boot = plan->stamp.confirmed_since_boot;
  Loaded loaded{.use = SavedPlanUse::kAtOnce, .plan = *std::move(plan)};
  if (rebooted) loaded.use = SavedPlanUse::kProbe;
  if (age > options_.max_age) loaded.use = SavedPlanUse::kWaitBgp;
  log_->Info("saved plan loaded",
             {{"resources", loaded.plan.resources.size()},
              {"epoch", loaded.plan.generation.value_or(plan::Generation()).epoch},
              {"counter", loaded.plan.generation.value_or(plan::Generation()).counter},
              {"age", absl::FormatDuration(absl::Trunc(age, absl::Seconds(1)))},
              {"rebooted", rebooted ? "yes" : "no"}});
  return loaded;
}

void PlanFile::MarkDirty(absl::Duration now) {
  dirty_ = true;
  const auto resources = static_cast<int64_t>(store_->saved().resources.size());
  const absl::Duration delay =
      std::max(options_.save_delay, options_.save_delay_per_resource * resources);
  due_ = std::min(due_, std::max(now + delay, retry_at_));
}

void PlanFile::Tick(absl::Duration now, absl::Time wall, bool confirmed) {
  Settle(now);
  if (confirmed) {
    Confirm(now, wall);
    // Only the first Tick after contact and those far apart renew the file.
    if (!confirmed_ || now >= renew_at_) MarkDirty(now);
  }
  confirmed_ = confirmed;
  if (dirty_ && now >= due_ && !saving_since_) Save(now, wall);
  if (saving_since_ && !slow_ && now >= *saving_since_ + kPatience) {
    slow_ = true;
    Fail("the disk does not answer");
  }
}

absl::Duration PlanFile::NextWakeup() const {
  if (saving_since_) return slow_ ? absl::InfiniteDuration() : *saving_since_ + kPatience;
  return confirmed_ && !dirty_ ? renew_at_ : due_;
}

void PlanFile::Flush(absl::Duration now, absl::Time wall) {
  if (dirty_ || confirmed_) Save(now, wall);
}

void PlanFile::Save(absl::Duration now, absl::Time wall) {
  if (confirmed_) Confirm(now, wall);
  saving_since_ = now;
  dirty_ = false;
  due_ = absl::InfiniteDuration();
  renew_at_ = absl::InfiniteDuration();
  save_(options_.name, SerializeSavedPlan(store_->saved(), stamp_),
        [this](const absl::Status& status) { saved_ = status; });
  Settle(now);
}

void PlanFile::Confirm(absl::Duration now, absl::Time wall) {
  stamp_.confirmed_at = wall;
  stamp_.confirmed_since_boot = now;
}

void PlanFile::Settle(absl::Duration now) {
  if (!saved_) return;
  const absl::Status status = *std::exchange(saved_, std::nullopt);
  saving_since_.reset();
  slow_ = false;
  if (!status.ok()) {
    Fail(status.message());
    dirty_ = true;
    retry_at_ = now + kRetry;
    due_ = retry_at_;
    return;
  }
  ++counters_.saves;
  log_->Recovered("save plan", "plan saved again", {{"file", disk_->Describe(options_.name)}});
  retry_at_ = -absl::InfiniteDuration();
  renew_at_ = now + options_.confirm_every;
}

void PlanFile::Fail(absl::string_view why) {
  ++counters_.save_errors;
  log_->Damped("save plan", "plan not saved; it stays in force", why,
               {{"file", disk_->Describe(options_.name)}});
}

}  // namespace openelb::link

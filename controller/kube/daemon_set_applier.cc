#include "controller/kube/daemon_set_applier.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/codec/write.h"
#include "api/network/v1alpha2/names.h"
#include "controller/install/speaker_template.h"
#include "controller/kube/api_status.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr absl::Duration kFirstPause = absl::Seconds(1);
constexpr absl::Duration kLongestPause = absl::Minutes(1);

}  // namespace

DaemonSetApplier::DaemonSetApplier(std::string namespace_name, Seams seams)
    : namespace_name_(std::move(namespace_name)), seams_(std::move(seams)) {}

DaemonSetApplier::~DaemonSetApplier() = default;

std::string DaemonSetApplier::Fingerprint(const Value& body, const Value& observed) const {
  std::string text = codec::ToJson(body);
  const Value* metadata = observed.Find("metadata");
  for (const char* key : {"uid", "generation", "labels"}) {
    const Value* value = metadata == nullptr ? nullptr : metadata->Find(key);
    if (value != nullptr) absl::StrAppend(&text, codec::ToJson(*value));
  }
  return text;
}

bool DaemonSetApplier::Needs(const Value& body, const Value& observed) const {
  if (under_way_) return false;
  if (retry_at_ <= seams_.clock->Monotonic()) return true;
  return Fingerprint(body, observed) != done_;
}

void DaemonSetApplier::Reset() {
  term_ = std::make_shared<int>(0);
  under_way_ = false;
  outcome_ = {};
  done_.clear();
  pause_ = absl::ZeroDuration();
  retry_at_ = absl::InfiniteDuration();
}

void DaemonSetApplier::Apply(Value body, const Value& account, const Value& observed) {
  before_ = Fingerprint(body, observed);
  wanted_ = std::move(body);
  sent_ = wanted_;
  conflicts_.clear();
  under_way_ = true;
  retry_at_ = absl::InfiniteDuration();
  if (observed.IsNull()) {
    MakeAccount(account);
  } else {
    Send();
  }
}

void DaemonSetApplier::Call(ApiCall call, std::function<void(const Answer&)> done) {
  ++calls_;
  seams_.client->Call(std::move(call), [term = std::weak_ptr<int>(term_),
                                        done = std::move(done)](const Answer& answer) {
    if (!term.expired()) done(answer);
  });
}

void DaemonSetApplier::MakeAccount(Value account) {
  Call({.method = "POST",
        .path = absl::StrCat("/api/v1/namespaces/", namespace_name_,
                             "/serviceaccounts?fieldManager=", install::kFieldManager),
        .content_type = kJson,
        .body = std::move(account)},
       [this](const Answer& answer) {
         if (answer.ok() || absl::IsAlreadyExists(answer.status())) return Send();
         Refuse(answer.status());
       });
}

void DaemonSetApplier::Send() {
  Call({.method = "PATCH",
        .path = absl::StrCat("/apis/apps/v1/namespaces/", namespace_name_, "/daemonsets/",
                             network::kSpeakerDaemonSet, "?fieldManager=", install::kFieldManager,
                             "&force=false"),
        .content_type = kApplyPatch,
        .body = sent_},
       [this](const Answer& answer) { OnApplied(answer); });
}

void DaemonSetApplier::OnApplied(const Answer& answer) {
  if (!answer.ok()) {
    const std::vector<install::FieldConflict> conflicts =
        install::ConflictsIn(DetailsOf(answer.status()));
    bool less = false;
    for (const install::FieldConflict& conflict : conflicts) {
      less |= install::RemoveField(conflict.field, &sent_);
      conflicts_.push_back(conflict);
    }
    return less ? Send() : Refuse(answer.status());
  }
  under_way_ = false;
  pause_ = absl::ZeroDuration();
  done_ = Fingerprint(wanted_, *answer);
  outcome_ = {.done = true, .conflicts = std::move(conflicts_)};
  seams_.log->Recovered("apply", "the speakers' DaemonSet can be applied again");
  seams_.on_change();
}

void DaemonSetApplier::Refuse(const absl::Status& error) {
  under_way_ = false;
  pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
  retry_at_ = seams_.clock->Monotonic() + pause_;
  done_ = before_;
  seams_.log->Damped("apply", "the speakers' DaemonSet cannot be applied; it stays as it is",
                     error.ToString());
  if (absl::IsUnavailable(error) || absl::IsDeadlineExceeded(error)) return;
  outcome_ = {.refused = std::string(error.message())};
  seams_.on_change();
}

}  // namespace openelb::kube

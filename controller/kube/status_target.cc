#include "controller/kube/status_target.h"

#include <utility>

#include "api/network/v1alpha2/names.h"
#include "controller/kube/merge_patch.h"

namespace openelb::kube {

using codec::Value;

StatusTarget::StatusTarget(const ObjectKey& key)
    : finalizer_(key.kind == network::Eip::kKind ? network::kEipFinalizer
                                                 : network::kServiceFinalizer),
      deletion_waits_(key.kind == network::Eip::kKind) {}

void StatusTarget::See(const Value& object) {
  const Value* status = object.Find("status");
  shown_ = Shown{.meta = ReadMeta(object), .status = status == nullptr ? Value() : *status};
}

void StatusTarget::Want(Value status, bool in_use) {
  wanted_ = Wanted{.status = std::move(status), .in_use = in_use};
}

std::optional<Patch> StatusTarget::Next() const {
  if (!shown_ || !wanted_) return std::nullopt;
  const ShownMeta& meta = shown_->meta;
  const bool wants_finalizer = wanted_->in_use && (!meta.deleting || deletion_waits_);
  std::optional<Patch> finalizer_patch;
  if (auto finalizers = FinalizersWith(meta, finalizer_, wants_finalizer)) {
    finalizer_patch.emplace(Patch{.of_version = true});
    finalizer_patch->body["metadata"]["finalizers"] = *std::move(finalizers);
  }
  // Nobody reads the status of what goes now; and nothing may be added to what goes.
  if (meta.deleting && !wants_finalizer) return finalizer_patch;
  if (finalizer_patch && !meta.deleting) return finalizer_patch;

  Value status = wanted_->status;
  if (status.map() != nullptr) {
    if (const auto it = status.map()->find("conditions"); it != status.map()->end())
      KeepTransitionTimes(shown_->status.Find("conditions"), &it->second);
  }
  std::optional<Value> change = MergePatch(shown_->status, status);
  if (!change) return std::nullopt;
  Patch patch{.status = true};
  patch.body["status"] = *std::move(change);
  return patch;
}

}  // namespace openelb::kube

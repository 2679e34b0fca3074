#include "controller/kube/kept_object.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/kube/text_at.h"

namespace openelb::kube {

KeptObject::KeptObject(Options options, Client* client, const Clock* clock, Random* random)
    : options_(std::move(options)),
      client_(client),
      clock_(clock),
      random_(random),
      self_(std::make_shared<KeptObject*>(this)) {}

KeptObject::~KeptObject() { *self_ = nullptr; }

void KeptObject::Turn() {
  if (under_way_ || clock_->Monotonic() < next_) return;
  Call({.path = absl::StrCat(options_.collection, "/", options_.name)});
}

void KeptObject::Replace(codec::Value desired) {
  ApiCall call{
      .method = object_ ? "PUT" : "POST", .path = options_.collection, .content_type = kJson};
  if (object_) {
    absl::StrAppend(&call.path, "/", options_.name);
  } else {
    desired["metadata"]["name"] = options_.name;
  }
  call.body = std::move(desired);
  Call(std::move(call));
}

void KeptObject::Patch(codec::Value patch) {
  patch["metadata"]["resourceVersion"] = TextAt(*object_, {"metadata", "resourceVersion"});
  Call({.method = "PATCH",
        .path = absl::StrCat(options_.collection, "/", options_.name),
        .content_type = kMergePatch,
        .body = std::move(patch)});
}

void KeptObject::Call(ApiCall call) {
  under_way_ = true;
  const bool read = call.method == "GET";
  client_->Call(std::move(call), [self = self_, read](absl::StatusOr<codec::Value> answer) {
    if (*self != nullptr) (*self)->OnAnswer(read, std::move(answer));
  });
}

void KeptObject::OnAnswer(bool read, absl::StatusOr<codec::Value> answer) {
  under_way_ = false;
  ++version_;
  const absl::Duration now = clock_->Monotonic();
  const bool missing = read && absl::IsNotFound(answer.status());
  if (answer.ok() || missing) {
    known_ = true;
    error_ = absl::OkStatus();
    backoff_.Reset();
    next_ = now + (missing ? options_.missing_interval : options_.interval);
    object_ = missing ? std::nullopt : std::optional(*std::move(answer));
    return;
  }
  // What a failed write has done, or who was faster, the next read tells.
  known_ = known_ && read;
  const bool conflict = absl::IsAborted(answer.status()) ||
                        absl::IsAlreadyExists(answer.status()) ||
                        (!read && absl::IsNotFound(answer.status()));
  error_ = conflict ? absl::OkStatus() : answer.status();
  next_ = now + backoff_.Next(random_);
}

}  // namespace openelb::kube

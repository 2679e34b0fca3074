#pragma once
// That a resource cannot be read, since when, and in words that say what to do.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controller/kube/resource.h"

namespace openelb::kube {

struct Outage {
  absl::Duration since;      // Clock::Monotonic
  absl::Status status;       // the last failure; its message is one sentence
  bool unreachable = false;  // the server did not begin to answer
};

// `status` with the message that says that `verb` ("list", "watch") of the resource fails, why, and
// what to do about it where that is known.
absl::Status Explain(const Resource& resource, absl::string_view verb, const absl::Status& status);

}  // namespace openelb::kube

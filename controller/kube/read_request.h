#pragma once
// The requests that read a resource (Kubernetes API concepts: efficient detection of changes).

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controller/kube/resource.h"
#include "controller/kube/transport.h"

namespace openelb::kube {

// A page of `limit` objects (0: all in one), as they are now; `silence` becomes the timeout.
// `continue_token`: what the page before said; empty: the first page.
HttpRequest ListRequest(const Resource& resource, int limit, absl::string_view continue_token,
                        absl::Duration silence);

// What changes after `version`, bookmarks included; the server ends it after `time`.
HttpRequest WatchRequest(const Resource& resource, absl::string_view version, absl::Duration time,
                         absl::Duration silence);

// The same, after all objects as they are now.
HttpRequest StreamRequest(const Resource& resource, absl::Duration time, absl::Duration silence);

}  // namespace openelb::kube

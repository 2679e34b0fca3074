#pragma once
// One line of a watch (metav1.WatchEvent).

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::kube {

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kError;
  codec::Value object;  // of kError a metav1.Status

  // metadata.resourceVersion; empty when there is none.
  std::string Version() const;
  // The bookmark that ends the objects asked for by sendInitialEvents.
  bool IsInitialEnd() const;
};

// Error: InvalidArgument.
absl::StatusOr<WatchEvent> ParseWatchEvent(absl::string_view line);

}  // namespace openelb::kube

#pragma once
// JSON of the API server to values.

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::kube {

// One JSON text, nested up to 100 levels. metadata.managedFields, which nothing reads and which is
// often the larger half of an object, is left out wherever it stands. Error: InvalidArgument saying
// what and where.
absl::StatusOr<codec::Value> ParseJson(absl::string_view text);

}  // namespace openelb::kube

#pragma once
// Hashes and generations of plans, the same on both ends of the stream.

#include <compare>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace openelb::plan {

// 64-bit hash of one resource over key and body: FNV-1a with a final mix, so that sums of hashes
// spread. Stable across processes and versions: it is part of the contract.
uint64_t ResourceHash(absl::string_view key, absl::string_view body);

// Orders plans: by epoch, then by counter.
struct Generation {
  uint64_t epoch = 0;
  uint64_t counter = 0;
  auto operator<=>(const Generation&) const = default;
};

}  // namespace openelb::plan

#pragma once
// What of an object is worth keeping: large and restless parts that nothing reads go before it is
// compared and decoded.

#include <cstdint>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::kube {

// Removes from an object of `kind` its status, as far as it is not read, heartbeats, and what other
// programs note for themselves. Parts that are small and rarely change may stay unread.
void Prune(absl::string_view kind, codec::Value* object);

// Tells whether a pruned object of `kind` has changed: equal ones have equal digests in this
// process, others differ but for one in 2^64. metadata.resourceVersion counts for Services alone:
// who writes a Service has to know it, and the others change it by statuses that nobody reads.
uint64_t Digest(absl::string_view kind, const codec::Value& object);

}  // namespace openelb::kube

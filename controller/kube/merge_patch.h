#pragma once
// RFC 7396 JSON Merge Patch.

#include <optional>

#include "api/codec/value.h"

namespace openelb::kube {

// The patch that makes `to` of `from`, with a null for each key that goes; nullopt: they are equal.
// Lists are replaced whole. `to` holds no null.
std::optional<codec::Value> MergePatch(const codec::Value& from, const codec::Value& to);

}  // namespace openelb::kube

#pragma once

#include "api/codec/value.h"

namespace openelb::kube::fake {

// RFC 7386: maps merge, null deletes, everything else replaces.
void MergePatch(const codec::Value& patch, codec::Value* target);

}  // namespace openelb::kube::fake

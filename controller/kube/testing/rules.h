#pragma once
// What the API server adds to objects by itself, and what it refuses, type by type: as much as
// clients of ours can meet.

#include <optional>

#include "api/codec/value.h"
#include "controller/kube/testing/reply.h"
#include "controller/kube/testing/resource_type.h"

namespace openelb::kube::fake {

// Defaults. `number` tells one object from the next: addresses and ports are made of it.
void FillIn(const ResourceType& type, uint64_t number, codec::Value* object);

// What a change of the specification takes from the status.
void ResetStatus(const ResourceType& type, codec::Value* object);

// `live`: null pointer when it is created.
std::optional<Reply> Check(const ResourceType& type, const codec::Value& object,
                           const codec::Value* live);

}  // namespace openelb::kube::fake

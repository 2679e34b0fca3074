#pragma once
// Plan messages for tests, from text-format resource bodies.

#include <map>
#include <string>
#include <vector>

#include "api/plan/resource.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::link {

// key -> body in protobuf text format, such as {"place/g", "place { group: 'g' node: 'n' }"}.
using Resources = std::map<std::string, std::string>;

// The serialized body; of a field given twice the later counts. Text that does not parse stands for
// itself, as garbage.
std::string Body(const std::string& text);
uint64_t HashOf(const Resources& resources);
// Begin, one chunk, end.
std::vector<plan::v1::Plan> Snapshot(plan::Generation generation, const Resources& resources);
// From a plan `before` at `base` to `after` at `generation`.
plan::v1::Plan Delta(plan::Generation base, const Resources& before, plan::Generation generation,
                     const Resources& after);

}  // namespace openelb::link

#pragma once
// Plan messages of thousands of resources, without an allocation for each of their fields.

#include <memory>

#include "api/plan/v1/plan.pb.h"

namespace openelb::plan {

// An empty message on an arena of its own, which goes with the last reference.
std::shared_ptr<v1::Plan> NewPlan();

}  // namespace openelb::plan

#include "api/plan/new_plan.h"

#include <google/protobuf/arena.h>

#include <utility>

namespace openelb::plan {

std::shared_ptr<v1::Plan> NewPlan() {
  auto arena = std::make_shared<google::protobuf::Arena>();
  auto* const plan = google::protobuf::Arena::CreateMessage<v1::Plan>(arena.get());
  return {std::move(arena), plan};
}

}  // namespace openelb::plan

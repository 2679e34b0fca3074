#include "api/network/v1alpha2/openelb.h"

namespace openelb::network {

absl::string_view UpdateStrategyName(UpdateStrategy strategy) {
  switch (strategy) {
    case UpdateStrategy::kRackAware:
      return "RackAware";
    case UpdateStrategy::kRollingUpdate:
      return "RollingUpdate";
    case UpdateStrategy::kOnDelete:
      return "OnDelete";
  }
  return "";
}

}  // namespace openelb::network

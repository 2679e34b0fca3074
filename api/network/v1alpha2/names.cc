#include "api/network/v1alpha2/names.h"

namespace openelb::network {

std::optional<std::string> Find(const kube::Labels& map, const Key& key) {
  for (const char* spelling : {key.openelb, key.porter}) {
    if (const auto it = map.find(spelling); it != map.end()) return it->second;
  }
  return std::nullopt;
}

bool IsOurs(const kube::Labels& annotations) {
  const auto value = Find(annotations, kLoadBalancer);
  return value == "openelb" || value == "porter";
}

}  // namespace openelb::network

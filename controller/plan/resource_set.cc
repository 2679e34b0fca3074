#include "controller/plan/resource_set.h"

#include "api/plan/resource.h"

namespace openelb::plan {

bool ResourceSet::Put(const std::string& key, std::string body) {
  const uint64_t hash = ResourceHash(key, body);
  Resource& resource = resources_[key];
  if (resource.body != nullptr && *resource.body == body) return false;
  hash_ += hash - resource.hash;
  resource = {std::make_shared<const std::string>(std::move(body)), hash};
  return true;
}

bool ResourceSet::Erase(absl::string_view key) {
  const auto it = resources_.find(key);
  if (it == resources_.end()) return false;
  hash_ -= it->second.hash;
  resources_.erase(it);
  return true;
}

}  // namespace openelb::plan

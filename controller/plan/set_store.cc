#include "controller/plan/set_store.h"

#include <utility>

namespace openelb::plan {

void SetStore::Put(const std::string& set, const std::string& key, const v1::ResourceBody& body) {
  if (sets_[set].Put(key, body.SerializeAsString())) changes_[set].insert(key);
}

void SetStore::Erase(const std::string& set, const std::string& key) {
  const auto it = sets_.find(set);
  if (it == sets_.end() || !it->second.Erase(key)) return;
  changes_[set].insert(key);
  if (it->second.resources().empty()) sets_.erase(it);
}

void SetStore::Drop(const std::string& set) {
  const auto it = sets_.find(set);
  if (it == sets_.end()) return;
  for (const auto& [key, resource] : it->second.resources()) changes_[set].insert(key);
  sets_.erase(it);
}

const ResourceSet* SetStore::Find(absl::string_view set) const {
  const auto it = sets_.find(set);
  return it == sets_.end() ? nullptr : &it->second;
}

std::map<std::string, std::set<std::string>> SetStore::TakeChanges() {
  return std::exchange(changes_, {});
}

}  // namespace openelb::plan

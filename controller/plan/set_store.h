#pragma once
// All resource sets of a planner, and the record of what a step changes in them.

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "api/plan/v1/plan.pb.h"
#include "controller/plan/resource_set.h"

namespace openelb::plan {

class SetStore {
 public:
  void Put(const std::string& set, const std::string& key, const v1::ResourceBody& body);
  void Erase(const std::string& set, const std::string& key);
  // Removes the whole set.
  void Drop(const std::string& set);
  const ResourceSet* Find(absl::string_view set) const;
  // The changes since the last call, by set and key.
  std::map<std::string, std::set<std::string>> TakeChanges();

 private:
  std::map<std::string, ResourceSet, std::less<>> sets_;  // none of them empty
  std::map<std::string, std::set<std::string>> changes_;
};

}  // namespace openelb::plan

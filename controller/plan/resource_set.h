#pragma once
// Named sets of serialized plan resources. A speaker's plan is the union of a few sets: what its
// rack shares ("rack/NAME") and its own ("node/NAME"). Bodies are serialized once and shared by
// every speaker that reads the set.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace openelb::plan {

struct Resource {
  std::shared_ptr<const std::string> body;  // a serialized plan::v1::ResourceBody
  uint64_t hash = 0;                        // ResourceHash(key, body)
};

class ResourceSet {
 public:
  const std::map<std::string, Resource, std::less<>>& resources() const { return resources_; }
  // Sum modulo 2^64 of the resources' hashes.
  uint64_t hash() const { return hash_; }
  // Whether that changed anything.
  bool Put(const std::string& key, std::string body);
  bool Erase(absl::string_view key);

 private:
  std::map<std::string, Resource, std::less<>> resources_;
  uint64_t hash_ = 0;
};

// What a step of the planner changed.
struct PlanChange {
  std::map<std::string, std::set<std::string>> keys;  // set name -> keys put or erased
  std::set<std::string> speakers;  // nodes that read other sets than before, or are new or gone

  bool empty() const { return keys.empty() && speakers.empty(); }
};

// What the distributor reads of a planner.
class PlanView {
 public:
  virtual ~PlanView() = default;
  // The sets that the speaker on `node` reads, in order; their keys never clash. Empty: it has no
  // plan (yet).
  virtual std::vector<std::string> SetsOf(absl::string_view node) const = 0;
  // nullptr when there is no such set (an empty one).
  virtual const ResourceSet* Find(absl::string_view set) const = 0;
};

}  // namespace openelb::plan

#pragma once
// Named sets of serialized plan resources. A speaker's plan is the union of a few sets: routes that
// many racks share ("routes/..."), what its rack shares ("rack/...") and its own ("node/NAME"); to
// all but the planner the names are opaque. Bodies are serialized once and shared by every speaker
// that reads the set.

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

// What a step of the planner changed. A key may leave one set of a speaker and enter another in the
// same step: it is gone only when none of the speaker's sets holds it.
struct PlanChange {
  std::map<std::string, std::set<std::string>> keys;  // set name -> keys put or erased
  std::set<std::string> speakers;  // nodes that read other sets than before, or are new or gone
  bool problems = false;           // Planner::Problems may answer differently
  // Which speakers a rack has, or who may answer for Layer 2 and VIP addresses, may have changed.
  bool racks = false;
  // An exchange of routes and aggregates that began: what it replaces stays until
  // Planner::FinishExchanges. 0: none.
  uint64_t exchange = 0;

  // Whether no speaker's plan changed.
  bool empty() const { return keys.empty() && speakers.empty(); }
};

// What the distributor reads of a planner.
class PlanView {
 public:
  virtual ~PlanView() = default;
  // The sets that the speaker on `node` reads, in order; their keys never clash. Empty: it has no
  // plan (yet), and what it holds stays. A speaker whose Node was deleted reads one set that does
  // not exist: an empty plan.
  virtual std::vector<std::string> SetsOf(absl::string_view node) const = 0;
  // nullptr when there is no such set (an empty one).
  virtual const ResourceSet* Find(absl::string_view set) const = 0;
};

}  // namespace openelb::plan

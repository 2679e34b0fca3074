#pragma once
// Stamps conditions: metav1.Condition.lastTransitionTime moves only when a condition's status does.

#include <map>
#include <vector>

#include "absl/time/time.h"
#include "api/kube/meta.h"
#include "api/object.h"

namespace openelb::observe {

class ConditionStamps {
 public:
  // Fills last_transition_time and sorts by type. Conditions of `about` that are not given any more
  // are forgotten.
  void Stamp(const ObjectKey& about, absl::Time now, std::vector<kube::Condition>* conditions);
  void Forget(const ObjectKey& about) { stamps_.erase(about); }

 private:
  struct Stamped {
    bool status;
    absl::Time since;
  };
  std::map<ObjectKey, std::map<std::string, Stamped>> stamps_;
};

// The condition FieldsIgnored=True that names fields we accept and cannot honour; none when the
// list is empty.
std::vector<kube::Condition> FieldsIgnored(const std::vector<std::string>& fields,
                                           int64_t generation);

}  // namespace openelb::observe

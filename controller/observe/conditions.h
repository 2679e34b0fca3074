#pragma once
// Conditions as an API server takes them: messages that fit, and stamps: a
// metav1.Condition.lastTransitionTime moves only when the condition's status does.

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/kube/meta.h"
#include "api/object.h"

namespace openelb::observe {

// What metav1.Condition.message may hold; a longer one would cost the whole status. The limit is in
// characters, so that as many octets always fit.
inline constexpr size_t kMaxMessageBytes = 32768;
inline constexpr size_t kMaxSentences = 20;

// One message of several findings, in their order: "a; b; and 3 more". No more than kMaxSentences
// of them, and no more than kMaxMessageBytes.
std::string JoinSentences(const std::vector<std::string>& sentences);

class ConditionStamps {
 public:
  // Fills last_transition_time, cuts messages at kMaxMessageBytes and sorts by type. Conditions of
  // `about` that are not given any more are forgotten.
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

#pragma once
// What an OpenELB object is told about itself: conditions and Events. Pure: time comes in.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/codec/value.h"
#include "api/kube/meta.h"
#include "api/network/v1alpha2/openelb.h"
#include "controller/install/roll.h"
#include "controller/status_sink.h"

namespace openelb::install {

// The types of its conditions; each is always there, True or False.
inline constexpr const char* kApplied = "Applied";
inline constexpr const char* kDrifted = "Drifted";
inline constexpr const char* kAvailable = "Available";
inline constexpr const char* kProgressing = "Progressing";
inline constexpr const char* kDegraded = "Degraded";

// The object that counts: the one named default, else the oldest, else the first by name. Empty:
// there is none. `created` by name.
std::string ChooseObject(const std::map<std::string, absl::Time>& created);

// A field that the object sets and somebody else keeps at another value.
struct FieldConflict {
  std::string field;    // ".spec.template.spec.nodeSelector"
  std::string manager;  // "kubectl-edit"
  bool operator==(const FieldConflict&) const = default;
};

// Those that an API server names when it refuses to apply: `details` of its metav1.Status.
std::vector<FieldConflict> ConflictsIn(const codec::Value& details);

// What has become of applying the object.
struct ApplyOutcome {
  bool done = false;
  std::string refused;   // why nothing was applied; empty: nothing stood against it
  bool no_node = false;  // nothing was applied: it would have left no node with a speaker
  std::vector<FieldConflict> conflicts;  // left as they are
};

struct Installation {
  int64_t generation = 0;  // of the object
  ApplyOutcome apply;
  bool exists = false;   // the DaemonSet does
  bool current = false;  // the DaemonSet controller has seen its newest specification
  int64_t desired = 0;   // nodes that it wants a Pod on
  network::UpdateStrategy strategy = network::UpdateStrategy::kRackAware;
  std::optional<Roll> roll;  // nullopt: Pods and speakers are not known yet
};
network::OpenElbStatus StatusOf(const Installation& installation, absl::Time now);
// Of an object beside the one that counts.
network::OpenElbStatus StatusBeside(int64_t generation, const std::string& chosen, absl::Time now);

// What is news of the conditions: what went wrong, and what is right again.
std::vector<ClusterEvent> EventsBetween(const std::string& name,
                                        const std::vector<kube::Condition>& before,
                                        const std::vector<kube::Condition>& after);

}  // namespace openelb::install

#pragma once
// core/v1 Node, as far as planning reads it.

#include <string>
#include <vector>

#include "api/base/ip.h"
#include "api/kube/meta.h"

namespace openelb::kube {

// Status of a condition: "True", "False" or "Unknown".
enum class ConditionStatus { kTrue, kFalse, kUnknown };

struct Taint {
  std::string key;
  std::string value;
  std::string effect;  // NoSchedule, PreferNoSchedule or NoExecute
  bool operator==(const Taint&) const = default;
};

struct Node {
  static constexpr const char* kKind = "Node";
  ObjectMeta meta;
  bool unschedulable = false;
  std::vector<Taint> taints;
  std::vector<IpAddress> internal_ips;  // status.addresses of type InternalIP, in order
  // status.conditions; a Node manifest that gives no Ready condition counts as ready, so that plain
  // manifests work.
  ConditionStatus ready = ConditionStatus::kTrue;
  ConditionStatus network_unavailable = ConditionStatus::kFalse;

  bool operator==(const Node&) const = default;
};

}  // namespace openelb::kube

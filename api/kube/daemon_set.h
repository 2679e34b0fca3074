#pragma once
// apps/v1 DaemonSet, as far as it says on which nodes its pods run.

#include <optional>
#include <string>
#include <vector>

#include "api/kube/meta.h"
#include "api/kube/node.h"

namespace openelb::kube {

struct Toleration {
  std::string key;
  std::string op = "Equal";  // Equal or Exists
  std::string value;
  std::string effect;  // empty: every effect
  bool operator==(const Toleration&) const = default;
};

// One requirement of a nodeSelectorTerm; Gt and Lt compare integers.
struct NodeSelectorRequirement {
  enum class Operator { kIn, kNotIn, kExists, kDoesNotExist, kGt, kLt };
  std::string key;
  Operator op = Operator::kIn;
  std::vector<std::string> values;
  bool operator==(const NodeSelectorRequirement&) const = default;
};

// matchExpressions see labels; matchFields only metadata.name. A term without requirements matches
// nothing.
struct NodeSelectorTerm {
  std::vector<NodeSelectorRequirement> match_expressions;
  std::vector<NodeSelectorRequirement> match_fields;
  bool operator==(const NodeSelectorTerm&) const = default;
};

struct DaemonSet {
  static constexpr const char* kKind = "DaemonSet";
  ObjectMeta meta;
  // spec.template.spec:
  Labels node_selector;
  // affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
  // nullopt: not given.
  std::optional<std::vector<NodeSelectorTerm>> required_node_affinity;
  std::vector<Toleration> tolerations;
  std::string node_name;
  bool host_network = false;

  // Whether the scheduler would place (and keep) this DaemonSet's pod on `node`: node selector,
  // required affinity, taints against tolerations, those included that the DaemonSet controller
  // itself adds.
  bool Selects(const Node& node) const;
  bool operator==(const DaemonSet&) const = default;
};

}  // namespace openelb::kube

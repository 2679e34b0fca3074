#include "api/kube/daemon_set.h"

#include <algorithm>

#include "absl/strings/numbers.h"

namespace openelb::kube {
namespace {

bool Holds(const NodeSelectorRequirement& requirement, const Labels& labels) {
  using Operator = NodeSelectorRequirement::Operator;
  const auto it = labels.find(requirement.key);
  const bool present = it != labels.end();
  const bool listed = present && std::find(requirement.values.begin(), requirement.values.end(),
                                           it->second) != requirement.values.end();
  const auto compare = [&](auto less) {
    int64_t have = 0;
    int64_t want = 0;
    return present && requirement.values.size() == 1 && absl::SimpleAtoi(it->second, &have) &&
           absl::SimpleAtoi(requirement.values[0], &want) && less(have, want);
  };
  switch (requirement.op) {
    case Operator::kIn:
      return listed;
    case Operator::kNotIn:
      return !listed;
    case Operator::kExists:
      return present;
    case Operator::kDoesNotExist:
      return !present;
    case Operator::kGt:
      return compare([](int64_t have, int64_t want) { return have > want; });
    case Operator::kLt:
      return compare([](int64_t have, int64_t want) { return have < want; });
  }
  return false;
}

bool Matches(const NodeSelectorTerm& term, const Node& node) {
  if (term.match_expressions.empty() && term.match_fields.empty()) return false;
  const Labels fields = {{"metadata.name", node.meta.name}};
  return std::all_of(term.match_expressions.begin(), term.match_expressions.end(),
                     [&](const auto& r) { return Holds(r, node.meta.labels); }) &&
         std::all_of(term.match_fields.begin(), term.match_fields.end(),
                     [&](const auto& r) { return Holds(r, fields); });
}

bool Tolerates(const Toleration& toleration, const Taint& taint) {
  if (!toleration.effect.empty() && toleration.effect != taint.effect) return false;
  if (toleration.key.empty()) return toleration.op == "Exists";
  if (toleration.key != taint.key) return false;
  return toleration.op == "Exists" || toleration.value == taint.value;
}

// What the DaemonSet controller adds to its pods (pkg/controller/daemon/util
// AddOrUpdateDaemonPodTolerations).
std::vector<Toleration> AddedByTheController(bool host_network) {
  std::vector<Toleration> added = {
      {"node.kubernetes.io/not-ready", "Exists", "", "NoExecute"},
      {"node.kubernetes.io/unreachable", "Exists", "", "NoExecute"},
      {"node.kubernetes.io/disk-pressure", "Exists", "", "NoSchedule"},
      {"node.kubernetes.io/memory-pressure", "Exists", "", "NoSchedule"},
      {"node.kubernetes.io/pid-pressure", "Exists", "", "NoSchedule"},
      {"node.kubernetes.io/unschedulable", "Exists", "", "NoSchedule"},
  };
  if (host_network)
    added.push_back({"node.kubernetes.io/network-unavailable", "Exists", "", "NoSchedule"});
  return added;
}

}  // namespace

bool DaemonSet::Selects(const Node& node) const {
  if (!node_name.empty() && node_name != node.meta.name) return false;
  if (!LabelSelector{.match_labels = node_selector, .match_expressions = {}}.Matches(
          node.meta.labels))
    return false;
  if (required_node_affinity.has_value() &&
      std::none_of(required_node_affinity->begin(), required_node_affinity->end(),
                   [&](const NodeSelectorTerm& term) { return Matches(term, node); })) {
    return false;
  }
  std::vector<Toleration> all = AddedByTheController(host_network);
  all.insert(all.end(), tolerations.begin(), tolerations.end());
  return std::all_of(node.taints.begin(), node.taints.end(), [&](const Taint& taint) {
    return taint.effect == "PreferNoSchedule" ||
           std::any_of(all.begin(), all.end(),
                       [&](const Toleration& t) { return Tolerates(t, taint); });
  });
}

}  // namespace openelb::kube

#include "absl/strings/numbers.h"
#include "api/codec/kinds.h"

namespace openelb::codec {
namespace {

using Requirement = kube::NodeSelectorRequirement;

kube::Toleration DecodeToleration(const Field& field) {
  kube::Toleration toleration;
  toleration.key = field["key"].String();
  toleration.op = field["operator"].OneOfText({"Equal", "Exists"}, "Equal");
  toleration.value = field["value"].String();
  toleration.effect =
      field["effect"].OneOfText({"NoSchedule", "PreferNoSchedule", "NoExecute", ""}, "");
  if (toleration.key.empty() && toleration.op != "Exists") {
    field["operator"].Error("must be Exists where no key is given");
  }
  field.Skip({"tolerationSeconds"});
  return toleration;
}

void CheckValues(const Field& values, const Requirement& requirement) {
  using Operator = Requirement::Operator;
  int64_t number = 0;
  switch (requirement.op) {
    case Operator::kIn:
    case Operator::kNotIn:
      if (requirement.values.empty()) values.Error("missing; In and NotIn need at least one value");
      break;
    case Operator::kExists:
    case Operator::kDoesNotExist:
      if (!requirement.values.empty()) values.Error("not allowed with Exists and DoesNotExist");
      break;
    case Operator::kGt:
    case Operator::kLt:
      if (requirement.values.size() != 1 || !absl::SimpleAtoi(requirement.values[0], &number)) {
        values.Error("must hold one whole number with Gt and Lt, in quotes");
      }
      break;
  }
}

std::vector<Requirement> DecodeRequirements(const Field& field) {
  std::vector<Requirement> requirements;
  for (const Field& item : field.Items()) {
    Requirement requirement;
    if (item["key"].Require("the key of a label")) requirement.key = item["key"].String();
    const Field op = item["operator"];
    op.Require("In, NotIn, Exists, DoesNotExist, Gt or Lt");
    requirement.op = op.OneOf({{"In", Requirement::Operator::kIn},
                               {"NotIn", Requirement::Operator::kNotIn},
                               {"Exists", Requirement::Operator::kExists},
                               {"DoesNotExist", Requirement::Operator::kDoesNotExist},
                               {"Gt", Requirement::Operator::kGt},
                               {"Lt", Requirement::Operator::kLt}},
                              Requirement::Operator::kIn);
    requirement.values = item["values"].Strings();
    if (op.given()) CheckValues(item["values"], requirement);
    requirements.push_back(std::move(requirement));
  }
  return requirements;
}

kube::NodeSelectorTerm DecodeTerm(const Field& term) {
  return {DecodeRequirements(term["matchExpressions"]), DecodeRequirements(term["matchFields"])};
}

}  // namespace

kube::DaemonSet DecodePodPlacement(const Field& pod) {
  kube::DaemonSet placement;
  placement.node_selector = pod["nodeSelector"].StringMap();
  for (const Field& toleration : pod["tolerations"].Items()) {
    placement.tolerations.push_back(DecodeToleration(toleration));
  }
  // What is preferred, and what is asked of other Pods, does not keep a DaemonSet's off a node.
  pod["affinity"].Skip({"podAffinity", "podAntiAffinity"});
  const Field node_affinity = pod["affinity"]["nodeAffinity"];
  for (const Field& preferred :
       node_affinity["preferredDuringSchedulingIgnoredDuringExecution"].Items()) {
    preferred.Skip({"weight"});
    DecodeTerm(preferred["preference"]);
  }
  const Field required = node_affinity["requiredDuringSchedulingIgnoredDuringExecution"];
  if (required.given()) {
    placement.required_node_affinity.emplace();
    for (const Field& term : required["nodeSelectorTerms"].Items()) {
      placement.required_node_affinity->push_back(DecodeTerm(term));
    }
  }
  return placement;
}

// Only what decides where the pods run is read; the API server knows the rest.
Object DecodeDaemonSet(kube::ObjectMeta meta, const Field& root) {
  const Field pod = root["spec"]["template"]["spec"];
  root["spec"].AllowOthers();
  root["spec"]["template"].AllowOthers();
  pod.AllowOthers();
  pod["affinity"].AllowOthers();
  pod["affinity"]["nodeAffinity"].AllowOthers();
  kube::DaemonSet daemon_set = DecodePodPlacement(pod);
  daemon_set.meta = std::move(meta);
  daemon_set.node_name = pod["nodeName"].String();
  daemon_set.host_network = pod["hostNetwork"].Bool();
  return daemon_set;
}

}  // namespace openelb::codec

#include "api/codec/kinds.h"

namespace openelb::codec {

kube::ObjectMeta DecodeMeta(const Field& metadata) {
  kube::ObjectMeta meta;
  meta.name = metadata["name"].String();
  meta.namespace_ = metadata["namespace"].String();
  meta.uid = metadata["uid"].String();
  meta.resource_version = metadata["resourceVersion"].String();
  meta.generation = metadata["generation"].Int<int64_t>(0, INT64_MAX);
  meta.creation_timestamp = metadata["creationTimestamp"].Time().value_or(absl::InfinitePast());
  meta.deletion_timestamp = metadata["deletionTimestamp"].Time();
  meta.labels = metadata["labels"].StringMap();
  meta.annotations = metadata["annotations"].StringMap();
  meta.finalizers = metadata["finalizers"].Strings();
  metadata.Skip({"generateName", "deletionGracePeriodSeconds", "ownerReferences", "managedFields",
                 "selfLink", "clusterName"});
  return meta;
}

kube::LabelSelector DecodeLabelSelector(const Field& selector) {
  using Requirement = kube::LabelSelectorRequirement;
  kube::LabelSelector decoded;
  decoded.match_labels = selector["matchLabels"].StringMap();
  for (const Field& item : selector["matchExpressions"].Items()) {
    Requirement requirement;
    if (item["key"].Require("the key of a label")) requirement.key = item["key"].String();
    const Field op = item["operator"];
    op.Require("In, NotIn, Exists or DoesNotExist");
    requirement.op = op.OneOf({{"In", Requirement::Operator::kIn},
                               {"NotIn", Requirement::Operator::kNotIn},
                               {"Exists", Requirement::Operator::kExists},
                               {"DoesNotExist", Requirement::Operator::kDoesNotExist}},
                              Requirement::Operator::kIn);
    const Field values = item["values"];
    requirement.values = values.Strings();
    const bool listed = requirement.op == Requirement::Operator::kIn ||
                        requirement.op == Requirement::Operator::kNotIn;
    if (op.given() && listed && requirement.values.empty()) {
      values.Error("missing; In and NotIn need at least one value");
    }
    if (!listed && !requirement.values.empty()) {
      values.Error("not allowed with Exists and DoesNotExist");
    }
    decoded.match_expressions.push_back(std::move(requirement));
  }
  return decoded;
}

}  // namespace openelb::codec

#include "api/kube/meta.h"

#include <algorithm>

namespace openelb::kube {
namespace {

bool Holds(const LabelSelectorRequirement& requirement, const Labels& labels) {
  using Operator = LabelSelectorRequirement::Operator;
  const auto it = labels.find(requirement.key);
  const bool present = it != labels.end();
  const bool listed = present && std::find(requirement.values.begin(), requirement.values.end(),
                                           it->second) != requirement.values.end();
  switch (requirement.op) {
    case Operator::kIn:
      return listed;
    case Operator::kNotIn:
      return !listed;
    case Operator::kExists:
      return present;
    case Operator::kDoesNotExist:
      return !present;
  }
  return false;
}

}  // namespace

bool LabelSelector::Matches(const Labels& labels) const {
  return std::all_of(match_labels.begin(), match_labels.end(),
                     [&](const auto& wanted) {
                       const auto it = labels.find(wanted.first);
                       return it != labels.end() && it->second == wanted.second;
                     }) &&
         std::all_of(match_expressions.begin(), match_expressions.end(),
                     [&](const LabelSelectorRequirement& r) { return Holds(r, labels); });
}

}  // namespace openelb::kube

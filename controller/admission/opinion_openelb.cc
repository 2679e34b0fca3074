#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/admission/opinion.h"

namespace openelb::admission {
namespace {

bool Carries(const kube::Labels& node, const kube::Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    const auto it = node.find(label.first);
    return it != node.end() && it->second == label.second;
  });
}

}  // namespace

Opinion OpinionOf(const network::OpenElb& object, Knowledge* known) {
  Opinion opinion;
  const auto& nodes = known->nodes();
  // A warning: the label may come later, and until then nothing is applied.
  if (object.node_selector && std::none_of(nodes.begin(), nodes.end(), [&](const auto& node) {
        return Carries(node.second, *object.node_selector);
      })) {
    opinion.warnings.push_back(
        absl::StrCat("spec.speaker.nodeSelector: no node is labelled ",
                     absl::StrJoin(*object.node_selector, ",", absl::PairFormatter("=")),
                     ": speakers stay where they are until one is"));
  }
  return opinion;
}

}  // namespace openelb::admission

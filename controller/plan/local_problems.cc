#include "controller/plan/local_problems.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace openelb::plan {
namespace {

bool IsOff(const LocalMode& mode, const Model& model) {
  const auto any = [&](bool NodeView::* member) {
    return std::any_of(model.nodes.begin(), model.nodes.end(),
                       [&](const auto& node) { return node.second.*member; });
  };
  return any(&NodeView::speaker) && !any(mode.member);
}

}  // namespace

std::string Shown(const std::vector<std::string>& addresses) {
  if (addresses.size() == 1) return addresses.front();
  return absl::StrCat(addresses.front(), " and ", addresses.size() - 1, " more");
}

Problem NoNode(const LocalMode& mode, const std::string& pool, const PoolInterface& interface,
               const std::vector<std::string>& addresses, const Model& model) {
  const ObjectKey about{network::Eip::kKind, "", pool};
  const std::string what = absl::StrCat("no node can ", mode.verb, " ", Shown(addresses), ": ");
  if (IsOff(mode, model))
    return {about, "ModeDisabled", absl::StrCat(what, mode.flag, " is false on every speaker")};
  return {
      about, "NoOwner",
      absl::StrCat(
          what, "it takes a Ready node with a speaker in ", mode.name, " mode",
          interface.name.empty() ? "" : absl::StrCat(", interface ", interface.name, " that is up"),
          interface.off_link ? ", an address of the node there"
                             : ", a network there that contains the address",
          ", and a ready endpoint of the Service as its policy asks")};
}

}  // namespace openelb::plan

// What users should know about Eips of Layer 2 mode.

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/network/v1alpha2/names.h"
#include "controller/plan/layer2_table.h"
#include "controller/plan/local_problems.h"

namespace openelb::plan {
namespace {

constexpr LocalMode kMode = {.member = &NodeView::layer2,
                             .name = "Layer 2",
                             .verb = "answer for",
                             .flag = "--enable-layer2"};

}  // namespace

void Layer2Table::AddProblems(const Model& model, std::set<Problem>* out) const {
  struct Pool {
    std::vector<std::string> ownerless;
    std::vector<std::string> no_carrier;
    std::vector<std::string> alone;
    std::vector<std::string> crowded;
    std::vector<std::string> unwatched;
    std::set<std::string> racks;
  };
  std::map<std::string, Pool> pools;
  for (const auto& [address, view] : model.layer2) {
    Pool& pool = pools[view.pool];
    const std::string text = address.ToString();
    if (view.ranks.empty()) pool.ownerless.push_back(text);
    if (view.no_carrier) pool.no_carrier.push_back(text);
    if (view.alone) pool.alone.push_back(text);
    if (view.crowded) pool.crowded.push_back(text);
    if (unwatched_.contains(address)) pool.unwatched.push_back(text);
    for (const std::string& node : view.ranks) pool.racks.insert(model.nodes.at(node).rack);
  }
  for (const std::string& name : unnamed_) {
    out->insert(
        {{network::Eip::kKind, "", name},
         "InterfaceMissing",
         "spec.interface is missing: each node answers on the interface on whose network an "
         "address is; write its name, or can_reach:IP"});
  }
  std::vector<std::string> misled;
  for (const auto& [name, node] : model.nodes) {
    if (node.layer2 && !node.layer2_address.empty() && AnnotatedInterface(node).empty())
      misled.push_back(absl::StrCat(name, " (\"", node.layer2_address, "\")"));
  }
  for (const auto& [name, pool] : pools) {
    const ObjectKey about{network::Eip::kKind, "", name};
    const auto say = [&](const char* reason, std::string message) {
      out->insert({about, reason, std::move(message)});
    };
    if (!pool.ownerless.empty())
      out->insert(NoNode(kMode, name, local_.InterfaceOf(name), pool.ownerless, model));
    if (!misled.empty()) {
      say("AnnotationIgnored",
          absl::StrCat("annotation ", network::kLayer2Address.openelb, " of ", Shown(misled),
                       " is not the address of an interface there: spec.interface alone counts"));
    }
    if (!pool.no_carrier.empty()) {
      say("NoCarrier", absl::StrCat("no node that can answer for ", Shown(pool.no_carrier),
                                    " has a carrier on its interface"));
    }
    std::vector<std::string> few;
    if (!pool.alone.empty()) {
      few.push_back(
          absl::StrCat("for ", Shown(pool.alone), " nobody does: one node alone can answer"));
    }
    if (!pool.crowded.empty()) {
      few.push_back(absl::StrCat("for ", Shown(pool.crowded),
                                 " more nodes could, but they or those that do watch as many "
                                 "others as they may (",
                                 WatchGraph::kMaxSessions, ")"));
    }
    if (!pool.unwatched.empty()) {
      few.push_back(absl::StrCat(
          "for ", Shown(pool.unwatched),
          " nodes that do cannot all watch each other, and so not take over by themselves: ",
          watches_.has_secret()
              ? "it takes an address on the interface of each that is in the "
                "other's network there"
              : "the secret of their sessions is not there yet or cannot be read"));
    }
    if (!few.empty()) {
      say("FewStandbys",
          absl::StrCat("two nodes should stand by for each owner; ", absl::StrJoin(few, "; ")));
    }
    if (pool.racks.size() > 1) {
      say("SeveralRacks",
          absl::StrCat("the nodes that answer for its addresses are in several racks (",
                       absl::StrJoin(pool.racks, ", "), "), and Layer 2 does not cross routers"));
    }
  }
}

}  // namespace openelb::plan

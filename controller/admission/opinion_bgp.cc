#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/codec/peer_group.h"
#include "api/network/v1alpha2/names.h"
#include "api/network/v1alpha2/validate.h"
#include "controller/admission/opinion.h"
#include "controller/plan/model.h"
#include "controller/plan/session.h"

namespace openelb::admission {
namespace {

using network::BgpConf;
using network::BgpPeer;

// A node on which both have a session; nullopt: there is none.
std::optional<std::string> NodeOfBoth(const BgpPeer& a, const BgpPeer& b, const Knowledge& known) {
  for (const auto& [node, labels] : known.nodes()) {
    if (plan::IsFor(a, labels) && plan::IsFor(b, labels)) return node;
  }
  return std::nullopt;
}

void LookForTwins(const BgpPeer& peer, const Knowledge& known, Opinion* opinion) {
  const auto neighbor = network::NeighborOf(peer);
  if (!neighbor.ok()) return;
  for (const auto& [name, other] : known.peers().peers()) {
    if (name == peer.meta.name || network::NeighborOf(other) != neighbor) continue;
    const std::optional<std::string> node = NodeOfBoth(peer, other, known);
    if (!node) continue;
    opinion->errors.push_back(absl::StrCat(
        peer.neighbor_address.empty() ? "spec.conf.neighborInterface" : "spec.conf.neighborAddress",
        ": BgpPeer \"", name, "\" has the same neighbour ", neighbor->ToString(), " on node \"",
        *node,
        "\", where one session is possible: let spec.nodeSelector of the two select "
        "different nodes, or delete one"));
    return;
  }
}

// Whether it is there and can be used is all that is told: whoever asks need not be one who may
// read Secrets.
void LookForSecret(const network::SecretKeyRef& ref, const std::string& field,
                   const Knowledge& known, Opinion* opinion) {
  if (known.secrets().Find(ref).ok()) return;
  opinion->errors.push_back(absl::StrCat(
      field, ": no Secret \"", ref.name, "\" in the namespace \"", known.system_namespace(),
      "\" has one line of text under the key \"", ref.key,
      "\", and no session comes up without it: create it first, of type Opaque, or correct name "
      "and key"));
}

// What planning would say of its session on a node that it selects.
void PlanOne(const BgpPeer& peer, const Knowledge& known, Opinion* opinion) {
  BgpConf conf;
  if (known.conf() != nullptr) conf = *known.conf();
  // Without it nothing can be said of what depends on the AS.
  const bool as_known = conf.as != 0;
  if (!as_known) conf.as = 1;
  BgpPeer alone = peer;
  alone.node_selector.reset();
  alone.auth_password_secret.reset();  // looked for already
  alone.auth_keys.clear();
  plan::NodeView node;
  for (const auto& [name, labels] : known.nodes()) {
    if (!plan::IsFor(peer, labels)) continue;
    node.labels = labels;
    node.rack = network::Find(labels, network::kRack).value_or("");
    break;
  }
  const std::string node_name;
  const plan::CurrentPolicy no_policy;
  const std::map<std::string, BgpPeer> peers = {{peer.meta.name, std::move(alone)}};
  const plan::SessionPlan plan = plan::PlanSessions({.node_name = node_name,
                                                     .node = node,
                                                     .conf = &conf,
                                                     .conf_is_for_cni = false,
                                                     .policy = no_policy,
                                                     .secrets = known.secrets(),
                                                     .peers = peers,
                                                     .uses_written_router_id = false});
  for (const plan::Problem& problem : plan.problems) {
    if (problem.about.kind != BgpPeer::kKind) continue;
    if (problem.reason == "HeldDown") {
      opinion->errors.push_back(problem.message);
    } else if (problem.reason == "BadTimer" ||
               (as_known &&
                (problem.reason == "NoEffect" || problem.reason == "UnknownCommunity"))) {
      opinion->warnings.push_back(problem.message);
    }
  }
}

}  // namespace

Opinion OpinionOf(const BgpPeer& peer, Knowledge* known) {
  Opinion opinion;
  WarnOfIgnored(peer.fields_ignored, &opinion);
  if (!peer.auth_password.empty()) {
    opinion.warnings.push_back(
        "spec.conf.authPassword: whoever may read BgpPeers can read it: put it into a Secret, and "
        "name that in spec.conf.authPasswordSecretRef");
  }
  if (IsForCni(peer.meta)) return opinion;
  const absl::StatusOr<BgpPeer> complete = known->peers().Complete(peer);
  if (!complete.ok()) {
    opinion.errors.push_back(absl::StrCat(complete.status().message(),
                                          absl::IsNotFound(complete.status())
                                              ? ": add it to the BgpConf first, or name another"
                                              : ": change one of the two"));
    return opinion;
  }
  LookForTwins(*complete, *known, &opinion);
  if (complete->auth_password_secret) {
    LookForSecret(*complete->auth_password_secret, "spec.conf.authPasswordSecretRef", *known,
                  &opinion);
  }
  for (size_t i = 0; i < complete->auth_keys.size(); ++i) {
    LookForSecret(complete->auth_keys[i].secret,
                  absl::StrCat("spec.conf.authKeys[", i, "].secretRef"), *known, &opinion);
  }
  PlanOne(*complete, *known, &opinion);
  return opinion;
}

Opinion OpinionOf(const BgpConf& conf, Knowledge* known) {
  Opinion opinion;
  WarnOfIgnored(conf.fields_ignored, &opinion);
  if (conf.meta.name != network::kBgpConfName) {
    opinion.warnings.push_back(absl::StrCat("metadata.name: only the BgpConf named \"",
                                            network::kBgpConfName, "\" is used"));
    return opinion;
  }
  if (IsForCni(conf.meta)) return opinion;
  if (conf.as == 0 && conf.as_per_rack.empty())
    opinion.warnings.push_back("spec.as: not given, so BGP does not run: give the speakers' AS");
  if (const std::string problem = known->PolicyProblem(conf.policy); !problem.empty()) {
    opinion.warnings.push_back(absl::StrCat("spec.policy: ", problem,
                                            ": until it can be applied, no new session comes up"));
  }
  std::set<std::string> bad;
  for (const auto& [name, group] : conf.peer_groups) {
    const std::string error = codec::PeerGroupError(group);
    if (error.empty()) continue;
    bad.insert(name);
    opinion.errors.push_back(absl::StrCat("spec.peerGroups.", name, ": ", error));
  }
  for (const auto& [name, peer] : known->peers().grouped()) {
    const auto group = conf.peer_groups.find(peer.peer_group);
    if (group == conf.peer_groups.end()) {
      opinion.warnings.push_back(
          absl::StrCat("spec.peerGroups.", peer.peer_group, ": missing, but BgpPeer \"", name,
                       "\" names it; what it was before, if it was there, stays in force"));
    } else if (!bad.contains(group->first)) {
      const auto merged = codec::WithGroup(peer, group->second);
      if (merged.ok()) continue;
      opinion.errors.push_back(absl::StrCat("spec.peerGroups.", group->first, ": with BgpPeer \"",
                                            name, "\", which names it, ", merged.status().message(),
                                            ": change one of the two"));
    }
  }
  return opinion;
}

}  // namespace openelb::admission

#include "controller/plan/speaker_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::plan {
namespace {

// The CNI that handles the object, such as "calico": it is not ours to act on. nullopt: none does.
std::optional<std::string> CniOf(const kube::ObjectMeta& meta) {
  return network::Find(meta.labels, network::kCni);
}

Problem HandledByCni(ObjectKey about, absl::string_view cni, absl::string_view so) {
  return {std::move(about), "HandledByCni",
          absl::StrCat("label ", network::kCni.openelb, ": \"", cni,
                       "\" leaves this object to the CNI, so ", so,
                       "; remove the label if OpenELB is to act on it")};
}

std::string AudienceName(const std::string& rack, const std::vector<Scope>& scopes) {
  std::string name = absl::StrCat("rack/", rack);
  for (const Scope& scope : scopes) {
    absl::StrAppend(&name, "/", scope.name, scope.ipv6_hops ? " v4-via-v6" : "");
    if (!scope.link_of.empty()) absl::StrAppend(&name, " of ", scope.link_of);
    for (const Family family : kFamilies) {
      for (const IpPrefix& subnet : scope.subnets[family])
        absl::StrAppend(&name, " ", subnet.ToString());
    }
  }
  return name;
}

std::string RoutesName(const std::vector<Scope>& scopes) {
  return absl::StrCat("routes/", absl::StrJoin(scopes, "+", [](std::string* out, const Scope& s) {
                        absl::StrAppend(out, s.name);
                      }));
}

v1::ResourceBody Body(v1::BgpInstance instance) {
  v1::ResourceBody body;
  *body.mutable_instance() = std::move(instance);
  return body;
}

v1::ResourceBody Body(v1::BgpPeer peer) {
  v1::ResourceBody body;
  *body.mutable_peer() = std::move(peer);
  return body;
}

std::string PeerKey(const Neighbor& neighbor) { return absl::StrCat("peer/", neighbor.ToString()); }

void Leave(const std::string& speaker, const std::string& audience, Model* model,
           AudienceChanges* changes) {
  if (audience.empty()) return;
  changes->left[speaker] = audience;
  changes->regrouped.insert(audience);
  const auto it = model->audiences.find(audience);
  it->second.speakers.erase(speaker);
}

void Join(const std::string& speaker, const std::string& audience, const std::string& rack,
          std::vector<Scope> scopes, Model* model, AudienceChanges* changes) {
  const auto [it, added] = model->audiences.try_emplace(audience);
  it->second.speakers.insert(speaker);
  changes->regrouped.insert(audience);
  if (!added) return;
  it->second.rack = rack;
  it->second.routes = RoutesName(scopes);
  it->second.scopes = std::move(scopes);
  model->audiences_of[rack].insert(audience);
  changes->fresh.insert(audience);
}

// An audience that its last speaker left.
void Disband(const std::string& name, Model* model, AudienceChanges* changes) {
  const auto it = model->audiences.find(name);
  const auto of = model->audiences_of.find(it->second.rack);
  of->second.erase(name);
  if (of->second.empty()) model->audiences_of.erase(of);
  changes->regrouped.erase(name);
  if (changes->fresh.erase(name) == 0) changes->gone[name] = std::move(it->second);
  model->audiences.erase(it);
}

}  // namespace

void SpeakerTable::Upsert(const network::BgpConf& conf) {
  confs_[conf.meta.name] = conf;
  OnConfChanged();
}

void SpeakerTable::Upsert(const network::BgpPeer& peer) {
  all_touched_ = true;
  if (const auto cni = CniOf(peer.meta)) {
    peers_.Remove(peer.meta.name);
    cni_peers_[peer.meta.name] = *cni;
  } else {
    cni_peers_.erase(peer.meta.name);
    peers_.Upsert(peer);
  }
}

void SpeakerTable::RemoveConf(const std::string& name) {
  if (confs_.erase(name) > 0) OnConfChanged();
}

void SpeakerTable::OnConfChanged() {
  const network::BgpConf* conf = Conf();
  peers_.SetGroups(conf == nullptr ? PeerTable::Groups{} : conf->peer_groups);
  all_touched_ = true;
}

void SpeakerTable::RemovePeer(const std::string& name) {
  if (peers_.Remove(name) || cni_peers_.erase(name) > 0) all_touched_ = true;
}

// Most Secrets are other programs', and no session depends on them.
void SpeakerTable::OnSecretChanged(const std::string& name) {
  all_touched_ |= std::any_of(peers_.peers().begin(), peers_.peers().end(), [&](const auto& entry) {
    const network::BgpPeer& peer = entry.second;
    const auto& password = peer.auth_password_secret;
    return (password.has_value() && password->name == name) ||
           std::any_of(peer.auth_keys.begin(), peer.auth_keys.end(),
                       [&](const network::AuthKey& key) { return key.secret.name == name; });
  });
}

void SpeakerTable::Upsert(const kube::Secret& secret) {
  if (secrets_.Upsert(secret)) OnSecretChanged(secret.meta.name);
}

void SpeakerTable::RemoveSecret(const std::string& namespace_, const std::string& name) {
  if (secrets_.Remove(namespace_, name)) OnSecretChanged(name);
}

const network::BgpConf* SpeakerTable::Conf() const {
  const auto it = confs_.find(network::kBgpConfName);
  return it == confs_.end() || CniOf(it->second.meta) ? nullptr : &it->second;
}

std::string SpeakerTable::ChooseRouterIdHolder(const Model& model) const {
  const network::BgpConf* conf = Conf();
  const auto written = conf == nullptr ? std::nullopt : WrittenRouterId(*conf);
  if (!written.has_value()) return "";
  std::string first;
  for (const auto& [name, view] : model.nodes) {
    if (!view.speaker) continue;
    const std::vector<IpAddress>& ips = view.internal_ips;
    if (std::find(ips.begin(), ips.end(), *written) != ips.end()) return name;
    if (first.empty()) first = name;
  }
  const auto holder = model.nodes.find(router_id_holder_);
  return holder != model.nodes.end() && holder->second.speaker ? router_id_holder_ : first;
}

void SpeakerTable::Replan(const std::string& name, Model* model, SetStore* sets,
                          AudienceChanges* changes) {
  const NodeView& node = model->nodes.at(name);
  SessionPlan plan =
      PlanSessions({.node_name = name,
                    .node = node,
                    .conf = Conf(),
                    .conf_is_for_cni = Conf() == nullptr && confs_.contains(network::kBgpConfName),
                    .policy = policies_.current(),
                    .secrets = secrets_,
                    .peers = peers_.peers(),
                    .uses_written_router_id = name == router_id_holder_});
  const std::string set = NodeSet(name);
  SpeakerView& view = model->speakers[name];
  for (const auto& [neighbor, peer] : view.peers) {
    if (!plan.peers.contains(neighbor)) sets->Erase(set, PeerKey(neighbor));
  }
  for (auto& [neighbor, peer] : plan.peers)
    sets->Put(set, PeerKey(neighbor), Body(std::move(peer)));

  Session session;
  session.problems = std::move(plan.problems);
  session.internal = std::any_of(plan.view.peers.begin(), plan.view.peers.end(),
                                 [](const auto& peer) { return peer.second.internal; });
  if (plan.instance.has_value()) {
    session.router_id = plan.instance->router_id();
    session.local_as = plan.instance->local_as();
    sets->Put(set, "instance", Body(*std::move(plan.instance)));
  } else {
    sets->Erase(set, "instance");
  }
  Session& held = sessions_[name];
  changes->problems |= held != session;
  held = std::move(session);

  plan.view.audience = plan.scopes.empty() ? "" : AudienceName(node.rack, plan.scopes);
  if (plan.view.audience != view.audience) {
    Leave(name, view.audience, model, changes);
    if (!plan.view.audience.empty())
      Join(name, plan.view.audience, node.rack, std::move(plan.scopes), model, changes);
  }
  view = std::move(plan.view);
}

void SpeakerTable::Forget(const std::string& name, Model* model, SetStore* sets,
                          AudienceChanges* changes) {
  const auto it = model->speakers.find(name);
  if (it == model->speakers.end()) return;
  Leave(name, it->second.audience, model, changes);
  model->speakers.erase(it);
  sessions_.erase(name);
  sets->Drop(NodeSet(name));
  changes->problems = true;
}

bool SpeakerTable::IsPeered(const NodeView& node) const {
  if (Conf() == nullptr) return false;
  return std::any_of(peers_.peers().begin(), peers_.peers().end(), [&](const auto& entry) {
    const network::BgpPeer& peer = entry.second;
    return !peer.admin_down && IsFor(peer, node.labels);
  });
}

bool SpeakerTable::TellsWeights() const {
  return std::any_of(peers_.peers().begin(), peers_.peers().end(),
                     [](const auto& peer) { return peer.second.link_bandwidth; });
}

bool SpeakerTable::TellsIpv6Hops() const {
  return std::any_of(peers_.peers().begin(), peers_.peers().end(),
                     [](const auto& peer) { return CarriesIpv4OverIpv6(peer.second); });
}

AudienceChanges SpeakerTable::Derive(const NodeChanges& nodes, Model* model, SetStore* sets,
                                     Visits* visits) {
  AudienceChanges changes;
  std::set<std::string> touched;
  for (const auto& [name, before] : nodes) touched.insert(name);
  const network::BgpConf* conf = Conf();
  all_touched_ |= policies_.Derive(conf == nullptr ? "" : conf->policy);
  if (all_touched_) {
    peers_.ForgetUnused();
    for (const auto& [name, view] : model->nodes) touched.insert(name);
    changes.problems = true;
  }
  if (touched.empty()) return changes;
  all_touched_ = false;
  std::string holder = ChooseRouterIdHolder(*model);
  if (holder != router_id_holder_) {
    touched.insert(std::exchange(router_id_holder_, holder));
    touched.insert(holder);
  }

  for (const std::string& name : touched) {
    const auto node = model->nodes.find(name);
    const bool peered = node != model->nodes.end() && IsPeered(node->second);
    changes.peered |= peered ? model->peered.insert(name).second : model->peered.erase(name) > 0;
    if (node == model->nodes.end() || !node->second.speaker) {
      Forget(name, model, sets, &changes);
      continue;
    }
    ++visits->speakers;
    Replan(name, model, sets, &changes);
    const auto before = nodes.find(name);
    if (before != nodes.end() && before->second.has_value() &&
        before->second->leaving != node->second.leaving &&
        !model->speakers.at(name).audience.empty()) {
      changes.regrouped.insert(model->speakers.at(name).audience);
    }
  }
  for (const std::string& name : std::set<std::string>(changes.regrouped)) {
    if (model->audiences.at(name).speakers.empty()) Disband(name, model, &changes);
  }
  return changes;
}

void SpeakerTable::AddRouterIdProblems(std::set<Problem>* out) const {
  const network::BgpConf* conf = Conf();
  if (conf == nullptr) return;
  const ObjectKey about{network::BgpConf::kKind, "", conf->meta.name};
  if (!router_id_holder_.empty() && sessions_.size() > 1) {
    out->insert(
        {about, "RouterIdOnce",
         absl::StrCat("spec.routerId ", conf->router_id, " is used on node \"", router_id_holder_,
                      "\" alone, because router ids must differ (RFC 6286); each other "
                      "speaker uses its node's first IPv4 InternalIP")});
  }
  std::map<std::pair<std::string, uint32_t>, std::vector<std::string>> users;
  for (const auto& [name, session] : sessions_) {
    if (!session.router_id.empty()) users[{session.router_id, session.local_as}].push_back(name);
  }
  for (const auto& [id, names] : users) {
    if (names.size() < 2) continue;
    out->insert({about, "RouterIdClash",
                 absl::StrCat("the speakers on \"", absl::StrJoin(names, "\", \""),
                              "\" have the router id ", id.first, " in one AS (RFC 6286)")});
  }
}

void SpeakerTable::AddProblems(std::set<Problem>* out) const {
  for (const auto& [name, cni] : cni_peers_) {
    out->insert(
        HandledByCni({network::BgpPeer::kKind, "", name}, cni, "no speaker has a session with it"));
  }
  for (const auto& [name, conf] : confs_) {
    if (name == network::kBgpConfName) {
      if (const auto cni = CniOf(conf.meta)) {
        out->insert(HandledByCni({network::BgpConf::kKind, "", name}, *cni,
                                 "no speaker runs BGP, and no BgpPeer has a session"));
      }
      continue;
    }
    out->insert({{network::BgpConf::kKind, "", name},
                 "Ignored",
                 absl::StrCat("only the BgpConf named \"", network::kBgpConfName, "\" is used")});
  }
  if (const std::string& problem = policies_.current().problem; !problem.empty()) {
    out->insert({{network::BgpConf::kKind, "", network::kBgpConfName},
                 "PolicyNotApplied",
                 absl::StrCat("spec.policy: ", problem, "; ",
                              policies_.current().policy.has_value()
                                  ? "the policy that was applied before stays in force"
                                  : "peers are held down, because they would get routes that the "
                                    "policy may forbid")});
  }
  for (const auto& [name, session] : sessions_)
    out->insert(session.problems.begin(), session.problems.end());
  peers_.AddProblems(out);
  AddRouterIdProblems(out);
}

}  // namespace openelb::plan

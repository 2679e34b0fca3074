#include "controller/observe/statuses.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace openelb::observe {
namespace {

// A problem that is gone before this was only a step on the way, such as a node without a rack
// until its rack's speakers have reported.
constexpr absl::Duration kLasting = absl::Seconds(1);

ObjectKey PeerKey(const std::string& name) { return {network::BgpPeer::kKind, "", name}; }
ObjectKey ConfKey(const std::string& name) { return {network::BgpConf::kKind, "", name}; }

}  // namespace

void Statuses::OnObject(const Object& object) {
  const ObjectKey key = KeyOf(object);
  std::visit(
      [&](const auto& o) {
        if constexpr (requires { o.fields_ignored; }) {
          known_[key] = {o.meta.generation, o.meta.uid, o.fields_ignored};
          MarkDue(key);
        } else if constexpr (std::is_same_v<std::decay_t<decltype(o)>, kube::Service>) {
          known_[key] = {o.meta.generation, o.meta.uid, {}};
        }
      },
      object);
}

void Statuses::OnDeleted(const ObjectKey& key) {
  if (known_.erase(key) == 0) return;
  if (key.kind == network::BgpPeer::kKind) due_peers_.erase(key.name);
  if (key.kind == network::BgpConf::kKind) due_confs_.erase(key.name);
  stamps_.Forget(key);
  sink_->Forget(key);
}

void Statuses::MarkDue(const ObjectKey& key) {
  if (!known_.contains(key)) return;
  if (key.kind == network::BgpPeer::kKind) due_peers_.insert(key.name);
  if (key.kind == network::BgpConf::kKind) due_confs_.insert(key.name);
  if (key.kind == network::Eip::kKind) WriteEip(key.name);
}

void Statuses::OnSession(const SessionChange& change) {
  std::string message = absl::StrCat("the session of node ", change.node, " with ", change.address,
                                     change.established ? " is established" : " is down");
  if (!change.error.empty()) absl::StrAppend(&message, ": ", change.error);
  Record({.about = PeerKey(change.peer),
          .warning = !change.established,
          .reason = change.established ? "PeerUp" : "PeerDown",
          .message = std::move(message)});
}

void Statuses::OnProblems(absl::Duration now) {
  problems_due_ = std::min(problems_due_, now + kLasting);
}

std::vector<plan::Problem> Statuses::FindProblems() const {
  std::vector<plan::Problem> problems = planner_->Problems();
  for (const auto& [node, sentences] : board_->Problems()) {
    for (const std::string& sentence : sentences) {
      problems.push_back({.about = ConfKey(network::kBgpConfName),
                          .reason = "SpeakerProblem",
                          .message = absl::StrCat("node ", node, ": ", sentence)});
    }
  }
  std::sort(problems.begin(), problems.end());
  return problems;
}

void Statuses::ReadProblems() {
  std::vector<plan::Problem> now = FindProblems();
  std::vector<plan::Problem> added;
  std::vector<plan::Problem> gone;
  std::set_difference(now.begin(), now.end(), problems_.begin(), problems_.end(),
                      std::back_inserter(added));
  std::set_difference(problems_.begin(), problems_.end(), now.begin(), now.end(),
                      std::back_inserter(gone));
  problems_ = std::move(now);
  for (const plan::Problem& problem : gone) {
    log_->Info("problem is over", {{"object", problem.about.ToString()},
                                   {"reason", problem.reason},
                                   {"message", problem.message}});
  }
  for (const plan::Problem& problem : added) {
    Record({.about = problem.about,
            .warning = true,
            .reason = problem.reason,
            .message = problem.message});
  }
  for (const auto* list : {&added, &gone}) {
    for (const plan::Problem& problem : *list) {
      MarkDue(problem.about.kind == kube::Node::kKind ? ConfKey(network::kBgpConfName)
                                                      : problem.about);
    }
  }
}

std::vector<kube::Condition> Statuses::Conditions(const ObjectKey& key) const {
  const auto known = known_.find(key);
  if (known == known_.end()) return {};
  const int64_t generation = known->second.generation;
  std::vector<kube::Condition> conditions = FieldsIgnored(known->second.fields_ignored, generation);
  std::map<std::string, std::vector<std::string>> messages;  // by reason
  for (const plan::Problem& problem : problems_) {
    const bool of_node = problem.about.kind == kube::Node::kKind;
    if (problem.about == key) messages[problem.reason].push_back(problem.message);
    if (of_node && key == ConfKey(network::kBgpConfName))
      messages[problem.reason].push_back(problem.message);
  }
  for (const auto& [reason, sentences] : messages) {
    conditions.push_back({.type = reason,
                          .status = true,
                          .reason = reason,
                          .message = absl::StrJoin(sentences, "; "),
                          .observed_generation = generation});
  }
  return conditions;
}

void Statuses::WriteService(const ObjectKey& key) {
  const auto known = known_.find(key);
  if (known == known_.end()) return;
  ServiceStatus status{.uid = known->second.uid};
  if (const ipam::ServiceState* state = ipam_->Find(absl::StrCat(key.namespace_, "/", key.name))) {
    status.ours = true;
    if (state->allocation) {
      for (const IpAddress& address : state->allocation->addresses)
        status.ips.push_back(address.ToString());
      status.pool = state->allocation->pool;
    }
    if (!state->pending.empty()) {
      status.conditions.push_back({.type = kAddressPending,
                                   .status = true,
                                   .reason = state->allocation ? "RequestNotGranted" : "NoAddress",
                                   .message = state->pending,
                                   .observed_generation = known->second.generation});
    }
  }
  stamps_.Stamp(key, clock_->Wall(), &status.conditions);
  sink_->WriteService(key, status);
}

void Statuses::WriteEip(const std::string& name) {
  const ObjectKey key{network::Eip::kKind, "", name};
  const network::EipStatus* pool = ipam_->PoolStatus(name);
  if (pool == nullptr || !known_.contains(key)) return;
  network::EipStatus status = *pool;
  for (kube::Condition& condition : Conditions(key))
    status.conditions.push_back(std::move(condition));
  stamps_.Stamp(key, clock_->Wall(), &status.conditions);
  sink_->WriteEip(name, status);
}

void Statuses::WriteBgpPeer(const std::string& name) {
  if (!known_.contains(PeerKey(name))) return;
  network::BgpPeerStatus status = board_->PeerStatus(name);
  status.conditions = Conditions(PeerKey(name));
  stamps_.Stamp(PeerKey(name), clock_->Wall(), &status.conditions);
  sink_->WriteBgpPeer(name, status);
}

void Statuses::WriteBgpConf(const std::string& name) {
  if (!known_.contains(ConfKey(name))) return;
  network::BgpConfStatus status;
  if (name == network::kBgpConfName) status = board_->ConfStatus();
  status.conditions = Conditions(ConfKey(name));
  stamps_.Stamp(ConfKey(name), clock_->Wall(), &status.conditions);
  sink_->WriteBgpConf(name, status);
}

void Statuses::Record(const ClusterEvent& event) {
  ++events_recorded_;
  log_->Log(event.warning ? LogLevel::kWarning : LogLevel::kInfo, event.reason,
            {{"object", event.about.ToString()}, {"message", event.message}});
  sink_->Record(event);
}

void Statuses::WriteDue(absl::Duration now) {
  if (board_->TakeProblemsChanged()) OnProblems(now);
  if (problems_due_ <= now) {
    problems_due_ = absl::InfiniteDuration();
    ReadProblems();
  }
  std::set<std::string> peers = board_->TakeDuePeers(now);
  peers.merge(std::exchange(due_peers_, {}));
  for (const std::string& peer : peers) WriteBgpPeer(peer);
  std::set<std::string> confs = std::exchange(due_confs_, {});
  if (board_->TakeConfDue()) confs.insert(network::kBgpConfName);
  for (const std::string& conf : confs) WriteBgpConf(conf);
}

std::vector<std::string> Statuses::Eips() const {
  std::vector<std::string> names;
  for (const auto& [key, known] : known_) {
    if (key.kind == network::Eip::kKind) names.push_back(key.name);
  }
  return names;
}

absl::Duration Statuses::NextDue() const {
  return std::min(problems_due_, board_->NextDue().value_or(absl::InfiniteDuration()));
}

}  // namespace openelb::observe

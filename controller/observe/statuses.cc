#include "controller/observe/statuses.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/observe/truncate.h"
#include "controller/own_kinds.h"
#include "controller/plan/model.h"

namespace openelb::observe {
namespace {

// A problem that is gone before this was only a step on the way, such as a node without a rack
// until its rack's speakers have reported.
constexpr absl::Duration kLasting = absl::Seconds(1);

// How long a new process waits for the speakers that should be there.
constexpr absl::Duration kHearing = absl::Seconds(10);

// All owners are read at most this often: it costs as much as there are addresses.
constexpr absl::Duration kOwnersInterval = absl::Milliseconds(200);

// Between two Events about second speakers of one node.
constexpr absl::Duration kSecondRepeat = absl::Minutes(1);

// All racks are read at most this often.
constexpr absl::Duration kRacksInterval = absl::Seconds(1);

// Each write of a status costs the API server and whoever watches as much as all of it, however
// little has changed: from a thousand addresses in use on, their coming and going is spread over
// time.
constexpr absl::Duration kRestPerEntry = absl::Milliseconds(1);

// All of it but status.used and status.usage, which may be long: they are not copied.
network::EipStatus WithoutUse(const network::EipStatus& status) {
  const auto& [first_ip, last_ip, pool_size, v4, used, usage, occupied, ready, owners, owners_total,
               conditions] = status;
  return {.first_ip = first_ip,
          .last_ip = last_ip,
          .pool_size = pool_size,
          .v4 = v4,
          .used = {},
          .usage = 0,
          .occupied = occupied,
          .ready = ready,
          .owners = owners,
          .owners_total = owners_total,
          .conditions = conditions};
}

constexpr const char* kRefused = "Refused";

// Whether every speaker that can answer for addresses has said for which it does.
bool OwnersHeard(const plan::Model& model, const OwnerBoard& owners) {
  return std::all_of(model.nodes.begin(), model.nodes.end(), [&](const auto& entry) {
    const auto& [name, node] = entry;
    return !node.speaker || !(node.layer2 || node.vip) || owners.Heard(name);
  });
}

ObjectKey PeerKey(const std::string& name) { return {network::BgpPeer::kKind, "", name}; }
ObjectKey EipKey(const std::string& name) { return {network::Eip::kKind, "", name}; }
ObjectKey ConfKey(const std::string& name) { return {network::BgpConf::kKind, "", name}; }

}  // namespace

void Statuses::OnObject(const Object& object) {
  const ObjectKey key = KeyOf(object);
  if (refused_.erase(key) > 0) OnProblems(clock_->Monotonic());
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

void Statuses::OnRefused(const ObjectKey& key, const Refusal& refusal) {
  refused_[key] = refusal;
  // One that never was good has this to show, and nothing else.
  if (IsOurKind(key.kind)) known_.try_emplace(key, Known{.generation = refusal.generation});
  OnProblems(clock_->Monotonic());
}

void Statuses::OnDeleted(const ObjectKey& key) {
  if (refused_.erase(key) > 0) OnProblems(clock_->Monotonic());
  if (known_.erase(key) == 0) return;
  pacer_.Forget(key);
  if (key.kind == network::Eip::kKind) {
    resting_.erase(key.name);
    owner_table_.Forget(key.name);
  }
  unheard_.erase(key);
  stamps_.Forget(key);
  sink_->Forget(key);
}

void Statuses::MarkDue(const ObjectKey& key) {
  if (IsOurKind(key.kind) && known_.contains(key)) pacer_.Mark(key, clock_->Monotonic());
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

// Speakers end before their successors begin. So somebody else has the token, and may come often.
void Statuses::OnSecondSpeaker(const std::string& node, const std::string& host) {
  const absl::Duration now = clock_->Monotonic();
  const auto [told, is_new] = second_told_.try_emplace(node, now);
  if (!is_new && now - told->second < kSecondRepeat) return;
  told->second = now;
  Record({.about = {kube::Node::kKind, "", node},
          .warning = true,
          .reason = "SecondSpeaker",
          .message = absl::StrCat("a second process", host.empty() ? "" : " (at ", host,
                                  host.empty() ? "" : ")",
                                  " showed the token of this node's speaker and was refused; if "
                                  "the token is stolen, deleting the speaker's Pod ends it")});
}

void Statuses::OnProblems(absl::Duration now) {
  owners_planned_ = true;  // such as an address that nobody can answer for, which is in no plan
  problems_due_ = std::min(problems_due_, now + kLasting);
}

// Of an address that nodes answer for themselves; empty: it is none.
std::string Statuses::PoolOf(const std::string& text) const {
  const auto address = IpAddress::Parse(text);
  if (!address.ok()) return "";
  const plan::Model& model = planner_->model();
  if (const auto it = model.layer2.find(*address); it != model.layer2.end()) return it->second.pool;
  if (const auto it = model.vips.find(*address); it != model.vips.end()) return it->second.pool;
  return "";
}

std::map<std::string, int64_t> Statuses::CountDuplicates() const {
  std::map<std::string, int64_t> counts;
  for (const auto& [eip, changes] : owner_table_.changes()) counts[eip] = 0;
  for (const auto& [text, by_node] : board_->Layer2Problems()) {
    const bool duplicate = std::any_of(by_node.begin(), by_node.end(),
                                       [](const auto& entry) { return entry.second.duplicate(); });
    if (!duplicate) continue;
    if (const std::string eip = PoolOf(text); !eip.empty()) ++counts[eip];
  }
  return counts;
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
  for (const auto& [text, by_node] : board_->Layer2Problems()) {
    const std::string pool = PoolOf(text);
    if (pool.empty()) continue;
    for (const auto& [node, problem] : by_node) {
      problems.push_back(
          {.about = EipKey(pool),
           .reason = "SpeakerProblem",
           .message = absl::StrCat("address ", text, ", node ", node, ": ", problem.message())});
    }
  }
  for (const auto& [key, refusal] : refused_)
    problems.push_back({.about = key, .reason = kRefused, .message = refusal.why});
  std::sort(problems.begin(), problems.end());
  return problems;
}

void Statuses::OnRacks(absl::Duration now) {
  racks_due_ = std::min(racks_due_, std::max(now, racks_read_ + kRacksInterval));
}

void Statuses::ReadRacks(absl::Duration now) {
  racks_due_ = absl::InfiniteDuration();
  racks_read_ = now;
  redundancy_.Update(RacksOf(planner_->model(), *board_), now);
  for (const ClusterEvent& event : redundancy_.TakeReturns()) Record(event);
  Tell(redundancy_.Problems(), &lacking_);
}

void Statuses::Tell(std::vector<plan::Problem> now, std::vector<plan::Problem>* told) {
  std::vector<plan::Problem> added;
  std::vector<plan::Problem> gone;
  std::set_difference(now.begin(), now.end(), told->begin(), told->end(),
                      std::back_inserter(added));
  std::set_difference(told->begin(), told->end(), now.begin(), now.end(), std::back_inserter(gone));
  *told = std::move(now);
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

void Statuses::AddConditions(const ObjectKey& key, std::vector<kube::Condition>* out) const {
  const auto known = known_.find(key);
  if (known == known_.end()) return;
  const int64_t generation = known->second.generation;
  for (kube::Condition& condition : FieldsIgnored(known->second.fields_ignored, generation))
    out->push_back(std::move(condition));
  std::map<std::string, std::vector<std::string>> messages;  // by reason
  for (const auto* list : {&problems_, &lacking_}) {
    for (const plan::Problem& problem : *list) {
      const bool of_node = problem.about.kind == kube::Node::kKind;
      if (problem.about == key) messages[problem.reason].push_back(problem.message);
      if (of_node && key == ConfKey(network::kBgpConfName)) {
        messages[problem.reason].push_back(
            absl::StrCat("node ", problem.about.name, ": ", problem.message));
      }
    }
  }
  const auto refused = refused_.find(key);
  for (const auto& [reason, sentences] : messages) {
    const bool of_newest = reason == kRefused && refused != refused_.end();
    out->push_back({.type = reason,
                    .status = true,
                    .reason = reason,
                    .message = JoinSentences(sentences),
                    .observed_generation = of_newest ? refused->second.generation : generation});
  }
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

void Statuses::WriteEip(const std::string& name) { MarkDue(EipKey(name)); }

template <typename Status>
void Statuses::Complete(const ObjectKey& key, Status* status) {
  if (auto sentence = Truncate(status)) {
    status->conditions.push_back({.type = "Truncated",
                                  .status = true,
                                  .reason = "TooLarge",
                                  .message = *std::move(sentence),
                                  .observed_generation = known_.at(key).generation});
  }
  stamps_.Stamp(key, clock_->Wall(), &status->conditions);
}

void Statuses::WriteEipNow(const std::string& name, absl::Duration now) {
  const ObjectKey key = EipKey(name);
  static const network::EipStatus kNothing;  // of one that never was good
  const network::EipStatus* pool = ipam_->PoolStatus(name);
  if (pool == nullptr && !refused_.contains(key)) return;
  if (pool == nullptr) pool = &kNothing;
  network::EipStatus status = WithoutUse(*pool);
  owner_table_.Show(name, &status);
  AddConditions(key, &status.conditions);
  const int64_t owners_total = std::exchange(status.owners_total, 0);
  Resting& resting = resting_.try_emplace(name, Resting{.frame = {}, .until = now}).first->second;
  if (now < resting.until && status == resting.frame) return pacer_.Defer(key, resting.until);
  resting = {.frame = status,
             .until = now + kRestPerEntry * static_cast<int64_t>(pool->used.size())};
  status.used = pool->used;
  status.usage = pool->usage;
  status.owners_total = owners_total;
  Complete(key, &status);
  sink_->WriteEip(name, status);
}

void Statuses::WriteOwn(const ObjectKey& key, absl::Duration now) {
  const auto speaks = [this](const std::string& node) {
    return planner_->model().speakers.contains(node);
  };
  if (key.kind == network::Eip::kKind) {
    WriteEipNow(key.name, now);
  } else if (key.kind == network::BgpPeer::kKind) {
    network::BgpPeerStatus status = board_->PeerStatus(key.name, speaks);
    const auto expected = expected_.find(key.name);
    if (expected != expected_.end()) status.expected = expected->second;
    AddConditions(key, &status.conditions);
    Complete(key, &status);
    sink_->WriteBgpPeer(key.name, status);
  } else {
    network::BgpConfStatus status;
    if (key.name == network::kBgpConfName) status = board_->ConfStatus(speaks);
    AddConditions(key, &status.conditions);
    Complete(key, &status);
    sink_->WriteBgpConf(key.name, status);
  }
}

void Statuses::Record(const ClusterEvent& event) {
  ++events_recorded_;
  log_->Log(event.warning ? LogLevel::kWarning : LogLevel::kInfo, event.reason,
            {{"object", event.about.ToString()}, {"message", event.message}});
  sink_->Record(event);
}

void Statuses::CountExpected() {
  MarkDue(ConfKey(network::kBgpConfName));  // it names the speakers
  std::map<std::string, int> counts;
  for (const auto& [node, speaker] : planner_->model().speakers) {
    for (const auto& [address, peer] : speaker.peers) {
      if (peer.down.empty()) ++counts[peer.name];
    }
  }
  for (const auto* map : {&counts, &expected_}) {
    for (const auto& [peer, count] : *map) {
      const auto before = expected_.find(peer);
      const auto now = counts.find(peer);
      if (before == expected_.end() || now == counts.end() || before->second != now->second)
        MarkDue(PeerKey(peer));
    }
  }
  expected_ = std::move(counts);
}

void Statuses::ReadOwners(absl::Duration now) {
  const bool changed = owners_->TakeChanged();
  if (std::exchange(owners_planned_, false) || changed)
    owners_due_ = std::min(owners_due_, std::max(now, owners_read_ + kOwnersInterval));
  if (owners_due_ <= now) {
    owners_due_ = absl::InfiniteDuration();
    owners_read_ = now;
    const OwnerTable::Changes changes = owner_table_.Refresh(planner_->model(), *owners_);
    for (const std::string& pool : changes.pools) WriteEip(pool);
    for (const ClusterEvent& event : owner_events_.OnMoves(changes.moves, now)) Record(event);
  }
  for (const ClusterEvent& event : owner_events_.TakeDue(now)) Record(event);
}

bool Statuses::SpeakersHeard(absl::Duration now) {
  if (all_heard_) return true;
  hear_until_ = std::min(hear_until_, now + kHearing);
  const auto& speakers = planner_->model().speakers;
  all_heard_ = hear_until_ <= now || std::all_of(speakers.begin(), speakers.end(),
                                                 [&](auto& s) { return board_->Heard(s.first); });
  return all_heard_;
}

void Statuses::WriteDue(absl::Duration now) {
  if (board_->TakeProblemsChanged()) OnProblems(now);
  if (problems_due_ <= now) {
    problems_due_ = absl::InfiniteDuration();
    Tell(FindProblems(), &problems_);
  }
  if (board_->TakeReadyChanged()) OnRacks(now);
  if (std::min(racks_due_, redundancy_.NextDue()) <= now) ReadRacks(now);
  if (std::exchange(speakers_planned_, false)) CountExpected();
  ReadOwners(now);
  for (const std::string& peer : board_->TakeDuePeers(now)) MarkDue(PeerKey(peer));
  if (board_->TakeConfDue()) MarkDue(ConfKey(network::kBgpConfName));
  const bool heard = SpeakersHeard(now);
  const bool owners_heard = OwnersHeard(planner_->model(), *owners_);
  std::vector<ObjectKey> keys = pacer_.Take(now);
  keys.insert(keys.end(), unheard_.begin(), unheard_.end());
  unheard_.clear();
  for (const ObjectKey& key : keys) {
    const bool eip = key.kind == network::Eip::kKind;
    if (heard || (eip && (owners_heard || !owner_table_.Has(key.name)))) {
      WriteOwn(key, now);
    } else {
      unheard_.insert(key);
    }
  }
}

std::vector<std::string> Statuses::Eips() const {
  std::vector<std::string> names;
  for (const auto& [key, known] : known_) {
    if (key.kind == network::Eip::kKind) names.push_back(key.name);
  }
  return names;
}

absl::Duration Statuses::NextDue() const {
  const absl::Duration heard = unheard_.empty() ? absl::InfiniteDuration() : hear_until_;
  return std::min({problems_due_, racks_due_, redundancy_.NextDue(),
                   board_->NextDue().value_or(absl::InfiniteDuration()), pacer_.NextDue(), heard,
                   owners_due_, owner_events_.NextDue()});
}

}  // namespace openelb::observe

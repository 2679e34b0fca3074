#include "controller/kube/speaker_operator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/codec/decode.h"
#include "api/network/v1alpha2/names.h"
#include "controller/kube/text_at.h"

namespace openelb::kube {
namespace {

using codec::Value;
using network::OpenElb;
using network::UpdateStrategy;

// How often the controller's thread is asked about speakers: while they roll, and for the status.
constexpr absl::Duration kAskRolling = absl::Milliseconds(250);
constexpr absl::Duration kAskAtRest = absl::Seconds(5);

int64_t NumberAt(const Value& value, absl::string_view part, absl::string_view key) {
  const Value* map = value.Find(part);
  const Value* number = map == nullptr ? nullptr : map->Find(key);
  return number == nullptr || number->integer() == nullptr
             ? 0
             : static_cast<int64_t>(*number->integer());
}

absl::Time CreationOf(const Value& object) {
  absl::Time time;
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, TextAt(object, {"metadata", "creationTimestamp"}),
                         &time, &error)
             ? time
             : absl::InfiniteFuture();
}

bool IsGoing(const Value& object) {
  return !TextAt(object, {"metadata", "deletionTimestamp"}).empty();
}

}  // namespace

SpeakerOperator::SpeakerOperator(std::string namespace_name, Seams seams)
    : namespace_name_(std::move(namespace_name)),
      seams_(std::move(seams)),
      template_(install::TemplateFor(namespace_name_)),
      log_(seams_.log, seams_.clock),
      applier_(namespace_name_,
               {.client = seams_.client, .clock = seams_.clock, .log = &log_, .on_change = [this] {
                  dirty_ = true;
                }}) {}

SpeakerOperator::~SpeakerOperator() = default;

std::unique_ptr<KubeSource> SpeakerOperator::Open(std::vector<Resource> resources) {
  auto source = std::make_unique<KubeSource>(
      KubeSourceOptions{.ns = namespace_name_, .resources = std::move(resources)},
      KubeSource::Seams{.transport = seams_.transport,
                        .clock = seams_.clock,
                        .random = seams_.random,
                        .log = seams_.log,
                        .viewer = this,
                        .witness = seams_.witness});
  source->Start(this);
  return source;
}

// Another leader may have done anything meanwhile: what is known is read anew.
void SpeakerOperator::SetActive(bool active) {
  if (std::exchange(active_, active) == active) return;
  objects_.clear();
  told_.clear();
  fresh_ = false;
  object_source_ = active ? Open(OpenElbObjects()) : nullptr;
  dirty_ = true;
}

void SpeakerOperator::SetSpeakers(install::Speakers speakers) {
  asking_ = false;
  fresh_ = true;
  ask_at_ = seams_.clock->Monotonic() + kAskAtRest;
  speakers_ = std::move(speakers);
  dirty_ = true;
}

void SpeakerOperator::Seen(const ObjectKey& key, const Value& object) {
  if (key.kind == OpenElb::kKind) {
    objects_[key.name] = object;
    seams_.sink->Seen(key, object);
  } else if (key.kind == DaemonSet::kKind) {
    daemon_set_ = object;
  } else if (key.kind == "Pod") {
    install::Pod pod = install::ReadPod(object);
    if (pod.revision.empty()) return;  // somebody else's, whatever its labels
    pods_[key.name] = std::move(pod);
  } else if (key.kind == "ControllerRevision") {
    Value& kept = revisions_[key.name] = object;
    kept.map()->erase("data");
  } else if (key.kind == Node::kKind) {
    codec::Decoded decoded = codec::DecodeObject(object, "");
    if (!decoded.object) return;
    Node& known = nodes_[key.name];
    known = std::get<Node>(*std::move(decoded.object));
    if (!no_node_) return;  // what nodes are like matters only to whoever looks for one
  } else {
    return;
  }
  dirty_ = true;
}

void SpeakerOperator::Gone(const ObjectKey& key) {
  if (key.kind == OpenElb::kKind) {
    objects_.erase(key.name);
    told_.erase(key.name);
    seams_.sink->Forget(key);
    seams_.sink->Gone(key);
  } else if (key.kind == DaemonSet::kKind) {
    daemon_set_ = {};
  } else if (key.kind == "Pod") {
    if (const auto pod = pods_.find(key.name); pod != pods_.end()) {
      taken_.erase(pod->second.uid);
      pods_.erase(pod);
    }
  } else if (key.kind == "ControllerRevision") {
    revisions_.erase(key.name);
  } else if (key.kind == Node::kKind) {
    nodes_.erase(key.name);
    before_.erase(key.name);
  } else {
    return;
  }
  dirty_ = true;
}

void SpeakerOperator::Doubt(absl::Duration since) {
  for (KubeSource* source : {object_source_.get(), workload_source_.get()}) {
    if (source != nullptr) source->Doubt(since);
  }
}

void SpeakerOperator::Turn() {
  for (KubeSource* source : {object_source_.get(), workload_source_.get()}) {
    if (source != nullptr) source->Turn();
  }
  if (ask_at_ <= seams_.clock->Monotonic()) AskSpeakers();
  const bool again = applier_.NextDue() <= seams_.clock->Monotonic();
  if (std::exchange(dirty_, false) || again) Decide();
}

absl::Duration SpeakerOperator::NextWakeup() const {
  if (dirty_) return seams_.clock->Monotonic();
  absl::Duration next = std::min(ask_at_, applier_.NextDue());
  for (const KubeSource* source : {object_source_.get(), workload_source_.get()}) {
    if (source != nullptr) next = std::min(next, source->NextWakeup());
  }
  return next;
}

void SpeakerOperator::Decide() {
  std::map<std::string, absl::Time> created;
  const bool known = object_source_ != nullptr && object_source_->synced();
  for (const auto& [name, object] : objects_) {
    if (known && !IsGoing(object)) created[name] = CreationOf(object);
  }
  const std::string chosen = install::ChooseObject(created);
  if (chosen != std::exchange(chosen_, chosen)) applier_.Reset();
  if (chosen.empty()) {
    // What runs goes on running as it is.
    workload_source_.reset();
    pods_.clear();
    revisions_.clear();
    taken_.clear();
    before_.clear();
    roll_.reset();
    speakers_.reset();
    ask_at_ = absl::InfiniteDuration();
    return;
  }
  ReportBeside(chosen);
  if (workload_source_ == nullptr) workload_source_ = Open(SpeakerWorkloads(namespace_name_));
  if (!speakers_) AskSpeakers();

  const std::optional<OpenElb> object = Read(chosen);
  no_node_ = false;
  if (object) Apply(*object);
  if (object) RollOut(*object);
  install::Installation it{.generation = NumberAt(objects_.at(chosen), "metadata", "generation"),
                           .apply = applier_.outcome(),
                           .exists = !daemon_set_.IsNull(),
                           .current = NumberAt(daemon_set_, "status", "observedGeneration") >=
                                      NumberAt(daemon_set_, "metadata", "generation"),
                           .desired = NumberAt(daemon_set_, "status", "desiredNumberScheduled"),
                           .roll = roll_};
  if (object) it.strategy = install::StrategyOf(*object, install::IsOurs(daemon_set_));
  if (no_node_) it.apply = {.no_node = true};
  if (!object) it.apply = {.refused = invalid_};
  Report(chosen, install::StatusOf(it, seams_.clock->Wall()));
}

std::optional<OpenElb> SpeakerOperator::Read(const std::string& name) {
  codec::Decoded decoded = codec::DecodeObject(objects_.at(name), "");
  invalid_ = absl::StrJoin(decoded.errors, "; ");
  if (!decoded.object) return std::nullopt;
  return std::get<OpenElb>(*std::move(decoded.object));
}

void SpeakerOperator::Apply(const OpenElb& object) {
  if (IsGoing(daemon_set_)) return;  // it is made anew when it is gone
  Value body = install::ApplyBody(object, daemon_set_, template_);
  if (!applier_.Needs(body, daemon_set_)) return;
  no_node_ = !AnyNodeFor(body);
  if (!no_node_) applier_.Apply(std::move(body), template_.account, daemon_set_);
}

// Whether some node would have a speaker, or none has one now either.
bool SpeakerOperator::AnyNodeFor(const Value& body) const {
  const codec::Decoded merged = codec::DecodeObject(install::Merged(daemon_set_, body), "");
  if (!merged.object) return true;  // the API server's to refuse
  const auto& daemon_set = std::get<DaemonSet>(*merged.object);
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [&](const auto& node) { return daemon_set.Selects(node.second); });
}

// Empty: not known. A Pod of a revision that is not known says that a newer one is not shown yet.
std::string SpeakerOperator::Revision() const {
  std::vector<const Value*> revisions;
  std::set<std::string> known;
  for (const auto& [name, revision] : revisions_) {
    revisions.push_back(&revision);
    known.insert(TextAt(revision, {"metadata", "labels", "controller-revision-hash"}));
  }
  for (const auto& [name, pod] : pods_) {
    if (!known.contains(pod.revision)) return "";
  }
  return install::NewestRevision(revisions, TextAt(daemon_set_, {"metadata", "uid"}));
}

void SpeakerOperator::RollOut(const OpenElb& object) {
  roll_.reset();
  if (!workload_source_->synced() || !speakers_) return;
  install::RollInput input{.revision = Revision(),
                           .speakers = *speakers_,
                           .taken = taken_,
                           .before = before_,
                           .max_racks = object.max_racks};
  for (const auto& [name, pod] : pods_) input.pods.push_back(pod);
  roll_ = install::PlanRoll(input);
  if (input.revision.empty()) roll_->waits = "the DaemonSet controller's newest revision";
  if (MayReplace(object)) {
    for (const install::Pod& pod : roll_->replace) Replace(pod);
  }
  const bool rests = roll_->outdated == 0 && roll_->waits.empty();
  if (!rests && !asking_) ask_at_ = std::min(ask_at_, seams_.clock->Monotonic() + kAskRolling);
}

// The DaemonSet controller replaces nothing, by our word and not by that of somebody else, and
// knows of the newest template.
bool SpeakerOperator::MayReplace(const OpenElb& object) const {
  if (!active_ || !fresh_ || !applier_.outcome().done || daemon_set_.IsNull()) return false;
  if (install::StrategyOf(object, install::IsOurs(daemon_set_)) != UpdateStrategy::kRackAware)
    return false;
  for (const install::FieldConflict& conflict : applier_.outcome().conflicts) {
    if (absl::StrContains(conflict.field, ".updateStrategy")) return false;
  }
  return TextAt(daemon_set_, {"spec", "updateStrategy", "type"}) == "OnDelete" &&
         NumberAt(daemon_set_, "status", "observedGeneration") >=
             NumberAt(daemon_set_, "metadata", "generation");
}

void SpeakerOperator::Replace(const install::Pod& pod) {
  Value options;
  options["apiVersion"] = "v1";
  options["kind"] = "DeleteOptions";
  options["preconditions"]["uid"] = pod.uid;
  taken_.insert(pod.uid);
  before_[pod.node] = speakers_->at(pod.node).instance;
  fresh_ = false;
  ++replaced_;
  log_.Info("speaker is replaced by one of the newest template",
            {{"node", pod.node}, {"pod", pod.name}});
  seams_.client->Call(
      {.method = "DELETE",
       .path = absl::StrCat("/api/v1/namespaces/", namespace_name_, "/pods/", pod.name),
       .content_type = kJson,
       .body = std::move(options)},
      [this, alive = std::weak_ptr<int>(alive_), pod](const absl::StatusOr<Value>& answer) {
        if (alive.expired() || answer.ok()) return;
        taken_.erase(pod.uid);
        dirty_ = true;
        log_.Damped(absl::StrCat("replace ", pod.node), "a speaker cannot be replaced",
                    answer.status().ToString(), {{"node", pod.node}, {"pod", pod.name}});
      });
}

void SpeakerOperator::AskSpeakers() {
  ask_at_ = absl::InfiniteDuration();
  if (std::exchange(asking_, true)) return;
  seams_.ask_speakers();
}

void SpeakerOperator::Report(const std::string& name, const network::OpenElbStatus& status) {
  std::vector<kube::Condition>& told = told_[name];
  for (const ClusterEvent& event : install::EventsBetween(name, told, status.conditions))
    seams_.sink->Record(event);
  told = status.conditions;
  seams_.sink->WriteOpenElb(name, status);
}

void SpeakerOperator::ReportBeside(const std::string& chosen) {
  for (const auto& [name, object] : objects_) {
    if (name == chosen || IsGoing(object)) continue;
    Report(name, install::StatusBeside(NumberAt(object, "metadata", "generation"), chosen,
                                       seams_.clock->Wall()));
  }
}

}  // namespace openelb::kube

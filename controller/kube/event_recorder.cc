#include "controller/kube/event_recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr const char* kComponent = "OpenELBController";
constexpr const char* kDefaultNamespace = "default";  // of Events about cluster-scoped objects
constexpr size_t kMaxWaiting = 10000;
constexpr size_t kMaxSeries = 2 * kMaxWaiting;
constexpr int kMaxAttempts = 12;
constexpr size_t kMaxName = 200;

std::string NamespaceOf(const ObjectKey& about) {
  return about.namespace_.empty() ? kDefaultNamespace : about.namespace_;
}

std::string Stamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string EventsPath(const ObjectKey& about) {
  return absl::StrCat("/api/v1/namespaces/", NamespaceOf(about), "/events");
}

}  // namespace

double SpamFilter::Bucket::Level(absl::Duration now) const {
  return std::min(kBurst, tokens + absl::FDivDuration(now - at, kRefill));
}

bool SpamFilter::Allow(const ObjectKey& about, absl::Duration now) {
  if (buckets_.size() >= kMaxObjects) {
    std::erase_if(buckets_, [now](const auto& b) { return b.second.Level(now) >= kBurst; });
    // Thousands at once that are all talked about: forgetting them costs a few more events.
    if (buckets_.size() >= kMaxObjects) buckets_.clear();
  }
  Bucket& bucket = buckets_.try_emplace(about, Bucket{.at = now}).first->second;
  bucket.tokens = bucket.Level(now);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

EventRecorder::EventRecorder(WriterSeams seams, std::string instance, int in_flight)
    : seams_(seams), instance_(std::move(instance)), limit_(in_flight) {}

void EventRecorder::Record(const ClusterEvent& event, const Involved& involved) {
  ++counters_.recorded;
  const absl::Duration now = seams_.clock->Monotonic();
  if (!filter_.Allow(event.about, now)) {
    ++counters_.spam;
    return;
  }
  const Sentence sentence{event.about, involved.uid, event.warning, event.reason, event.message};
  auto known = ids_.find(sentence);
  if (known == ids_.end()) {
    if (queue_.waiting() >= kMaxWaiting) {
      ++counters_.full;
      return;
    }
    if (series_.size() >= kMaxSeries) DropOldest();
    known = ids_.emplace(sentence, next_id_++).first;
    series_[known->second] = {.event = event, .first = seams_.clock->Wall()};
  }
  const Id id = known->second;
  Series& series = series_[id];
  by_use_.erase({series.used, id});
  series.used = ++uses_;
  by_use_.emplace(series.used, id);
  series.involved = involved;
  series.last = seams_.clock->Wall();
  ++series.count;
  queue_.Add(id, now);
}

void EventRecorder::Drop(Id id) {
  const auto it = series_.find(id);
  if (it == series_.end()) return;
  const ClusterEvent& event = it->second.event;
  ids_.erase({event.about, it->second.involved.uid, event.warning, event.reason, event.message});
  by_use_.erase({it->second.used, id});
  series_.erase(it);
  queue_.Forget(id);
}

void EventRecorder::DropOldest() {
  const Id oldest = by_use_.begin()->second;
  if (series_[oldest].told == 0) ++counters_.full;
  Drop(oldest);
}

void EventRecorder::Turn() {
  const absl::Duration now = seams_.clock->Monotonic();
  if (std::exchange(returns_, seams_.gate->returns()) != returns_) queue_.RetryAll(now);
  while (active_ && under_way_ < limit_ && seams_.gate->Open(now)) {
    const std::optional<Id> id = queue_.Take(now);
    if (!id) break;
    Series& series = series_[*id];
    if (series.told == series.count) {
      queue_.Done(*id, now);
    } else {
      Send(*id, &series);
    }
  }
}

absl::Duration EventRecorder::NextWakeup() const {
  if (!active_ || under_way_ >= limit_) return absl::InfiniteDuration();
  return std::max(queue_.NextDue(), seams_.gate->NextOpen());
}

std::string EventRecorder::NewName(const Series& series) {
  // As client-go's: the object's name and a stamp that no other event has.
  const int64_t stamp = absl::ToUnixNanos(seams_.clock->Wall()) + static_cast<int64_t>(++uses_);
  return absl::StrCat(series.event.about.name.substr(0, kMaxName), ".", absl::Hex(stamp));
}

Value EventRecorder::Body(const Series& series) const {
  const ClusterEvent& event = series.event;
  Value body;
  body["count"] = series.count;
  body["lastTimestamp"] = Stamp(series.last);
  if (series.exists) return body;
  body["apiVersion"] = "v1";
  body["kind"] = "Event";
  body["metadata"]["name"] = series.name;
  body["metadata"]["namespace"] = NamespaceOf(event.about);
  Value& about = body["involvedObject"];
  about["apiVersion"] = ApiVersionOf(event.about.kind);
  about["kind"] = event.about.kind;
  about["name"] = event.about.name;
  if (!event.about.namespace_.empty()) about["namespace"] = event.about.namespace_;
  if (!series.involved.uid.empty()) about["uid"] = series.involved.uid;
  if (!series.involved.version.empty()) about["resourceVersion"] = series.involved.version;
  body["type"] = event.warning ? "Warning" : "Normal";
  body["reason"] = event.reason;
  body["message"] = event.message;
  body["firstTimestamp"] = Stamp(series.first);
  body["source"]["component"] = kComponent;
  body["reportingComponent"] = kComponent;
  body["reportingInstance"] = instance_;
  return body;
}

void EventRecorder::Send(Id id, Series* series) {
  if (series->name.empty()) series->name = NewName(*series);
  const std::string path = EventsPath(series->event.about);
  ApiCall call = series->exists ? ApiCall{.method = "PATCH",
                                          .path = absl::StrCat(path, "/", series->name),
                                          .content_type = kMergePatch}
                                : ApiCall{.method = "POST", .path = path, .content_type = kJson};
  call.body = Body(*series);
  ++under_way_;
  ++series->attempts;
  seams_.gate->Sent();
  seams_.client->Call(std::move(call), [this, id, count = series->count,
                                        alive = std::weak_ptr<bool>(alive_)](const Answer& answer) {
    if (alive.expired()) return;
    --under_way_;
    seams_.gate->Answered(answer.status(), seams_.clock->Monotonic());
    OnAnswer(id, count, answer.status());
  });
}

void EventRecorder::OnAnswer(Id id, int count, const absl::Status& status) {
  const auto it = series_.find(id);
  if (it == series_.end()) return;
  Series& series = it->second;
  const absl::Duration now = seams_.clock->Monotonic();
  if (status.ok()) {
    ++counters_.sent;
    series.exists = true;
    series.told = count;
    series.attempts = 0;
    return queue_.Done(id, now);
  }
  const bool silent = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
                      absl::IsUnauthenticated(status);
  ++(silent ? counters_.failed : counters_.refused);
  // Events live an hour; and a name may be taken, if the clock was set back.
  const bool name_is_bad =
      absl::IsAlreadyExists(status) || (series.exists && absl::IsNotFound(status));
  if (name_is_bad) {
    series.exists = false;
    series.name.clear();
  }
  if (seams_.gate->shut()) {
    --series.attempts;
    return queue_.Return(id, now);
  }
  const bool again = silent ? series.attempts < kMaxAttempts : name_is_bad && series.attempts < 3;
  if (again) return queue_.Failed(id, now);
  // A namespace that is being deleted takes no events, which is nobody's fault.
  if (!absl::IsNotFound(status) && !absl::IsPermissionDenied(status)) {
    seams_.log->Damped(absl::StrCat("event ", series.event.reason), "an event cannot be recorded",
                       status.ToString(), {{"object", series.event.about.ToString()}});
  }
  Drop(id);
}

}  // namespace openelb::kube

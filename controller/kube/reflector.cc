#include "controller/kube/reflector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/kube/api_status.h"
#include "controller/kube/json.h"
#include "controller/kube/read_request.h"
#include "controller/kube/revision.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr int kPageSize = 500;
constexpr size_t kLargestBody = size_t{256} << 20;
constexpr size_t kLargestErrorBody = size_t{64} << 10;

constexpr absl::Duration kListSilence = absl::Seconds(10);
// A server behind a network that is down answers soon after that is up again: connections are tried
// anew often. One that is alive and slow gets more time each time.
constexpr absl::Duration kFirstProbeSilence = absl::Seconds(2);
constexpr absl::Duration kLastProbeSilence = absl::Seconds(8);
// Bookmarks come every minute or two, where anything changes at all.
constexpr absl::Duration kWatchSilence = absl::Seconds(150);
// Until its head, and between the objects that come first.
constexpr absl::Duration kWatchHeadSilence = absl::Seconds(10);
constexpr int kShortestWatchSeconds = 300;
constexpr int kMoreWatchSeconds = 300;
// A watch that ended sooner, without an event, was not worth having.
constexpr absl::Duration kShortWatch = absl::Seconds(1);

constexpr int kMostLostWatches = 3;
constexpr int kMostExpiredLists = 2;
// In which a server can be stopped, given an older etcd, and started.
constexpr absl::Duration kLongAbsence = absl::Seconds(3);
constexpr absl::Duration kSecondLook = absl::Seconds(1);
// A younger request is helped by TCP's own retransmissions, or has a slow server that is not to be
// bothered again.
constexpr absl::Duration kStuck = absl::Seconds(3);

}  // namespace

Reflector::Reflector(Informer* informer, Random* random) : informer_(informer), random_(random) {}

Reflector::Action Reflector::Next(absl::Duration now) {
  if (running_ && SilentUntil() <= now) {
    if (http_status_ == 200) {
      // Whatever it means by this watch, it does not come to the end of the objects.
      StartList(now);
    } else {
      Fail(absl::DeadlineExceededError(
               absl::StrCat("no answer within ", absl::FormatDuration(kWatchHeadSilence))),
           now);
    }
  }
  Action action{.cancel = std::exchange(cancel_, false)};
  if (running_ || now < not_before_) return action;
  running_ = true;
  started_ = last_data_ = now;
  http_status_ = 0;
  retry_after_ = absl::ZeroDuration();
  fruitless_ = true;
  body_.clear();
  lines_ = LineCutter();
  action.request = MakeRequest();
  return action;
}

absl::Duration Reflector::NextWakeup() const { return running_ ? SilentUntil() : not_before_; }

// A watch may be silent for long, but it is answered at once.
absl::Duration Reflector::SilentUntil() const {
  const bool impatient = phase_ == Phase::kStream || (phase_ == Phase::kWatch && http_status_ == 0);
  return impatient ? last_data_ + kWatchHeadSilence : absl::InfiniteDuration();
}

HttpRequest Reflector::MakeRequest() const {
  const Resource& resource = informer_->resource();
  const absl::Duration watch_time =
      absl::Seconds(kShortestWatchSeconds + random_->Next64() % kMoreWatchSeconds);
  switch (phase_) {
    case Phase::kStream:
      return StreamRequest(resource, watch_time, kWatchSilence);
    case Phase::kList:
      return ListRequest(resource, expired_ < kMostExpiredLists ? kPageSize : 0, continue_,
                         kListSilence);
    case Phase::kProbe:
      return ListRequest(
          resource, 1, "",
          std::min(kFirstProbeSilence * (1 << std::min(silences_, 8)), kLastProbeSilence));
    case Phase::kWatch:
      break;
  }
  return WatchRequest(resource, version_, watch_time, kWatchSilence);
}

absl::string_view Reflector::Verb() const {
  return phase_ == Phase::kStream || phase_ == Phase::kWatch ? "watch" : "list";
}

void Reflector::OnHead(int status, const HttpHeaders& headers, absl::Duration now) {
  http_status_ = status;
  last_data_ = now;
  silences_ = 0;
  if (outage_.has_value() && outage_->unreachable) backoff_.Reset();
  // A server that starts says 503 and to come back in 5 s, and is ready long before.
  if (status == 429) retry_after_ = RetryAfter(headers);
  if (status != 200) return;
  if (phase_ == Phase::kStream) informer_->BeginList();
  if (phase_ == Phase::kWatch) {
    outage_.reset();
    away_since_.reset();
  }
  if (Verb() == "watch") ++counters_.watches;
}

void Reflector::OnData(absl::string_view data, absl::Duration now) {
  counters_.bytes += data.size();
  last_data_ = now;
  if (http_status_ != 200) {
    body_.append(std::string(data.substr(0, kLargestErrorBody - body_.size())));
  } else if (Verb() == "list") {
    if (body_.size() + data.size() > kLargestBody) {
      return Fail(absl::InvalidArgumentError("the answer is too large"), now);
    }
    body_.append(data.data(), data.size());
  } else {
    lines_.Append(data);
    while (running_) {
      const auto line = lines_.Next();
      if (!line.has_value()) break;
      OnLine(*line, now);
    }
    if (running_ && lines_.too_long()) {
      Fail(absl::InvalidArgumentError("an event is too large"), now);
    }
  }
}

void Reflector::OnLine(absl::string_view line, absl::Duration now) {
  absl::StatusOr<WatchEvent> event = ParseWatchEvent(line);
  if (!event.ok()) {
    Fail(event.status(), now);
  } else if (event->type == WatchEvent::Type::kError) {
    OnError(ErrorOfStatus(event->object), now);
  } else {
    OnEvent(*std::move(event), now);
  }
}

void Reflector::OnEvent(WatchEvent event, absl::Duration now) {
  const bool initial = phase_ == Phase::kStream;
  const bool bookmark = event.type == WatchEvent::Type::kBookmark;
  const std::string version = event.Version();
  ++(bookmark ? counters_.bookmarks : counters_.events);
  if (!initial) {
    // Revisions only grow. A repeated event is harmless; where they go back, the server is not the
    // one we knew, or events have been missed.
    const bool back = IsEarlier(version, version_);
    if (back || (version == version_ && !bookmark)) {
      ++counters_.outdated;
      if (back) StartList(now + backoff_.Next(random_));
      return;
    }
    version_ = version;
    NoteGoodWatch();
  }
  if (bookmark) {
    if (initial && event.IsInitialEnd()) CompleteList(version);
  } else if (event.type == WatchEvent::Type::kDeleted) {
    informer_->Remove(event.object);
  } else if (!informer_->Upsert(std::move(event.object)) && !initial) {
    StartList(now);
  }
}

void Reflector::OnDone(const absl::Status& status, absl::Duration now) {
  running_ = false;
  if (phase_ == Phase::kWatch && http_status_ == 200 && started_ + kShortWatch <= now) {
    NoteGoodWatch();
  }
  if (absl::IsDeadlineExceeded(status)) ++silences_;
  if (!status.ok()) return Fail(status, now);
  if (http_status_ != 200) return OnError(ErrorOfAnswer(http_status_, body_), now);
  if (Verb() == "list") return OnListBody(now);
  OnWatchEnd(now);
}

// An answer of the server that is an error, as a whole or as an event of a watch.
void Reflector::OnError(const absl::Status& status, absl::Duration now) {
  const bool too_old = absl::IsOutOfRange(status);
  if (too_old && phase_ == Phase::kWatch) {
    ++counters_.failures[status.code()];
    return StartList(proven_ ? now : now + backoff_.Next(random_));
  }
  if (too_old && phase_ == Phase::kList && !continue_.empty()) {
    ++counters_.failures[status.code()];
    const int expired = expired_ + 1;
    StartList(now);
    expired_ = expired;
    return;
  }
  // A server that does not know sendInitialEvents.
  if (absl::IsInvalidArgument(status) && phase_ == Phase::kStream) return StartList(now);
  Fail(status, now);
}

void Reflector::OnListBody(absl::Duration now) {
  absl::StatusOr<Value> list = ParseJson(std::exchange(body_, {}));
  if (!list.ok()) return Fail(list.status(), now);
  const std::string version = TextAt(*list, {"metadata", "resourceVersion"});
  const Value* items = list->Find("items");
  const bool is_list = items != nullptr && (items->list() != nullptr || items->IsNull());
  if (!is_list || version.empty()) {
    return Fail(absl::InvalidArgumentError("the answer is no list"), now);
  }
  if (phase_ == Phase::kProbe) {
    OnProbe(version, now);
  } else {
    OnPage(*std::move(list), version, now);
  }
}

void Reflector::OnProbe(const std::string& version, absl::Duration now) {
  ++counters_.probes;
  if (IsEarlier(version, version_)) {
    doubtful_ = true;
    return StartList(now + kSecondLook);
  }
  // Revisions that have passed ours prove nothing: a restored etcd counts on from where it was
  // saved. So this is measured up to the answer, not to the last failure.
  if (away_since_ && *away_since_ + kLongAbsence <= now) return StartList(now);
  phase_ = Phase::kWatch;
  not_before_ = now;
}

void Reflector::OnPage(Value list, const std::string& version, absl::Duration now) {
  ++counters_.pages;
  if (continue_.empty()) {
    if (IsEarlier(version, version_) && !doubtful_) {
      ++counters_.outdated;
      doubtful_ = true;
      return StartList(now + kSecondLook);
    }
    informer_->BeginList();
  }
  if (Value::List* items = list["items"].list()) {
    for (Value& item : *items) informer_->Upsert(std::move(item));
  }
  continue_ = TextAt(list, {"metadata", "continue"});
  not_before_ = now;
  if (continue_.empty()) CompleteList(version);
}

void Reflector::CompleteList(const std::string& version) {
  if (phase_ == Phase::kStream) outage_.reset();  // after a list the watch is still to come
  informer_->EndList();
  ++counters_.lists;
  version_ = version;
  doubtful_ = false;
  away_since_.reset();
  expired_ = 0;
  lost_watches_ = 0;
  proven_ = false;
  phase_ = Phase::kWatch;
}

// The server ended it, as it does after timeoutSeconds and when it stops.
void Reflector::OnWatchEnd(absl::Duration now) {
  if (phase_ == Phase::kStream) {
    return Fail(absl::UnavailableError("the watch ended before it had brought every object"), now);
  }
  not_before_ = fruitless_ ? now + backoff_.Next(random_) : now;
}

void Reflector::NoteGoodWatch() {
  fruitless_ = false;
  proven_ = true;
  lost_watches_ = 0;
  backoff_.Reset();
}

void Reflector::Relist(absl::Duration now) {
  Abandon();
  // Where the server is away, the pause that is under way stays.
  if (outage_.has_value()) now = std::max(now, not_before_);
  if (phase_ == Phase::kStream) {
    not_before_ = now;
  } else {
    StartList(now);
  }
}

void Reflector::OnServerAnswers(absl::Duration now) {
  if (!outage_.has_value() || !outage_->unreachable) return;
  if (running_ && http_status_ == 0 && started_ + kStuck <= now) Abandon();
  if (!running_) not_before_ = std::min(not_before_, now);
}

void Reflector::StartList(absl::Duration when) {
  Abandon();
  phase_ = Phase::kList;
  continue_.clear();
  expired_ = 0;
  not_before_ = when;
}

void Reflector::Abandon() {
  cancel_ |= running_;
  running_ = false;
}

void Reflector::Fail(const absl::Status& status, absl::Duration now) {
  ++counters_.failures[status.code()];
  outage_ = {.since = outage_.has_value() ? outage_->since : now,
             .status = Explain(informer_->resource(), Verb(), status),
             .unreachable = http_status_ == 0};
  if (outage_->unreachable) {
    if (!away_since_) away_since_ = now;
    if (*away_since_ + kLongAbsence <= now) continue_.clear();
  }
  Abandon();
  const bool lost = phase_ == Phase::kWatch || (phase_ == Phase::kStream && http_status_ == 200);
  if (lost && ++lost_watches_ >= kMostLostWatches) StartList(now);
  if (phase_ == Phase::kWatch) phase_ = Phase::kProbe;
  not_before_ = now + std::max(backoff_.Next(random_), retry_after_);
}

}  // namespace openelb::kube

#include "controller/kube/reflector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controller/kube/api_status.h"
#include "controller/kube/json.h"
#include "controller/kube/read_request.h"
#include "controller/kube/revision.h"
#include "controller/kube/text_at.h"

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
// Until its head, and between the objects that come first.
constexpr absl::Duration kWatchHeadSilence = absl::Seconds(10);
// No longer, because the end of a watch is a sign of life, and does not come where a connection
// swallows what it should deliver. Taken up again, a watch costs the server little.
constexpr int kShortestWatchSeconds = 60;
constexpr int kMoreWatchSeconds = 30;
constexpr absl::Duration kLateEnd = absl::Seconds(5);
// Until we look; our own bound comes first.
constexpr absl::Duration kWatchSilence = absl::Seconds(120);
// A watch that ended sooner, without an event, was not worth having.
constexpr absl::Duration kShortWatch = absl::Seconds(1);

constexpr absl::Duration kFirstDoubtPause = absl::Seconds(5);
constexpr absl::Duration kLastDoubtPause = absl::Seconds(80);

constexpr int kMostLostWatches = 3;
constexpr int kMostExpiredLists = 2;
// In which a server can be stopped, given an older etcd, and started.
constexpr absl::Duration kLongAbsence = absl::Seconds(3);
constexpr absl::Duration kSecondLook = absl::Seconds(1);
// A younger request is helped by TCP's own retransmissions, or has a slow server that is not to be
// bothered again.
constexpr absl::Duration kStuck = absl::Seconds(3);

}  // namespace

Reflector::Reflector(Informer* informer, Random* random, const StoreWitness* witness)
    : informer_(informer), random_(random), witness_(witness), doubt_pause_(kFirstDoubtPause) {}

Reflector::Action Reflector::Next(absl::Duration now) {
  if (running_ && SilentUntil() <= now) {
    if (watching()) {
      OnSilentWatch(now);
    } else if (http_status_ == 200) {
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
  heard_ = doubted_ = false;
  body_.clear();
  lines_ = LineCutter();
  action.request = MakeRequest();
  return action;
}

absl::Duration Reflector::NextWakeup() const { return running_ ? SilentUntil() : not_before_; }

// A watch may be silent for long, but it is answered at once, and ends in time.
absl::Duration Reflector::SilentUntil() const {
  if (watching()) {
    const absl::Duration end = std::max(started_ + watch_time_, last_data_) + kLateEnd;
    return doubted_ ? std::min(end, next_doubt_) : end;
  }
  const bool impatient = phase_ == Phase::kStream || (phase_ == Phase::kWatch && http_status_ == 0);
  return impatient ? last_data_ + kWatchHeadSilence : absl::InfiniteDuration();
}

HttpRequest Reflector::MakeRequest() {
  const Resource& resource = informer_->resource();
  watch_time_ = absl::Seconds(kShortestWatchSeconds + random_->Next64() % kMoreWatchSeconds);
  const absl::Duration probe_silence =
      std::min(kFirstProbeSilence * (1 << std::min(silences_, 8)), kLastProbeSilence);
  switch (phase_) {
    case Phase::kStream:
      return StreamRequest(resource, watch_time_, kWatchSilence);
    case Phase::kList:
      return ListRequest(resource, expired_ < kMostExpiredLists ? kPageSize : 0, continue_,
                         kListSilence);
    case Phase::kProbe:
      return ListRequest(resource, 1, "", probe_silence);
    case Phase::kLease:
      return {.path = witness_->path(), .timeout = probe_silence};
    case Phase::kWatch:
      break;
  }
  return WatchRequest(resource, version_, watch_time_, kWatchSilence);
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
    absence_.reset();
  }
  if (Verb() == "watch") ++counters_.watches;
}

void Reflector::OnData(absl::string_view data, absl::Duration now) {
  counters_.bytes += data.size();
  last_data_ = now;
  doubted_ = false;
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
  heard_ |= initial || !bookmark || IsEarlier(version_, version);
  if (!bookmark) doubt_pause_ = kFirstDoubtPause;
  if (!initial) {
    // Revisions only grow. A repeated event is harmless; where they go back, the server is not the
    // one we knew, or events have been missed.
    const bool back = IsEarlier(version, version_);
    if (back || (version == version_ && !bookmark)) {
      ++counters_.outdated;
      if (back) StartList(now + backoff_.Next(random_));
      return;
    }
    SetVersion(version, !bookmark);
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
  if (phase_ == Phase::kLease) {  // what cannot be proven
    ++counters_.failures[status.code()];
    return StartList(now + std::max(backoff_.Next(random_), retry_after_));
  }
  // A server that does not know sendInitialEvents.
  if (absl::IsInvalidArgument(status) && phase_ == Phase::kStream) return StartList(now);
  Fail(status, now);
}

void Reflector::OnListBody(absl::Duration now) {
  absl::StatusOr<Value> list = ParseJson(std::exchange(body_, {}));
  if (!list.ok()) return Fail(list.status(), now);
  if (phase_ == Phase::kLease) return OnLease(*list, now);
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
  not_before_ = now;
  phase_ = Phase::kWatch;
  // Revisions that have passed ours prove nothing: a restored etcd counts on from where it was
  // saved. So this is measured up to the answer, not to the last failure.
  if (!AwayForLong(now)) return;
  // A revision that is behind that of the Lease is of another etcd, as where Leases have their own.
  if (!absence_->mark || !IsSameOrLater(version, absence_->mark->revision)) return StartList(now);
  phase_ = Phase::kLease;
}

void Reflector::OnLease(const Value& lease, absl::Duration now) {
  if (!witness_->Proves(*absence_->mark, lease)) return StartList(now);
  ++counters_.resumed;
  // A bookmark later than what is proven may be one of the store that is lost.
  if (IsEarlier(absence_->mark->revision, version_)) version_ = absence_->mark->revision;
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
  SetVersion(version, /*change=*/true);
  doubtful_ = false;
  absence_.reset();
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
  // Not even the bookmark before its end told anything new: is it the server we knew?
  if (!heard_) phase_ = Phase::kProbe;
}

void Reflector::Doubt(absl::Duration since) { doubted_ |= watching() && last_data_ <= since; }

void Reflector::OnSilentWatch(absl::Duration now) {
  ++counters_.silent;
  if (doubted_) {
    next_doubt_ = now + doubt_pause_;
    doubt_pause_ = std::min(doubt_pause_ * 2, kLastDoubtPause);
  }
  Abandon();
  NoteAbsence(last_data_);
  phase_ = Phase::kProbe;
  not_before_ = now;
}

void Reflector::SetVersion(const std::string& version, bool change) {
  version_ = version;
  if (change) last_change_ = version;
  if (witness_ != nullptr) chain_ = witness_->chain();
}

void Reflector::NoteAbsence(absl::Duration since) {
  if (absence_) return;
  absence_ = {.since = since};
  if (witness_ != nullptr) absence_->mark = witness_->Vouch(last_change_, chain_);
}

bool Reflector::AwayForLong(absl::Duration now) const {
  return absence_ && absence_->since + kLongAbsence <= now;
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
    NoteAbsence(started_);  // it may have hung for long
    if (AwayForLong(now)) continue_.clear();
  } else if (http_status_ == 200) {
    NoteAbsence(last_data_);  // since then nothing shows that the connection was alive
  }
  Abandon();
  const bool lost = phase_ == Phase::kWatch || (phase_ == Phase::kStream && http_status_ == 200);
  if (lost && ++lost_watches_ >= kMostLostWatches) StartList(now);
  if (phase_ == Phase::kLease) absence_->mark.reset();  // it is not asked for twice
  if (phase_ == Phase::kWatch || phase_ == Phase::kLease) phase_ = Phase::kProbe;
  not_before_ = now + std::max(backoff_.Next(random_), retry_after_);
}

}  // namespace openelb::kube

#include "controller/kube/object_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/codec/write.h"
#include "controller/kube/revision.h"

namespace openelb::kube {
namespace {

using codec::Value;

constexpr absl::Duration kAskAfter = absl::Seconds(5);
constexpr absl::Duration kShownWithin = absl::Seconds(5);
// What the source shows the controller hears too, and may want something else because of it: no
// haste to put anything back before it has spoken.
constexpr absl::Duration kHearController = absl::Milliseconds(100);
// An Eip takes two, finalizer and status; more in a row mean that somebody else writes meanwhile.
constexpr int kPatchesInARow = 6;

}  // namespace

template <typename Target>
ObjectWriter<Target>::ObjectWriter(WriterSeams seams, int in_flight, Settled settled)
    : seams_(seams), limit_(in_flight), settled_(std::move(settled)) {}

template <typename Target>
ObjectWriter<Target>::~ObjectWriter() = default;

template <typename Target>
typename ObjectWriter<Target>::Entry* ObjectWriter<Target>::FindEntry(const ObjectKey& key) {
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : &it->second;
}

template <typename Target>
Target* ObjectWriter<Target>::Find(const ObjectKey& key) {
  Entry* entry = FindEntry(key);
  return entry == nullptr ? nullptr : &entry->target;
}

template <typename Target>
Target& ObjectWriter<Target>::Get(const ObjectKey& key, const Target& initial) {
  return entries_.try_emplace(key, Entry{.target = initial}).first->second.target;
}

template <typename Target>
void ObjectWriter<Target>::SetActive(bool active) {
  if (std::exchange(active_, active) == active || !active) return;
  for (const auto& [key, entry] : entries_) queue_.Retry(key, seams_.clock->Monotonic());
}

template <typename Target>
void ObjectWriter<Target>::Seen(const ObjectKey& key, const Value& object) {
  Entry& entry = entries_.find(key)->second;
  const absl::Duration now = seams_.clock->Monotonic();
  if (!entry.awaited.empty() && IsEarlier(ReadMeta(object).version, entry.awaited)) {
    if (!entry.ask_at) entry.ask_at = now + kAskAfter;
    return queue_.Add(key, *entry.ask_at);
  }
  entry.target.See(object);
  if (entry.stale) {
    queue_.Retry(key, now);
  } else {
    queue_.Add(key, now + kHearController);
  }
  entry.UpToDate();
}

template <typename Target>
void ObjectWriter<Target>::Gone(const ObjectKey& key) {
  Entry* entry = FindEntry(key);
  if (entry == nullptr) return;
  entry->target.Gone();
  entry->UpToDate();
  entry->last_written.clear();
  entry->not_taken.clear();
  DropEmpty(key, entry);
}

template <typename Target>
void ObjectWriter<Target>::Changed(const ObjectKey& key) {
  Entry* entry = FindEntry(key);
  if (entry == nullptr || DropEmpty(key, entry)) return;
  queue_.Retry(key, seams_.clock->Monotonic());
}

template <typename Target>
bool ObjectWriter<Target>::DropEmpty(const ObjectKey& key, Entry* entry) {
  if (!entry->target.empty()) return false;
  entries_.erase(key);
  queue_.Forget(key);
  return true;
}

template <typename Target>
bool ObjectWriter<Target>::CanSend() const {
  return active_ && under_way_ < limit_ && seams_.gate->Open(seams_.clock->Monotonic());
}

template <typename Target>
void ObjectWriter<Target>::Turn() {
  const absl::Duration now = seams_.clock->Monotonic();
  NoteUnshown(now);
  if (std::exchange(returns_, seams_.gate->returns()) != returns_) queue_.RetryAll(now);
  while (CanSend()) {
    const std::optional<ObjectKey> key = queue_.Take(now);
    if (!key) break;
    Begin(*key);
  }
}

template <typename Target>
void ObjectWriter<Target>::Await(const ObjectKey& key, const std::string& version, Entry* entry) {
  entry->awaited = version;
  if (entry->unshown_since) return;
  entry->unshown_since = seams_.clock->Monotonic();
  awaited_.emplace_back(*entry->unshown_since + kShownWithin, key);
}

template <typename Target>
void ObjectWriter<Target>::NoteUnshown(absl::Duration now) {
  for (; !awaited_.empty(); awaited_.pop_front()) {
    const auto& [due, key] = awaited_.front();
    const Entry* entry = FindEntry(key);
    const bool awaits = entry != nullptr && entry->unshown_since;
    // Shown since, and written once more: that one is awaited further back.
    if (!awaits || *entry->unshown_since + kShownWithin > due) continue;
    if (now < due) return;
    unshown_ = due - kShownWithin;
    awaited_.emplace_back(now + kShownWithin, key);
  }
}

template <typename Target>
absl::Duration ObjectWriter<Target>::NextWakeup() const {
  const absl::Duration look = awaited_.empty() ? absl::InfiniteDuration() : awaited_.front().first;
  if (!active_ || under_way_ >= limit_) return look;
  if (returns_ != seams_.gate->returns()) return -absl::InfiniteDuration();
  return std::min(look, std::max(queue_.NextDue(), seams_.gate->NextOpen()));
}

template <typename Target>
void ObjectWriter<Target>::Begin(const ObjectKey& key) {
  Entry* entry = FindEntry(key);
  if (entry == nullptr) return queue_.Forget(key);
  entry->patches = 0;
  if (entry->stale || (entry->ask_at && *entry->ask_at <= seams_.clock->Monotonic())) {
    SendGet(key);
  } else {
    Advance(key, entry, /*repeated=*/false);
  }
}

template <typename Target>
void ObjectWriter<Target>::Advance(const ObjectKey& key, Entry* entry, bool repeated) {
  const absl::Duration now = seams_.clock->Monotonic();
  std::optional<Patch> patch = active_ ? entry->target.Next() : std::nullopt;
  const bool not_taken = patch && codec::ToJson(patch->body) == entry->not_taken;
  if (patch && !not_taken && entry->patches < kPatchesInARow)
    return SendPatch(key, entry, *std::move(patch));
  // Who undoes what we write is answered ever more slowly.
  if (repeated || entry->patches >= kPatchesInARow) {
    queue_.Rest(key, now);
  } else {
    queue_.Done(key, now);
  }
  if (entry->ask_at) queue_.Add(key, *entry->ask_at);
  if (active_) settled_(key, entry->target, not_taken);
}

template <typename Target>
void ObjectWriter<Target>::Send(ApiCall call, std::function<void(const Answer&)> done) {
  ++under_way_;
  seams_.gate->Sent();
  seams_.client->Call(std::move(call), [this, done = std::move(done),
                                        alive = std::weak_ptr<bool>(alive_)](const Answer& answer) {
    if (alive.expired()) return;
    --under_way_;
    seams_.gate->Answered(answer.status(), seams_.clock->Monotonic());
    done(answer);
  });
}

template <typename Target>
void ObjectWriter<Target>::SendPatch(const ObjectKey& key, Entry* entry, Patch patch) {
  ++entry->patches;
  std::string text = codec::ToJson(patch.body);
  const ShownMeta& meta = entry->target.meta();
  Value& metadata = patch.body["metadata"];
  metadata["uid"] = meta.uid;
  if (patch.of_version) metadata["resourceVersion"] = meta.version;
  ApiCall call{.method = "PATCH",
               .path = absl::StrCat(ObjectPath(key), patch.status ? "/status" : "",
                                    "?fieldManager=", kFieldManager),
               .content_type = kMergePatch,
               .body = std::move(patch.body)};
  Send(std::move(call), [this, key, text = std::move(text), version = meta.version](
                            const Answer& answer) { OnPatched(key, text, version, answer); });
}

template <typename Target>
void ObjectWriter<Target>::SendGet(const ObjectKey& key) {
  Send({.method = "GET", .path = ObjectPath(key)},
       [this, key](const Answer& answer) { OnRead(key, answer); });
}

template <typename Target>
void ObjectWriter<Target>::OnPatched(const ObjectKey& key, const std::string& text,
                                     const std::string& version, const Answer& answer) {
  Entry* entry = FindEntry(key);
  if (entry == nullptr) return;
  if (!answer.ok()) {
    const bool newer_known = entry->target.shown() && entry->target.meta().version != version;
    entry->stale = absl::IsAborted(answer.status()) && !newer_known;
    return OnError(key, entry, answer.status());
  }
  ++counters_.written;
  entry->refusals = 0;
  seams_.log->Recovered(absl::StrCat("write ", key.ToString()), "the object is written again",
                        {{"object", key.ToString()}});
  const std::string& made = ReadMeta(*answer).version;
  // The source may have shown a still newer state meanwhile, or that the object is gone.
  if (entry->target.shown() && !IsEarlier(made, entry->target.meta().version)) {
    if (entry->target.meta().version != made) Await(key, made, entry);
    entry->target.See(*answer);
  }
  const bool repeated = std::exchange(entry->last_written, text) == text;
  const std::optional<Patch> next = entry->target.Next();
  entry->not_taken = next && codec::ToJson(next->body) == text ? text : "";
  if (!entry->not_taken.empty()) {
    seams_.log->Damped(absl::StrCat("take ", key.ToString()),
                       "the API server takes a write and drops what it says: is the CRD of this "
                       "version installed?",
                       text, {{"object", key.ToString()}});
  }
  Advance(key, entry, repeated);
}

template <typename Target>
void ObjectWriter<Target>::OnRead(const ObjectKey& key, const Answer& answer) {
  Entry* entry = FindEntry(key);
  if (entry == nullptr) return;
  if (!answer.ok() && !absl::IsNotFound(answer.status()))
    return OnError(key, entry, answer.status());
  entry->UpToDate();
  if (answer.ok()) {
    entry->target.See(*answer);
  } else {
    entry->target.Gone();
  }
  Advance(key, entry, /*repeated=*/false);
}

template <typename Target>
void ObjectWriter<Target>::OnError(const ObjectKey& key, Entry* entry, const absl::Status& error) {
  const absl::Duration now = seams_.clock->Monotonic();
  if (seams_.gate->shut()) {
    queue_.Return(key, now);
  } else {
    queue_.Failed(key, now);
  }
  if (absl::IsAborted(error)) {
    ++counters_.conflicts;
    return;
  }
  const bool silent = absl::IsUnavailable(error) || absl::IsDeadlineExceeded(error) ||
                      absl::IsUnauthenticated(error);
  ++(silent ? counters_.failed : counters_.refused);
  // The first 404 is what an object looks like that was deleted just now.
  if (!absl::IsNotFound(error) || entry->refusals > 0) {
    seams_.log->Damped(absl::StrCat("write ", key.ToString()),
                       "an object cannot be written; trying again", error.ToString(),
                       {{"object", key.ToString()}});
  }
  if (silent) return;
  ++entry->refusals;
  if (active_) settled_(key, entry->target, /*refused=*/true);
}

template class ObjectWriter<ServiceTarget>;
template class ObjectWriter<StatusTarget>;

}  // namespace openelb::kube

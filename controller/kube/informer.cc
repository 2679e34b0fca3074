#include "controller/kube/informer.h"

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/codec/decode.h"
#include "controller/ipam/request.h"
#include "controller/kube/prune.h"
#include "controller/kube/text_at.h"

namespace openelb::kube {
namespace {

using codec::Value;

// Most Services of a cluster are none of ours and never will be.
bool IsOfInterest(const Object& object) {
  const auto* service = std::get_if<Service>(&object);
  return service == nullptr || service->type == "LoadBalancer" || ipam::BearsOurMarks(*service);
}

std::string LogKey(const ObjectKey& key) { return absl::StrCat("refused ", key.ToString()); }

}  // namespace

Informer::Informer(Resource resource, Logger* log, ObjectViewer* viewer)
    : resource_(std::move(resource)), log_(log), viewer_(viewer) {}

void Informer::BeginList() { ++list_; }

void Informer::EndList() {
  for (auto it = known_.begin(); it != known_.end();) {
    if (it->second.list != list_) {
      SendDeletion(it->first, it->second, /*missing=*/true);
      it = known_.erase(it);
    } else {
      ++it;
    }
  }
}

bool Informer::Upsert(Value object) {
  const Name name(TextAt(object, {"metadata", "namespace"}), TextAt(object, {"metadata", "name"}));
  if (object.map() != nullptr) {  // items of lists leave these out
    object["kind"] = resource_.kind;
    object["apiVersion"] = resource_.api_version;
  }
  const uint64_t uid = absl::HashOf(TextAt(object, {"metadata", "uid"}));
  const auto [it, added] = known_.try_emplace(name);
  Known& known = it->second;
  const bool replaced = !added && known.uid != uid;
  if (replaced) {
    SendDeletion(name, known, /*missing=*/false);
    known = {};
  }
  if (viewer_ != nullptr) viewer_->Seen(KeyOf(name), object);
  if (resource_.whole) {
    known = {.uid = uid, .list = list_};
    return !replaced;
  }
  Prune(resource_.kind, &object);
  const uint64_t digest = Digest(resource_.kind, object);
  known.list = list_;
  if (!added && !replaced && known.digest == digest) {
    ++counters_.unchanged;
    return true;
  }
  known.digest = digest;
  known.uid = uid;
  Decode(name, object, &known);
  return !replaced;
}

void Informer::Decode(const Name& name, const Value& object, Known* known) {
  codec::Decoded decoded = codec::DecodeObject(object, "");
  if (!decoded.object.has_value()) {
    return Refuse(name, object, absl::StrJoin(decoded.errors, "; "), known);
  }
  const ObjectKey key = KeyOf(name);
  if (std::exchange(known->refused, false)) log_->Recovered(LogKey(key), "object is right again");
  if (!known->sent && !IsOfInterest(*decoded.object)) return;
  known->sent = true;
  ++counters_.upserts;
  events_.push_back({key, std::move(decoded.object)});
}

void Informer::Refuse(const Name& name, const Value& object, const std::string& error,
                      Known* known) {
  const ObjectKey key = KeyOf(name);
  ++counters_.refused;
  known->refused = true;
  known->sent = true;
  log_->Damped(LogKey(key), "object refused, its last good state stays", error,
               {{"object", key.ToString()}});
  const Value* metadata = object.Find("metadata");
  const Value* generation = metadata == nullptr ? nullptr : metadata->Find("generation");
  const absl::int128* number = generation == nullptr ? nullptr : generation->integer();
  Refusal refusal{.why = error,
                  .generation = number == nullptr ? 0 : static_cast<int64_t>(*number)};
  events_.push_back({.key = key, .object = std::nullopt, .refusal = std::move(refusal)});
}

void Informer::Remove(const Value& object) {
  const auto it = known_.find(
      {TextAt(object, {"metadata", "namespace"}), TextAt(object, {"metadata", "name"})});
  if (it == known_.end()) return;
  SendDeletion(it->first, it->second, /*missing=*/false);
  known_.erase(it);
}

void Informer::SendDeletion(const Name& name, const Known& known, bool missing) {
  const ObjectKey key = KeyOf(name);
  if (known.refused) log_->Recovered(LogKey(key), "refused object is deleted");
  if (viewer_ != nullptr) viewer_->Gone(key);
  if (!known.sent) return;
  ++counters_.deletions;
  events_.push_back({.key = key, .object = std::nullopt, .missing = missing});
}

}  // namespace openelb::kube

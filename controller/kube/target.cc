#include "controller/kube/target.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace openelb::kube {

using codec::Value;

namespace {

std::string TextAt(const Value& map, absl::string_view key) {
  const Value* value = map.Find(key);
  return value != nullptr && value->string() != nullptr ? *value->string() : "";
}

bool IsCore(absl::string_view kind) {
  return kind == Service::kKind || kind == Node::kKind || kind == Namespace::kKind;
}

}  // namespace

bool ShownMeta::Has(absl::string_view finalizer) const {
  return std::find(finalizers.begin(), finalizers.end(), finalizer) != finalizers.end();
}

ShownMeta ReadMeta(const Value& object) {
  ShownMeta meta;
  const Value* metadata = object.Find("metadata");
  if (metadata == nullptr) return meta;
  meta.uid = TextAt(*metadata, "uid");
  meta.version = TextAt(*metadata, "resourceVersion");
  meta.deleting = metadata->Find("deletionTimestamp") != nullptr;
  const Value* finalizers = metadata->Find("finalizers");
  if (finalizers == nullptr || finalizers->list() == nullptr) return meta;
  for (const Value& finalizer : *finalizers->list()) {
    if (finalizer.string() != nullptr) meta.finalizers.push_back(*finalizer.string());
  }
  return meta;
}

std::optional<Value> FinalizersWith(const ShownMeta& meta, const char* finalizer, bool wanted) {
  if (meta.Has(finalizer) == wanted) return std::nullopt;
  Value list;
  for (const std::string& other : meta.finalizers) {
    if (other != finalizer) list.Append(other);
  }
  if (wanted) list.Append(finalizer);
  return list;
}

void KeepTransitionTimes(const Value* shown, Value* wanted) {
  if (shown == nullptr || shown->list() == nullptr) return;
  if (wanted == nullptr || wanted->list() == nullptr) return;
  for (Value& condition : *wanted->list()) {
    const std::string type = TextAt(condition, "type");
    for (const Value& before : *shown->list()) {
      if (TextAt(before, "type") != type) continue;
      const Value* time = before.Find("lastTransitionTime");
      if (time != nullptr && TextAt(before, "status") == TextAt(condition, "status")) {
        condition["lastTransitionTime"] = *time;
      }
    }
  }
}

std::string ApiVersionOf(absl::string_view kind) {
  return IsCore(kind) ? "v1" : "network.kubesphere.io/v1alpha2";
}

std::string ObjectPath(const ObjectKey& key) {
  const std::string version = ApiVersionOf(key.kind);
  return absl::StrCat(
      IsCore(key.kind) ? "/api/" : "/apis/", version, "/",
      key.namespace_.empty() ? "" : absl::StrCat("namespaces/", key.namespace_, "/"),
      absl::AsciiStrToLower(key.kind), "s/", key.name);
}

}  // namespace openelb::kube

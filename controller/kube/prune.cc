#include "controller/kube/prune.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "absl/hash/hash.h"
#include "api/kube/endpoint_slice.h"

namespace openelb::kube {
namespace {

using codec::Value;

// Null pointer: there is no such member, or `value` is no map.
Value* Member(Value* value, absl::string_view key) {
  Value::Map* map = value == nullptr ? nullptr : value->map();
  if (map == nullptr) return nullptr;
  const auto it = map->find(key);
  return it == map->end() ? nullptr : &it->second;
}

void Erase(Value* value, absl::string_view key) {
  Value::Map* map = value == nullptr ? nullptr : value->map();
  if (map == nullptr) return;
  if (const auto it = map->find(key); it != map->end()) map->erase(it);
}

void EraseBut(Value* value, std::initializer_list<absl::string_view> kept) {
  Value::Map* map = value == nullptr ? nullptr : value->map();
  if (map == nullptr) return;
  std::erase_if(*map, [&](const auto& member) {
    return std::find(kept.begin(), kept.end(), member.first) == kept.end();
  });
}

uint64_t DigestOf(const Value& value);

uint64_t DigestOf(const Value::Map& map, absl::string_view skipped = "") {
  uint64_t digest = absl::HashOf('m');
  for (const auto& [key, member] : map) {
    if (key != skipped) digest = absl::HashOf(digest, key, DigestOf(member));
  }
  return digest;
}

uint64_t DigestOf(const Value& value) {
  if (const Value::Map* map = value.map()) return DigestOf(*map);
  if (const Value::List* list = value.list()) {
    uint64_t digest = absl::HashOf('l');
    for (const Value& item : *list) digest = absl::HashOf(digest, DigestOf(item));
    return digest;
  }
  if (const std::string* text = value.string()) return absl::HashOf('s', *text);
  if (const absl::int128* integer = value.integer()) return absl::HashOf('i', *integer);
  if (const double* real = value.real()) return absl::HashOf('r', *real);
  if (const bool* boolean = value.boolean()) return absl::HashOf('b', *boolean);
  return absl::HashOf('n');
}

}  // namespace

void Prune(absl::string_view kind, Value* object) {
  Value* metadata = Member(object, "metadata");
  Erase(metadata, "managedFields");
  Erase(Member(metadata, "annotations"), "kubectl.kubernetes.io/last-applied-configuration");
  Value* status = Member(object, "status");
  if (kind == "Service") {
    EraseBut(status, {"loadBalancer"});
  } else if (kind == "Node") {
    EraseBut(status, {"addresses", "conditions"});
    Value* conditions = Member(status, "conditions");
    if (conditions == nullptr || conditions->list() == nullptr) return;
    for (Value& condition : *conditions->list()) EraseBut(&condition, {"type", "status"});
  } else {
    Erase(object, "status");
    if (kind == "EndpointSlice") {
      // endpoints.kubernetes.io/last-change-trigger-time and the like
      Erase(metadata, "annotations");
      // The Service's labels are copied here: ours made each new slice change once more.
      EraseBut(Member(metadata, "labels"), {kServiceNameLabel});
    }
  }
}

uint64_t Digest(absl::string_view kind, const Value& object) {
  const Value::Map* map = object.map();
  if (map == nullptr) return DigestOf(object);
  uint64_t digest = 0;
  for (const auto& [key, member] : *map) {
    const bool without_version = key == "metadata" && member.map() != nullptr && kind != "Service";
    digest = absl::HashOf(
        digest, key,
        without_version ? DigestOf(*member.map(), "resourceVersion") : DigestOf(member));
  }
  return digest;
}

}  // namespace openelb::kube

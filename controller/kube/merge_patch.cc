#include "controller/kube/merge_patch.h"

#include <utility>

namespace openelb::kube {

using codec::Value;

std::optional<Value> MergePatch(const Value& from, const Value& to) {
  if (from == to) return std::nullopt;
  if (from.map() == nullptr || to.map() == nullptr) return to;
  Value::Map patch;
  for (const auto& [key, value] : *to.map()) {
    const Value* before = from.Find(key);
    if (before == nullptr) {
      patch.emplace(key, value);
    } else if (std::optional<Value> change = MergePatch(*before, value)) {
      patch.emplace(key, *std::move(change));
    }
  }
  for (const auto& [key, value] : *from.map()) {
    if (to.Find(key) == nullptr && !value.IsNull()) patch.emplace(key, Value());
  }
  if (patch.empty()) return std::nullopt;
  return Value(std::move(patch));
}

}  // namespace openelb::kube

#include "controller/kube/testing/merge_patch.h"

namespace openelb::kube::fake {

using codec::Value;

void MergePatch(const Value& patch, Value* target) {
  if (patch.map() == nullptr) {
    *target = patch;
    return;
  }
  if (target->map() == nullptr) *target = Value(Value::Map());
  for (const auto& [key, member] : *patch.map()) {
    if (member.IsNull()) {
      target->map()->erase(key);
    } else {
      MergePatch(member, &(*target)[key]);
    }
  }
}

}  // namespace openelb::kube::fake

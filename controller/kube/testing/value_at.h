#pragma once
// Reading a member deep within a document that may lack it.

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::kube::fake {

using Path = std::initializer_list<absl::string_view>;

// Null pointer when there is none.
inline const codec::Value* ValueAt(const codec::Value& object, Path path) {
  const codec::Value* value = &object;
  for (const absl::string_view key : path) {
    if (value != nullptr) value = value->Find(key);
  }
  return value;
}

// Empty when there is no text.
inline std::string TextAt(const codec::Value& object, Path path) {
  const codec::Value* value = ValueAt(object, path);
  return value == nullptr || value->string() == nullptr ? std::string() : *value->string();
}

// Whether something stands there: a map or list with members, a text that is not empty.
inline bool IsGivenAt(const codec::Value& object, Path path) {
  const codec::Value* value = ValueAt(object, path);
  if (value == nullptr || value->IsNull()) return false;
  if (value->list() != nullptr) return !value->list()->empty();
  if (value->map() != nullptr) return !value->map()->empty();
  return value->string() == nullptr || !value->string()->empty();
}

}  // namespace openelb::kube::fake

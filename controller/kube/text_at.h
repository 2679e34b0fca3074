#pragma once
// Reading a text deep within an object of the API that may lack it.

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::kube {

// The text at `path` below `value`, such as {"metadata", "resourceVersion"}; empty when there is
// none.
inline std::string TextAt(const codec::Value& value,
                          std::initializer_list<absl::string_view> path) {
  const codec::Value* at = &value;
  for (const absl::string_view step : path) {
    at = at->Find(step);
    if (at == nullptr) return "";
  }
  return at->string() == nullptr ? "" : *at->string();
}

}  // namespace openelb::kube

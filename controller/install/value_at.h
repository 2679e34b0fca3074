#pragma once
// Reading what stands deep within an object of the API that may lack it.

#include <initializer_list>

#include "absl/strings/string_view.h"
#include "api/codec/value.h"

namespace openelb::install {

// Null pointer when there is nothing at `path`.
inline const codec::Value* At(const codec::Value& value,
                              std::initializer_list<absl::string_view> path) {
  const codec::Value* at = &value;
  for (const absl::string_view step : path) {
    if (at == nullptr) break;
    at = at->Find(step);
  }
  return at;
}

}  // namespace openelb::install

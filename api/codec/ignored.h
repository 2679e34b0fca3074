#pragma once
// Fields that manifests may carry and that we cannot honour: accepted, and named in the object's
// condition FieldsIgnored when they ask for anything.

#include <algorithm>
#include <string>
#include <vector>

#include "api/codec/field.h"

namespace openelb::codec {

class IgnoredFields {
 public:
  // `field` does nothing; it asks for nothing when it is absent or holds `harmless`.
  void Add(const Field& field, const Value& harmless) {
    if (field.given() && *field.value() != harmless) paths_.push_back(field.path());
  }
  void Add(const std::vector<std::string>& paths) {
    paths_.insert(paths_.end(), paths.begin(), paths.end());
  }
  // The paths, sorted.
  std::vector<std::string> Take() {
    std::sort(paths_.begin(), paths_.end());
    return std::move(paths_);
  }

 private:
  std::vector<std::string> paths_;
};

}  // namespace openelb::codec

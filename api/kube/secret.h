#pragma once
// core/v1 Secret, as far as planning reads it.

#include <map>
#include <string>

#include "api/kube/meta.h"

namespace openelb::kube {

struct Secret {
  static constexpr const char* kKind = "Secret";
  ObjectMeta meta;
  std::map<std::string, std::string> data;  // decoded; never to be shown or saved
  bool operator==(const Secret&) const = default;
};

}  // namespace openelb::kube

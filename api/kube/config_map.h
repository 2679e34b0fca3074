#pragma once
// core/v1 ConfigMap, as far as planning reads it.

#include <optional>
#include <string>

#include "api/kube/meta.h"

namespace openelb::kube {

struct ConfigMap {
  static constexpr const char* kKind = "ConfigMap";
  ObjectMeta meta;
  std::optional<std::string>
      gobgp_conf;  // data["gobgp.conf"], an export policy; nullopt: no such key
  bool operator==(const ConfigMap&) const = default;
};

}  // namespace openelb::kube

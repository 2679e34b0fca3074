// ConfigMaps: of everything in them only an export policy is kept.
#include <utility>

#include "api/codec/kinds.h"

namespace openelb::codec {

Object DecodeConfigMap(kube::ObjectMeta meta, const Field& root) {
  kube::ConfigMap map;
  map.meta = std::move(meta);
  root.Skip({"binaryData", "immutable"});
  const Field data = root["data"];
  data.AllowOthers();
  if (const Field conf = data["gobgp.conf"]; conf.given()) map.gobgp_conf = conf.String();
  return map;
}

}  // namespace openelb::codec

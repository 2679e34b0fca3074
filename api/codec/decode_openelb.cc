// OpenELB objects: what the DaemonSet of the speakers is to be.
#include <utility>

#include "api/codec/kinds.h"
#include "api/network/v1alpha2/openelb.h"

namespace openelb::codec {
namespace {

using network::OpenElb;
using network::UpdateStrategy;

constexpr int32_t kMaxRacks = 1000;

// Null when it is not given.
Value Whole(const Field& field) { return field.given() ? *field.value() : Value(); }

void DecodeResources(const Field& resources, OpenElb* object) {
  // Quantities are Kubernetes' to judge.
  for (const char* key : {"limits", "requests"}) {
    for (const auto& [name, quantity] : resources[key].Members()) {
      const Value& value = *quantity.value();
      if (value.string() == nullptr && value.integer() == nullptr && value.real() == nullptr) {
        quantity.Error(value.Describe() + " is not a quantity, such as 100m or 64Mi");
      }
    }
  }
  object->resources = Whole(resources);
}

void DecodeUpdateStrategy(const Field& strategy, OpenElb* object) {
  if (!strategy.given()) return;
  const Field type = strategy["type"];
  object->update_strategy =
      type.OneOf<UpdateStrategy>({{"RackAware", UpdateStrategy::kRackAware},
                                  {"RollingUpdate", UpdateStrategy::kRollingUpdate},
                                  {"OnDelete", UpdateStrategy::kOnDelete}},
                                 UpdateStrategy::kRackAware);
  const Field rack_aware = strategy["rackAware"];
  const Field rolling_update = strategy["rollingUpdate"];
  object->max_racks = rack_aware["maxRacks"].Int<int32_t>(1, kMaxRacks, 1);
  object->max_unavailable = Whole(rolling_update["maxUnavailable"]);
  if (rack_aware.given() && object->update_strategy != UpdateStrategy::kRackAware)
    rack_aware.Error("not allowed with another type than RackAware");
  if (rolling_update.given() && object->update_strategy != UpdateStrategy::kRollingUpdate)
    rolling_update.Error("not allowed with another type than RollingUpdate");
}

}  // namespace

Object DecodeOpenElb(kube::ObjectMeta meta, const Field& root) {
  OpenElb object;
  object.meta = std::move(meta);
  const Field speaker = root["spec"]["speaker"];
  DecodePodPlacement(speaker);
  if (const Field selector = speaker["nodeSelector"]; selector.given())
    object.node_selector = selector.StringMap();
  object.affinity = Whole(speaker["affinity"]);
  object.tolerations = Whole(speaker["tolerations"]);
  DecodeResources(speaker["resources"], &object);
  const Field image = speaker["image"];
  object.image = image.String();
  if (image.given() && object.image.empty()) image.Error("\"\" is not an image");
  object.log_level = speaker["logLevel"].OneOfText({"debug", "info", "warning", "error"}, "");
  const Field modes = speaker["modes"];
  if (modes["layer2"].given()) object.layer2 = modes["layer2"].Bool();
  if (modes["vip"].given()) object.vip = modes["vip"].Bool();
  DecodeUpdateStrategy(speaker["updateStrategy"], &object);
  return object;
}

}  // namespace openelb::codec

#include "api/codec/kinds.h"

namespace openelb::codec {
namespace {

kube::Taint DecodeTaint(const Field& field) {
  kube::Taint taint;
  if (field["key"].Require("the key of a taint")) taint.key = field["key"].String();
  taint.value = field["value"].String();
  field["effect"].Require("NoSchedule, PreferNoSchedule or NoExecute");
  taint.effect = field["effect"].OneOfText({"NoSchedule", "PreferNoSchedule", "NoExecute"});
  field.Skip({"timeAdded"});
  return taint;
}

kube::ConditionStatus DecodeConditionStatus(const Field& field) {
  return field.OneOf({{"True", kube::ConditionStatus::kTrue},
                      {"False", kube::ConditionStatus::kFalse},
                      {"Unknown", kube::ConditionStatus::kUnknown}},
                     kube::ConditionStatus::kUnknown);
}

}  // namespace

Object DecodeNode(kube::ObjectMeta meta, const Field& root) {
  kube::Node node;
  node.meta = std::move(meta);
  const Field spec = root["spec"];
  spec.AllowOthers();
  node.unschedulable = spec["unschedulable"].Bool();
  for (const Field& taint : spec["taints"].Items()) node.taints.push_back(DecodeTaint(taint));

  const Field status = root["status"];
  status.AllowOthers();
  for (const Field& address : status["addresses"].Items()) {
    const Field text = address["address"];
    if (address["type"].String() != "InternalIP" || !text.Require("an IP address")) continue;
    if (const auto ip = text.Ip()) node.internal_ips.push_back(*ip);
  }
  for (const Field& condition : status["conditions"].Items()) {
    condition.AllowOthers();
    const std::string type = condition["type"].String();
    if (type == "Ready") node.ready = DecodeConditionStatus(condition["status"]);
    if (type == "NetworkUnavailable") {
      node.network_unavailable = DecodeConditionStatus(condition["status"]);
    }
  }
  return node;
}

}  // namespace openelb::codec

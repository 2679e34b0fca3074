#include "api/codec/advertise.h"
#include "api/codec/ignored.h"
#include "api/codec/kinds.h"

namespace openelb::codec {
namespace {

std::optional<int> Length(const Field& field, int min, Family family) {
  const int length = field.Int<int>(min, FamilyBits(family), 0);
  return length == 0 ? std::nullopt : std::optional(length);
}

network::Aggregation DecodeAggregation(const Field& advertise) {
  return {
      .length = Length(advertise["aggregationLength"], network::kMinAggregationLength, Family::kV4),
      .length_v6 =
          Length(advertise["aggregationLengthV6"], network::kMinAggregationLengthV6, Family::kV6),
      .host_routes = advertise["hostRoutes"].Bool()};
}

}  // namespace

Object DecodeEip(kube::ObjectMeta meta, const Field& root) {
  network::Eip eip;
  eip.meta = std::move(meta);
  const Field spec = root["spec"];
  eip.address = spec["address"].String();
  eip.protocol = spec["protocol"].OneOf({{"bgp", network::Protocol::kBgp},
                                         {"layer2", network::Protocol::kLayer2},
                                         {"vip", network::Protocol::kVip}},
                                        network::Protocol::kBgp);
  eip.interface = spec["interface"].String();
  eip.off_link = spec["offLink"].Bool();
  eip.disable = spec["disable"].Bool();
  eip.priority = spec["priority"].Int<int64_t>(INT64_MIN, INT64_MAX);
  eip.namespaces = spec["namespaces"].Strings();
  eip.namespace_selector = spec["namespaceSelector"].StringMap();
  eip.advertise = DecodeAdvertise(spec["advertise"]);
  eip.aggregation = DecodeAggregation(spec["advertise"]);
  IgnoredFields ignored;
  ignored.Add(spec["usingKnownIPs"], false);
  eip.fields_ignored = ignored.Take();
  return eip;
}

}  // namespace openelb::codec

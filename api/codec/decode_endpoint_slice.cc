#include "api/codec/kinds.h"

namespace openelb::codec {
namespace {

std::optional<bool> OptionalBool(const Field& field) {
  if (!field.given()) return std::nullopt;
  return field.Bool();
}

kube::Endpoint DecodeEndpoint(const Field& field, bool are_ips) {
  kube::Endpoint endpoint;
  for (const Field& address : field["addresses"].Items()) {
    if (are_ips) address.Ip();
    endpoint.addresses.push_back(address.String());
  }
  endpoint.node_name = field["nodeName"].String();
  const Field conditions = field["conditions"];
  endpoint.ready = OptionalBool(conditions["ready"]);
  endpoint.serving = OptionalBool(conditions["serving"]);
  endpoint.terminating = OptionalBool(conditions["terminating"]);
  field.AllowOthers();
  return endpoint;
}

}  // namespace

Object DecodeEndpointSlice(kube::ObjectMeta meta, const Field& root) {
  kube::EndpointSlice slice;
  slice.meta = std::move(meta);
  const Field type = root["addressType"];
  type.Require("IPv4, IPv6 or FQDN");
  slice.address_type = type.OneOfText({"IPv4", "IPv6", "FQDN"});
  for (const Field& endpoint : root["endpoints"].Items()) {
    slice.endpoints.push_back(DecodeEndpoint(endpoint, slice.address_type != "FQDN"));
  }
  root.Skip({"ports"});
  return slice;
}

}  // namespace openelb::codec

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/base/ip.h"
#include "api/codec/kinds.h"

namespace openelb::codec {
namespace {

std::optional<bool> OptionalBool(const Field& field) {
  if (!field.given()) return std::nullopt;
  return field.Bool();
}

// An address of another family than the slice would count for Service addresses that it cannot
// serve.
void CheckAddress(const Field& field, const std::string& type) {
  const std::optional<IpAddress> address = field.Ip();
  const bool known = type == FamilyName(Family::kV4) || type == FamilyName(Family::kV6);
  if (address && known && type != FamilyName(address->family())) {
    field.Error(absl::StrCat(field.value()->Describe(), " is not an ", type,
                             " address, as addressType says"));
  }
}

kube::Endpoint DecodeEndpoint(const Field& field, const std::string& type) {
  kube::Endpoint endpoint;
  for (const Field& address : field["addresses"].Items()) {
    if (type != "FQDN") CheckAddress(address, type);
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
    slice.endpoints.push_back(DecodeEndpoint(endpoint, slice.address_type));
  }
  root.Skip({"ports"});
  return slice;
}

}  // namespace openelb::codec

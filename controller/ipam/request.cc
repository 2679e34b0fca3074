#include "controller/ipam/request.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"

namespace openelb::ipam {
namespace {

// The requested address and where it was written: the annotation wins over spec.loadBalancerIP.
std::pair<std::string, std::string> RequestedAddress(const kube::Service& service) {
  const auto annotation = network::Find(service.meta.annotations, network::kRequestedIp);
  if (annotation && !annotation->empty())
    return {*annotation, absl::StrCat("annotation ", network::kRequestedIp.openelb)};
  return {service.load_balancer_ip, "spec.loadBalancerIP"};
}

// Any other value is ignored, as OpenELB 0.6 ignores the annotation.
std::optional<network::Protocol> RequestedProtocol(const kube::Service& service) {
  const auto value = network::Find(service.meta.annotations, network::kProtocol);
  for (const auto protocol :
       {network::Protocol::kBgp, network::Protocol::kLayer2, network::Protocol::kVip}) {
    if (value && *value == network::ProtocolName(protocol)) return protocol;
  }
  return std::nullopt;
}

FamilySet ReadFamilies(const kube::Service& service) {
  const auto listed = [&](Family family) {
    return std::find(service.ip_families.begin(), service.ip_families.end(), FamilyName(family)) !=
           service.ip_families.end();
  };
  const FamilySet families{.v4 = listed(Family::kV4), .v6 = listed(Family::kV6)};
  return families.v4 || families.v6 ? families : FamilySet();
}

}  // namespace

bool IsServed(const kube::Service& service) {
  if (service.type != "LoadBalancer" || service.meta.deletion_timestamp) return false;
  if (!service.load_balancer_class.empty())
    return service.load_balancer_class == network::kLoadBalancerClass;
  return network::IsOurs(service.meta.annotations);
}

bool BearsOurMarks(const kube::Service& service) {
  const auto& finalizers = service.meta.finalizers;
  return network::Find(service.meta.labels, network::kEipName).has_value() ||
         std::find(finalizers.begin(), finalizers.end(), network::kServiceFinalizer) !=
             finalizers.end();
}

Request ReadRequest(const kube::Service& service) {
  Request request;
  for (const kube::ServicePort& port : service.ports)
    request.ports.emplace_back(port.protocol, port.port);
  std::sort(request.ports.begin(), request.ports.end());
  request.ports.erase(std::unique(request.ports.begin(), request.ports.end()), request.ports.end());
  request.families = ReadFamilies(service);
  request.protocol = RequestedProtocol(service);
  request.local_policy = service.external_traffic_policy == kube::TrafficPolicy::kLocal;
  request.pool = network::Find(service.meta.annotations, network::kEipName).value_or("");

  if (network::Find(service.meta.annotations, network::kNodeProxyType)) {
    request.node_proxy = true;
    request.error = absl::StrCat("annotation ", network::kNodeProxyType.openelb,
                                 " asks for node-proxy mode, which gives no address: remove it to "
                                 "get one from an Eip");
    return request;
  }
  if (const auto [text, field] = RequestedAddress(service); !text.empty()) {
    if (const auto address = IpAddress::Parse(text); address.ok()) {
      request.address = *address;
    } else {
      request.error =
          absl::StrCat(field, ": ", std::string(address.status().message()), ": write one address");
    }
  }
  return request;
}

std::optional<IpAddress> StatusAddress(const kube::Service& service) {
  for (const kube::LoadBalancerIngress& ingress : service.ingress) {
    if (const auto address = IpAddress::Parse(ingress.ip); address.ok()) return *address;
  }
  return std::nullopt;
}

}  // namespace openelb::ipam

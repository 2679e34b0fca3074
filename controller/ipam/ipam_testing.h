#pragma once
// Short spellings of the objects that allocator tests use.

#include <string>
#include <utility>
#include <vector>

#include "api/network/v1alpha2/names.h"
#include "controller/ipam/ipam.h"

namespace openelb::ipam {

// "namespace/name", opted in, TCP port 80; `created` in seconds.
inline kube::Service MakeService(const std::string& key, int created = 0) {
  kube::Service service;
  const size_t slash = key.find('/');
  service.meta.namespace_ = key.substr(0, slash);
  service.meta.name = key.substr(slash + 1);
  service.meta.creation_timestamp = absl::FromUnixSeconds(created);
  service.meta.annotations["lb.kubesphere.io/v1alpha1"] = "openelb";
  service.type = "LoadBalancer";
  service.ports = {{.name = "http", .protocol = "TCP", .port = 80}};
  return service;
}

inline kube::Service OnPort(kube::Service service, int port, const std::string& protocol = "TCP") {
  service.ports = {{.name = "", .protocol = protocol, .port = port}};
  return service;
}

inline kube::Service FromEip(kube::Service service, const std::string& eip) {
  service.meta.annotations[network::kEipName.openelb] = eip;
  return service;
}

inline kube::Service WithIp(kube::Service service, const std::string& ip) {
  service.meta.annotations[network::kRequestedIp.openelb] = ip;
  return service;
}

inline kube::Service WithStatus(kube::Service service, const std::string& ip) {
  service.ingress = {{.ip = ip, .hostname = "", .ip_mode = ""}};
  return service;
}

inline network::Eip MakeEip(const std::string& name, const std::string& address, int created = 0) {
  network::Eip eip;
  eip.meta.name = name;
  eip.meta.creation_timestamp = absl::FromUnixSeconds(created);
  eip.address = address;
  return eip;
}

inline network::Eip Default(network::Eip eip) {
  eip.meta.annotations[network::kDefaultEip.openelb] = "true";
  return eip;
}

inline network::Eip Bound(network::Eip eip, std::vector<std::string> namespaces,
                          int64_t priority = 0) {
  eip.namespaces = std::move(namespaces);
  eip.priority = priority;
  return eip;
}

inline kube::Namespace MakeNamespace(const std::string& name, kube::Labels labels) {
  kube::Namespace object;
  object.meta.name = name;
  object.meta.labels = std::move(labels);
  return object;
}

inline ObjectKey ServiceKey(const std::string& key) {
  const size_t slash = key.find('/');
  return {"Service", key.substr(0, slash), key.substr(slash + 1)};
}
inline ObjectKey EipKey(const std::string& name) { return {"Eip", "", name}; }

// The address that `service` holds; "" if none.
inline std::string AddressOf(const Ipam& ipam, const std::string& service) {
  const ServiceState* state = ipam.Find(service);
  return state != nullptr && state->allocation ? state->allocation->addresses[0].ToString() : "";
}

inline std::string PoolOf(const Ipam& ipam, const std::string& service) {
  const ServiceState* state = ipam.Find(service);
  return state != nullptr && state->allocation ? state->allocation->pool : "";
}

inline std::string PendingOf(const Ipam& ipam, const std::string& service) {
  const ServiceState* state = ipam.Find(service);
  return state != nullptr ? state->pending : "(not ours)";
}

}  // namespace openelb::ipam

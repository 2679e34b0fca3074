#pragma once
// core/v1 Service and Namespace, as far as allocation and planning read them.

#include <string>
#include <vector>

#include "api/kube/meta.h"

namespace openelb::kube {

enum class TrafficPolicy { kCluster, kLocal };

struct ServicePort {
  std::string name;
  std::string protocol = "TCP";  // TCP, UDP or SCTP
  int port = 0;                  // 1..65535
  bool operator==(const ServicePort&) const = default;
};

struct LoadBalancerIngress {
  std::string ip;
  std::string hostname;
  std::string ip_mode;  // "VIP", "Proxy" or empty
  bool operator==(const LoadBalancerIngress&) const = default;
};

struct Service {
  static constexpr const char* kKind = "Service";
  ObjectMeta meta;
  std::string type = "ClusterIP";
  std::string load_balancer_ip;
  std::string load_balancer_class;
  TrafficPolicy external_traffic_policy = TrafficPolicy::kCluster;
  std::vector<ServicePort> ports;
  Labels selector;
  std::vector<std::string> ip_families;  // "IPv4", "IPv6"; empty: not given
  std::string ip_family_policy;
  std::vector<LoadBalancerIngress> ingress;  // status.loadBalancer.ingress

  // "namespace/name".
  std::string Key() const { return meta.namespace_ + "/" + meta.name; }
  bool operator==(const Service&) const = default;
};

struct Namespace {
  static constexpr const char* kKind = "Namespace";
  ObjectMeta meta;
  bool operator==(const Namespace&) const = default;
};

}  // namespace openelb::kube

#include "api/codec/kinds.h"

namespace openelb::codec {
namespace {

kube::ServicePort DecodePort(const Field& field) {
  kube::ServicePort port;
  port.name = field["name"].String();
  port.protocol = field["protocol"].OneOfText({"TCP", "UDP", "SCTP"}, "TCP");
  if (field["port"].Require("a number from 1 to 65535")) port.port = field["port"].Int(1, 65535);
  field.Skip({"targetPort", "nodePort", "appProtocol"});
  return port;
}

kube::LoadBalancerIngress DecodeIngress(const Field& field) {
  kube::LoadBalancerIngress ingress;
  if (const auto ip = field["ip"].Ip()) ingress.ip = ip->ToString();
  ingress.hostname = field["hostname"].String();
  ingress.ip_mode = field["ipMode"].OneOfText({"VIP", "Proxy"});
  field.AllowOthers();
  return ingress;
}

}  // namespace

Object DecodeService(kube::ObjectMeta meta, const Field& root) {
  kube::Service service;
  service.meta = std::move(meta);
  const Field spec = root["spec"];
  service.type = spec["type"].OneOfText({"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"},
                                        "ClusterIP");
  service.load_balancer_ip = spec["loadBalancerIP"].String();
  service.load_balancer_class = spec["loadBalancerClass"].String();
  service.external_traffic_policy = spec["externalTrafficPolicy"].OneOf(
      {{"Cluster", kube::TrafficPolicy::kCluster}, {"Local", kube::TrafficPolicy::kLocal}},
      kube::TrafficPolicy::kCluster);
  for (const Field& port : spec["ports"].Items()) service.ports.push_back(DecodePort(port));
  service.selector = spec["selector"].StringMap();
  for (const Field& family : spec["ipFamilies"].Items()) {
    service.ip_families.push_back(family.OneOfText({"IPv4", "IPv6"}));
  }
  service.ip_family_policy =
      spec["ipFamilyPolicy"].OneOfText({"SingleStack", "PreferDualStack", "RequireDualStack"});
  spec.Skip({"allocateLoadBalancerNodePorts", "clusterIP", "clusterIPs", "externalIPs",
             "externalName", "healthCheckNodePort", "internalTrafficPolicy",
             "loadBalancerSourceRanges", "publishNotReadyAddresses", "sessionAffinity",
             "sessionAffinityConfig", "trafficDistribution"});

  const Field status = root["status"];
  status.AllowOthers();
  for (const Field& ingress : status["loadBalancer"]["ingress"].Items()) {
    service.ingress.push_back(DecodeIngress(ingress));
  }
  return service;
}

Object DecodeNamespace(kube::ObjectMeta meta, const Field& root) {
  root.Skip({"spec"});
  return kube::Namespace{std::move(meta)};
}

}  // namespace openelb::codec

#include "controller/plan/test_world.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/plan/announce.h"

namespace openelb::plan {

kube::Node MakeNode(const std::string& name, const std::string& ip, kube::Labels labels) {
  kube::Node node;
  node.meta.name = name;
  node.meta.labels = std::move(labels);
  if (!ip.empty()) node.internal_ips = {*IpAddress::Parse(ip)};
  return node;
}

Fact MakePrefixes(const std::string& node, std::vector<std::string> values, int64_t at) {
  return {node, kPrefixesFact, std::move(values), absl::FromUnixSeconds(at)};
}

Fact MakeSpeaker(const std::string& node, bool here, int64_t at) {
  std::vector<std::string> values;
  if (here) values.push_back("v1");
  return {node, kSpeakerFact, std::move(values), absl::FromUnixSeconds(at)};
}

kube::Service MakeService(const std::string& name, kube::TrafficPolicy policy) {
  kube::Service service;
  service.meta.namespace_ = "default";
  service.meta.name = name;
  service.type = "LoadBalancer";
  service.external_traffic_policy = policy;
  return service;
}

kube::EndpointSlice MakeSlice(const std::string& service, const std::vector<std::string>& nodes,
                              const std::string& address_type) {
  kube::EndpointSlice slice;
  slice.meta.namespace_ = "default";
  slice.meta.name = absl::StrCat(service, "-1");
  slice.meta.labels[kube::kServiceNameLabel] = service;
  slice.address_type = address_type;
  for (size_t i = 0; i < nodes.size(); ++i) {
    kube::Endpoint endpoint;
    endpoint.addresses = {absl::StrCat(address_type == "IPv6" ? "fd00:10::" : "10.0.0.", i + 1)};
    endpoint.node_name = nodes[i];
    slice.endpoints.push_back(std::move(endpoint));
  }
  return slice;
}

network::BgpConf MakeConf(uint32_t as) {
  network::BgpConf conf;
  conf.meta.name = network::kBgpConfName;
  conf.as = as;
  return conf;
}

network::BgpPeer MakePeer(const std::string& name, const std::string& address, uint32_t as,
                          kube::Labels node_labels) {
  network::BgpPeer peer;
  peer.meta.name = name;
  peer.neighbor_address = address;
  peer.peer_as = as;
  if (!node_labels.empty()) peer.node_selector = kube::LabelSelector{std::move(node_labels), {}};
  return peer;
}

network::Eip MakeEip(const std::string& name, const std::string& address, int aggregation_length) {
  network::Eip eip;
  eip.meta.name = name;
  eip.address = address;
  const bool v6 = address.find(':') != std::string::npos;
  (v6 ? eip.aggregation.length_v6 : eip.aggregation.length) = aggregation_length;
  return eip;
}

ObjectKey KeyOfNode(const std::string& name) { return {kube::Node::kKind, "", name}; }

void FillDocumentedTopology(Planner* planner, const std::string& rack_label) {
  const std::string scheduled = "lb.kubesphere.io/v1alpha1";
  planner->Upsert(
      MakeNode("master1", "192.168.0.3", {{scheduled, "openelb"}, {rack_label, "leaf1"}}));
  planner->Upsert(MakeNode("worker1", "192.168.0.4"));
  planner->Upsert(
      MakeNode("worker-p002", "192.168.1.2", {{scheduled, "openelb"}, {rack_label, "leaf2"}}));
  kube::DaemonSet daemon_set;
  daemon_set.meta.namespace_ = "openelb-system";
  daemon_set.meta.name = "openelb-speaker";
  daemon_set.node_selector = {{scheduled, "openelb"}};
  planner->Upsert(daemon_set);
  planner->SetFact(MakeSpeaker("master1"));
  planner->SetFact(MakeSpeaker("worker-p002"));
  planner->SetFact(MakePrefixes("master1", {"lo 127.0.0.1/8", "eth0 192.168.0.3/24"}));
  planner->SetFact(MakePrefixes("worker-p002", {"lo 127.0.0.1/8", "eth0 192.168.1.2/24"}));
  planner->Upsert(MakeConf(50000));
  planner->Upsert(MakePeer("leaf1", "192.168.0.2", 50001, {{rack_label, "leaf1"}}));
  planner->Upsert(MakePeer("leaf2", "192.168.1.1", 50002, {{rack_label, "leaf2"}}));
  planner->Upsert(MakeService("web"));
  planner->Upsert(MakeSlice("web", {"worker1", "worker-p002"}));
  planner->SetAddresses("default/web", {*IpAddress::Parse("172.22.0.2")});
}

std::vector<std::string> Announced(const Planner& planner, const std::string& node, bool add_path) {
  std::vector<std::string> lines;
  for (const auto& [address, peer] : Announcements(planner, node, add_path)) {
    for (const AnnouncedRoute& route : peer.routes) {
      lines.push_back(absl::StrCat(
          address.ToString(), ": ", route.prefix.ToString(), " via ",
          absl::StrJoin(route.next_hops, " ", [](std::string* out, const IpAddress& hop) {
            absl::StrAppend(out, hop.ToString());
          })));
    }
  }
  return lines;
}

}  // namespace openelb::plan

#pragma once
// Cluster objects for the planner's tests in few words, and the plan as text.

#include <string>
#include <vector>

#include "controller/plan/planner.h"

namespace openelb::plan {

kube::Node MakeNode(const std::string& name, const std::string& ip, kube::Labels labels = {});
// Prefixes as a speaker on `node` reports them, such as "eth0 192.168.0.3/24".
Fact MakePrefixes(const std::string& node, std::vector<std::string> values, int64_t at = 1);
// A speaker came to `node`, or (`here` false) left it.
Fact MakeSpeaker(const std::string& node, bool here = true, int64_t at = 1);
kube::Service MakeService(const std::string& name,
                          kube::TrafficPolicy policy = kube::TrafficPolicy::kCluster);
// The slice "NAME-1" of Service `service` with one ready endpoint on each of `nodes`.
kube::EndpointSlice MakeSlice(const std::string& service, const std::vector<std::string>& nodes,
                              const std::string& address_type = "IPv4");
network::BgpConf MakeConf(uint32_t as);
network::BgpPeer MakePeer(const std::string& name, const std::string& address, uint32_t as,
                          kube::Labels node_labels = {});
// A pool that asks for aggregates of a length.
network::Eip MakeEip(const std::string& name, const std::string& address, int aggregation_length);
ObjectKey KeyOfNode(const std::string& name);

// OpenELB's multi-router page: nodes master1 and worker1 under leaf1, worker-p002 under leaf2,
// speakers on master1 and worker-p002, a Service "default/web" with Pods on worker1 and
// worker-p002 at 172.22.0.2. `rack_label` is the label's key.
void FillDocumentedTopology(Planner* planner,
                            const std::string& rack_label = "openelb.kubesphere.io/rack");

// What the speaker on `node` announces, one line per peer and route:
// "192.168.0.2: 172.22.0.2/32 via 192.168.0.3 192.168.0.4".
std::vector<std::string> Announced(const Planner& planner, const std::string& node,
                                   bool add_path = true);

}  // namespace openelb::plan

#pragma once
// Cluster objects at random, few enough of each kind that they meet: what a history of the planner
// is made of.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"
#include "controller/plan/test_world.h"

namespace openelb::plan {

constexpr int kNodes = 7;
constexpr int kServices = 6;
constexpr const char* kPolicies[] = {"export", "other"};  // names of ConfigMaps
constexpr const char* kMark = "65000:77";                 // what a policy marks routes with

class RandomObjects {
 public:
  explicit RandomObjects(uint64_t seed) : engine_(seed) {}

  int Pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(engine_); }
  bool Chance(double p) { return std::bernoulli_distribution(p)(engine_); }
  static std::string NodeName(int i) { return absl::StrCat("n", i); }
  std::string AnyNode() { return NodeName(Pick(kNodes)); }
  std::string AnyPool() { return absl::StrCat("pool", Pick(3)); }
  IpAddress AnyLayer2Address() {
    return Ip(Chance(0.7) ? absl::StrCat("10.0.", Pick(3), ".", 200 + Pick(3))
                          : absl::StrCat("fd00:", Pick(3), "::20", Pick(2)));
  }
  std::string AnyService() { return absl::StrCat("s", Pick(kServices)); }
  static IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

  // Node n<i> is at home in subnet i % 3.
  kube::Node RandomNode() {
    const int i = Pick(kNodes);
    const int subnet = Chance(0.1) ? Pick(3) : i % 3;
    kube::Node node =
        MakeNode(NodeName(i), Chance(0.05) ? "" : absl::StrCat("10.0.", subnet, ".", i + 10));
    if (Chance(0.4)) node.internal_ips.push_back(Ip(absl::StrCat("fd00:", subnet, "::", i + 10)));
    if (Chance(0.3))
      node.meta.labels["openelb.kubesphere.io/rack"] =
          absl::StrCat("r", Chance(0.1) ? Pick(3) : i % 3);
    if (Chance(0.05)) node.meta.labels["node.kubernetes.io/exclude-from-external-load-balancers"];
    if (Chance(0.5)) node.meta.labels["tor"] = absl::StrCat(i % 2);
    if (Chance(0.3))
      node.meta.annotations["openelb.kubesphere.io/prefixes"] =
          absl::StrCat("10.0.", subnet, ".", i + 10, "/24,fd00:", subnet, "::1/64");
    if (Chance(0.2)) node.meta.annotations[network::kWeight] = absl::StrCat(Pick(4));
    if (Chance(0.3)) node.meta.annotations[network::kDrain] = Chance(0.9) ? "true" : "so";
    if (Chance(0.25)) node.ready = kube::ConditionStatus::kUnknown;
    if (Chance(0.1)) node.ready = kube::ConditionStatus::kFalse;
    if (Chance(0.05)) node.network_unavailable = kube::ConditionStatus::kTrue;
    return node;
  }

  kube::EndpointSlice RandomSlice() {
    std::vector<std::string> nodes;
    for (int i = Pick(5); i > 0; --i) nodes.push_back(Chance(0.05) ? "" : AnyNode());
    kube::EndpointSlice slice = MakeSlice(AnyService(), nodes, Chance(0.3) ? "IPv6" : "IPv4");
    slice.meta.name = absl::StrCat("slice", Pick(kServices * 2));
    if (Chance(0.02)) slice.meta.labels.clear();
    for (kube::Endpoint& endpoint : slice.endpoints) {
      if (Chance(0.3)) endpoint.ready = Chance(0.3);
      if (Chance(0.2)) endpoint.serving = Chance(0.7);
      if (Chance(0.2)) endpoint.terminating = Chance(0.7);
    }
    return slice;
  }

  network::Advertise RandomAdvertise() {
    network::Advertise advertise;
    if (Chance(0.5)) advertise.communities.push_back(absl::StrCat("65000:", Pick(3)));
    if (Chance(0.3)) advertise.communities.push_back(Chance(0.5) ? "ours" : "rt:65000:1");
    if (Chance(0.3)) advertise.med = Pick(3);
    if (Chance(0.2)) advertise.local_pref = Pick(3);
    if (Chance(0.2)) advertise.prepend = Pick(3);
    return advertise;
  }

  kube::Service RandomService() {
    kube::Service service = MakeService(
        AnyService(), Chance(0.6) ? kube::TrafficPolicy::kLocal : kube::TrafficPolicy::kCluster);
    if (Chance(0.4)) {
      service.meta.annotations[network::kAdvertise] =
          Chance(0.1) ? "{med: no}"
                      : absl::StrCat("{communities: [1:", Pick(3), ", ours], med: ", Pick(3), "}");
    }
    return service;
  }

  network::BgpPeer RandomPeer() {
    const int i = Pick(5);
    network::BgpPeer peer =
        MakePeer(absl::StrCat("p", i), i == 4 ? "fd00:0::1" : absl::StrCat("10.0.", i % 3, ".1"),
                 Chance(0.2) ? 65000 : 65001);
    if (Chance(0.4)) peer.node_selector = kube::LabelSelector{{{"tor", absl::StrCat(i % 2)}}, {}};
    peer.multihop = Chance(0.2);
    peer.admin_down = Chance(0.1);
    if (Chance(0.3))
      peer.afi_safis.push_back({.family = Family::kV6, .text = "", .send_max = kNodes});
    if (Chance(0.1)) peer.hold_time_s = Pick(5);
    if (Chance(0.4)) peer.advertise = RandomAdvertise();
    peer.link_bandwidth = Chance(0.2);
    if (Chance(0.1)) peer.meta.labels["openelb.kubesphere.io/cni"] = "calico";
    return peer;
  }

  network::BgpConf RandomConf() {
    network::BgpConf conf = MakeConf(Chance(0.1) ? 0 : 65000);
    if (Chance(0.3)) conf.as_per_rack = {{"r0", 65000}, {"r1", 65100}};
    if (Chance(0.4)) conf.router_id = Chance(0.5) ? "10.0.0.10" : "9.9.9.9";
    if (Chance(0.3)) conf.policy = Chance(0.7) ? kPolicies[0] : kPolicies[1];
    if (Chance(0.4)) conf.community_aliases["ours"] = Chance(0.5) ? "65000:9" : "large:1:2:3";
    if (Chance(0.1)) conf.meta.name = "other";
    return conf;
  }

  kube::ConfigMap RandomPolicy() {
    kube::ConfigMap map;
    map.meta.namespace_ = Chance(0.9) ? "openelb-system" : "elsewhere";
    map.meta.name = kPolicies[Pick(2)];
    const std::string action = Chance(0.5)
                                   ? absl::StrCat(
                                         "{bgp-actions = {set-community = {options = \"ADD\", "
                                         "set-community-method = {communities-list = [\"",
                                         kMark, "\"]}}}}")
                                   : "{route-disposition = \"reject-route\"}";
    if (Chance(0.9)) {
      map.gobgp_conf = absl::StrCat(
          "[[defined-sets.prefix-sets]]\nprefix-set-name = \"one\"\n"
          "prefix-list = [{ip-prefix = \"172.22.0.1/32\"}, {ip-prefix = \"fd22::1/128\"}]\n"
          "[[policy-definitions]]\nname = \"p\"\n[[policy-definitions.statements]]\n"
          "name = \"s\"\nconditions = {match-prefix-set = {prefix-set = \"one\"}}\nactions = ",
          action, "\n[global.apply-policy.config]\nexport-policy-list = [\"p\"]\n",
          Chance(0.1) ? "[[" : "");
    }
    return map;
  }

  kube::DaemonSet RandomDaemonSet() {
    kube::DaemonSet daemon_set;
    daemon_set.meta.namespace_ = Chance(0.9) ? "openelb-system" : "elsewhere";
    daemon_set.meta.name = "openelb-speaker";
    if (Chance(0.5)) daemon_set.node_selector = {{"tor", absl::StrCat(Pick(2))}};
    return daemon_set;
  }

  network::Eip RandomEip() {
    const char* const kInterfaces[] = {"", "eth0", "eth0", "eth1", "can_reach:10.0.0.1"};
    network::Eip eip;
    eip.meta.name = AnyPool();
    eip.interface = kInterfaces[Pick(5)];
    eip.off_link = Chance(0.2);
    if (Chance(0.6)) eip.advertise = RandomAdvertise();
    const char* const kAddresses[] = {"172.22.0.0/30", "172.22.0.0-172.22.0.2", "172.22.0.2/31",
                                      "fd22::/126", "fd22::1-fd22::9"};
    eip.address = kAddresses[Pick(5)];
    if (Chance(0.7)) eip.aggregation.length = 29 + Pick(4);
    if (Chance(0.7)) eip.aggregation.length_v6 = 125 + Pick(4);
    eip.aggregation.host_routes = Chance(0.3);
    if (Chance(0.1)) eip.protocol = network::Protocol::kLayer2;
    return eip;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace openelb::plan

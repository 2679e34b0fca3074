#pragma once
// The keys that users' manifests carry, in OpenELB's spelling and in PorterLB's. Both are read, the
// first wins; only the first is ever written. Source: the documentation of OpenELB 0.6 and PorterLB
// 0.4.

#include <optional>
#include <string>

#include "api/kube/meta.h"

namespace openelb::network {

// A key in both spellings.
struct Key {
  const char* openelb;
  const char* porter;
};

inline constexpr Key kLoadBalancer{"lb.kubesphere.io/v1alpha1", "lb.kubesphere.io/v1alpha1"};
inline constexpr Key kEipName{"eip.openelb.kubesphere.io/v1alpha2",
                              "eip.porter.kubesphere.io/v1alpha2"};
inline constexpr Key kRequestedIp{"eip.openelb.kubesphere.io/v1alpha1",
                                  "eip.porter.kubesphere.io/v1alpha1"};
inline constexpr Key kProtocol{"protocol.openelb.kubesphere.io/v1alpha1",
                               "protocol.porter.kubesphere.io/v1alpha1"};
inline constexpr Key kDefaultEip{"eip.openelb.kubesphere.io/is-default-eip",
                                 "eip.porter.kubesphere.io/is-default-eip"};
inline constexpr Key kRack{"openelb.kubesphere.io/rack", "porter.kubesphere.io/rack"};
inline constexpr Key kCni{"openelb.kubesphere.io/cni", "porter.kubesphere.io/cni"};
inline constexpr Key kNodeProxyType{"node-proxy.openelb.kubesphere.io/type",
                                    "node-proxy.porter.kubesphere.io/type"};
// On a node: which of its addresses, and so which of its interfaces, Layer 2 is to use there.
inline constexpr Key kLayer2Address{"layer2.openelb.kubesphere.io/v1alpha1",
                                    "layer2.porter.kubesphere.io/v1alpha1"};
// Ours; no PorterLB spelling existed, the alias follows the rule.
inline constexpr Key kPrefixes{"openelb.kubesphere.io/prefixes", "porter.kubesphere.io/prefixes"};
// Ours: how a Service's routes are announced.
inline constexpr const char* kAdvertise = "network.kubesphere.io/advertise";
// Ours: the share of traffic of a Node, for routers that are told weights.
inline constexpr const char* kWeight = "network.kubesphere.io/weight";
// Ours: "true" on a Node takes traffic off it before it goes, by GRACEFUL_SHUTDOWN (RFC 8326).
inline constexpr const char* kDrain = "network.kubesphere.io/drain";

inline constexpr const char* kServiceFinalizer = "finalizer.lb.kubesphere.io/v1alpha1";
inline constexpr const char* kEipFinalizer = "finalizer.ipam.kubesphere.io/v1alpha1";
inline constexpr const char* kExcludeNodeLabel =
    "node.kubernetes.io/exclude-from-external-load-balancers";
inline constexpr const char* kLoadBalancerClass = "network.kubesphere.io/openelb";
inline constexpr const char* kSpeakerDaemonSet = "openelb-speaker";

// The value under the first of the two spellings that is present.
std::optional<std::string> Find(const kube::Labels& map, const Key& key);

// Whether the value opts in: "openelb" or "porter".
bool IsOurs(const kube::Labels& annotations);

}  // namespace openelb::network

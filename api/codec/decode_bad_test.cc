// What manifests that are wrong are answered with, word for word.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/codec/decode.h"

namespace openelb::codec {
namespace {

// Lines 1 to 3 of an object of ours.
std::string Ours(const char* kind, absl::string_view rest) {
  return absl::StrCat("apiVersion: network.kubesphere.io/v1alpha2\nkind: ", kind,
                      "\nmetadata: {name: x}\n", rest);
}

std::string Core(const char* kind, absl::string_view rest) {
  return absl::StrCat("apiVersion: v1\nkind: ", kind, "\nmetadata: {name: x}\n", rest);
}

std::string Peer(absl::string_view rest) {
  return Ours("BgpPeer",
              absl::StrCat("spec:\n  conf: {peerAs: 1, neighborAddress: 10.0.0.1}\n", rest));
}

struct Case {
  std::string text;
  const char* want;  // errors, then warnings, a line each
};

void Check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const DecodedText decoded = DecodeText(c.text, "f.yaml");
    std::vector<std::string> lines;
    if (decoded.error.has_value()) lines.push_back(*decoded.error);
    for (const Decoded& one : decoded.objects) {
      EXPECT_EQ(one.object.has_value(), one.errors.empty() && !one.skipped) << c.text;
      lines.insert(lines.end(), one.errors.begin(), one.errors.end());
      for (const std::string& warning : one.warnings) lines.push_back("warning: " + warning);
    }
    EXPECT_EQ(absl::StrJoin(lines, "\n"), c.want) << c.text;
  }
}

TEST(BadManifest, Shape) {
  Check({
      {"a: [1\n", "f.yaml:1: not YAML: end of sequence flow not found"},
      {"a: 1\na: 2\n", "f.yaml:2: a: the key a stands twice in one map; write it once"},
      {Ours("Eip", "spec:\n  address: 10.0.0.1\n  address: 10.0.0.2\n"),
       "f.yaml:6: Eip/x: spec.address: the key address stands twice in one map; write it once"},
      {Core("Service", "spec:\n  ports:\n  - {port: 1}\n  - port: 2\n    port: 3\n"),
       "f.yaml:8: Service/default/x: spec.ports[1].port: the key port stands twice in one map; "
       "write it once"},
      {"kind: Eip\nmetadata:\n  name: x\n  labels: {a/b: c, a/b: d}\n",
       "f.yaml:4: Eip/x: metadata.labels[a/b]: the key a/b stands twice in one map; write it once"},
      {"kind: Service\napiVersion: v1\nmetadata:\n  name: x\n  namespace: ns\n  name: y\n",
       "f.yaml:6: Service/ns/x: metadata.name: the key name stands twice in one map; write it "
       "once"},
      {"spec: {a: 1, a: 2}\nkind: Eip\n",
       "f.yaml:1: spec.a: the key a stands twice in one map; write it once"},
      {"kind: Eip\nspec: {a: [*x]}\n", "f.yaml:2: not YAML: the referenced anchor is not defined"},
      {"hello\n", "f.yaml:1: \"hello\" is not an object: a map with apiVersion, kind and metadata"},
      {"- 1\n", "f.yaml:1: a list is not an object: a map with apiVersion, kind and metadata"},
      {"# note\n\na: 1\n", "f.yaml:3: kind: missing; such as Service or Eip"},
      {"kind: 3\n", "f.yaml:1: kind: 3 is not a string; put it in quotes"},
      {"kind: Eip\nmetadata: {name: x}\nspec: {address: 10.0.0.1}\n",
       "f.yaml:1: Eip/x: apiVersion: missing; network.kubesphere.io/v1alpha2 or "
       "network.kubesphere.io/v1alpha1"},
      {"apiVersion: network.kubesphere.io/v1\nkind: Eip\nmetadata: {name: x}\nspec: {address: "
       "10.0.0.1}\n",
       "f.yaml:1: Eip/x: apiVersion: \"network.kubesphere.io/v1\" is not "
       "network.kubesphere.io/v1alpha2 or network.kubesphere.io/v1alpha1"},
      {"apiVersion: network.kubesphere.io/v1alpha2\nkind: eip\nmetadata: {name: x}\nspec: "
       "{address: 10.0.0.1}\n",
       "f.yaml:2: Eip/x: kind: \"eip\" is not Eip"},
      {"apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n", ""},
      {Ours("BgpPer", "spc: 7\n"),
       "f.yaml:2: BgpPer/x: kind: \"BgpPer\" is not one of Eip, BgpConf, BgpPeer, OpenELB"},
      {"apiVersion: network.kubesphere.io/v1\nkind: Eips\n",
       "f.yaml:2: Eips: kind: \"Eips\" is not one of Eip, BgpConf, BgpPeer, OpenELB"},
      {"apiVersion: network.kubesphere.io/v1alpha1\nkind: IPPool\nmetadata: {name: x}\n", ""},
      {"kind: List\nitems: 4\n", "f.yaml:2: List: items: 4 is not a list"},
      {"kind: List\nitems: [4]\n",
       "f.yaml:2: 4 is not an object: a map with apiVersion, kind and metadata"},
  });
}

// It may have been any object of ours, so whoever keeps last good states must not take it for one.
TEST(BadManifest, AnObjectThatMayBeAnotherHasNoKey) {
  for (const std::string& text : {Ours("BgpPer", ""), Ours("BgpPeer", "spec: {}\nspec: {}\n")}) {
    const DecodedText decoded = DecodeText(text, "f.yaml");
    ASSERT_EQ(decoded.objects.size(), 1u);
    EXPECT_EQ(decoded.objects[0].key.name, "") << text;
    EXPECT_FALSE(decoded.objects[0].skipped);
    EXPECT_EQ(decoded.objects[0].errors.size(), 1u);
  }
}

TEST(BadManifest, Metadata) {
  const std::string head = "apiVersion: v1\nkind: Namespace\n";
  const std::string name_rule =
      " is not a name: up to 253 lower case letters, digits, '-' and '.', beginning and ending "
      "with a letter or digit";
  const std::string escape =
      "f.yaml:3: Namespace/../../etc: metadata.name: \"../../etc\"" + name_rule;
  const std::string upper = "f.yaml:3: Namespace/X: metadata.name: \"X\"" + name_rule;
  Check({
      {head, "f.yaml:1: Namespace: metadata.name: missing; a name is needed"},
      {head + "metadata: {name: 7}\n",
       "f.yaml:3: Namespace: metadata.name: 7 is not a string; put it in quotes"},
      {head + "metadata: {name: ../../etc}\n", escape.c_str()},
      {head + "metadata: {name: X}\n", upper.c_str()},
      {head + "metadata: {name: x, labels: [a]}\n",
       "f.yaml:3: Namespace/x: metadata.labels: a list is not a map"},
      {head + "metadata:\n  name: x\n  annotations:\n    a/b: true\n    c: 1.5\n    d: [x]\n",
       "f.yaml:6: Namespace/x: metadata.annotations[a/b]: true is not a string; put it in quotes\n"
       "f.yaml:7: Namespace/x: metadata.annotations.c: 1.5 is not a string; put it in quotes\n"
       "f.yaml:8: Namespace/x: metadata.annotations.d: a list is not a string"},
      {head + "metadata: {name: x, creationTimestamp: yesterday}\n",
       "f.yaml:3: Namespace/x: metadata.creationTimestamp: \"yesterday\" is not a time such as "
       "2026-01-02T03:04:05Z"},
      {head + "metadata: {name: x, label: {}}\n",
       "warning: f.yaml:3: Namespace/x: metadata.label: unknown field, ignored"},
  });
}

TEST(BadManifest, Eip) {
  Check({
      {Ours("Eip", ""), "f.yaml:1: Eip/x: spec.address: missing; IP, IP/LENGTH or IP-IP"},
      {Ours("Eip", "spec: 7\n"),
       "f.yaml:4: Eip/x: spec: 7 is not a map\n"
       "f.yaml:4: Eip/x: spec.address: missing; IP, IP/LENGTH or IP-IP"},
      {Ours("Eip", "spec:\n  address: 10.0.0.9-10.0.0.1\n"),
       "f.yaml:5: Eip/x: spec.address: \"10.0.0.9-10.0.0.1\" is not a range: its end is below its "
       "start; IP, IP/LENGTH or IP-IP"},
      {Ours("Eip", "spec:\n  address: 224.0.0.0/24\n"),
       "f.yaml:5: Eip/x: spec.address: \"224.0.0.0/24\" holds multicast addresses, which no "
       "Service "
       "can have"},
      {Ours("Eip", "spec:\n  address: 10.0.0.1\n  protocol: bpg\n"),
       "f.yaml:6: Eip/x: spec.protocol: \"bpg\" is not one of bgp, layer2, vip"},
      {Ours("Eip",
            "spec:\n  address: 10.0.0.0/24\n  advertise:\n    aggregationLength: 33\n"
            "    aggregationLengthV6: 15\n    hostRoutes: 'yes'\n    aggregationLenght: 24\n"),
       "f.yaml:7: Eip/x: spec.advertise.aggregationLength: 33 is not a whole number from 8 to 32\n"
       "f.yaml:8: Eip/x: spec.advertise.aggregationLengthV6: 15 is not a whole number from 16 to "
       "128\n"
       "f.yaml:9: Eip/x: spec.advertise.hostRoutes: \"yes\" is not true or false\n"
       "warning: f.yaml:10: Eip/x: spec.advertise.aggregationLenght: unknown field, ignored"},
      {Ours("Eip", "spec:\n  address: 10.0.0.1\n  interface: can_reach:home\n"),
       "f.yaml:6: Eip/x: spec.interface: \"can_reach:home\" is not can_reach: and an IP address"},
      {Ours("Eip", "spec:\n  address: 10.0.0.1\n  interface: eth0\n  offLink: true\n"),
       "f.yaml:7: Eip/x: spec.offLink: true needs protocol layer2 or vip and the name of an "
       "interface, or can_reach:IP"},
      {Ours("Eip", "spec:\n  address: 10.0.0.1\n  protocol: vip\n  offLink: true\n"),
       "f.yaml:7: Eip/x: spec.offLink: true needs protocol layer2 or vip and the name of an "
       "interface, or can_reach:IP"},
      {Ours("Eip", "spec:\n  address: 10.0.0.1\n  interface: a/b\n"),
       "f.yaml:6: Eip/x: spec.interface: \"a/b\" is not the name of an interface (up to 15 "
       "characters) or can_reach:IP"},
      {Ours("Eip", "spec: {address: 10.0.0.1, disable: 'yes', priority: high, namespaces: a}\n"),
       "f.yaml:4: Eip/x: spec.disable: \"yes\" is not true or false\n"
       "f.yaml:4: Eip/x: spec.priority: \"high\" is not a whole number from -9223372036854775808 "
       "to "
       "9223372036854775807\n"
       "f.yaml:4: Eip/x: spec.namespaces: \"a\" is not a list"},
      {Ours("Eip", "spec:\n  address: 10.0.0.1\n  Priority: 1\n  namespaceSelector: {a: 1}\n"),
       "f.yaml:7: Eip/x: spec.namespaceSelector.a: 1 is not a string; put it in quotes\n"
       "warning: f.yaml:6: Eip/x: spec.Priority: unknown field, ignored; did you mean priority"},
  });
}

TEST(BadManifest, BgpConf) {
  Check({
      {Ours("BgpConf", "spec: {as: 0}\n"),
       "f.yaml:4: BgpConf/x: spec.as: 0 is not a whole number from 1 to 4294967295"},
      {Ours("BgpConf", "spec: {as: 4294967296}\n"),
       "f.yaml:4: BgpConf/x: spec.as: 4294967296 is not a whole number from 1 to 4294967295"},
      {Ours("BgpConf", "spec: {as: '65001'}\n"),
       "f.yaml:4: BgpConf/x: spec.as: \"65001\" is not a whole number from 1 to 4294967295"},
      {Ours("BgpConf", "spec: {as: 1, asPerRack: {leaf1: x}}\n"),
       "f.yaml:4: BgpConf/x: spec.asPerRack.leaf1: \"x\" is not a whole number from 0 to "
       "4294967295"},
      {Ours("BgpConf", "spec: {as: 1, routerId: 'fd00::1'}\n"),
       "f.yaml:4: BgpConf/x: spec.routerId: \"fd00::1\" is not an IPv4 address other than 0.0.0.0"},
      {Ours("BgpConf", "spec: {as: 1, listenPort: 70000}\n"),
       "f.yaml:4: BgpConf/x: spec.listenPort: 70000 is not a whole number from -1 to 65535"},
      {Ours("BgpConf", "spec:\n  as: 1\n  listenAddresses:\n  - 0.0.0.0\n  - eth0\n"),
       "f.yaml:8: BgpConf/x: spec.listenAddresses[1]: \"eth0\" is not an IP address"},
  });
}

TEST(BadManifest, BgpPeer) {
  Check({
      {Ours("BgpPeer", "spec: {}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.peerAs: missing; a number from 1 to 4294967295\n"
       "f.yaml:4: BgpPeer/x: spec.conf.neighborAddress: missing; the IP address of the router, or "
       "neighborInterface"},
      {Ours("BgpPeer", "spec: {conf: {peerAs: 1, neighborAddress: leaf1}}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.neighborAddress: \"leaf1\" is not the IP address of a "
       "router"},
      {Ours("BgpPeer", "spec: {conf: {peerAs: 1, neighborAddress: \"fe80::1\"}}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.neighborAddress: \"fe80::1\" is link-local; name its "
       "interface, too, as in fe80::1%eth0"},
      {Ours("BgpPeer", "spec: {conf: {peerAs: 1, neighborInterface: a/b}}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.neighborInterface: \"a/b\" is not the name of an interface "
       "(up to 15 characters)"},
      {Peer("  transport: {updateSource: a/b}\n"),
       "f.yaml:6: BgpPeer/x: spec.transport.updateSource: \"a/b\" is neither an IP address nor the "
       "name of an interface (up to 15 characters)"},
      {Peer("  transport: {updateSource: \"fd00::1\"}\n"),
       "f.yaml:6: BgpPeer/x: spec.transport.updateSource: \"fd00::1\" is IPv6, but neighborAddress "
       "is IPv4"},
      {Peer("  transport: {updateSource: \"fe80::1\"}\n"),
       "f.yaml:6: BgpPeer/x: spec.transport.updateSource: \"fe80::1\" is link-local; name an "
       "interface or another address"},
      {Ours("BgpPeer",
            "spec: {conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPassword: 12345}}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.authPassword: not a string; put it in quotes"},
      {Ours("BgpPeer",
            "spec: {conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPassword: x, "
            "authPasswordSecretRef: {name: bgp}}}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.authPasswordSecretRef: given beside authPassword; a session "
       "has one password"},
      {Ours("BgpPeer",
            "spec: {conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPasswordSecretRef: {}}}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.authPasswordSecretRef.name: missing; the name of a Secret"},
      {Ours("BgpPeer",
            "spec: {conf: {peerAs: 1, neighborAddress: 10.0.0.1, authKeys: [{sendId: 256, "
            "algorithm: md5, secretRef: {}}]}}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.authKeys[0].receiveId: missing; a number from 0 to 255\n"
       "f.yaml:4: BgpPeer/x: spec.conf.authKeys[0].sendId: 256 is not a whole number from 0 to "
       "255\n"
       "f.yaml:4: BgpPeer/x: spec.conf.authKeys[0].algorithm: \"md5\" is not one of hmac-sha-1-96, "
       "aes-128-cmac-96, hmac-sha-256-96, hmac-sha-256-128\n"
       "f.yaml:4: BgpPeer/x: spec.conf.authKeys[0].secretRef.name: missing; the name of a Secret"},
      {Ours("BgpPeer",
            "spec: {conf: {peerAs: 1, neighborAddress: 10.0.0.1, authPasswordSecretRef: {name: "
            "bgp}, "
            "authKeys: [{sendId: 1, receiveId: 2, algorithm: hmac-sha-1-96, "
            "secretRef: {name: bgp, key: ''}}, "
            "{sendId: 2, receiveId: 2, algorithm: hmac-sha-1-96, secretRef: {name: bgp}}]}}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.authKeys[0].secretRef.key: is empty\n"
       "f.yaml:4: BgpPeer/x: spec.conf.authKeys: given beside authPasswordSecretRef; a session has "
       "a "
       "password or keys\n"
       "f.yaml:4: BgpPeer/x: spec.conf.authKeys: receiveId 2 stands twice; ids tell keys apart"},
      {Ours("BgpPeer", "spec: {conf: {peerAs: 1, neighborAddress: 10.0.0.1, authKeys: [x]}}\n"),
       "f.yaml:4: BgpPeer/x: spec.conf.authKeys[0]: \"x\" is not a map"},
      {"apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"
       "data: {password: 's3cret!', number: 3}\n",
       "f.yaml:4: Secret/default/x: data.number: not a string; put it in quotes\n"
       "f.yaml:4: Secret/default/x: data.password: not base64 (RFC 4648 section 4)"},
      {Peer("  timers: {config: {holdTime: '2', connectRetry: 5s, keepaliveInterval: 1.5}}\n"),
       "f.yaml:6: BgpPeer/x: spec.timers.config.connectRetry: \"5s\" is not a whole number from 0 "
       "to "
       "65535\n"
       "f.yaml:6: BgpPeer/x: spec.timers.config.keepaliveInterval: 1.5 is not a whole number from "
       "0 "
       "to 65535\n"
       "f.yaml:6: BgpPeer/x: spec.timers.config.holdTime: 2 is not 0 or from 3 to 65535"},
      {Peer("  ebgpMultihop: {enabled: true, multihopTtl: 300}\n  transport: {remotePort: -1}\n"),
       "f.yaml:6: BgpPeer/x: spec.ebgpMultihop.multihopTtl: 300 is not a whole number from 0 to "
       "255\n"
       "f.yaml:7: BgpPeer/x: spec.transport.remotePort: -1 is not a whole number from 0 to 65535"},
      {Peer("  afiSafis:\n  - config: {family: {afi: IPV4}}\n"),
       "f.yaml:7: BgpPeer/x: spec.afiSafis[0].config.family.afi: \"IPV4\" is not one of AFI_IP, "
       "AFI_IP6, AFI_L2VPN, AFI_LS, AFI_OPAQUE, AFI_UNKNOWN"},
      {Peer("  afiSafis:\n  - {}\n  - config: {enabled: true}\n"),
       "f.yaml:8: BgpPeer/x: spec.afiSafis[1]: AFI_IP/SAFI_UNICAST stands twice"},
      {Peer("  nodeSelector:\n    matchExpressions:\n    - {key: a, operator: Near}\n"
            "    - {operator: In}\n    - {key: b, operator: Exists, values: [c]}\n"),
       "f.yaml:8: BgpPeer/x: spec.nodeSelector.matchExpressions[0].operator: \"Near\" is not one "
       "of "
       "In, NotIn, Exists, DoesNotExist\n"
       "f.yaml:8: BgpPeer/x: spec.nodeSelector.matchExpressions[0].values: missing; In and NotIn "
       "need at least one value\n"
       "f.yaml:9: BgpPeer/x: spec.nodeSelector.matchExpressions[1].key: missing; the key of a "
       "label\n"
       "f.yaml:9: BgpPeer/x: spec.nodeSelector.matchExpressions[1].values: missing; In and NotIn "
       "need at least one value\n"
       "f.yaml:10: BgpPeer/x: spec.nodeSelector.matchExpressions[2].values: not allowed with "
       "Exists "
       "and DoesNotExist"},
      {Peer("  conf2: {}\n  afisafis: []\n"),
       "warning: f.yaml:7: BgpPeer/x: spec.afisafis: unknown field, ignored; did you mean "
       "afiSafis\n"
       "warning: f.yaml:6: BgpPeer/x: spec.conf2: unknown field, ignored"},
  });
}

TEST(BadManifest, Kubernetes) {
  Check({
      {Core("Service",
            "spec: {type: Balancer, ports: [{port: 0}, {protocol: ICMP, port: 1}, {}]}\n"),
       "f.yaml:4: Service/default/x: spec.type: \"Balancer\" is not one of ClusterIP, NodePort, "
       "LoadBalancer, ExternalName\n"
       "f.yaml:4: Service/default/x: spec.ports[0].port: 0 is not a whole number from 1 to 65535\n"
       "f.yaml:4: Service/default/x: spec.ports[1].protocol: \"ICMP\" is not one of TCP, UDP, "
       "SCTP\n"
       "f.yaml:4: Service/default/x: spec.ports[2].port: missing; a number from 1 to 65535"},
      {Core("Service", "spec: {externalTrafficPolicy: local}\n"),
       "f.yaml:4: Service/default/x: spec.externalTrafficPolicy: \"local\" is not one of Cluster, "
       "Local"},
      {Core("Service", "spec: {loadBalancerIp: 10.0.0.1}\nstats: {}\n"),
       "warning: f.yaml:4: Service/default/x: spec.loadBalancerIp: unknown field, ignored; did you "
       "mean loadBalancerIP\n"
       "warning: f.yaml:5: Service/default/x: stats: unknown field, ignored"},
      {Core("Service", "status: {loadBalancer: {ingress: [{ip: x}]}}\n"),
       "f.yaml:4: Service/default/x: status.loadBalancer.ingress[0].ip: \"x\" is not an IP "
       "address"},
      {Core("Node",
            "spec: {taints: [{key: a, effect: Never}]}\n"
            "status: {conditions: [{type: Ready, status: true}],"
            " addresses: [{type: InternalIP, address: home}]}\n"),
       "f.yaml:4: Node/x: spec.taints[0].effect: \"Never\" is not one of NoSchedule, "
       "PreferNoSchedule, "
       "NoExecute\n"
       "f.yaml:5: Node/x: status.addresses[0].address: \"home\" is not an IP address\n"
       "f.yaml:5: Node/x: status.conditions[0].status: true is not one of True, False, Unknown"},
      {"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\n"
       "addressType: ip\nendpoints: [{addresses: [pod], conditions: {ready: 1}}]\n",
       "f.yaml:4: EndpointSlice/default/x: addressType: \"ip\" is not one of IPv4, IPv6, FQDN\n"
       "f.yaml:5: EndpointSlice/default/x: endpoints[0].addresses[0]: \"pod\" is not an IP "
       "address\n"
       "f.yaml:5: EndpointSlice/default/x: endpoints[0].conditions.ready: 1 is not true or false"},
      {"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\n"
       "addressType: IPv6\nendpoints: [{addresses: [fd00::1, 10.0.0.1]}]\n",
       "f.yaml:5: EndpointSlice/default/x: endpoints[0].addresses[1]: \"10.0.0.1\" is not an IPv6 "
       "address, as addressType says"},
      {"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\n"
       "addressType: IPv4\nendpoints: [{addresses: ['fd00::1']}]\n",
       "f.yaml:5: EndpointSlice/default/x: endpoints[0].addresses[0]: \"fd00::1\" is not an IPv4 "
       "address, as addressType says"},
      {"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: x}\n"
       "spec: {template: {spec: {nodeSelector: {a: true}, tolerations: [{value: b}]}}}\n",
       "f.yaml:4: DaemonSet/default/x: spec.template.spec.nodeSelector.a: true is not a string; "
       "put "
       "it in quotes\n"
       "f.yaml:4: DaemonSet/default/x: spec.template.spec.tolerations[0].operator: must be Exists "
       "where no key is given"},
      {"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: x}\n"
       "spec: {template: {spec: {affinity: {nodeAffinity:"
       " {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: "
       "[\n"
       "{key: a, operator: In},\n{key: a, operator: Exists, values: [b]},\n"
       "{key: a, operator: Gt, values: ['1', '2']},\n{operator: is}]}]}}}}}}\n",
       "f.yaml:5: DaemonSet/default/x: spec.template.spec.affinity.nodeAffinity."
       "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]."
       "values:"
       " missing; In and NotIn need at least one value\n"
       "f.yaml:6: DaemonSet/default/x: spec.template.spec.affinity.nodeAffinity."
       "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1]."
       "values:"
       " not allowed with Exists and DoesNotExist\n"
       "f.yaml:7: DaemonSet/default/x: spec.template.spec.affinity.nodeAffinity."
       "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[2]."
       "values:"
       " must hold one whole number with Gt and Lt, in quotes\n"
       "f.yaml:8: DaemonSet/default/x: spec.template.spec.affinity.nodeAffinity."
       "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[3]."
       "key:"
       " missing; the key of a label\n"
       "f.yaml:8: DaemonSet/default/x: spec.template.spec.affinity.nodeAffinity."
       "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[3]."
       "operator: \"is\" is not one of In, NotIn, Exists, DoesNotExist, Gt, Lt\n"
       "f.yaml:8: DaemonSet/default/x: spec.template.spec.affinity.nodeAffinity."
       "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[3]."
       "values:"
       " missing; In and NotIn need at least one value"},
  });
}

TEST(BadManifest, OpenElb) {
  const std::string head = "spec:\n  speaker:\n    ";
  const auto at = [&](const std::string& speaker) { return Ours("OpenELB", head + speaker); };
  const std::string strategy = "f.yaml:6: OpenELB/x: spec.speaker.updateStrategy.";
  const std::string rolling =
      strategy + "rollingUpdate: not allowed with another type than RollingUpdate";
  const std::string racks = strategy + "rackAware: not allowed with another type than RackAware";
  Check({
      {at("image: a b\n"),
       "f.yaml:6: OpenELB/x: spec.speaker.image: \"a b\" is not the name of an image, such as "
       "registry.example/openelb-speaker:v1"},
      {at("nodeSelector: {-a: b}\n"),
       "f.yaml:6: OpenELB/x: spec.speaker.nodeSelector: \"-a: b\" is not a label that a node can "
       "have"},
      {at("resources: {limits: {cpu: [1]}}\n"),
       "f.yaml:6: OpenELB/x: spec.speaker.resources.limits.cpu: a list is not a quantity, such as "
       "100m or 64Mi"},
      {at("updateStrategy: {rollingUpdate: {maxUnavailable: 1}}\n"), rolling.c_str()},
      {at("updateStrategy: {type: OnDelete, rackAware: {}}\n"), racks.c_str()},
      {at("tolerations: [{value: x}]\n"),
       "f.yaml:6: OpenELB/x: spec.speaker.tolerations[0].operator: must be Exists where no key is "
       "given"},
      {at("modes: {vips: true}\n"),
       "warning: f.yaml:6: OpenELB/x: spec.speaker.modes.vips: unknown field, ignored"},
  });
}

TEST(BadManifest, OneObjectFailsAloneAndSaysWhoItIs) {
  const DecodedText decoded =
      DecodeText(Core("Namespace", "") + "---\n" + Ours("Eip", "spec: {address: no}\n") + "---\n" +
                     Core("Node", ""),
                 "f.yaml");
  ASSERT_EQ(decoded.objects.size(), 3u);
  EXPECT_TRUE(decoded.objects[0].object.has_value());
  EXPECT_FALSE(decoded.objects[1].object.has_value());
  EXPECT_EQ(decoded.objects[1].key, (ObjectKey{"Eip", "", "x"}));
  EXPECT_TRUE(decoded.objects[2].object.has_value());
}

TEST(BadManifest, ErrorsAreBounded) {
  std::string text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\n  labels:\n";
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&text, "    l", i, ": 1\n");
  EXPECT_EQ(DecodeText(text, "f.yaml").objects[0].errors.size(), 20u);
}

TEST(BadManifest, WithoutAFileMessagesBeginWithTheObject) {
  const Decoded decoded = DecodeObject(
      Value::Map{
          {"kind", "Namespace"}, {"apiVersion", "v1"}, {"metadata", Value::Map{{"name", 1}}}},
      "");
  EXPECT_THAT(decoded.errors, ::testing::ElementsAre(
                                  "Namespace: metadata.name: 1 is not a string; put it in quotes"));
}

}  // namespace
}  // namespace openelb::codec

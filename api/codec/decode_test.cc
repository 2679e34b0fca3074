// What manifests that are right become: the documented samples, both spellings, both syntaxes.

#include "api/codec/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "api/codec/advertise.h"
#include "api/codec/parse.h"
#include "api/codec/write.h"
#include "api/network/v1alpha2/names.h"
#include "api/network/v1alpha2/validate.h"

namespace openelb::codec {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string ReadCorpus(const std::string& name) {
  std::ifstream in("corpus/" + name);
  EXPECT_TRUE(in.good()) << name;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The objects of a corpus file, which must be faultless; skipped ones are left out.
std::vector<Object> Load(const std::string& name) {
  std::vector<Object> objects;
  const DecodedText decoded = DecodeText(ReadCorpus(name), name);
  EXPECT_EQ(decoded.error.value_or(""), "");
  for (const Decoded& one : decoded.objects) {
    EXPECT_THAT(one.errors, IsEmpty());
    EXPECT_THAT(one.warnings, IsEmpty());
    if (one.object.has_value()) {
      EXPECT_EQ(one.key, KeyOf(*one.object));
      objects.push_back(*one.object);
    }
  }
  return objects;
}

std::vector<std::string> CorpusFiles() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("corpus")) {
    names.push_back(entry.path().filename());
  }
  return names;
}

TEST(Decode, CorpusIsWhatItsNamesSay) {
  int right = 0;
  int wrong = 0;
  for (const std::string& name : CorpusFiles()) {
    const DecodedText decoded = DecodeText(ReadCorpus(name), name);
    size_t faults = decoded.error.has_value() ? 1 : 0;
    for (const Decoded& one : decoded.objects) faults += one.errors.size() + one.warnings.size();
    if (absl::StartsWith(name, "ok-")) {
      EXPECT_EQ(faults, 0u) << name;
      ++right;
    } else if (absl::StartsWith(name, "bad-")) {
      EXPECT_GT(faults, 0u) << name;
      ++wrong;
    }
  }
  EXPECT_GE(right, 9);
  EXPECT_GE(wrong, 11);
}

TEST(Decode, JsonAndYamlGiveTheSame) {
  int compared = 0;
  for (const std::string& name : CorpusFiles()) {
    if (!absl::StartsWith(name, "ok-")) continue;
    for (const Document& document : ParseYaml(ReadCorpus(name)).documents) {
      const DecodedText original = DecodeText(ToYaml(document.value), "x");
      for (const std::string& json : {ToJson(document.value), ToJson(document.value, 2)}) {
        const DecodedText again = DecodeText(json, "x");
        ASSERT_EQ(again.objects.size(), original.objects.size()) << json;
        for (size_t i = 0; i < again.objects.size(); ++i) {
          EXPECT_EQ(again.objects[i].object, original.objects[i].object) << json;
          ++compared;
        }
      }
    }
  }
  EXPECT_GT(compared, 20);
}

TEST(Decode, Eip) {
  const auto objects = Load("ok-eip.yaml");
  ASSERT_EQ(objects.size(), 1u);
  const auto& eip = std::get<network::Eip>(objects[0]);
  EXPECT_EQ(eip.meta.name, "eip-sample-pool");
  EXPECT_THAT(eip.meta.annotations,
              ElementsAre(Pair("eip.openelb.kubesphere.io/is-default-eip", "true")));
  EXPECT_EQ(eip.address, "192.168.0.91-192.168.0.100");
  EXPECT_EQ(eip.priority, 100);
  EXPECT_THAT(eip.namespaces, ElementsAre("test", "default"));
  EXPECT_THAT(eip.namespace_selector, ElementsAre(Pair("kubesphere.io/workspace", "workspace")));
  EXPECT_EQ(eip.protocol, network::Protocol::kLayer2);
  EXPECT_EQ(eip.interface, "eth0");
  EXPECT_FALSE(eip.disable);
  EXPECT_THAT(eip.fields_ignored, IsEmpty());
}

TEST(Decode, BgpQuickStart) {
  const auto objects = Load("ok-bgp-quick-start.yaml");
  ASSERT_EQ(objects.size(), 4u);  // the Deployment is skipped
  const auto& conf = std::get<network::BgpConf>(objects[0]);
  EXPECT_EQ(conf.as, 50000u);
  EXPECT_EQ(conf.listen_port, 17900);
  EXPECT_EQ(conf.router_id, "192.168.0.2");
  const auto& peer = std::get<network::BgpPeer>(objects[1]);
  EXPECT_EQ(peer.peer_as, 50001u);
  EXPECT_EQ(peer.neighbor_address, "192.168.0.5");
  EXPECT_THAT(peer.afi_safis, IsEmpty());
  EXPECT_FALSE(peer.hold_time_s.has_value());
  EXPECT_FALSE(peer.node_selector.has_value());
  const auto& service = std::get<kube::Service>(objects[3]);
  EXPECT_EQ(service.Key(), "default/bgp-svc");
  EXPECT_EQ(service.type, "LoadBalancer");
  EXPECT_THAT(service.selector, ElementsAre(Pair("app", "bgp-openelb")));
  ASSERT_EQ(service.ports.size(), 1u);
  EXPECT_EQ(service.ports[0], (kube::ServicePort{"http", "TCP", 80}));
}

TEST(Decode, BgpPeerInFull) {
  const auto objects = Load("ok-bgp-peer-full.yaml");
  ASSERT_EQ(objects.size(), 1u);
  const auto& peer = std::get<network::BgpPeer>(objects[0]);
  EXPECT_EQ(peer.local_as, 4200000000u);
  EXPECT_EQ(peer.auth_password, "secret");
  EXPECT_TRUE(peer.multihop);
  EXPECT_EQ(peer.multihop_ttl, 2u);
  EXPECT_TRUE(peer.ttl_security);
  EXPECT_EQ(peer.ttl_min, 254u);
  EXPECT_EQ(peer.connect_retry_s, 5u);
  EXPECT_EQ(peer.hold_time_s, 9u);
  EXPECT_EQ(peer.keepalive_s, 3u);
  EXPECT_EQ(peer.delay_open_s, 7u);
  EXPECT_TRUE(peer.passive);
  EXPECT_EQ(peer.remote_port, 17900u);
  EXPECT_EQ(peer.update_source, "lo");
  ASSERT_EQ(peer.afi_safis.size(), 2u);
  EXPECT_EQ(peer.afi_safis[0].send_max, 10u);
  EXPECT_EQ(peer.afi_safis[1].family, Family::kV6);
  EXPECT_EQ(peer.afi_safis[1].text, "AFI_IP6/SAFI_UNICAST");
  EXPECT_FALSE(peer.afi_safis[1].send_max.has_value());
  ASSERT_TRUE(peer.node_selector.has_value());
  EXPECT_TRUE(peer.node_selector->Matches(
      {{"openelb.kubesphere.io/rack", "leaf1"}, {"kubernetes.io/os", "linux"}}));
  EXPECT_FALSE(peer.node_selector->Matches({{"openelb.kubesphere.io/rack", "leaf1"}}));
  EXPECT_THAT(peer.fields_ignored, IsEmpty());
}

TEST(Decode, AnUnnumberedBgpPeer) {
  const auto objects = Load("ok-bgp-unnumbered.yaml");
  ASSERT_EQ(objects.size(), 1u);
  const auto& peer = std::get<network::BgpPeer>(objects[0]);
  EXPECT_EQ(peer.neighbor_interface, "eth0");
  EXPECT_EQ(NeighborOf(peer).value(), Neighbor::Unnumbered("eth0"));
  EXPECT_THAT(peer.fields_ignored, IsEmpty());
}

TEST(Decode, NamesWhatItCannotHonour) {
  const auto objects = Load("ok-bgp-unhonoured.yaml");
  ASSERT_EQ(objects.size(), 2u);
  const auto& peer = std::get<network::BgpPeer>(objects[0]);
  EXPECT_THAT(
      peer.fields_ignored,
      ElementsAre("spec.afiSafis[0].config.family", "spec.afiSafis[1].addPaths.config.receive",
                  "spec.conf.neighborInterface", "spec.conf.peerType", "spec.conf.routeFlapDamping",
                  "spec.conf.sendCommunity", "spec.conf.vrf", "spec.gracefulRestart.peerRestarting",
                  "spec.timers.config.minimumAdvertisementInterval", "spec.transport.mtuDiscovery",
                  "spec.transport.remoteAddress", "spec.transport.tcpMss",
                  "spec.usingPortForward"));
  EXPECT_TRUE(peer.removes_private_as);
  EXPECT_TRUE(peer.replaces_peer_as);
  EXPECT_FALSE(peer.afi_safis[0].unicast);
  EXPECT_EQ(peer.afi_safis[0].text, "AFI_L2VPN/SAFI_EVPN");
  EXPECT_FALSE(peer.afi_safis[1].enabled);
  EXPECT_EQ(peer.graceful_restart->restart_time_s, 120u);
  EXPECT_TRUE(peer.afi_safis[1].graceful_restart);

  const auto& conf = std::get<network::BgpConf>(objects[1]);
  EXPECT_THAT(conf.fields_ignored,
              ElementsAre("spec.families", "spec.gracefulRestart.deferralTime",
                          "spec.gracefulRestart.localRestarting", "spec.gracefulRestart.mode",
                          "spec.gracefulRestart.peerRestartTime", "spec.useMultiplePaths"));
  EXPECT_THAT(conf.as_per_rack, ElementsAre(Pair("leaf1", 65001u), Pair("leaf2", 0u)));
  EXPECT_EQ(conf.listen_port, -1);
  EXPECT_THAT(conf.listen_addresses, ElementsAre("0.0.0.0", "::"));
  EXPECT_EQ(conf.policy, "export-policy");
}

TEST(Decode, Advertise) {
  const auto objects = Load("ok-bgp-advertise.yaml");
  ASSERT_EQ(objects.size(), 4u);
  const auto& conf = std::get<network::BgpConf>(objects[0]);
  EXPECT_THAT(conf.community_aliases,
              ElementsAre(Pair("customer", "65000:100"), Pair("quiet", "no-advertise")));
  const auto& peer = std::get<network::BgpPeer>(objects[1]);
  EXPECT_EQ(peer.advertise, (network::Advertise{.communities = {"customer"}, .local_pref = 0}));
  EXPECT_TRUE(peer.link_bandwidth);
  const network::Advertise all{.communities = {"65000:1", "no-export", "large:65000:1:2",
                                               "rt:65000:3", "0x0002fde800000064"},
                               .med = 4294967295,
                               .local_pref = 200,
                               .prepend = 64};
  const auto& eip = std::get<network::Eip>(objects[2]);
  EXPECT_EQ(eip.advertise, all);
  EXPECT_EQ(eip.aggregation,
            (network::Aggregation{.length = 30, .length_v6 = 128, .host_routes = true}));
  const auto& service = std::get<kube::Service>(objects[3]);
  const ParsedAdvertise parsed = ParseAdvertise(service.meta.annotations.at(network::kAdvertise));
  EXPECT_THAT(parsed.errors, IsEmpty());
  EXPECT_EQ(parsed.advertise, all);
}

TEST(Decode, HarmlessValuesOfDeadFieldsAreNotNamed) {
  const DecodedText decoded = DecodeText(
      "apiVersion: network.kubesphere.io/v1alpha2\nkind: BgpPeer\nmetadata: {name: p}\n"
      "spec: {conf: {peerAs: 1, neighborAddress: 10.0.0.1, peerGroup: '', removePrivateAs: NONE,"
      " vrf: null}, gracefulRestart: {enabled: false, restartTime: 5}}\n",
      "f");
  ASSERT_TRUE(decoded.objects[0].object.has_value());
  EXPECT_THAT(std::get<network::BgpPeer>(*decoded.objects[0].object).fields_ignored, IsEmpty());
}

TEST(Decode, Porter) {
  const auto objects = Load("ok-porter.yaml");
  ASSERT_EQ(objects.size(), 4u);
  const auto& conf = std::get<network::BgpConf>(objects[0]);
  EXPECT_EQ(conf.router_id, "192.168.0.2");
  EXPECT_EQ(conf.listen_port, 17900);
  const auto& peer = std::get<network::BgpPeer>(objects[1]);
  EXPECT_EQ(peer.peer_as, 50001u);
  EXPECT_EQ(peer.neighbor_address, "192.168.0.5");
  EXPECT_TRUE(peer.passive);
  ASSERT_EQ(peer.afi_safis.size(), 1u);
  EXPECT_EQ(peer.afi_safis[0].send_max, 10u);
  EXPECT_EQ(peer.afi_safis[0].text, "AFI_IP/SAFI_UNICAST");
  EXPECT_THAT(std::get<network::Eip>(objects[2]).fields_ignored, ElementsAre("spec.usingKnownIPs"));
  const auto& service = std::get<kube::Service>(objects[3]);
  EXPECT_EQ(service.Key(), "web/porter-svc");
  EXPECT_EQ(service.load_balancer_ip, "192.168.1.10");
}

TEST(Decode, KeysOfAPeerInTheirOrder) {
  const auto objects = Load("ok-bgp-auth-keys.yaml");
  ASSERT_EQ(objects.size(), 1u);
  const auto& keys = std::get<network::BgpPeer>(objects[0]).auth_keys;
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].key, (TcpAoKey{.send_id = 255,
                                   .receive_id = 0,
                                   .algorithm = TcpAoAlgorithm::kAes128Cmac96,
                                   .include_tcp_options = false,
                                   .secret = ""}));
  EXPECT_EQ(keys[0].secret, (network::SecretKeyRef{"bgp-keys", "second"}));
  EXPECT_EQ(keys[1].key, (TcpAoKey{.send_id = 1, .receive_id = 1, .secret = ""}));
  EXPECT_EQ(keys[1].secret, (network::SecretKeyRef{"bgp-keys", "password"}));
}

TEST(Decode, OldSpellingsYieldToNewOnes) {
  const DecodedText decoded = DecodeText(
      "apiVersion: network.kubesphere.io/v1alpha2\nkind: BgpConf\nmetadata: {name: default}\n"
      "spec: {as: 1, routerID: 1.1.1.1, routerId: 2.2.2.2, port: 1790}\n",
      "f");
  ASSERT_TRUE(decoded.objects[0].object.has_value());
  const auto& conf = std::get<network::BgpConf>(*decoded.objects[0].object);
  EXPECT_EQ(conf.router_id, "2.2.2.2");
  EXPECT_EQ(conf.listen_port, 1790);
}

TEST(Decode, Cluster) {
  const auto objects = Load("ok-multi-router.yaml");
  ASSERT_EQ(objects.size(), 5u);
  const auto& master = std::get<kube::Node>(objects[0]);
  EXPECT_THAT(master.internal_ips, ElementsAre(*IpAddress::Parse("192.168.0.3")));
  EXPECT_EQ(master.ready, kube::ConditionStatus::kTrue);
  const auto& worker = std::get<kube::Node>(objects[1]);
  EXPECT_EQ(worker.internal_ips.size(), 2u);
  EXPECT_EQ(worker.ready, kube::ConditionStatus::kUnknown);
  EXPECT_EQ(worker.network_unavailable, kube::ConditionStatus::kTrue);
  EXPECT_TRUE(worker.unschedulable);
  EXPECT_THAT(worker.taints,
              ElementsAre(kube::Taint{"node.kubernetes.io/unschedulable", "", "NoSchedule"}));
  const auto& daemon_set = std::get<kube::DaemonSet>(objects[2]);
  EXPECT_TRUE(daemon_set.host_network);
  EXPECT_TRUE(daemon_set.Selects(master));
  EXPECT_FALSE(daemon_set.Selects(worker));
  ASSERT_EQ(daemon_set.required_node_affinity->size(), 2u);
  EXPECT_EQ((*daemon_set.required_node_affinity)[1].match_fields[0].key, "metadata.name");
  EXPECT_EQ(daemon_set.tolerations.size(), 2u);
  const auto& slice = std::get<kube::EndpointSlice>(objects[3]);
  EXPECT_EQ(slice.ServiceKey(), "default/svc");
  ASSERT_EQ(slice.endpoints.size(), 2u);
  EXPECT_FALSE(slice.endpoints[0].IsReady());
  EXPECT_TRUE(slice.endpoints[0].IsServing());
  EXPECT_TRUE(slice.endpoints[0].IsTerminating());
  EXPECT_TRUE(slice.endpoints[1].IsReady());
  EXPECT_EQ(slice.endpoints[1].node_name, "worker-p002");
  EXPECT_EQ(std::get<kube::Namespace>(objects[4]).meta.labels.at("team"), "a");
}

TEST(Decode, ListsAndTheirItems) {
  const auto objects = Load("ok-list.json");
  ASSERT_EQ(objects.size(), 2u);
  const auto& service = std::get<kube::Service>(objects[0]);
  EXPECT_EQ(service.Key(), "ns/a");
  EXPECT_EQ(service.meta.annotations.at("note"), "\xc3\xa9\xf0\x9f\x98\x80 \"x\" /");
  EXPECT_EQ(service.meta.creation_timestamp, absl::FromUnixSeconds(1767323045));
  EXPECT_EQ(service.meta.resource_version, "7");
  EXPECT_EQ(service.ports[0].protocol, "UDP");
  EXPECT_THAT(service.ingress, ElementsAre(kube::LoadBalancerIngress{"172.22.0.2", "", "VIP"}));
  EXPECT_EQ(std::get<network::Eip>(objects[1]).address, "fd00::/64");
}

TEST(Decode, ANodeWithoutConditionsIsReady) {
  const DecodedText decoded =
      DecodeText("apiVersion: v1\nkind: Node\nmetadata: {name: a, namespace: lost}\n", "f");
  ASSERT_TRUE(decoded.objects[0].object.has_value());
  const auto& node = std::get<kube::Node>(*decoded.objects[0].object);
  EXPECT_EQ(node.ready, kube::ConditionStatus::kTrue);
  EXPECT_EQ(node.network_unavailable, kube::ConditionStatus::kFalse);
  EXPECT_EQ(node.meta.namespace_, "");  // the cluster's own
}

}  // namespace
}  // namespace openelb::codec

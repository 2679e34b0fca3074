#include "speaker/link/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/plan/recorded/first.pb.h"
#include "speaker/link/plan_builder.h"

namespace openelb::link {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<DecodedResource> Decode(const std::string& key, const std::string& text) {
  const auto name = ParseKey(key);
  if (!name.ok()) return name.status();
  return DecodeResource(*name, Body(text));
}

const std::string kBfd =
    "bfd_session { interface: 'eth0' peer: '10.0.0.2' local: '10.0.0.1' node: 'n2' "
    "desired_min_tx_us: 100000 required_min_rx_us: 50000 detect_mult: 3 secret: 's' ";
const std::string kVrrp =
    "vrrp_instance { interface: 'eth0' family: 4 vrid: 7 version: 3 priority: 1 interval_ms: 10 ";

TEST(DecodeTest, Instance) {
  const auto decoded =
      Decode("instance",
             "instance { local_as: 65000 router_id: '10.0.0.1' listen_port: 179 on_stop: LEAVE }");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto& instance = std::get<BgpInstance>(*decoded);
  EXPECT_EQ(instance.local_as, 65000u);
  EXPECT_EQ(instance.router_id, 0x0a000001u);
  EXPECT_TRUE(instance.leave_on_stop);
  std::vector<std::string> listen;
  for (const IpAddress& address : instance.listen_addresses) listen.push_back(address.ToString());
  EXPECT_THAT(listen, ElementsAre("0.0.0.0", "::"));
}

TEST(DecodeTest, Peer) {
  const auto decoded = Decode(
      "peer/fd00::1",
      "peer { address: 'fd00::1' name: 'p' remote_as: 4200000000 remote_port: 1179 passive: true "
      "hold_time_s: 9 ttl: 255 md5_password: 'x' scope: 's' min_ttl: 254 "
      "graceful_restart { restart_time_s: 4095 notification: true long_lived_s: 16777215 } "
      "families { family: 6 graceful_restart: true } families { family: 4 add_path_send: true "
      "send_max: 2 } "
      "attributes { prepend: 0 med: 5 } link_bandwidth: true "
      "export_rules { name: 'p/1' prefixes { prefix: '10.0.0.0/8' least: 8 most: 32 } "
      "verdict: REJECT } }");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto& peer = std::get<BgpPeer>(*decoded);
  EXPECT_EQ(peer.neighbor.ToString(), "fd00::1");
  EXPECT_EQ(peer.remote_as, 4200000000u);
  EXPECT_EQ(peer.connect_retry_s, 120u);
  EXPECT_THAT(peer.families, ElementsAre(PeerFamily{Family::kV6, false, 0, true},
                                         PeerFamily{Family::kV4, true, 2, false}));
  EXPECT_EQ(peer.min_ttl, 254);
  EXPECT_EQ(peer.graceful_restart, (GracefulRestart{4095, true, 16777215}));
  EXPECT_EQ(peer.attributes, (plan::PathAttributes{.med = 5, .prepend = 0}));
  EXPECT_TRUE(peer.link_bandwidth);
  EXPECT_THAT(peer.export_rules, ElementsAre(plan::ExportRule{
                                     .name = "p/1",
                                     .prefixes = {{IpPrefix::Parse("10.0.0.0/8").value(), 8, 32}},
                                     .verdict = plan::ExportRule::Verdict::kReject}));
}

TEST(DecodeTest, KeysOfAPeer) {
  const auto decoded =
      Decode("peer/10.0.0.1",
             "peer { address: '10.0.0.1' remote_as: 65001 remote_port: 179 hold_time_s: 9 ttl: 1 "
             "tcp_ao_keys { send_id: 255 algorithm: 'hmac-sha-256-128' exclude_tcp_options: true "
             "secret: 'a\\000b' } "
             "tcp_ao_keys { send_id: 1 receive_id: 2 algorithm: 'hmac-sha-1-96' secret: '" +
                 std::string(80, 'x') + "' } }");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_THAT(std::get<BgpPeer>(*decoded).tcp_ao_keys,
              ElementsAre(TcpAoKey{.send_id = 255,
                                   .receive_id = 0,
                                   .algorithm = TcpAoAlgorithm::kHmacSha256_128,
                                   .include_tcp_options = false,
                                   .secret = std::string("a\0b", 3)},
                          TcpAoKey{.send_id = 1,
                                   .receive_id = 2,
                                   .algorithm = TcpAoAlgorithm::kHmacSha1_96,
                                   .secret = std::string(80, 'x')}));
}

TEST(DecodeTest, LinkLocalPeersHaveAnInterface) {
  const std::string peer =
      "remote_as: 65001 remote_port: 179 hold_time_s: 9 ttl: 1 update_source: 'lo' ";
  const auto decoded =
      Decode("peer/fe80::1%eth0", "peer { address: 'fe80::1' interface: 'eth0' " + peer + "}");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<BgpPeer>(*decoded).neighbor.ToString(), "fe80::1%eth0");
  EXPECT_EQ(std::get<BgpPeer>(*decoded).update_source, "lo");
  const auto unnumbered = Decode(
      "peer/eth0",
      "peer { interface: 'eth0' families { family: 6 link_local_next_hop: true } " + peer + "}");
  ASSERT_TRUE(unnumbered.ok()) << unnumbered.status();
  EXPECT_EQ(std::get<BgpPeer>(*unnumbered).neighbor, Neighbor::Unnumbered("eth0"));
  EXPECT_TRUE(std::get<BgpPeer>(*unnumbered).families[0].link_local_next_hop);

  const struct {
    const char* key;
    const char* fields;
  } kBad[] = {
      {"peer/fe80::1", "address: 'fe80::1'"},
      {"peer/10.0.0.1", "address: '10.0.0.1' interface: 'eth0'"},
      {"peer/10.0.0.1%eth0", "address: '10.0.0.1' interface: 'eth0'"},
      {"peer/eth0", "interface: 'eth1'"},
      {"peer/eth0", "address: 'fe80::1' interface: 'eth0'"},
      {"peer/eth0", ""},
  };
  for (const auto& c : kBad) {
    EXPECT_FALSE(Decode(c.key, absl::StrCat("peer { ", c.fields, " ", peer, "}")).ok()) << c.key;
  }
}

TEST(DecodeTest, GroupRouteAndPlace) {
  const auto group =
      Decode("group/g",
             "group { id: 'g' members { node: 'n1' address: '10.0.0.1' attributes { communities: 7 "
             "med: 0 } }"
             " members { node: 'n2' address: '10.0.0.2' weight: 5 draining: true "
             "ipv6_address: 'fd00::2' } }");
  ASSERT_TRUE(group.ok()) << group.status();
  const auto& members = std::get<Members>(*group);
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].weight, 1u);
  EXPECT_EQ(members[0].attributes.med, 0u);
  EXPECT_THAT(members[0].attributes.communities, ElementsAre(7u));
  EXPECT_EQ(members[1].attributes.med, std::nullopt);
  EXPECT_TRUE(members[1].draining);
  EXPECT_EQ(members[0].ipv6_address, std::nullopt);
  EXPECT_EQ(members[1].ipv6_address, IpAddress::Parse("fd00::2").value());

  const auto route = Decode("route/172.22.0.2/32",
                            "route { prefix: '172.22.0.2/32' targets { scope: 'a' group: 'g' } "
                            "targets { scope: 'b' group: 'h' } services: 'ns/s' }");
  ASSERT_TRUE(route.ok()) << route.status();
  EXPECT_EQ(std::get<Route>(*route).groups,
            (std::map<std::string, std::string>{{"a", "g"}, {"b", "h"}}));

  const auto place = Decode("place/g", "place { group: 'g' node: 'n2' }");
  ASSERT_TRUE(place.ok()) << place.status();
  EXPECT_EQ(std::get<Place>(*place).node, "n2");
}

TEST(DecodeTest, Layer2Address) {
  const auto decoded = Decode("layer2/fd00::91",
                              "layer2_address { address: 'fd00::91' interface: 'eth0' "
                              "ranks { node: 'n2' bfd_peer: '10.0.0.2' } ranks { node: 'n1' } "
                              "services: 'ns/s' }");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<Layer2Address>(*decoded),
            (Layer2Address{.interface = "eth0",
                           .ranks = {{"n2", *IpAddress::Parse("10.0.0.2")}, {"n1", std::nullopt}},
                           .services = {"ns/s"}}));
}

TEST(DecodeTest, BfdSession) {
  const auto decoded = Decode("bfd/eth0/10.0.0.2", kBfd + "}");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<BfdSession>(*decoded), (BfdSession{.local = *IpAddress::Parse("10.0.0.1"),
                                                        .node = "n2",
                                                        .desired_min_tx = absl::Milliseconds(100),
                                                        .required_min_rx = absl::Milliseconds(50),
                                                        .detect_mult = 3,
                                                        .secret = "s"}));
}

TEST(DecodeTest, VrrpInstance) {
  const auto decoded = Decode("vrrp/eth0/6/51",
                              "vrrp_instance { interface: 'eth0' family: 6 vrid: 51 version: 3 "
                              "priority: 254 interval_ms: 40950 preempt: true addresses: 'fd00::1' "
                              "addresses: 'fd00::2' unicast_peers: 'fe80::2' name: 'pool' }");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<VrrpInstance>(*decoded),
            (VrrpInstance{.version = 3,
                          .priority = 254,
                          .interval = absl::Milliseconds(40950),
                          .preempt = true,
                          .addresses = {*IpAddress::Parse("fd00::1"), *IpAddress::Parse("fd00::2")},
                          .unicast_peers = {*IpAddress::Parse("fe80::2")},
                          .name = "pool"}));
  EXPECT_TRUE(Decode("vrrp/eth0/4/1",
                     "vrrp_instance { interface: 'eth0' family: 4 vrid: 1 version: 2 "
                     "priority: 1 interval_ms: 255000 addresses: '10.0.0.9' }")
                  .ok());
}

TEST(DecodeTest, KindsOfANewerControllerAreIgnored) {
  for (const char* key : {"ospf/eth0/51", "", "peers"}) {
    const auto decoded = Decode(key, "\xff garbage");
    ASSERT_TRUE(decoded.ok()) << key;
    EXPECT_TRUE(std::holds_alternative<std::monostate>(*decoded)) << key;
  }
}

// A controller of the first version knows no more of a peer than this.
TEST(DecodeTest, WhatAnOlderControllerLeavesOutIsAsItWas) {
  plan::recorded::first::ResourceBody older;
  auto* written = older.mutable_peer();
  written->set_address("10.0.0.1");
  written->set_name("p");
  written->set_remote_as(65001);
  written->set_remote_port(179);
  written->set_ttl(1);
  written->set_scope("s");
  written->add_families()->set_family(4);
  const auto decoded = DecodeResource(*ParseKey("peer/10.0.0.1"), older.SerializeAsString());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto& peer = std::get<BgpPeer>(*decoded);
  EXPECT_EQ(peer.min_ttl, 0);  // none is refused
  EXPECT_EQ(peer.graceful_restart, std::nullopt);
  EXPECT_EQ(peer.attributes, plan::PathAttributes());
  EXPECT_THAT(peer.export_rules, IsEmpty());
  EXPECT_FALSE(peer.link_bandwidth);
  EXPECT_THAT(peer.families, ElementsAre(PeerFamily{Family::kV4, false, 0, false}));

  plan::recorded::first::ResourceBody group;
  group.mutable_group()->set_id("g");
  auto* member = group.mutable_group()->add_members();
  member->set_node("n1");
  member->set_address("10.0.0.1");
  EXPECT_TRUE(DecodeResource(*ParseKey("group/g"), group.SerializeAsString()).ok());
}

TEST(DecodeTest, ErrorsNameFieldAndValue) {
  const std::string peer = "peer { address: '10.0.0.1' remote_as: 1 remote_port: 179 ttl: 1 ";
  const std::string key = "tcp_ao_keys { algorithm: 'hmac-sha-1-96' ";
  const std::string instance = "instance { local_as: 1 router_id: '1.1.1.1' listen_port: 179 ";
  const struct {
    std::string key, text, error;
  } cases[] = {
      {"peer/10.0.0.1/32", "", "key: \"peer/10.0.0.1/32\""},
      {"peer/fd00::0:1", "", "key: \"peer/fd00::0:1\""},
      {"peer/", "", "key: \"peer/\""},
      {"route/10.0.0.1/24", "", "key: \"route/10.0.0.1/24\""},
      {"group/", "", "key: \"group/\""},
      {"instance", "\xff", "body: 1 bytes are not a ResourceBody"},
      {"instance", "", "body: kind 0"},
      {"instance", "place { group: 'g' node: 'n' }", "body: kind 5"},
      {"instance", "instance { router_id: '1.1.1.1' }", "local_as: 0"},
      {"instance", "instance { local_as: 1 router_id: '0.0.0.0' }", "router_id: \"0.0.0.0\""},
      {"instance", "instance { local_as: 1 router_id: '::1' }", "router_id: \"::1\""},
      {"instance", "instance { local_as: 1 router_id: '1.1.1.1' }", "listen_port: 0"},
      {"instance", instance + "listen_port: 65536 }", "listen_port: 65536"},
      {"instance", instance + "listen_addresses: 'x' }", "listen_addresses: \"x\""},
      {"instance", instance + "on_stop: 7 }", "on_stop: 7"},
      {"peer/10.0.0.1", peer + "address: '10.0.0.2' }", "address: \"10.0.0.2\""},
      {"peer/10.0.0.1", peer + "address: '224.0.0.1' }", "address: \"224.0.0.1\""},
      {"peer/10.0.0.1", peer + "remote_as: 0 }", "remote_as: 0"},
      {"peer/10.0.0.1", peer + "remote_port: 65536 }", "remote_port: 65536"},
      {"peer/10.0.0.1", peer + "hold_time_s: 2 }", "hold_time_s: 2"},
      {"peer/10.0.0.1", peer + "keepalive_s: 70000 }", "keepalive_s: 70000"},
      {"peer/10.0.0.1", peer + "connect_retry_s: 70000 }", "connect_retry_s: 70000"},
      {"peer/10.0.0.1", peer + "delay_open_s: 241 }", "delay_open_s: 241"},
      {"peer/10.0.0.1", peer + "ttl: 256 }", "ttl: 256"},
      {"peer/10.0.0.1", peer + "families { family: 5 } }", "families.family: 5"},
      {"peer/10.0.0.1", peer + "families { family: 4 } families { family: 4 } }",
       "families.family: 4 (allowed: each one once)"},
      {"peer/10.0.0.1", peer + "min_ttl: 256 }", "min_ttl: 256"},
      {"peer/10.0.0.1", peer + "graceful_restart {} }", "graceful_restart.restart_time_s: 0"},
      {"peer/10.0.0.1", peer + "graceful_restart { restart_time_s: 4096 } }",
       "graceful_restart.restart_time_s: 4096"},
      {"peer/10.0.0.1", peer + "graceful_restart { restart_time_s: 1 long_lived_s: 16777216 } }",
       "graceful_restart.long_lived_s: 16777216"},
      {"peer/10.0.0.1", peer + "md5_password: '" + std::string(81, 'x') + "' }",
       "md5_password: 81 octets"},
      {"peer/10.0.0.1", peer + "tcp_ao_keys { send_id: 256 } }", "tcp_ao_keys.send_id: 256"},
      {"peer/10.0.0.1", peer + "tcp_ao_keys { receive_id: 256 } }", "tcp_ao_keys.receive_id: 256"},
      {"peer/10.0.0.1", peer + "tcp_ao_keys { algorithm: 'md5' } }",
       "tcp_ao_keys.algorithm: \"md5\" (allowed: hmac-sha-1-96, "},
      {"peer/10.0.0.1", peer + key + "secret: '' } }", "tcp_ao_keys.secret: 0 octets"},
      {"peer/10.0.0.1", peer + key + "secret: '" + std::string(81, 'x') + "' } }",
       "tcp_ao_keys.secret: 81 octets (allowed: 1..80)"},
      {"peer/10.0.0.1", peer + key + "secret: 'x' } " + key + "send_id: 1 secret: 'x' } }",
       "tcp_ao_keys: \"receiveId 0\" (allowed: each one once)"},
      {"peer/10.0.0.1", peer + "md5_password: 'x' " + key + "secret: 'x' } }",
       "tcp_ao_keys: given beside md5_password"},
      {"group/g", "group { id: 'h' }", "id: \"h\""},
      {"group/g", "group { id: 'g' members { address: '10.0.0.1' } }", "members.node: \"\""},
      {"group/g", "group { id: 'g' members { node: 'n' address: '::' } }",
       "members.address: \"::\""},
      {"group/g",
       "group { id: 'g' members { node: 'n' address: '10.0.0.1' } "
       "members { node: 'n' address: '10.0.0.1' } }",
       "members: \"n 10.0.0.1\""},
      {"group/g",
       "group { id: 'g' members { node: 'n' address: '10.0.0.1' ipv6_address: '10.0.0.2' } }",
       "members.ipv6_address: \"10.0.0.2\""},
      {"group/g",
       "group { id: 'g' members { node: 'n' address: '10.0.0.1' attributes { prepend: 65 } } }",
       "attributes.prepend: 65"},
      {"peer/10.0.0.1", peer + "attributes { prepend: 65 } }", "attributes.prepend: 65"},
      {"peer/10.0.0.1", peer + "export_rules { prefixes { prefix: '10.0.0.0/8' most: 33 } } }",
       "export_rules.prefixes: 10.0.0.0/8 0..33"},
      {"route/10.0.0.0/24", "route { prefix: '10.0.0.0/33' }", "prefix: \"10.0.0.0/33\""},
      {"route/10.0.0.0/24", "route { prefix: '10.0.1.0/24' }", "prefix: \"10.0.1.0/24\""},
      {"route/10.0.0.0/24", "route { prefix: '10.0.0.0/24' targets { scope: 'a' } }",
       "targets.group: \"\""},
      {"route/10.0.0.0/24",
       "route { prefix: '10.0.0.0/24' targets { scope: 'a' group: 'g' } "
       "targets { scope: 'a' group: 'h' } }",
       "targets.scope: \"a\""},
      {"place/g", "place { group: 'h' node: 'n' }", "group: \"h\""},
      {"place/g", "place { group: 'g' }", "node: \"\""},
      {"layer2/10.0.0.01", "", "key: \"layer2/10.0.0.01\""},
      {"layer2/10.0.0.1",
       "layer2_address { address: '10.0.0.2' interface: 'e' ranks { node: 'n' } }",
       "address: \"10.0.0.2\""},
      {"layer2/224.0.0.1",
       "layer2_address { address: '224.0.0.1' interface: 'e' ranks { node: 'n' } }",
       "address: \"224.0.0.1\""},
      {"layer2/10.0.0.1", "layer2_address { address: '10.0.0.1' ranks { node: 'n' } }",
       "interface: \"\""},
      {"layer2/10.0.0.1", "layer2_address { address: '10.0.0.1' interface: 'e' }", "ranks: 0"},
      {"layer2/10.0.0.1",
       "layer2_address { address: '10.0.0.1' interface: 'e' ranks { node: 'n' } ranks { node: 'n' "
       "} }",
       "ranks.node: \"n\""},
      {"layer2/10.0.0.1",
       "layer2_address { address: '10.0.0.1' interface: 'e' ranks { bfd_peer: '10.0.0.2' } }",
       "ranks.node: \"\""},
      {"layer2/10.0.0.1",
       "layer2_address { address: '10.0.0.1' interface: 'e' ranks { node: 'n' bfd_peer: 'x' } }",
       "ranks.bfd_peer: \"x\""},
      {"bfd/10.0.0.2", "", "key: \"bfd/10.0.0.2\""},
      {"bfd/eth0/10.0.0.02", "", "key: \"bfd/eth0/10.0.0.02\""},
      {"bfd/eth1/10.0.0.2", kBfd + "}", "peer: \"10.0.0.2 on eth0\""},
      {"bfd/eth0/10.0.0.3", kBfd + "}", "peer: \"10.0.0.2 on eth0\""},
      {"bfd/eth0/10.0.0.2", kBfd + "local: '10.0.0.2' }", "local: \"10.0.0.2\""},
      {"bfd/eth0/10.0.0.2", kBfd + "local: 'fd00::1' }", "local: \"fd00::1\""},
      {"bfd/eth0/10.0.0.2", kBfd + "desired_min_tx_us: 9999 }", "desired_min_tx_us: 9999"},
      {"bfd/eth0/10.0.0.2", kBfd + "required_min_rx_us: 60000001 }",
       "required_min_rx_us: 60000001"},
      {"bfd/eth0/10.0.0.2", kBfd + "detect_mult: 0 }", "detect_mult: 0"},
      {"bfd/eth0/10.0.0.2", kBfd + "detect_mult: 256 }", "detect_mult: 256"},
      {"bfd/eth0/10.0.0.2", kBfd + "secret: '' }", "secret: 0 octets"},
      {"bfd/eth0/10.0.0.2", kBfd + "secret: '123456789012345678901' }", "secret: 21 octets"},
      {"vrrp/eth0/4", "", "key: \"vrrp/eth0/4\""},
      {"vrrp/eth0/5/1", "", "key: \"vrrp/eth0/5/1\""},
      {"vrrp/eth0/4/256", "", "key: \"vrrp/eth0/4/256\""},
      {"vrrp/eth0/4/07", "", "key: \"vrrp/eth0/4/07\""},
      {"vrrp/eth1/4/7", kVrrp + "}", "interface: \"eth0\""},
      {"vrrp/eth0/6/7", kVrrp + "}", "family: 4"},
      {"vrrp/eth0/4/8", kVrrp + "}", "vrid: 7"},
      {"vrrp/eth0/4/7", kVrrp + "version: 1 }", "version: 1"},
      {"vrrp/eth0/4/7", kVrrp + "priority: 255 }", "priority: 255"},
      {"vrrp/eth0/4/7", kVrrp + "interval_ms: 15 }", "interval_ms: 15"},
      {"vrrp/eth0/4/7", kVrrp + "interval_ms: 40960 }", "interval_ms: 40960"},
      {"vrrp/eth0/4/7", kVrrp + "version: 2 interval_ms: 500 }", "interval_ms: 500"},
      {"vrrp/eth0/4/7", kVrrp + "}", "addresses: 0"},
      {"vrrp/eth0/4/7", kVrrp + "addresses: 'fd00::1' }", "addresses: \"fd00::1\""},
      {"vrrp/eth0/4/7", kVrrp + "addresses: '10.0.0.9' addresses: '10.0.0.9' }",
       "addresses: \"10.0.0.9\""},
      {"vrrp/eth0/4/7", kVrrp + "addresses: '10.0.0.9' services { address: '10.0.0.8' } }",
       "services.address: \"10.0.0.8\""},
      {"vrrp/eth0/4/7", kVrrp + "addresses: '10.0.0.9' services { address: 'x' } }",
       "services.address: \"x\""},
      {"vrrp/eth0/4/7", kVrrp + "addresses: '10.0.0.9' unicast_peers: '224.0.0.18' }",
       "unicast_peers: \"224.0.0.18\""},
  };
  for (const auto& c : cases) {
    // A field given twice: the later one counts.
    plan::v1::ResourceBody body;
    const auto decoded = Decode(c.key, c.text);
    EXPECT_TRUE(absl::IsInvalidArgument(decoded.status())) << c.key << " " << c.text;
    EXPECT_THAT(std::string(decoded.status().message()), HasSubstr(c.error)) << c.text;
  }
  const auto longest =
      Decode("place/g", "place { group: '" + std::string(5000, 'x') + "' node: 'n' }");
  EXPECT_LT(longest.status().message().size(), 300u);
}

}  // namespace
}  // namespace openelb::link

#include "controller/plan/session.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/plan/test_world.h"
#include "gmock/gmock.h"

namespace openelb::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct World {
  NodeView node;
  network::BgpConf conf = MakeConf(65000);
  network::BgpPeer peer = MakePeer("leaf", "10.0.0.254", 65001);
  CurrentPolicy policy;
  bool has_conf = true;
  bool uses_written_router_id = false;
};

SessionPlan Plan(const World& world) {
  const std::string name = "n1";
  const SecretTable no_secrets("");
  const std::map<std::string, network::BgpPeer> peers = {{world.peer.meta.name, world.peer}};
  return PlanSessions({.node_name = name,
                       .node = world.node,
                       .conf = world.has_conf ? &world.conf : nullptr,
                       .policy = world.policy,
                       .secrets = no_secrets,
                       .peers = peers,
                       .uses_written_router_id = world.uses_written_router_id});
}

World Usual() {
  World world;
  world.node.internal_ips = {*IpAddress::Parse("10.0.0.1")};
  world.node.next_hops.v4 = world.node.internal_ips[0];
  world.node.rack = "r1";
  return world;
}

std::vector<std::string> Reasons(const SessionPlan& plan) {
  std::vector<std::string> reasons;
  for (const Problem& problem : plan.problems) reasons.push_back(problem.reason);
  return reasons;
}

TEST(SessionTest, Defaults) {
  const SessionPlan plan = Plan(Usual());
  EXPECT_THAT(plan.problems, IsEmpty());
  ASSERT_TRUE(plan.instance.has_value());
  EXPECT_EQ(plan.instance->ShortDebugString(),
            "local_as: 65000 router_id: \"10.0.0.1\" listen_port: 179");
  ASSERT_THAT(plan.peers, SizeIs(1));
  EXPECT_EQ(plan.peers.begin()->second.ShortDebugString(),
            "address: \"10.0.0.254\" name: \"leaf\" remote_as: 65001 remote_port: 179 "
            "hold_time_s: 90 connect_retry_s: 120 ttl: 1 "
            "families { family: 4 add_path_send: true } scope: \"all\"");
}

struct InstanceCase {
  const char* what;
  std::function<void(World*)> change;
  std::string instance;  // empty: none
  std::vector<std::string> problems;
};

TEST(SessionTest, Instance) {
  const std::vector<InstanceCase> cases = {
      {"asPerRack",
       [](World* w) { w->conf.as_per_rack = {{"r1", 65010}}; },
       "local_as: 65010 router_id: \"10.0.0.1\" listen_port: 179",
       {}},
      {"asPerRack 0 keeps as",
       [](World* w) { w->conf.as_per_rack = {{"r1", 0}}; },
       "local_as: 65000 router_id: \"10.0.0.1\" listen_port: 179",
       {}},
      {"no AS", [](World* w) { w->conf.as = 0; }, "", {"NoAs"}},
      {"only asPerRack",
       [](World* w) {
         w->conf.as = 0;
         w->conf.as_per_rack = {{"r1", 4200000000u}};
       },
       "local_as: 4200000000 router_id: \"10.0.0.1\" listen_port: 179",
       {}},
      {"no BgpConf", [](World* w) { w->has_conf = false; }, "", {"NoBgpConf"}},
      {"active only",
       [](World* w) { w->conf.listen_port = -1; },
       "local_as: 65000 router_id: \"10.0.0.1\" listen_port: -1",
       {}},
      {"quick start",
       [](World* w) {
         w->conf.listen_port = 17900;
         w->conf.router_id = "192.168.0.2";
         w->uses_written_router_id = true;
       },
       "local_as: 65000 router_id: \"192.168.0.2\" listen_port: 17900",
       {}},
      {"another speaker's router id",
       [](World* w) { w->conf.router_id = "192.168.0.2"; },
       "local_as: 65000 router_id: \"10.0.0.1\" listen_port: 179",
       {}},
      {"router id of the wrong family",
       [](World* w) { w->conf.router_id = "fd00::1"; },
       "local_as: 65000 router_id: \"10.0.0.1\" listen_port: 179",
       {"BadRouterId"}},
      {"port out of range",
       [](World* w) { w->conf.listen_port = 70000; },
       "local_as: 65000 router_id: \"10.0.0.1\" listen_port: 179",
       {"BadListenPort"}},
      {"listen addresses",
       [](World* w) { w->conf.listen_addresses = {"10.0.0.1", "eth0"}; },
       "local_as: 65000 router_id: \"10.0.0.1\" listen_port: 179 listen_addresses: \"10.0.0.1\"",
       {"BadListenAddress"}},
      {"no usable listen address",
       [](World* w) { w->conf.listen_addresses = {"eth0"}; },
       "local_as: 65000 router_id: \"10.0.0.1\" listen_port: -1",
       {"BadListenAddress"}},
      {"the DaemonSet no longer wants it",
       [](World* w) { w->node.leaves_on_stop = true; },
       "local_as: 65000 router_id: \"10.0.0.1\" listen_port: 179 on_stop: LEAVE",
       {}},
  };
  for (const InstanceCase& c : cases) {
    World world = Usual();
    c.change(&world);
    const SessionPlan plan = Plan(world);
    EXPECT_EQ(plan.instance.has_value() ? plan.instance->ShortDebugString() : "", c.instance)
        << c.what;
    EXPECT_EQ(Reasons(plan), c.problems) << c.what;
    EXPECT_EQ(plan.peers.empty(), c.instance.empty()) << c.what;
  }
}

TEST(SessionTest, RouterIdOfAV6OnlyNodeIsStableAndNotZero) {
  World world = Usual();
  world.node.next_hops = {};
  const SessionPlan plan = Plan(world);
  EXPECT_NE(plan.instance->router_id(), "0.0.0.0");
  EXPECT_EQ(plan.instance->router_id(), "171.13.134.236");
}

struct PeerCase {
  const char* what;
  std::function<void(World*)> change;
  std::function<std::string(const v1::BgpPeer&)> field;
  std::string value;
  std::vector<std::string> problems;
};

TEST(SessionTest, Peers) {
  const auto ttl = [](const v1::BgpPeer& p) { return std::to_string(p.ttl()); };
  const auto hold = [](const v1::BgpPeer& p) { return std::to_string(p.hold_time_s()); };
  const auto keepalive = [](const v1::BgpPeer& p) { return std::to_string(p.keepalive_s()); };
  const auto down = [](const v1::BgpPeer& p) { return p.held_down(); };
  const auto families = [](const v1::BgpPeer& p) {
    std::string text;
    for (const auto& f : p.families()) text += "{" + f.ShortDebugString() + "}";
    return text;
  };
  const auto scope = [](const v1::BgpPeer& p) { return p.scope(); };
  const auto ttls = [](const v1::BgpPeer& p) { return absl::StrCat(p.ttl(), ">", p.min_ttl()); };
  const auto restart = [](const v1::BgpPeer& p) {
    std::string text = p.graceful_restart().ShortDebugString();
    for (const auto& f : p.families())
      if (f.graceful_restart()) absl::StrAppend(&text, " ", f.family());
    return text;
  };
  const std::vector<PeerCase> cases = {
      {"iBGP", [](World* w) { w->peer.peer_as = 65000; }, ttl, "255", {}},
      {"eBGP by local AS", [](World* w) { w->peer.local_as = 65001; }, ttl, "255", {}},
      {"multihop", [](World* w) { w->peer.multihop = true; }, ttl, "255", {}},
      {"multihop with TTL",
       [](World* w) {
         w->peer.multihop = true;
         w->peer.multihop_ttl = 3;
       },
       ttl,
       "3",
       {}},
      {"TTL security", [](World* w) { w->peer.ttl_security = true; }, ttls, "255>255", {}},
      {"TTL security over hops",
       [](World* w) {
         w->peer.ttl_security = w->peer.multihop = true;
         w->peer.ttl_min = 253;
         w->peer.multihop_ttl = 3;
       },
       ttls,
       "255>253",
       {}},
      {"a least TTL alone", [](World* w) { w->peer.ttl_min = 253; }, ttls, "1>0", {}},
      {"graceful restart",
       [](World* w) { w->peer.graceful_restart = network::GracefulRestart{.enabled = true}; },
       restart,
       "restart_time_s: 90 4",
       {}},
      {"graceful restart of the BgpConf",
       [](World* w) {
         w->conf.graceful_restart = network::GracefulRestart{
             .enabled = true, .restart_time_s = 30, .notification_enabled = true};
       },
       restart,
       "restart_time_s: 30 notification: true 4",
       {}},
      {"graceful restart off in the BgpPeer",
       [](World* w) {
         w->conf.graceful_restart = network::GracefulRestart{.enabled = true};
         w->peer.graceful_restart = network::GracefulRestart{};
       },
       restart,
       "",
       {}},
      {"graceful restart of routers alone",
       [](World* w) {
         w->peer.graceful_restart = network::GracefulRestart{.enabled = true, .helper_only = true};
       },
       restart,
       "",
       {}},
      {"graceful restart too long",
       [](World* w) {
         w->peer.graceful_restart =
             network::GracefulRestart{.enabled = true, .restart_time_s = 5000};
       },
       restart,
       "restart_time_s: 4095 4",
       {"BadTimer"}},
      {"long-lived graceful restart",
       [](World* w) {
         w->peer.graceful_restart =
             network::GracefulRestart{.enabled = true, .long_lived_enabled = true};
       },
       restart,
       "restart_time_s: 90 long_lived_s: 3600 4",
       {}},
      {"long-lived graceful restart too long",
       [](World* w) {
         w->peer.graceful_restart = network::GracefulRestart{
             .enabled = true, .long_lived_enabled = true, .stale_routes_time_s = 16777216};
       },
       restart,
       "restart_time_s: 90 long_lived_s: 16777215 4",
       {"BadTimer"}},
      {"graceful restart of one family",
       [](World* w) {
         w->peer.graceful_restart = network::GracefulRestart{.enabled = true};
         w->peer.afi_safis = {{.family = Family::kV4},
                              {.family = Family::kV6, .graceful_restart = true}};
       },
       restart,
       "restart_time_s: 90 6",
       {}},
      {"no hold time", [](World* w) { w->peer.hold_time_s = 0; }, hold, "0", {}},
      {"short hold time", [](World* w) { w->peer.hold_time_s = 2; }, hold, "3", {"BadTimer"}},
      {"long hold time",
       [](World* w) { w->peer.hold_time_s = 70000; },
       hold,
       "65535",
       {"BadTimer"}},
      {"keepalive", [](World* w) { w->peer.keepalive_s = 10; }, keepalive, "10", {}},
      {"keepalive too long",
       [](World* w) { w->peer.keepalive_s = 90; },
       keepalive,
       "0",
       {"BadTimer"}},
      {"connect retry",
       [](World* w) { w->peer.connect_retry_s = 7; },
       [](const v1::BgpPeer& p) { return std::to_string(p.connect_retry_s()); },
       "7",
       {}},
      {"connect retry too long",
       [](World* w) { w->peer.connect_retry_s = 70000; },
       [](const v1::BgpPeer& p) { return std::to_string(p.connect_retry_s()); },
       "65535",
       {"BadTimer"}},
      {"delay of the OPEN",
       [](World* w) { w->peer.delay_open_s = 240; },
       [](const v1::BgpPeer& p) { return std::to_string(p.delay_open_s()); },
       "240",
       {}},
      {"remote port",
       [](World* w) { w->peer.remote_port = 1790; },
       [](const v1::BgpPeer& p) { return std::to_string(p.remote_port()); },
       "1790",
       {}},
      {"local AS",
       [](World* w) { w->peer.local_as = 65009; },
       [](const v1::BgpPeer& p) { return std::to_string(p.local_as()); },
       "65009",
       {}},
      {"password", [](World* w) { w->peer.auth_password = std::string(80, 'x'); }, down, "", {}},
      {"password too long",
       [](World* w) { w->peer.auth_password = std::string(81, 'x'); },
       down,
       "spec.conf.authPassword has 81 octets; TCP MD5 takes at most 80",
       {"HeldDown"}},
      {"keys, of a kernel without them",
       [](World* w) {
         w->peer.auth_keys = {{}};
         w->node.tcp_ao = TcpAo::kMissing;
       },
       down,
       "spec.conf.authKeys: the kernel of node \"n1\" has no TCP-AO (CONFIG_TCP_AO, Linux 6.7), "
       "and "
       "no session comes up without the keys",
       {"HeldDown"}},
      {"keys, of a speaker that does not know them",
       [](World* w) { w->peer.auth_keys = {{}}; },
       down,
       "spec.conf.authKeys: the speaker on node \"n1\" has not said that its kernel has TCP-AO; "
       "those before this version do not know it, and no session comes up without the keys",
       {"HeldDown"}},
      {"export policy",
       [](World* w) { w->policy.problem = "there is no ConfigMap \"no-leak\""; },
       down,
       "the export policy cannot be applied, and without it the peer would get routes that it may "
       "forbid: there is no ConfigMap \"no-leak\"",
       {"HeldDown"}},
      {"v6 peer",
       [](World* w) { w->peer.neighbor_address = "fd00::1"; },
       families,
       "{family: 6 add_path_send: true}",
       {}},
      {"update source",
       [](World* w) { w->peer.update_source = "lo"; },
       [](const v1::BgpPeer& p) { return p.update_source(); },
       "lo",
       {}},
      {"link-local peer",
       [](World* w) { w->peer.neighbor_address = "fe80::1%eth0"; },
       [](const v1::BgpPeer& p) { return absl::StrCat(p.address(), " ", p.interface()); },
       "fe80::1 eth0",
       {}},
      {"unnumbered peer",
       [](World* w) {
         w->peer.neighbor_address = "";
         w->peer.neighbor_interface = "eth1";
       },
       [](const v1::BgpPeer& p) {
         return absl::StrCat(p.address(), p.interface(), " ", p.scope(), " ",
                             p.families(0).link_local_next_hop());
       },
       "eth1 link 1",
       {}},
      {"link-local peer on an interface with IPv4 alone",
       [](World* w) {
         w->peer.neighbor_address = "fe80::1%eth0";
         w->peer.afi_safis = {{.family = Family::kV4, .text = "", .send_max = 0},
                              {.family = Family::kV6, .text = "", .send_max = 0}};
         w->node.prefixes = {{"eth0", *IpAddress::Parse("10.0.0.1"), 24},
                             {"eth1", *IpAddress::Parse("10.1.0.1"), 24}};
       },
       [](const v1::BgpPeer& p) {
         return absl::StrCat(p.scope(), " ", p.families(0).link_local_next_hop(),
                             p.families(1).link_local_next_hop());
       },
       "link/10.0.0.0/24 01",
       {}},
      {"link-local peer on an interface with addresses",
       [](World* w) {
         w->peer.neighbor_address = "fe80::1%eth0";
         w->node.prefixes = {{"eth0", *IpAddress::Parse("10.0.0.1"), 24},
                             {"eth0", *IpAddress::Parse("fd00::1"), 64}};
       },
       scope,
       "connected",
       {}},
      {"link-local peer on an unknown interface",
       [](World* w) {
         w->peer.neighbor_address = "fe80::1%eth9";
         w->node.prefixes = {{"eth0", *IpAddress::Parse("10.0.0.1"), 24}};
       },
       scope,
       "link",
       {}},
      {"written sendMax",
       [](World* w) {
         w->peer.afi_safis = {{.family = Family::kV6, .text = "", .send_max = 0},
                              {.family = Family::kV4, .text = "", .send_max = 10}};
       },
       families,
       "{family: 4 add_path_send: true send_max: 10}{family: 6}",
       {}},
      {"entry without addPaths",
       [](World* w) { w->peer.afi_safis = {{.family = Family::kV4, .text = ""}}; },
       families,
       "{family: 4}",
       {}},
      {"a family that is not carried",
       [](World* w) {
         w->peer.afi_safis = {{.unicast = false, .text = "AFI_L2VPN/SAFI_EVPN"},
                              {.family = Family::kV4, .text = ""}};
       },
       families,
       "{family: 4}",
       {"FamilyIgnored"}},
      {"no family left",
       [](World* w) {
         w->peer.afi_safis = {{.family = Family::kV4, .text = "", .enabled = false}};
       },
       down,
       "spec.afiSafis leaves no address family to announce",
       {"HeldDown"}},
      {"no prefixes known", [](World*) {}, scope, "all", {}},
      {"connected",
       [](World* w) { w->node.prefixes = {{"eth0", *IpAddress::Parse("10.0.0.1"), 24}}; },
       scope,
       "connected",
       {}},
      {"connected, but far",
       [](World* w) {
         w->node.prefixes = {{"eth0", *IpAddress::Parse("10.0.0.1"), 24}};
         w->peer.multihop = true;
       },
       scope,
       "all",
       {}},
  };
  for (const PeerCase& c : cases) {
    World world = Usual();
    c.change(&world);
    const SessionPlan plan = Plan(world);
    ASSERT_THAT(plan.peers, SizeIs(1)) << c.what;
    EXPECT_EQ(c.field(plan.peers.begin()->second), c.value) << c.what;
    EXPECT_EQ(Reasons(plan), c.problems) << c.what;
  }
}

TEST(SessionTest, PeersThatCannotBe) {
  World world = Usual();
  for (const char* bad : {"leaf1.example", "", "224.0.0.5", "0.0.0.0"}) {
    world.peer.neighbor_address = bad;
    EXPECT_THAT(Reasons(Plan(world)), ElementsAre("BadAddress")) << bad;
    EXPECT_THAT(Plan(world).peers, IsEmpty()) << bad;
  }
  world = Usual();
  world.peer.peer_as = 0;
  EXPECT_THAT(Reasons(Plan(world)), ElementsAre("NoAs"));
  EXPECT_THAT(Plan(world).peers, IsEmpty());
}

}  // namespace
}  // namespace openelb::plan

#include "api/codec/encode.h"

#include <gtest/gtest.h>

#include "api/codec/write.h"

namespace openelb::codec {
namespace {

const absl::Time kTime = absl::FromUnixSeconds(1767323045);

TEST(Encode, Service) {
  EXPECT_EQ(ToJson(EncodeServiceStatus({"172.22.0.2", "fd00::2"}, {})),
            R"({"loadBalancer":{"ingress":[{"ip":"172.22.0.2","ipMode":"VIP"},)"
            R"({"ip":"fd00::2","ipMode":"VIP"}]}})");
  const kube::Condition pending{"Allocated", false, "PoolFull", "eip a is full", 3, kTime};
  EXPECT_EQ(
      ToJson(EncodeServiceStatus({}, {pending})),
      R"({"conditions":[{"lastTransitionTime":"2026-01-02T03:04:05Z","message":"eip a is full",)"
      R"("observedGeneration":3,"reason":"PoolFull","status":"False","type":"Allocated"}],)"
      R"("loadBalancer":{}})");
}

TEST(Encode, Eip) {
  network::EipStatus status;
  status.first_ip = "192.168.0.91";
  status.last_ip = "192.168.0.100";
  status.pool_size = "10";
  status.v4 = true;
  status.used = {{"192.168.0.91", "default/a;default/b"}};
  status.usage = 1;
  status.ready = true;
  EXPECT_EQ(ToJson(EncodeEipStatus(status)),
            R"({"firstIP":"192.168.0.91","lastIP":"192.168.0.100","occupied":false,"poolSize":10,)"
            R"("ready":true,"usage":1,"used":{"192.168.0.91":"default/a;default/b"},"v4":true})");
}

TEST(Encode, EipOwners) {
  network::EipStatus status;
  status.owners = {{"10.0.0.1", "n1", {"n2", "n1"}, kTime}, {"10.0.0.2", "", {}, {}}};
  status.owners_total = 5000;
  EXPECT_EQ(
      ToJson(EncodeEipStatus(status)),
      R"({"occupied":false,"owners":[{"actual":["n2","n1"],"address":"10.0.0.1","planned":"n1",)"
      R"("since":"2026-01-02T03:04:05Z"},{"address":"10.0.0.2"}],"ownersTotal":5000,)"
      R"("poolSize":0,"ready":false,"usage":0})");
}

TEST(Encode, EipBeyondAnInteger) {
  network::EipStatus status;
  status.pool_size = "18446744073709551616";
  EXPECT_EQ(ToJson(EncodeEipStatus(status)),
            R"({"occupied":false,"poolSize":9223372036854775807,"ready":false,"usage":0})");
}

TEST(Encode, BgpConf) {
  network::BgpConfStatus status;
  status.nodes["master1"] = {"192.168.0.3", 4200000000u};
  status.nodes["worker1"] = {};
  EXPECT_EQ(ToJson(EncodeBgpConfStatus(status)),
            R"({"nodesConfStatus":{"master1":{"as":4200000000,"routerId":"192.168.0.3"},)"
            R"("worker1":{}}})");
}

TEST(Encode, BgpPeer) {
  network::BgpPeerStatus status;
  network::NodePeerStatus& node = status.nodes["master1"];
  node.neighbor_address = "192.168.0.2";
  node.peer_as = 50001;
  node.local_as = 50000;
  node.router_id = "2.2.2.2";
  node.session_state = "ESTABLISHED";
  node.sent.update = UINT64_MAX - 1;
  node.sent.open = 1;
  node.keepalive_s = 3;
  node.negotiated_hold_time_s = 9;
  node.uptime = kTime;
  node.announced_prefixes = 2;
  status.established = 1;
  status.expected = 2;
  EXPECT_EQ(
      ToJson(EncodeBgpPeerStatus(status)),
      R"({"established":1,"expected":2,)"
      R"("nodesPeerStatus":{"master1":{"peerState":{"announcedPrefixes":"2","localAs":50000,)"
      R"("messages":{"received":{"keepalive":"0","notification":"0","open":"0","refresh":"0",)"
      R"("total":"0","update":"0","withdrawPrefix":"0"},"sent":{"keepalive":"0",)"
      R"("notification":"0","open":"1","refresh":"0","total":"18446744073709551615",)"
      R"("update":"18446744073709551614","withdrawPrefix":"0"}},"neighborAddress":"192.168.0.2",)"
      R"("peerAs":50001,"peerType":1,"routerId":"2.2.2.2","sessionState":"ESTABLISHED"},)"
      R"("timersState":{"keepaliveInterval":"3","negotiatedHoldTime":"9",)"
      R"("uptime":"2026-01-02T03:04:05Z"}}}})");
  node.admin_down = true;
  node.last_error = "Cease/Administrative Shutdown";
  node.local_as = 50001;
  const Value state =
      *EncodeBgpPeerStatus(status).Find("nodesPeerStatus")->Find("master1")->Find("peerState");
  EXPECT_EQ(*state.Find("adminState"), Value("DOWN"));
  EXPECT_EQ(*state.Find("lastError"), Value("Cease/Administrative Shutdown"));
  EXPECT_EQ(*state.Find("peerType"), Value(0));
}

}  // namespace
}  // namespace openelb::codec

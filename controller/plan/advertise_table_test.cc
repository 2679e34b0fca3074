#include "controller/plan/advertise_table.h"

#include <gmock/gmock.h>

#include "api/network/v1alpha2/names.h"
#include "controller/plan/announce.h"
#include "controller/plan/test_world.h"

namespace openelb::plan {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint32_t kNoExport = 0xffffff01;
constexpr uint32_t Standard(uint32_t high, uint32_t low) { return high << 16 | low; }

class AdvertiseTableTest : public ::testing::Test {
 protected:
  AdvertiseTableTest() {
    FillDocumentedTopology(&planner_);
    planner_.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.2")}, "pool");
    planner_.Step();
  }

  void PutService(const std::string& annotation, const std::string& name = "web") {
    kube::Service service = MakeService(name);
    if (!annotation.empty()) service.meta.annotations[network::kAdvertise] = annotation;
    planner_.Upsert(service);
  }
  void PutEip(network::Advertise advertise, network::Protocol protocol = network::Protocol::kBgp) {
    network::Eip eip;
    eip.meta.name = "pool";
    eip.protocol = protocol;
    eip.advertise = std::move(advertise);
    planner_.Upsert(eip);
  }
  void PutPeer(network::Advertise advertise, uint32_t as = 50001) {
    network::BgpPeer peer =
        MakePeer("leaf1", "192.168.0.2", as, {{"openelb.kubesphere.io/rack", "leaf1"}});
    peer.advertise = std::move(advertise);
    planner_.Upsert(peer);
  }
  void PutAliases(const CommunityAliases& aliases) {
    network::BgpConf conf = MakeConf(50000);
    conf.community_aliases = aliases;
    planner_.Upsert(conf);
  }
  // Of the one route of a speaker's one peer, after a step.
  PathAttributes At(const std::string& node = "master1") {
    planner_.Step();
    const auto peers = Announcements(planner_, node, true);
    EXPECT_EQ(peers.size(), 1u);
    EXPECT_EQ(peers.begin()->second.routes.size(), 1u);
    return peers.begin()->second.routes.at(0).attributes;
  }
  std::vector<Problem> Problems() {
    planner_.Step();
    return planner_.Problems();
  }
  static auto Says(const std::string& about, const std::string& reason, const std::string& what) {
    return Contains(
        AllOf(::testing::ResultOf([](const Problem& p) { return p.about.ToString(); }, about),
              Field(&Problem::reason, reason), Field(&Problem::message, HasSubstr(what))));
  }

  Planner planner_;
};

TEST_F(AdvertiseTableTest, NothingIsAskedForAndNothingSaid) {
  EXPECT_EQ(At(), PathAttributes());
  EXPECT_THAT(Problems(), Not(Contains(Field(&Problem::reason, "NoEffect"))));
}

TEST_F(AdvertiseTableTest, ListsAddUpAndTheServiceWinsOverItsEipAndThatOverThePeer) {
  PutPeer({.communities = {"65000:1", "no-export"}, .med = 1, .prepend = 1});
  EXPECT_EQ(At(), (PathAttributes{
                      .communities = {Standard(65000, 1), kNoExport}, .med = 1, .prepend = 1}));
  PutEip({.communities = {"65000:2", "large:65000:1:2"}, .med = 2, .prepend = 2});
  EXPECT_EQ(At(),
            (PathAttributes{.communities = {Standard(65000, 1), Standard(65000, 2), kNoExport},
                            .large_communities = {{65000, 1, 2}},
                            .med = 2,
                            .prepend = 2}));
  PutService("{communities: ['65000:1', 'rt:65000:3'], med: 0, prepend: 0}");
  EXPECT_EQ(At(),
            (PathAttributes{.communities = {Standard(65000, 1), Standard(65000, 2), kNoExport},
                            .extended_communities = {0x0002fde800000003},
                            .large_communities = {{65000, 1, 2}},
                            .med = 0,
                            .prepend = 0}));
  EXPECT_EQ(At("worker-p002").med, 0u);
  EXPECT_THAT(At("worker-p002").communities, ElementsAre(Standard(65000, 1), Standard(65000, 2)))
      << "the peer's own are the other leaf's alone";
  PutService("");
  EXPECT_EQ(At().med, 2u);
  planner_.Remove({network::Eip::kKind, "", "pool"});
  EXPECT_EQ(At().med, 1u);
  EXPECT_EQ(At("worker-p002"), PathAttributes());
}

TEST_F(AdvertiseTableTest, AChangeTouchesTheRoutesConcernedOnly) {
  planner_.Upsert(MakeService("other"));
  planner_.Upsert(MakeSlice("other", {"worker1"}));
  planner_.SetAddresses("default/other", {*IpAddress::Parse("172.22.0.3")}, "pool");
  planner_.Step();
  PutService("{med: 5}");
  const PlanChange change = planner_.Step();
  for (const auto& [set, keys] : change.keys) {
    EXPECT_THAT(keys, ElementsAre("route/172.22.0.2/32")) << set;
  }
  EXPECT_FALSE(change.empty());
  PutService("{\"med\": 5}");
  EXPECT_TRUE(planner_.Step().empty()) << "the same in other words";
}

TEST_F(AdvertiseTableTest, AnEipSpeaksForItsOwnAddresses) {
  PutEip({.med = 5});
  EXPECT_EQ(At().med, 5u);
  planner_.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.2")}, "another");
  EXPECT_EQ(At().med, std::nullopt);
  planner_.SetAddresses("default/web", {*IpAddress::Parse("172.22.0.2")}, "pool");
  EXPECT_EQ(At().med, 5u);
}

TEST_F(AdvertiseTableTest, AliasesStandForCommunities) {
  PutEip({.communities = {"customer"}});
  PutPeer({.communities = {"transit"}});
  PutService("{communities: [mine, '1:1']}");
  EXPECT_THAT(At().communities, ElementsAre(Standard(1, 1)));
  EXPECT_THAT(Problems(), AllOf(Says("Eip/pool", "UnknownCommunity", "\"customer\""),
                                Says("BgpPeer/leaf1", "UnknownCommunity", "\"transit\""),
                                Says("Service/default/web", "UnknownCommunity", "\"mine\"")));
  PutAliases({{"customer", "65000:7"}, {"transit", "no-export"}, {"mine", "1:2"}});
  EXPECT_THAT(At().communities,
              ElementsAre(Standard(1, 1), Standard(1, 2), Standard(65000, 7), kNoExport));
  EXPECT_THAT(Problems(), Not(Contains(Field(&Problem::reason, "UnknownCommunity"))));
}

TEST_F(AdvertiseTableTest, WhatIsWrongInAnAnnotationIsNamedAndTheRestHolds) {
  const struct {
    const char* annotation;
    const char* error;
  } kCases[] = {
      {"{med: -1, prepend: 3}", "med: -1 "},
      {"{med: 4294967296, prepend: 3}", "med: 4294967296"},
      {"{med: many, prepend: 3}", "med: \"many\""},
      {"{localPref: 1.5, prepend: 3}", "localPref: 1.5"},
      {"{communities: ['1:70000', no-export], prepend: 3}",
       "communities[0]: \"1:70000\" is not a community"},
      {"{communities: no-export, prepend: 3}", "communities: \"no-export\" is not a list"},
      {"{communities: [0x0002fde800000064], prepend: 3}", "put it in quotes"},
      {"{Med: 5, prepend: 3}", "Med: unknown field, ignored; did you mean med"},
      {"{linkBandwidth: true, prepend: 3}", "linkBandwidth: unknown field"},
  };
  for (const auto& c : kCases) {
    PutService(c.annotation);
    EXPECT_EQ(At().prepend, 3u) << c.annotation;
    EXPECT_EQ(At().med, std::nullopt) << c.annotation;
    EXPECT_THAT(Problems(), Says("Service/default/web", "BadAdvertise", c.error)) << c.annotation;
  }
  for (const char* text : {"med", "[med]", "{med: 5", "{prepend: 65}", "a: b: c", "5"}) {
    PutService(text);
    EXPECT_EQ(At(), PathAttributes()) << text;
    EXPECT_THAT(Problems(), Says("Service/default/web", "BadAdvertise", "annotation")) << text;
  }
}

TEST_F(AdvertiseTableTest, OfServicesThatShareAnAddressTheFirstByNameHasItsWay) {
  planner_.Upsert(MakeSlice("dns", {"worker1"}));
  planner_.SetAddresses("default/dns", {*IpAddress::Parse("172.22.0.2")}, "pool");
  PutService("{med: 9, localPref: 7, communities: ['1:1']}", "web");
  PutService("{med: 5, communities: ['1:2']}", "dns");
  EXPECT_EQ(At(), (PathAttributes{
                      .communities = {Standard(1, 1), Standard(1, 2)}, .med = 5, .local_pref = 7}));
  EXPECT_THAT(Problems(), Says("Service/default/web", "AdvertiseConflict", "172.22.0.2"));
  EXPECT_THAT(Problems(), Not(Says("Service/default/dns", "AdvertiseConflict", "")));
  PutService("{med: 9}", "dns");
  EXPECT_THAT(Problems(), Not(Contains(Field(&Problem::reason, "AdvertiseConflict"))));
}

TEST_F(AdvertiseTableTest, SaysWhatCanHaveNoEffect) {
  PutEip({.local_pref = 200});
  PutService("{localPref: 300}");
  PutPeer({.local_pref = 100});
  EXPECT_THAT(Problems(), AllOf(Says("Eip/pool", "NoEffect", "localPref"),
                                Says("Service/default/web", "NoEffect", "localPref"),
                                Says("BgpPeer/leaf1", "NoEffect", "spec.advertise.localPref")));
  PutPeer({.local_pref = 100, .prepend = 2}, 50000);
  EXPECT_EQ(At().local_pref, 300u);
  EXPECT_THAT(Problems(), AllOf(Not(Says("Eip/pool", "NoEffect", "")),
                                Not(Says("Service/default/web", "NoEffect", "")),
                                Says("BgpPeer/leaf1", "NoEffect", "spec.advertise.prepend")));
  PutEip({.med = 5}, network::Protocol::kVip);
  EXPECT_THAT(Problems(), Says("Eip/pool", "NoEffect", "protocol is vip"));
}

TEST_F(AdvertiseTableTest, SettingsOfForeignAsesConcernExternalSessions) {
  network::BgpPeer peer = MakePeer("leaf1", "192.168.0.2", 50000);
  peer.removes_private_as = true;
  peer.replaces_peer_as = true;
  planner_.Upsert(peer);
  EXPECT_THAT(Problems(), AllOf(Says("BgpPeer/leaf1", "NoEffect", "spec.conf.removePrivateAs"),
                                Says("BgpPeer/leaf1", "NoEffect", "spec.conf.replacePeerAs")));
  peer.peer_as = 50001;
  planner_.Upsert(peer);
  EXPECT_THAT(Problems(), Not(Contains(Field(&Problem::reason, "NoEffect"))));
}

}  // namespace
}  // namespace openelb::plan

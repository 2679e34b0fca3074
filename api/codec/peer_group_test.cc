#include "api/codec/peer_group.h"

#include <string>

#include "api/codec/decode.h"
#include "api/codec/parse.h"
#include "gmock/gmock.h"

namespace openelb::codec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Value Read(const std::string& yaml) { return ParseYaml(yaml).documents.at(0).value; }

network::BgpPeer Peer(const std::string& spec) {
  const DecodedText text = DecodeText(
      "apiVersion: network.kubesphere.io/v1alpha2\nkind: BgpPeer\nmetadata: {name: p}\nspec: " +
          spec + "\n",
      "f.yaml");
  EXPECT_THAT(text.objects.at(0).errors, IsEmpty());
  EXPECT_THAT(text.objects.at(0).warnings, IsEmpty());
  return std::get<network::BgpPeer>(text.objects.at(0).object.value());
}

TEST(PeerGroup, GivesThePasswordOfASecretUnlessThePeerHasOne) {
  const Value group = Read("conf: {peerAs: 65001, authPasswordSecretRef: {name: leaves}}\n");
  ASSERT_EQ(PeerGroupError(group), "");
  const auto merged = [&](const std::string& own) {
    return WithGroup(Peer("{conf: {neighborAddress: 10.0.0.1, peerGroup: g" + own + "}}"), group)
        .value();
  };
  EXPECT_EQ(merged("").auth_password_secret, (network::SecretKeyRef{"leaves", "password"}));
  EXPECT_EQ(merged(", authPasswordSecretRef: {name: mine, key: k}").auth_password_secret,
            (network::SecretKeyRef{"mine", "k"}));
  const network::BgpPeer written = merged(", authPassword: own");
  EXPECT_EQ(written.auth_password, "own");
  EXPECT_EQ(written.auth_password_secret, std::nullopt);
}

TEST(PeerGroup, OneKindOfProtectionReplacesAnother) {
  const std::string key =
      "{sendId: 1, receiveId: 2, algorithm: hmac-sha-1-96, secretRef: {name: keys}}";
  const Value keys = Read("conf: {peerAs: 1, authKeys: [" + key + "]}");
  const Value secret = Read("conf: {peerAs: 1, authPasswordSecretRef: {name: leaves}}");
  ASSERT_EQ(PeerGroupError(keys), "");
  const auto merged = [&](const std::string& own, const Value& group) {
    return WithGroup(Peer("{conf: {neighborAddress: 10.0.0.1, peerGroup: g" + own + "}}"), group)
        .value();
  };
  ASSERT_EQ(merged("", keys).auth_keys.size(), 1u);
  EXPECT_EQ(merged("", keys).auth_keys[0].secret, (network::SecretKeyRef{"keys", "password"}));
  for (const char* own : {", authPassword: own", ", authPasswordSecretRef: {name: mine}",
                          ", authPassword: ''", ", authKeys: []"}) {
    EXPECT_THAT(merged(own, keys).auth_keys, IsEmpty()) << own;
  }
  const network::BgpPeer own = merged(", authKeys: [" + key + "]", secret);
  EXPECT_EQ(own.auth_keys.size(), 1u);
  EXPECT_EQ(own.auth_password_secret, std::nullopt);
  EXPECT_THAT(
      PeerGroupError(Read("conf: {authPasswordSecretRef: {name: x}, authKeys: [" + key + "]}")),
      HasSubstr("conf.authKeys: given beside authPasswordSecretRef"));
}

TEST(PeerGroup, GivesWhatThePeerDoesNot) {
  const Value group = Read(
      "conf: {peerAs: 65001, description: leaves}\n"
      "timers: {config: {holdTime: 9, keepaliveInterval: 3}}\n"
      "ebgpMultihop: {enabled: true, multihopTtl: 4}\n"
      "transport: {passiveMode: true, remotePort: 1790}\n"
      "nodeSelector: {matchLabels: {rack: a, zone: b}}\n"
      "advertise: {communities: ['65000:1', no-export], med: 10, localPref: 7}\n"
      "afiSafis: [{config: {family: {afi: AFI_IP, safi: SAFI_UNICAST}, enabled: true}}]\n");
  ASSERT_EQ(PeerGroupError(group), "");
  const network::BgpPeer own = Peer(
      "{conf: {neighborAddress: 10.0.0.1, peerGroup: leaves}, "
      "timers: {config: {holdTime: 30}}, transport: {passiveMode: false, remotePort: 0}, "
      "nodeSelector: {matchLabels: {rack: c}}, advertise: {communities: ['65000:2'], med: 0}}");
  EXPECT_EQ(own.peer_as, 0u);
  const absl::StatusOr<network::BgpPeer> merged = WithGroup(own, group);
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->meta.name, "p");
  EXPECT_EQ(merged->neighbor_address, "10.0.0.1");
  EXPECT_EQ(merged->peer_as, 65001u);
  EXPECT_EQ(merged->description, "leaves");
  EXPECT_EQ(merged->hold_time_s, 30u);
  EXPECT_EQ(merged->keepalive_s, 3u);
  EXPECT_TRUE(merged->multihop);
  EXPECT_FALSE(merged->passive) << "false is given";
  EXPECT_EQ(merged->remote_port, 0u) << "so is 0";
  EXPECT_EQ(merged->node_selector->match_labels, (kube::Labels{{"rack", "c"}})) << "replaced";
  EXPECT_THAT(merged->advertise.communities, ElementsAre("65000:2"));
  EXPECT_EQ(merged->advertise.med, 0u);
  EXPECT_EQ(merged->advertise.local_pref, 7u);
  EXPECT_EQ(merged->afi_safis.size(), 1u);
}

TEST(PeerGroup, WhatIsNullIsNotGiven) {
  const auto merged = WithGroup(Peer("{conf: {neighborAddress: 10.0.0.1, peerAs: 1, peerGroup: g, "
                                     "description: null}, timers: null}"),
                                Read("{conf: {description: d}, timers: {config: {holdTime: 9}}}"));
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->description, "d");
  EXPECT_EQ(merged->hold_time_s, 9u);
}

TEST(PeerGroup, TheEarlierSpellingOfConfIsMergedToo) {
  const auto merged =
      WithGroup(Peer("{config: {neighborAddress: 10.0.0.1, peerAs: 1, peerGroup: g}}"),
                Read("{conf: {peerAs: 2, localAs: 3}}"));
  ASSERT_TRUE(merged.ok()) << merged.status();
  EXPECT_EQ(merged->neighbor_address, "10.0.0.1");
  EXPECT_EQ(merged->peer_as, 1u);
  EXPECT_EQ(merged->local_as, 3u);
}

TEST(PeerGroup, WhatContradictsIsNamed) {
  const auto merged =
      WithGroup(Peer("{conf: {neighborAddress: 'fd00::1', peerAs: 1, peerGroup: g}}"),
                Read("{transport: {updateSource: 10.0.0.9}}"));
  EXPECT_THAT(std::string(merged.status().message()),
              HasSubstr("spec.transport.updateSource: \"10.0.0.9\" is IPv4, but neighborAddress"));
}

TEST(PeerGroup, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"{timers: {config: {holdTime: 2}}}", "timers.config.holdTime: 2 is not 0 or from 3"},
      {"{timers: {config: {holdTime: soon}}}", "timers.config.holdTime: \"soon\""},
      {"{timers: {config: {holdtime: 9}}}",
       "timers.config.holdtime: unknown field, ignored; did you mean holdTime"},
      {"{conf: {peerAs: 0}}", "conf.peerAs: 0 is not"},
      {"{conf: {neighborAddress: 10.0.0.1}}", "conf.neighborAddress: not shared"},
      {"{conf: {neighborInterface: eth0}}", "conf.neighborInterface: not shared"},
      {"{conf: {peerGroup: other}}", "conf.peerGroup: not shared"},
      {"{conf: {authPassword: secret}}", "conf.authPassword: not shared"},
      {"{config: {authPassword: secret}}", "conf.authPassword: not shared"},
      {"{conf: {authPasswordSecretRef: {key: x}}}",
       "conf.authPasswordSecretRef.name: missing; the name of a Secret"},
      {"{conf: {authPasswordSecretRef: {name: ''}}}", "conf.authPasswordSecretRef.name: is empty"},
      {"{advertise: {communities: [x:y]}}", "advertise.communities[0]: \"x:y\""},
      {"leaves", "\"leaves\" is not a map"},
  };
  for (const auto& [text, error] : cases) {
    EXPECT_THAT(PeerGroupError(Read(text)), HasSubstr(error)) << text;
  }
  EXPECT_EQ(PeerGroupError(Read("{}")), "");
}

TEST(PeerGroup, AWrongOneCostsTheBgpConfNothing) {
  const DecodedText text = DecodeText(
      "apiVersion: network.kubesphere.io/v1alpha2\nkind: BgpConf\n"
      "metadata: {name: default}\nspec:\n  as: 65000\n  peerGroups:\n"
      "    bad: {timers: {config: {holdTime: soon}}, usingPortForward: true}\n"
      "    empty:\n",
      "f.yaml");
  EXPECT_THAT(text.objects.at(0).errors, IsEmpty());
  const auto& conf = std::get<network::BgpConf>(text.objects.at(0).object.value());
  EXPECT_EQ(conf.as, 65000u);
  EXPECT_EQ(conf.peer_groups.size(), 2u);
  EXPECT_THAT(conf.fields_ignored, ElementsAre("spec.peerGroups.bad.usingPortForward"));
}

TEST(PeerGroup, ABgpPeerOfNoneStillNeedsAnAs) {
  const DecodedText text = DecodeText(
      "apiVersion: network.kubesphere.io/v1alpha2\nkind: BgpPeer\nmetadata: {name: p}\n"
      "spec: {conf: {neighborAddress: 10.0.0.1, peerGroup: ''}}\n",
      "f.yaml");
  EXPECT_THAT(text.objects.at(0).errors, ElementsAre(HasSubstr("spec.conf.peerAs: missing")));
}

}  // namespace
}  // namespace openelb::codec

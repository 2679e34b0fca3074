// Whole speakers over a simulated network: instances against test routers and against each other.
#include "speaker/bgp/instance.h"

#include "speaker/bgp/test_bytes.h"
#include "speaker/bgp/test_instance.h"
#include "speaker/io/recording_handler.h"

namespace openelb::bgp {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(InstanceTest, AnnouncesAllNextHopsWithAddPath) {
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_THAT(leaf_->NextHops(Prefix("172.22.0.2/32")),
              ElementsAre(Ip("10.0.0.3"), Ip("10.0.0.4")));
  EXPECT_THAT(leaf_->errors(), IsEmpty());
  EXPECT_EQ(Peer().on_wire().counter(), 1u);
  EXPECT_EQ(Peer().announced_paths(), 2u);
}

TEST_F(InstanceTest, ResetsWaitForATurnButNotForEver) {
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  plan_.peers[Ip("10.0.0.1")].hold_time_s = 30;
  speaker_->Apply(plan_, {.peers = {Ip("10.0.0.1")}});
  Run(absl::Seconds(60));
  EXPECT_EQ(speaker_->Observed().pending_resets(), 1u);
  EXPECT_THAT(leaf_->notifications(), IsEmpty());
  speaker_->SetResetTurn(true);
  Run(absl::Seconds(5));
  EXPECT_EQ(speaker_->Observed().pending_resets(), 0u);
  EXPECT_EQ(leaf_->notifications().size(), 1u);
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");

  speaker_->SetResetTurn(false);
  plan_.peers[Ip("10.0.0.1")].hold_time_s = 60;
  speaker_->Apply(plan_, {.peers = {Ip("10.0.0.1")}});
  Run(absl::Seconds(119));
  EXPECT_EQ(leaf_->notifications().size(), 1u);
  Run(absl::Seconds(10));
  EXPECT_EQ(leaf_->notifications().size(), 2u);
  EXPECT_EQ(speaker_->Observed().pending_resets(), 0u);
}

TEST_F(InstanceTest, ChangesOfRoutesAndNextHopsAreLive) {
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  plan_.groups["rack"][0].attributes.communities = {0xfde80064};
  link::PlanChanges changes{.groups = {"rack"}};
  SetRoute(Prefix("172.22.0.3/32"), RouteTo("rack"), &plan_, &changes);
  plan_.generation.counter = 2;
  speaker_->Apply(plan_, changes);
  Run(absl::Milliseconds(100));
  EXPECT_EQ(leaf_->table(Ip("10.0.0.3")).size(), 2u);
  EXPECT_EQ(leaf_->withdrawals(), 0u);
  EXPECT_EQ(Downs(*leaf_), 0);
  EXPECT_EQ(Peer().on_wire().counter(), 2u);
  EXPECT_EQ(Peer().announced_prefixes(), 2u);

  changes = {};
  for (const char* prefix : {"172.22.0.2/32", "172.22.0.3/32"}) {
    SetRoute(Prefix(prefix), {}, &plan_, &changes);
  }
  speaker_->Apply(plan_, changes);
  Run(absl::Milliseconds(100));
  EXPECT_THAT(leaf_->table(Ip("10.0.0.3")), IsEmpty());
  EXPECT_EQ(Peer().sent().withdrawn_prefixes(), 4u);
}

TEST_F(InstanceTest, PeersWithoutAddPathGetTheFirstNextHop) {
  TestRouter::Options options = LeafOptions();
  options.add_path_receive = false;
  options.four_octet_as = false;
  StartLeaf(options);
  plan_.places["rack"] = "b";
  StartSpeaker();
  Run(absl::Seconds(1));
  EXPECT_THAT(leaf_->NextHops(Prefix("172.22.0.2/32")), ElementsAre(Ip("10.0.0.4")));
  EXPECT_FALSE(Peer().add_path());
}

TEST_F(InstanceTest, OnePeersChangeLeavesTheOthersAlone) {
  StartLeaf();
  StartLeaf2();
  StartSpeaker();
  speaker_->SetResetTurn(true);
  Run(absl::Seconds(1));
  AddPeer("10.0.0.2", "leaf2", 65002).hold_time_s = 30;
  plan_.peers[Ip("10.0.0.1")].ttl = 7;
  plan_.peers[Ip("10.0.0.1")].connect_retry_s = 5;
  ApplyPeers();
  Run(absl::Seconds(2));
  EXPECT_EQ(Downs(*leaf_), 0);
  EXPECT_EQ(Downs(*leaf2_), 1);
  EXPECT_EQ(Peer(1).session_state(), "ESTABLISHED");
  EXPECT_THAT(leaf2_->notifications(), ElementsAre("Cease/Other Configuration Change"));

  plan_.peers[Ip("10.0.0.2")].admin_down = true;
  ApplyPeers();
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer(1).session_state(), "IDLE");
  EXPECT_TRUE(Peer(1).admin_down());
  EXPECT_EQ(leaf2_->notifications().back(),
            "Cease/Administrative Shutdown: \"BgpPeer leaf2: adminDown is set\"");
  plan_.peers[Ip("10.0.0.2")].admin_down = false;
  ApplyPeers();
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer(1).session_state(), "ESTABLISHED");

  plan_.peers.erase(Ip("10.0.0.2"));
  speaker_->Apply(plan_, {.peers = {Ip("10.0.0.2")}});
  Run(absl::Seconds(1));
  EXPECT_EQ(leaf2_->notifications().back(), "Cease/Peer De-configured");
  EXPECT_EQ(speaker_->Observed().peers_size(), 1);
  EXPECT_EQ(Downs(*leaf_), 0);
}

TEST_F(InstanceTest, ResetsOneSessionAtATime) {
  StartLeaf();
  StartLeaf2();
  StartSpeaker();
  speaker_->SetResetTurn(true);
  Run(absl::Seconds(1));
  plan_.instance->router_id = 0x0a000063;
  speaker_->Apply(plan_, {.instance = true});
  Run(absl::Seconds(5));
  EXPECT_EQ(leaf_->open(Ip("10.0.0.3")).identifier, 0x0a000063u);
  EXPECT_EQ(leaf2_->open(Ip("10.0.0.3")).identifier, 0x0a000063u);
  // The second went down only after the first was up again.
  using Kind = TestRouter::Change::Kind;
  const auto time_of = [](const TestRouter& router, Kind kind) {
    const auto change = std::find_if(router.changes().rbegin(), router.changes().rend(),
                                     [kind](const auto& c) { return c.kind == kind; });
    return change->time;
  };
  EXPECT_GE(time_of(*leaf2_, Kind::kSessionDown), time_of(*leaf_, Kind::kSessionUp));

  // A peer that does not come back holds the next one up for 30 s only.
  network_.Cut("node", "leaf");
  plan_.instance->router_id = 0x0a000064;
  speaker_->Apply(plan_, {.instance = true});
  Run(absl::Seconds(2));
  EXPECT_EQ(leaf2_->open(Ip("10.0.0.3")).identifier, 0x0a000063u);
  Run(absl::Seconds(30));
  EXPECT_EQ(leaf2_->open(Ip("10.0.0.3")).identifier, 0x0a000064u);
}

TEST_F(InstanceTest, ATakenPortCostsOnlyWhatPeersWouldOpen) {
  auto other = network_.Start("node");
  ASSERT_TRUE(other->Listen({Ip("0.0.0.0"), 179}).ok());
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_THAT(speaker_->Observed().problems(),
              ElementsAre(HasSubstr("BgpConf listenPort 179: peers cannot connect")));
  EXPECT_THAT(sink_.lines, Contains(HasSubstr("BGP does not listen")).Times(1));
  other.reset();
  Run(absl::Seconds(30));
  EXPECT_THAT(speaker_->Observed().problems(), IsEmpty());
  EXPECT_EQ(Downs(*leaf_), 0);

  // The port changes under live sessions.
  plan_.instance->listen_port = 1179;
  speaker_->Apply(plan_, {.instance = true});
  plan_.instance->listen_port = -1;
  speaker_->Apply(plan_, {.instance = true});
  plan_.instance->listen_port = 179;
  speaker_->Apply(plan_, {.instance = true});
  Run(absl::Seconds(1));
  EXPECT_THAT(speaker_->Observed().problems(), IsEmpty());
  EXPECT_EQ(Downs(*leaf_), 0);
}

TEST_F(InstanceTest, StrangersAreRejectedAndCounted) {
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  network_.AddHost("stranger", {*InterfaceAddress::Parse("10.0.0.66/24")});
  auto stranger_io = network_.Start("stranger");
  io::RecordingHandler stranger;
  stranger_io->SetHandler(&stranger);
  for (int i = 0; i < 1000; ++i) stranger_io->Dial({.remote = Ip("10.0.0.3"), .port = 179});
  Run(absl::Seconds(1));
  EXPECT_EQ(speaker_->counters().rejected_connections, 1000u);
  EXPECT_EQ(stranger.closed.size(), 1000u);
  Bytes rejection;
  EncodeNotification({ErrorCode::kCease, cease::kConnectionRejected}, &rejection);
  EXPECT_EQ(stranger.received.begin()->second, std::string(rejection.begin(), rejection.end()));
  // A peer whose session stands already cannot open another one either.
  io::ConnId again = leaf_io_->Dial({.remote = Ip("10.0.0.3"), .port = 179});
  Run(absl::Seconds(1));
  EXPECT_EQ(leaf_io_->Acknowledged(again), 0u);
  EXPECT_EQ(speaker_->counters().rejected_connections, 1001u);
  EXPECT_EQ(Downs(*leaf_), 0);
}

TEST_F(InstanceTest, InboundConnectionsNeedThePassword) {
  plan_.peers[Ip("10.0.0.1")].md5_password = "s3cret";
  plan_.peers[Ip("10.0.0.1")].passive = true;
  StartSpeaker();
  io::RecordingHandler leaf;
  leaf_io_->SetHandler(&leaf);
  leaf_io_->Dial({.remote = Ip("10.0.0.3"), .port = 179, .auth = {.md5_password = "wrong"}});
  const io::ConnId right =
      leaf_io_->Dial({.remote = Ip("10.0.0.3"), .port = 179, .auth = {.md5_password = "s3cret"}});
  Run(absl::Seconds(1));
  EXPECT_EQ(leaf.connected.size(), 1u);
  EXPECT_TRUE(leaf.connected.contains(right));
}

TEST_F(InstanceTest, HoldTimerFindsACutAndTheSessionComesBack) {
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  network_.Cut("node", "leaf");
  Run(absl::Seconds(10));
  EXPECT_NE(Peer().session_state(), "ESTABLISHED");
  EXPECT_FALSE(Peer().has_on_wire());
  EXPECT_TRUE(Peer().has_down_since());
  EXPECT_EQ(speaker_->counters().notifications_sent.at("Hold Timer Expired"), 1u);
  network_.Heal("node", "leaf");
  Run(absl::Seconds(20));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_EQ(leaf_->NextHops(Prefix("172.22.0.2/32")).size(), 2u);
}

TEST_F(InstanceTest, AStuckPeerCostsBoundedMemoryAndNobodyElse) {
  plan_.peers[Ip("10.0.0.1")].hold_time_s = 0;
  for (uint32_t i = 0; i < 50000; ++i) {
    const IpPrefix prefix = IpPrefix::Host(IpAddress::FromV4(0x0b000000 + i));
    plan_.routes[prefix] = RouteTo("rack");
  }
  StartLeaf();
  StartLeaf2();
  network_.SetStuck("leaf", true);
  StartSpeaker();
  Run(absl::Seconds(1));
  network_.SetStuck("leaf", false);
  Run(absl::Milliseconds(20));
  network_.SetStuck("leaf", true);
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_FALSE(Peer().has_on_wire());
  EXPECT_LT(leaf_->table(Ip("10.0.0.3")).size(), 50001u);
  EXPECT_EQ(leaf2_->table(Ip("10.0.0.3")).size(), 50001u);
  EXPECT_EQ(Peer(1).on_wire().counter(), 1u);
  // What happens meanwhile is sent once, as it is in the end.
  plan_.groups["rack"].pop_back();
  plan_.generation.counter = 2;
  speaker_->Apply(plan_, {.groups = {"rack"}});
  network_.SetStuck("leaf", false);
  Run(absl::Seconds(2));
  EXPECT_EQ(leaf_->table(Ip("10.0.0.3")), leaf2_->table(Ip("10.0.0.3")));
  EXPECT_EQ(Peer().announced_paths(), 50001u);
  EXPECT_EQ(Peer().on_wire().counter(), 2u);
}

TEST_F(InstanceTest, OnWireMeansAcknowledged) {
  network_.SetDelay("node", "leaf", absl::Milliseconds(50));
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  ASSERT_EQ(Peer().on_wire().counter(), 1u);
  const int before = observer_.advances[Ip("10.0.0.1")];
  link::PlanChanges changes;
  SetRoute(Prefix("172.22.0.3/32"), RouteTo("rack"), &plan_, &changes);
  plan_.generation.counter = 2;
  speaker_->Apply(plan_, changes);
  Run(absl::Milliseconds(95));
  EXPECT_EQ(leaf_->table(Ip("10.0.0.3")).size(), 2u);
  EXPECT_EQ(Peer().on_wire().counter(), 1u);
  Run(absl::Milliseconds(20));
  EXPECT_EQ(Peer().on_wire().counter(), 2u);
  EXPECT_EQ(observer_.advances[Ip("10.0.0.1")], before + 1);
  // A plan that does not concern the peer is on its wire at once.
  plan_.generation.counter = 3;
  speaker_->Apply(plan_, {});
  EXPECT_EQ(Peer().on_wire().counter(), 3u);
}

TEST_F(InstanceTest, NamesWhatKeepsASessionDown) {
  TestRouter::Options silent = LeafOptions();
  silent.silent = true;
  StartLeaf(silent);
  StartLeaf2();
  plan_.peers[Ip("10.0.0.2")].remote_as = 65009;
  plan_.peers[Ip("10.0.0.9")] = plan_.peers[Ip("10.0.0.1")];
  plan_.peers[Ip("10.0.0.9")].neighbor = Ip("10.0.0.9");
  plan_.peers[Ip("10.0.0.9")].name = "nobody";
  StartSpeaker();
  Run(absl::Seconds(8));
  EXPECT_EQ(Peer(0).last_error(),
            "BgpPeer leaf1 (10.0.0.1): connected, but the peer has sent no OPEN for 5s");
  EXPECT_THAT(Peer(1).last_error(),
              HasSubstr("leaf2 (10.0.0.2): AS mismatch: peerAs is 65009, the peer's OPEN says "
                        "65002"));
  EXPECT_THAT(leaf2_->notifications(), testing::Each("OPEN Message Error/Bad Peer AS: AS 65002"));
  EXPECT_THAT(Peer(2).last_error(), HasSubstr("BgpPeer nobody (10.0.0.9): "));
  EXPECT_GT(observer_.changes[Ip("10.0.0.9")], 0);
  // However often it is tried, each says so once.
  EXPECT_THAT(sink_.lines, Contains(HasSubstr("AS mismatch")).Times(1));
  EXPECT_THAT(sink_.lines, Contains(HasSubstr("has sent no OPEN")).Times(1));
}

TEST_F(InstanceTest, MalformedMessagesCostOneSessionAndAreCounted) {
  StartLeaf();
  StartLeaf2();
  StartSpeaker();
  Run(absl::Seconds(1));
  leaf_->SendRaw(Ip("10.0.0.3"), Framed(MessageType::kUpdate, Hex("ffff 0000")));
  Run(absl::Seconds(2));
  EXPECT_THAT(leaf_->notifications(), ElementsAre(HasSubstr("Malformed Attribute List")));
  EXPECT_EQ(Downs(*leaf_), 1);
  EXPECT_EQ(Downs(*leaf2_), 0);
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_EQ(
      speaker_->counters().notifications_sent.at("UPDATE Message Error/Malformed Attribute List"),
      1u);
  EXPECT_THAT(Peer().last_error(), HasSubstr("withdrawn routes of 65535 octets"));
}

TEST_F(InstanceTest, SendsAgainWhatIsAskedFor) {
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  const uint64_t before = leaf_->updates();
  leaf_->RequestRefresh(Ip("10.0.0.3"), Family::kV4);
  Run(absl::Seconds(1));
  EXPECT_EQ(leaf_->updates(), before + 2);
  EXPECT_EQ(leaf_->withdrawals(), 0u);
  EXPECT_EQ(Peer().received().refresh(), 1u);
}

TEST_F(InstanceTest, StopsInOrderAndStartsAnew) {
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  speaker_->Stop(Instance::StopFor::kGood);
  Run(absl::Seconds(1));
  EXPECT_THAT(leaf_->notifications(),
              ElementsAre("Cease/Administrative Shutdown: \"the speaker leaves\""));
  EXPECT_EQ(Downs(*leaf_), 1);
  EXPECT_EQ(speaker_->Observed().peers_size(), 0);
  EXPECT_EQ(speaker_->NextWakeup(), absl::InfiniteDuration());
  speaker_->Apply(plan_, {});
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
}

TEST_F(InstanceTest, WithoutAnInstanceNothingRuns) {
  const link::BgpInstance instance = *plan_.instance;
  plan_.instance.reset();
  StartLeaf();
  StartSpeaker();
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer().session_state(), "IDLE");
  EXPECT_EQ(Peer().last_error(), "BgpPeer leaf1 (10.0.0.1): no BgpConf is in force");
  plan_.instance = instance;
  speaker_->Apply(plan_, {.instance = true});
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  plan_.instance.reset();
  speaker_->Apply(plan_, {.instance = true});
  Run(absl::Seconds(1));
  EXPECT_THAT(leaf_->notifications(), ElementsAre("Cease/Peer De-configured"));
}

TEST_F(InstanceTest, AnInterfaceThatComesUpEndsTheWait) {
  StartSpeaker();
  Run(absl::Minutes(10));  // nobody listens: the waits have grown
  StartLeaf();
  Run(absl::Milliseconds(10));
  EXPECT_NE(Peer().session_state(), "ESTABLISHED");
  network_.SetAddresses(
      "node", {*InterfaceAddress::Parse("10.0.0.3/24"), *InterfaceAddress::Parse("10.1.0.3/24")});
  Run(absl::Milliseconds(100));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
}

}  // namespace
}  // namespace openelb::bgp

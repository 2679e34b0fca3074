// Between which two ends sessions are: updateSource, link-local and unnumbered peers.
#include "absl/strings/str_cat.h"
#include "speaker/bgp/test_instance.h"
#include "speaker/io/recording_handler.h"

namespace openelb::bgp {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(InstanceTest, DialsFromItsUpdateSource) {
  const auto on = [](const char* interface, const char* text) {
    InterfaceAddress address = InterfaceAddress::Parse(text).value();
    address.interface = interface;
    return address;
  };
  StartLeaf();
  plan_.peers[Ip("10.0.0.1")].update_source = "lo";
  StartSpeaker();
  Run(absl::Seconds(1));
  EXPECT_THAT(Peer().last_error(), HasSubstr("updateSource \"lo\": the node has no interface of "
                                             "that name that is up and has an IPv4 address"));
  network_.SetAddresses("node", {on("eth0", "10.0.0.3/24"), on("lo", "10.255.0.3/32")});
  Run(absl::Seconds(1));
  EXPECT_TRUE(leaf_->Established(Ip("10.255.0.3"))) << "at once, not after the back-off";

  plan_.peers[Ip("10.0.0.1")].update_source = "10.0.0.3";
  speaker_->SetResetTurn(true);
  ApplyPeers();
  Run(absl::Seconds(5));
  EXPECT_TRUE(leaf_->Established(Ip("10.0.0.3")));
  EXPECT_THAT(Peer().last_error(), HasSubstr("reset to apply updateSource"));
}

TEST_F(InstanceTest, APeerConnectsToTheUpdateSourceAlone) {
  InterfaceAddress other = InterfaceAddress::Parse("10.255.0.3/32").value();
  other.interface = "lo";
  plan_.peers[Ip("10.0.0.1")].update_source = "lo";
  plan_.peers[Ip("10.0.0.1")].passive = true;
  StartSpeaker();
  EXPECT_THAT(
      speaker_->Observed().problems(),
      ElementsAre(HasSubstr("BgpPeer leaf1 (10.0.0.1): updateSource \"lo\": the node has no "
                            "interface of that name")));
  io::RecordingHandler leaf;
  leaf_io_->SetHandler(&leaf);
  const auto refused = [&](const char* to) {
    const io::ConnId conn = leaf_io_->Dial({.remote = Ip(to), .port = 179});
    Run(absl::Seconds(1));
    return leaf.closed.contains(conn);
  };
  EXPECT_TRUE(refused("10.0.0.3"));
  network_.SetAddresses("node", {*InterfaceAddress::Parse("10.0.0.3/24"), other});
  EXPECT_TRUE(refused("10.0.0.3"));
  EXPECT_EQ(speaker_->counters().rejected_connections, 2u);
  EXPECT_THAT(sink_.lines, Contains(HasSubstr("the peer connected to 10.0.0.3, not to updateSource "
                                              "\\\"lo\\\"")));
  EXPECT_FALSE(refused("10.255.0.3"));
  EXPECT_EQ(Peer().session_state(), "OPENSENT");
  EXPECT_THAT(speaker_->Observed().problems(), IsEmpty());
}

TEST_F(InstanceTest, ALinkLocalPeerIsOnItsInterfaceAlone) {
  InterfaceAddress own = InterfaceAddress::Parse("fe80::3/64").value();
  own.interface = "eth0";
  network_.SetAddresses("node", {own});
  network_.SetAddresses("leaf", {*InterfaceAddress::Parse("fe80::1/64")});
  plan_.instance->listen_addresses = {Ip("::")};
  for (const char* interface : {"eth1", "eth0"}) {
    plan_.peers.clear();
    AddPeer(absl::StrCat("fe80::1%", interface), "leaf1", 65001).passive = true;
    StartSpeaker();
    io::RecordingHandler leaf;
    leaf_io_->SetHandler(&leaf);
    const io::ConnId conn = leaf_io_->Dial({.remote = Ip("fe80::3"), .port = 179});
    Run(absl::Seconds(1));
    EXPECT_EQ(leaf.closed.contains(conn), interface == std::string("eth1"));
    EXPECT_EQ(speaker_->counters().rejected_connections,
              interface == std::string("eth1") ? 1u : 0u);
    leaf_io_->Close(conn);
    speaker_->Stop(Instance::StopFor::kGood);
  }
}

// The node's end of a link without addresses but link-local ones, and two routers on it.
class UnnumberedTest : public InstanceTest {
 protected:
  UnnumberedTest() {
    InterfaceAddress own = InterfaceAddress::Parse("fe80::3/64").value();
    own.interface = "eth1";
    network_.SetAddresses("node", {own});
    network_.SetAddresses("leaf", {*InterfaceAddress::Parse("fe80::1/64")});
    network_.SetAddresses("leaf2", {*InterfaceAddress::Parse("fe80::2/64")});
    plan_.instance->listen_addresses = {Ip("::")};
    plan_.peers.clear();
    AddPeer("eth1", "leaf1", 65001);
    options_.listen = Ip("::");
  }
  link::BgpPeer& Planned() { return plan_.peers.begin()->second; }
  // The speaker waits for `leaf` to dial, with the password "secret".
  void WaitWithAPassword(io::RecordingHandler* leaf) {
    Planned().passive = true;
    Planned().md5_password = "secret";
    StartSpeaker();
    leaf_io_->SetHandler(leaf);
  }

  TestRouter::Options options_ = LeafOptions();
};

TEST_F(UnnumberedTest, TheSessionIsWithTheRouterThatAdvertisesItself) {
  StartLeaf(options_);
  StartSpeaker();
  Run(absl::Seconds(1));
  EXPECT_EQ(Peer().address(), "eth1");
  EXPECT_THAT(Peer().last_error(),
              HasSubstr("BgpPeer leaf1 (eth1): cannot connect to port 179: no router has "
                        "advertised itself on interface eth1"));
  speaker_->OnRouter("eth0", Ip("fe80::1"));
  Run(absl::Seconds(1));
  EXPECT_FALSE(leaf_->Established(Ip("fe80::3")));
  speaker_->OnRouter("eth1", Ip("fe80::1"));
  Run(absl::Milliseconds(500));
  EXPECT_TRUE(leaf_->Established(Ip("fe80::3"))) << "at once, not after the back-off";

  speaker_->OnRouter("eth1", Ip("fe80::2"));
  Run(absl::Seconds(30));
  EXPECT_EQ(Downs(*leaf_), 0) << "another router takes no session that is up";
}

TEST_F(UnnumberedTest, AnotherRouterMayComeInItsPlace) {
  StartLeaf(options_);
  leaf2_ = std::make_unique<TestRouter>(leaf2_io_.get(), &scheduler_, options_);
  StartSpeaker();
  speaker_->OnRouter("eth1", Ip("fe80::1"));
  Run(absl::Seconds(1));
  network_.Cut("node", "leaf");
  Run(absl::Seconds(15));
  EXPECT_NE(Peer().session_state(), "ESTABLISHED");
  speaker_->OnRouter("eth1", Ip("fe80::2"));
  Run(absl::Seconds(1));
  EXPECT_TRUE(leaf2_->Established(Ip("fe80::3")));
}

TEST_F(UnnumberedTest, ARouterMayConnectBeforeItIsKnown) {
  Planned().passive = true;
  StartSpeaker();
  io::RecordingHandler leaf;
  leaf_io_->SetHandler(&leaf);
  const io::ConnId conn = leaf_io_->Dial({.remote = Ip("fe80::3"), .port = 179});
  Run(absl::Seconds(1));
  EXPECT_FALSE(leaf.closed.contains(conn));
  EXPECT_EQ(Peer().session_state(), "OPENSENT");
}

TEST_F(UnnumberedTest, ThePasswordGoesWithTheRouter) {
  io::RecordingHandler leaf;
  WaitWithAPassword(&leaf);
  const auto connects = [&] {
    const io::ConnId conn =
        leaf_io_->Dial({.remote = Ip("fe80::3"), .port = 179, .auth = {.md5_password = "secret"}});
    Run(absl::Seconds(1));
    return leaf.connected.contains(conn);
  };
  EXPECT_FALSE(connects());
  speaker_->OnRouter("eth1", Ip("fe80::1"));
  EXPECT_TRUE(connects());
  plan_.peers.clear();
  speaker_->Apply(plan_, {.peers = {Neighbor::Unnumbered("eth1")}});
  EXPECT_FALSE(connects()) << "the listener has forgotten the password";
}

TEST_F(UnnumberedTest, ARouterThatIsNotKnownYetIsNotHeardWithoutThePassword) {
  io::RecordingHandler leaf;
  WaitWithAPassword(&leaf);
  const io::ConnId conn = leaf_io_->Dial({.remote = Ip("fe80::3"), .port = 179});
  Run(absl::Seconds(1));
  EXPECT_TRUE(leaf.closed.contains(conn));
  EXPECT_EQ(speaker_->counters().rejected_connections, 1u);
  EXPECT_EQ(Peer().session_state(), "ACTIVE");
}

}  // namespace
}  // namespace openelb::bgp

// Sessions with keys of the TCP Authentication Option (RFC 5925) over a simulated network: none
// without them, and changes that cost what they must.
#include "speaker/bgp/test_instance.h"
#include "speaker/io/recording_handler.h"

namespace openelb::bgp {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TcpAoKey Key(uint8_t send, uint8_t receive, const std::string& secret = "s3cret") {
  return {.send_id = send, .receive_id = receive, .secret = secret};
}
// As the other end has them.
TcpAoKeys Mirrored(TcpAoKeys keys) {
  for (TcpAoKey& key : keys) std::swap(key.send_id, key.receive_id);
  return keys;
}

class TcpAoTest : public InstanceTest {
 protected:
  link::BgpPeer& Planned() { return plan_.peers[Ip("10.0.0.1")]; }
  // What the leaf asks of connections, and gives the one it has.
  void SetLeaf(const TcpAoKeys& speakers) {
    const TcpAoKeys keys = Mirrored(speakers);
    ASSERT_TRUE(leaf_io_->SetListenerAuth(Ip("10.0.0.3"), {.ao_keys = keys}).ok());
    for (io::ConnId conn = 1; conn < 1000; ++conn) leaf_io_->SetAoKeys(conn, keys).IgnoreError();
  }
  void SetSpeaker(const TcpAoKeys& keys) {
    Planned().tcp_ao_keys = keys;
    ApplyPeers();
  }
  void Start(const TcpAoKeys& keys) {
    Planned().tcp_ao_keys = keys;
    SetLeaf(keys);
    StartLeaf();
    StartSpeaker();
    speaker_->SetResetTurn(true);
    Run(absl::Seconds(1));
  }
  // Of a peer that dials with these keys: whether the speaker took the connection and speaks.
  bool Hears(const TcpAoKeys& keys) {
    io::RecordingHandler leaf;
    leaf_io_->SetHandler(&leaf);
    const io::ConnId conn = leaf_io_->Dial(
        {.remote = Ip("10.0.0.3"), .port = 179, .auth = {.ao_keys = Mirrored(keys)}});
    Run(absl::Seconds(1));
    const bool heard = leaf.connected.contains(conn) && !leaf.closed.contains(conn);
    leaf_io_->Close(conn);
    return heard;
  }
};

TEST_F(TcpAoTest, AddingAKeyUsingItAndDroppingTheFormerLosesNothing) {
  const TcpAoKey old = Key(1, 2), fresh = Key(3, 4, "another");
  Start({old});
  ASSERT_EQ(Peer().session_state(), "ESTABLISHED");
  // Either end may be the first at each step.
  SetLeaf({old, fresh});
  Run(absl::Seconds(15));
  SetSpeaker({old, fresh});
  Run(absl::Seconds(15));
  SetSpeaker({fresh, old});
  Run(absl::Seconds(15));
  SetLeaf({fresh, old});
  Run(absl::Seconds(15));
  SetLeaf({fresh});
  Run(absl::Seconds(15));
  SetSpeaker({fresh});
  Run(absl::Seconds(15));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_EQ(Downs(*leaf_), 0);
  EXPECT_THAT(leaf_->notifications(), IsEmpty());
  EXPECT_THAT(speaker_->Observed().problems(), IsEmpty());
}

TEST_F(TcpAoTest, AKeyThatThePeerHasNotLosesItsSessionAlone) {
  StartLeaf2();
  Start({Key(1, 2)});
  ASSERT_EQ(Peer(1).session_state(), "ESTABLISHED");
  SetSpeaker({Key(3, 4)});
  Run(absl::Seconds(30));
  EXPECT_NE(Peer().session_state(), "ESTABLISHED");
  SetLeaf({Key(3, 4)});
  Run(absl::Minutes(3));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_EQ(Downs(*leaf2_), 0);
}

TEST_F(TcpAoTest, AnotherMasterKeyOfTheIdInUseResetsThatSessionAlone) {
  StartLeaf2();
  Start({Key(1, 2), Key(3, 4)});
  SetLeaf({Key(1, 2), Key(3, 4, "another")});
  SetSpeaker({Key(1, 2), Key(3, 4, "another")});
  Run(absl::Seconds(15));
  EXPECT_EQ(Downs(*leaf_), 0) << "that id was not in use";
  SetLeaf({Key(1, 2, "another"), Key(3, 4, "another")});
  SetSpeaker({Key(1, 2, "another"), Key(3, 4, "another")});
  Run(absl::Seconds(15));
  EXPECT_EQ(Downs(*leaf_), 1);
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_EQ(Downs(*leaf2_), 0);
}

TEST_F(TcpAoTest, ResetsForKeysSayWhy) {
  Start({Key(1, 2)});
  SetSpeaker({Key(1, 2, "another")});
  Run(absl::Milliseconds(10));
  EXPECT_THAT(Peer().last_error(), HasSubstr("reset to apply authKeys"));
}

TEST_F(TcpAoTest, FromAPasswordToKeysAndBack) {
  const auto password = [&] {
    Planned().md5_password = "s3cret";
    ASSERT_TRUE(leaf_io_->SetListenerAuth(Ip("10.0.0.3"), {.md5_password = "s3cret"}).ok());
  };
  password();
  StartLeaf();
  StartSpeaker();
  speaker_->SetResetTurn(true);
  Run(absl::Seconds(1));
  ASSERT_EQ(Peer().session_state(), "ESTABLISHED");
  Planned().md5_password.clear();
  SetLeaf({Key(1, 2)});
  SetSpeaker({Key(1, 2)});
  Run(absl::Seconds(15));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_EQ(Downs(*leaf_), 1);
  password();
  SetSpeaker({});
  Run(absl::Seconds(15));
  EXPECT_EQ(Peer().session_state(), "ESTABLISHED");
  EXPECT_EQ(Downs(*leaf_), 2);
}

TEST_F(TcpAoTest, InboundConnectionsNeedAKey) {
  Planned().passive = true;
  Planned().tcp_ao_keys = {Key(1, 2), Key(3, 4)};
  StartSpeaker();
  EXPECT_FALSE(Hears({}));
  EXPECT_FALSE(Hears({Key(1, 2, "wrong")}));
  EXPECT_TRUE(Hears({Key(3, 4)}));
  EXPECT_TRUE(Hears({Key(1, 2)}));
}

TEST_F(TcpAoTest, WithoutItInTheKernelTheSessionStaysDownAndOthersDoNot) {
  network_.SetTcpAo("node", false);
  StartLeaf2();
  Planned().tcp_ao_keys = {Key(1, 2)};
  StartLeaf();  // which would talk to anybody
  StartSpeaker();
  Run(absl::Minutes(5));
  EXPECT_NE(Peer(0).session_state(), "ESTABLISHED");
  EXPECT_FALSE(leaf_->Established(Ip("10.0.0.3")));
  EXPECT_THAT(Peer(0).last_error(),
              HasSubstr("BgpPeer leaf1 (10.0.0.1): cannot connect to port 179: the kernel has no "
                        "TCP-AO (CONFIG_TCP_AO, Linux 6.7)"));
  EXPECT_THAT(speaker_->Observed().problems(),
              ElementsAre("BgpPeer leaf1 (10.0.0.1): authKeys: peers cannot connect with them: the "
                          "kernel has no TCP-AO (CONFIG_TCP_AO, Linux 6.7)"));
  EXPECT_EQ(Peer(1).session_state(), "ESTABLISHED");
  EXPECT_EQ(Downs(*leaf2_), 0);
  // The listener asks for nothing: the speaker turns away who connects.
  const uint64_t rejected = speaker_->counters().rejected_connections;
  EXPECT_FALSE(Hears({}));
  EXPECT_EQ(speaker_->counters().rejected_connections, rejected + 1);
}

}  // namespace
}  // namespace openelb::bgp

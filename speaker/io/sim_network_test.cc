#include "speaker/io/sim_network.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/recording_handler.h"

namespace openelb::io {
namespace {

using testing::HasSubstr;

constexpr uint16_t kPort = 179;

TcpAoKey Key(uint8_t send, uint8_t receive, const std::string& secret = "s3cret") {
  return {.send_id = send, .receive_id = receive, .secret = secret};
}

class SimNetworkTest : public testing::Test {
 protected:
  SimNetworkTest() {
    network.AddHost("node", {InterfaceAddress::Parse("192.168.0.3/24").value()});
    network.AddHost("leaf", {InterfaceAddress::Parse("192.168.0.2/24").value()});
    node = network.Start("node");
    leaf = network.Start("leaf");
    node->SetHandler(&at_node);
    leaf->SetHandler(&at_leaf);
  }

  DialOptions ToLeaf(const std::string& password = "") const {
    return {.remote = leaf_address, .port = kPort, .auth = {.md5_password = password}};
  }
  void ListenAtLeaf() { ASSERT_TRUE(leaf->Listen({.address = IpAddress(), .port = kPort}).ok()); }
  // One connection from node to leaf, both ends told.
  void Connect() {
    ListenAtLeaf();
    dialed = node->Dial(ToLeaf());
    scheduler.RunFor(absl::Seconds(1));
    ASSERT_EQ(at_node.connected.count(dialed), 1u);
    ASSERT_EQ(at_leaf.accepted.size(), 1u);
    accepted = at_leaf.accepted[0].conn;
  }

  const IpAddress node_address = IpAddress::Parse("192.168.0.3").value();
  const IpAddress leaf_address = IpAddress::Parse("192.168.0.2").value();
  Scheduler scheduler;
  SimNetwork network{&scheduler, 1};
  RecordingHandler at_node;
  RecordingHandler at_leaf;
  std::unique_ptr<Io> node;
  std::unique_ptr<Io> leaf;
  ConnId dialed = 0;
  ConnId accepted = 0;
};

TEST_F(SimNetworkTest, ConnectsAndCarriesDataBothWays) {
  Connect();
  EXPECT_EQ(at_node.connected[dialed], node_address);
  EXPECT_EQ(at_leaf.accepted[0].local, leaf_address);
  EXPECT_EQ(at_leaf.accepted[0].remote, node_address);

  const std::string text(10000, 'x');
  EXPECT_EQ(node->Write(dialed, AsOctets(text)), text.size());
  EXPECT_EQ(leaf->Write(accepted, AsOctets("hello")), 5u);
  EXPECT_EQ(node->Acknowledged(dialed), 0u);
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_leaf.received[accepted], text);
  EXPECT_EQ(at_node.received[dialed], "hello");
  EXPECT_EQ(node->Acknowledged(dialed), text.size());
}

TEST_F(SimNetworkTest, CloseDeliversWhatWasTakenAndThePeerSeesAnOrderlyEnd) {
  Connect();
  leaf->Write(accepted, AsOctets("unread"));
  node->Write(dialed, AsOctets("goodbye"));
  node->Close(dialed);
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_leaf.received[accepted], "goodbye");
  ASSERT_EQ(at_leaf.closed.count(accepted), 1u);
  EXPECT_TRUE(at_leaf.closed[accepted].ok());
  EXPECT_EQ(at_node.closed.count(dialed), 0u);
  EXPECT_EQ(leaf->Write(accepted, AsOctets("x")), 0u);
}

TEST_F(SimNetworkTest, RefusesWhereNobodyListens) {
  dialed = node->Dial(ToLeaf());
  EXPECT_TRUE(at_node.closed.empty()) << "called from within Dial";
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_THAT(std::string(at_node.closed[dialed].message()), HasSubstr("refused"));
}

TEST_F(SimNetworkTest, AnUnknownAddressNeverAnswers) {
  dialed = node->Dial({.remote = IpAddress::Parse("192.168.0.99").value(), .port = kPort});
  scheduler.RunFor(absl::Seconds(60));
  EXPECT_TRUE(at_node.closed.empty());
  scheduler.RunFor(absl::Seconds(120));
  EXPECT_THAT(std::string(at_node.closed[dialed].message()), HasSubstr("timed out"));
}

TEST_F(SimNetworkTest, AFamilyWithoutAnAddressIsUnreachable) {
  dialed = node->Dial({.remote = IpAddress::Parse("fd00::1").value(), .port = kPort});
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_THAT(std::string(at_node.closed[dialed].message()), HasSubstr("unreachable"));
}

TEST_F(SimNetworkTest, AWrongMd5PasswordIsSilence) {
  ListenAtLeaf();
  ASSERT_TRUE(leaf->SetListenerAuth(node_address, {.md5_password = "right"}).ok());
  const ConnId wrong = node->Dial(ToLeaf("wrong"));
  const ConnId missing = node->Dial(ToLeaf());
  scheduler.RunFor(absl::Seconds(30));
  EXPECT_TRUE(at_node.connected.empty());
  EXPECT_TRUE(at_node.closed.empty());
  node->Close(wrong);
  node->Close(missing);
  const ConnId right = node->Dial(ToLeaf("right"));
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_node.connected.count(right), 1u);
}

TEST_F(SimNetworkTest, KeysThatAreNotTheListenersAreSilence) {
  const TcpAoKey ours = Key(1, 2), theirs = Key(2, 1);
  TcpAoKey other = ours;
  other.algorithm = TcpAoAlgorithm::kAes128Cmac96;
  ListenAtLeaf();
  ASSERT_TRUE(leaf->SetListenerAuth(node_address, {.ao_keys = {Key(9, 9), theirs}}).ok());
  const auto dial = [&](TcpAuth auth) {
    const ConnId conn =
        node->Dial({.remote = leaf_address, .port = kPort, .auth = std::move(auth)});
    scheduler.RunFor(absl::Seconds(1));
    return at_node.connected.contains(conn);
  };
  EXPECT_FALSE(dial({}));
  EXPECT_FALSE(dial({.md5_password = "s3cret"}));
  EXPECT_FALSE(dial({.ao_keys = {Key(1, 2, "wrong"), ours}})) << "the first one signs";
  EXPECT_FALSE(dial({.ao_keys = {other}}));
  EXPECT_FALSE(dial({.ao_keys = {theirs}})) << "the ids are the other way round";
  EXPECT_TRUE(dial({.ao_keys = {ours, Key(3, 3)}}));
  ASSERT_TRUE(leaf->SetListenerAuth(node_address, {}).ok());
  EXPECT_FALSE(dial({.ao_keys = {ours}}));
  EXPECT_TRUE(dial({}));
}

TEST_F(SimNetworkTest, KeysRollOverWhileDataFlows) {
  ListenAtLeaf();
  ASSERT_TRUE(leaf->SetListenerAuth(node_address, {.ao_keys = {Key(2, 1)}}).ok());
  dialed = node->Dial({.remote = leaf_address, .port = kPort, .auth = {.ao_keys = {Key(1, 2)}}});
  scheduler.RunFor(absl::Seconds(1));
  ASSERT_EQ(at_leaf.accepted.size(), 1u);
  accepted = at_leaf.accepted[0].conn;
  const auto carries = [&](const std::string& text) {
    at_leaf.received[accepted].clear();
    node->Write(dialed, AsOctets(text));
    scheduler.RunFor(absl::Seconds(1));
    return at_leaf.received[accepted] == text;
  };
  EXPECT_TRUE(carries("one"));
  // Of the end that is first to ask for the new key, the other has it not yet.
  EXPECT_TRUE(node->SetAoKeys(dialed, {Key(3, 4), Key(1, 2)}).ok());
  EXPECT_TRUE(carries("two"));
  EXPECT_TRUE(leaf->SetAoKeys(accepted, {Key(4, 3), Key(2, 1)}).ok());
  EXPECT_TRUE(node->SetAoKeys(dialed, {Key(3, 4)}).ok());
  EXPECT_TRUE(carries("three"));
  EXPECT_FALSE(node->SetAoKeys(dialed, {Key(3, 4, "another")}).ok());
  // A key that only one end has left.
  EXPECT_TRUE(leaf->SetAoKeys(accepted, {Key(2, 1)}).ok());
  EXPECT_FALSE(carries("four"));
  EXPECT_TRUE(node->SetAoKeys(dialed, {Key(1, 2)}).ok());
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_leaf.received[accepted], "four") << "sent again";
}

TEST_F(SimNetworkTest, AKernelWithoutKeysSaysSo) {
  network.SetTcpAo("node", false);
  const std::string missing = "the kernel has no TCP-AO (CONFIG_TCP_AO, Linux 6.7)";
  EXPECT_EQ(node->TcpAoSupport().message(), missing);
  EXPECT_TRUE(leaf->TcpAoSupport().ok());
  EXPECT_EQ(node->SetListenerAuth(leaf_address, {.ao_keys = {Key(1, 1)}}).message(), missing);
  dialed = node->Dial({.remote = leaf_address, .port = kPort, .auth = {.ao_keys = {Key(1, 1)}}});
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_node.closed[dialed].message(), missing);
  Connect();
  EXPECT_FALSE(node->SetAoKeys(dialed, {Key(1, 1)}).ok()) << "it began without";
}

TEST_F(SimNetworkTest, ACutLosesDataSilentlyAndHealingRepeatsIt) {
  Connect();
  network.Cut("leaf", "node");
  node->Write(dialed, AsOctets("one"));
  scheduler.RunFor(absl::Seconds(10));
  EXPECT_EQ(at_leaf.received[accepted], "");
  EXPECT_TRUE(at_node.closed.empty());
  EXPECT_TRUE(at_leaf.closed.empty());
  network.Heal("node", "leaf");
  // Cut again while the repetition is under way: lost once more, still not lost for good.
  network.Cut("node", "leaf");
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_leaf.received[accepted], "");
  network.Heal("node", "leaf");
  node->Write(dialed, AsOctets("two"));
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_leaf.received[accepted], "onetwo");
  EXPECT_EQ(node->Acknowledged(dialed), 6u);
}

TEST_F(SimNetworkTest, AStuckReaderFillsTheBuffersAndThenDrains) {
  Connect();
  network.SetStuck("leaf", true);
  const std::string chunk(3 * SimNetwork::kBuffer, 'z');
  size_t taken = node->Write(dialed, AsOctets(chunk));
  EXPECT_EQ(taken, SimNetwork::kBuffer);
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_node.writable[dialed], 1);
  taken += node->Write(dialed, AsOctets(chunk));
  scheduler.RunFor(absl::Minutes(5));
  EXPECT_EQ(taken, 2 * SimNetwork::kBuffer);
  EXPECT_EQ(node->Acknowledged(dialed), SimNetwork::kBuffer) << "the receive buffer is full";
  EXPECT_EQ(at_node.writable[dialed], 1);

  network.SetStuck("leaf", false);
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_leaf.received[accepted].size(), taken);
  EXPECT_EQ(node->Acknowledged(dialed), taken);
  EXPECT_EQ(at_node.writable[dialed], 2);
}

TEST_F(SimNetworkTest, AResetReachesBothEnds) {
  Connect();
  network.Reset("node", "leaf");
  EXPECT_THAT(std::string(at_node.closed[dialed].message()), HasSubstr("reset"));
  EXPECT_THAT(std::string(at_leaf.closed[accepted].message()), HasSubstr("reset"));
}

TEST_F(SimNetworkTest, TheEndOfAProcessClosesItsConnectionsAndListeners) {
  Connect();
  leaf.reset();
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_TRUE(at_node.closed.at(dialed).ok());
  const ConnId second = node->Dial(ToLeaf());
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_THAT(std::string(at_node.closed[second].message()), HasSubstr("refused"));
}

TEST_F(SimNetworkTest, PowerOffIsSilentUntilTheHostIsBack) {
  Connect();
  network.PowerOff("leaf");
  leaf.reset();
  node->Write(dialed, AsOctets("anybody?"));
  scheduler.RunFor(absl::Seconds(10));
  EXPECT_TRUE(at_node.closed.empty());
  leaf = network.Start("leaf");
  leaf->SetHandler(&at_leaf);
  node->Write(dialed, AsOctets("!"));
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_THAT(std::string(at_node.closed[dialed].message()), HasSubstr("reset"));
}

TEST_F(SimNetworkTest, ATakenPortIsNamed) {
  ListenAtLeaf();
  const absl::Status taken = leaf->Listen({.address = leaf_address, .port = kPort});
  EXPECT_THAT(std::string(taken.message()), HasSubstr("192.168.0.2 port 179"));
  leaf->Unlisten({.address = IpAddress(), .port = kPort});
  EXPECT_TRUE(leaf->Listen({.address = leaf_address, .port = kPort}).ok());
}

TEST_F(SimNetworkTest, AddressesOfAHostChange) {
  network.SetAddresses("node", {InterfaceAddress::Parse("fd00::3/64").value(),
                                InterfaceAddress::Parse("192.168.0.4/24").value()});
  EXPECT_EQ(at_node.interface_changes, 1);
  ASSERT_EQ(node->InterfaceAddresses().size(), 2u);
  EXPECT_EQ(node->InterfaceAddresses()[0].ToString(), "192.168.0.4/24");
}

}  // namespace
}  // namespace openelb::io

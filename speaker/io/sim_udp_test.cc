#include "speaker/io/sim_udp.h"

#include <gmock/gmock.h>

#include "speaker/io/recording_handler.h"

namespace openelb::io {
namespace {

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class CountingHandler final : public UdpHandler {
 public:
  void OnDatagram(const Datagram& datagram) override {
    ++count;
    last = datagram;
    data = std::string(datagram.data.begin(), datagram.data.end());
  }
  int count = 0;
  Datagram last;
  std::string data;
};

class SimUdpTest : public testing::Test {
 protected:
  SimUdpTest() {
    for (const char* host : {"a", "b"}) {
      const std::string last = host[0] == 'a' ? "1" : "2";
      network.SetAddresses(host,
                           {{"eth0", Ip("10.0.0." + last), 24}, {"eth1", Ip("fd00::" + last), 64}});
    }
    a = network.Start("a");
    b = network.Start("b");
    a->SetHandler(&at_a);
    b->SetHandler(&at_b);
    sender = a->Open({"eth0", Ip("10.0.0.1"), 50000}).value();
    receiver = b->Open({"eth0", Ip("0.0.0.0"), 3784}).value();
  }
  bool Send(absl::string_view to = "10.0.0.2") {
    return a->Send(sender, Ip(to), 3784, AsOctets("hello")).ok();
  }

  Scheduler scheduler;
  SimUdp network{&scheduler, 1};
  std::unique_ptr<Udp> a;
  std::unique_ptr<Udp> b;
  CountingHandler at_a;
  CountingHandler at_b;
  UdpId sender = 0;
  UdpId receiver = 0;
};

TEST_F(SimUdpTest, ADatagramArrivesAfterTheDelay) {
  network.SetDelay("a", "b", absl::Milliseconds(7));
  ASSERT_TRUE(Send());
  scheduler.RunFor(absl::Milliseconds(6));
  EXPECT_EQ(at_b.count, 0);
  scheduler.RunFor(absl::Milliseconds(1));
  ASSERT_EQ(at_b.count, 1);
  EXPECT_EQ(at_b.data, "hello");
  EXPECT_EQ(at_b.last.socket, receiver);
  EXPECT_EQ(at_b.last.interface, "eth0");
  EXPECT_EQ(at_b.last.local, Ip("10.0.0.2"));
  EXPECT_EQ(at_b.last.remote, Ip("10.0.0.1"));
  EXPECT_EQ(at_b.last.remote_port, 50000);
  EXPECT_EQ(at_b.last.ttl, 255);
}

TEST_F(SimUdpTest, CutsLoseWhatIsUnderWayAndWhatFollows) {
  ASSERT_TRUE(Send());
  network.CutOneWay("b", "a");
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_b.count, 1) << "cut the other way only";
  ASSERT_TRUE(Send());
  network.Cut("a", "b");
  scheduler.RunFor(absl::Seconds(1));
  ASSERT_TRUE(Send());
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_b.count, 1);
  network.Heal("a", "b");
  ASSERT_TRUE(Send());
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_b.count, 2);
}

TEST_F(SimUdpTest, ThePartThatIsLostIsAsAskedFor) {
  network.SetLoss("a", "b", 0.3);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Send());
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_NEAR(at_b.count, 700, 60);
}

TEST_F(SimUdpTest, WhatAQueueHasNoRoomForIsLost) {
  network.SetReceiveQueue("b", 3);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Send());
  scheduler.RunFor(absl::Milliseconds(1));
  EXPECT_EQ(at_b.count, 0);
  scheduler.RunFor(absl::Milliseconds(1));
  EXPECT_EQ(at_b.count, 3);
  EXPECT_EQ(at_b.data, "hello");
  ASSERT_TRUE(Send());
  scheduler.RunFor(absl::Milliseconds(2));
  EXPECT_EQ(at_b.count, 4);
}

TEST_F(SimUdpTest, SocketsTakeWhatIsForThem) {
  ASSERT_TRUE(Send("10.0.0.9"));
  ASSERT_TRUE(a->Send(sender, Ip("10.0.0.2"), 3785, AsOctets("x")).ok());
  network.Inject("b", {.interface = "eth1", .local = Ip("10.0.0.2"), .remote = Ip("10.0.0.1")},
                 3784);
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_b.count, 0);
  network.Inject("b",
                 {.interface = "eth0", .local = Ip("10.0.0.2"), .remote = Ip("10.0.0.1"), .ttl = 3},
                 3784);
  ASSERT_EQ(at_b.count, 1);
  EXPECT_EQ(at_b.last.ttl, 3);
  b->Close(receiver);
  ASSERT_TRUE(Send());
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(at_b.count, 1);
}

TEST_F(SimUdpTest, OpenAndSendFailAsTheKernelsDo) {
  EXPECT_FALSE(b->Open({"eth0", Ip("10.0.0.2"), 3784}).ok()) << "taken";
  EXPECT_TRUE(b->Open({"eth1", Ip("::"), 3784}).ok());
  EXPECT_FALSE(b->Open({"eth2", Ip("::"), 3784}).ok());
  EXPECT_FALSE(b->Open({"eth1", Ip("fd00::1"), 50000}).ok()) << "not its own";
  EXPECT_FALSE(a->Send(receiver, Ip("10.0.0.2"), 3784, AsOctets("x")).ok()) << "not its own";
  network.SetAddresses("a", {});
  EXPECT_FALSE(Send());
}

TEST_F(SimUdpTest, TheTapSeesAlsoWhatIsLost) {
  int seen = 0;
  network.SetTap([&](absl::string_view from, absl::string_view to, const Datagram& datagram) {
    EXPECT_EQ(from, "a");
    EXPECT_EQ(to, "b");
    EXPECT_EQ(datagram.remote, Ip("10.0.0.1"));
    ++seen;
  });
  network.SetLoss("a", "b", 1);
  ASSERT_TRUE(Send());
  scheduler.RunFor(absl::Seconds(1));
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(at_b.count, 0);
}

}  // namespace
}  // namespace openelb::io

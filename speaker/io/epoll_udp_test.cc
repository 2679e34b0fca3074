#include "speaker/io/epoll_udp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "api/base/socket_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/recording_handler.h"
#include "speaker/io/test_namespace.h"

namespace openelb::io {
namespace {

using testing::HasSubstr;

constexpr uint16_t kPort = 3784;
constexpr uint16_t kSource = 50000;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class RecordingUdpHandler final : public UdpHandler {
 public:
  void OnDatagram(const Datagram& datagram) override {
    received.push_back({datagram, std::string(datagram.data.begin(), datagram.data.end())});
    if (on_datagram) on_datagram(datagram);
  }
  struct Received {
    Datagram datagram;
    std::string data;
  };
  std::vector<Received> received;
  std::function<void(const Datagram&)> on_datagram;
};

// Two namespaces with two links between them; a socket stays in the one it was opened in.
class EpollUdpTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
    near_ = OwnNamespace();
    ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
    far_ = OwnNamespace();
    const std::string there = absl::StrCat("/proc/", getpid(), "/fd/", near_.get());
    for (const char* link : {"one", "two"}) {
      RunShell(absl::StrCat("ip link add ", link, " type veth peer name ", link, " netns ", there));
    }
    Address("2");
    Enter(near_);
    Address("1");
    handler.received.clear();
    loop->SetHandler(&unused);
    near_udp.SetHandler(&unheard);
    far_udp.SetHandler(&handler);
  }

  static UniqueFd OwnNamespace() { return UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY)); }
  static void Enter(const UniqueFd& ns) { ASSERT_EQ(setns(ns.get(), CLONE_NEWNET), 0); }
  static void Address(const std::string& last) {
    RunShell("ip addr add 10.1.0." + last + "/24 dev one && ip addr add fd01::" + last +
             "/64 dev one nodad && ip addr add fe80::" + last +
             "/64 dev one nodad && "
             "ip addr add 10.2.0." +
             last +
             "/24 dev two && ip link set one up && "
             "ip link set two up");
  }
  absl::StatusOr<UdpId> OpenFar(const std::string& interface, const std::string& local) {
    Enter(far_);
    absl::StatusOr<UdpId> socket = far_udp.Open({interface, Ip(local), kPort});
    Enter(near_);
    return socket;
  }
  void RunUntil(const std::function<bool()>& done) {
    for (int round = 0; round < 2000 && !done(); ++round) loop->RunOnce(absl::Milliseconds(1));
    EXPECT_TRUE(done()) << "nothing more happens";
  }

  SystemClock clock;
  UniqueFd near_;
  UniqueFd far_;
  RecordingHandler unused;
  RecordingUdpHandler unheard;
  RecordingUdpHandler handler;
  std::unique_ptr<EpollIo> loop = EpollIo::Create(&clock).value();
  EpollUdp near_udp{loop.get()};
  EpollUdp far_udp{loop.get()};
};

TEST_F(EpollUdpTest, ADatagramSaysWhereItComesFromAndHowFar) {
  for (const char* net : {"10.1.0.", "fd01::", "fe80::"}) {
    SCOPED_TRACE(net);
    const IpAddress here = Ip(absl::StrCat(net, "1"));
    const IpAddress there = Ip(absl::StrCat(net, "2"));
    const absl::StatusOr<UdpId> far_socket = OpenFar("one", here.is_v4() ? "0.0.0.0" : "::");
    const absl::StatusOr<UdpId> socket = near_udp.Open({"one", here, kSource});
    ASSERT_TRUE(far_socket.ok()) << far_socket.status();
    ASSERT_TRUE(socket.ok()) << socket.status();
    handler.received.clear();
    const absl::Status sent = near_udp.Send(*socket, there, kPort, AsOctets("hello"));
    ASSERT_TRUE(sent.ok()) << sent;
    RunUntil([&] { return !handler.received.empty(); });
    ASSERT_EQ(handler.received.size(), 1u);
    const Datagram& got = handler.received[0].datagram;
    EXPECT_EQ(handler.received[0].data, "hello");
    EXPECT_EQ(got.socket, *far_socket);
    EXPECT_EQ(got.interface, "one");
    EXPECT_EQ(got.local, there);
    EXPECT_EQ(got.remote, here);
    EXPECT_EQ(got.remote_port, kSource);
    EXPECT_EQ(got.ttl, 255);
    far_udp.Close(*far_socket);
    near_udp.Close(*socket);
  }
}

TEST_F(EpollUdpTest, ATtlFromFurtherAwayShows) {
  for (const char* net : {"10.1.0.", "fd01::"}) {
    const IpAddress there = Ip(absl::StrCat(net, "2"));
    ASSERT_TRUE(OpenFar("one", there.is_v4() ? "0.0.0.0" : "::").ok());
    UniqueFd fd(socket(there.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
    ASSERT_TRUE(SetTtl(fd.get(), there.family(), 254).ok());
    SocketAddress to = ToSocketAddress(there, kPort);
    ASSERT_EQ(sendto(fd.get(), "x", 1, 0, to.get(), to.size), 1);
    handler.received.clear();
    RunUntil([&] { return !handler.received.empty(); });
    EXPECT_EQ(handler.received[0].datagram.ttl, 254);
  }
}

TEST_F(EpollUdpTest, WhatIsSentIsMarkedAsNetworkControl) {
  Enter(far_);
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
  SocketAddress any = ToSocketAddress(Ip("0.0.0.0"), kPort);
  ASSERT_EQ(bind(fd.get(), any.get(), any.size), 0);
  Enter(near_);
  const absl::StatusOr<UdpId> socket = near_udp.Open({"one", Ip("10.1.0.1"), kSource});
  ASSERT_TRUE(socket.ok());
  ASSERT_TRUE(near_udp.Send(*socket, Ip("10.1.0.2"), kPort, AsOctets("x")).ok());
  char control[64];
  char octet = 0;
  iovec vector{&octet, 1};
  msghdr message{.msg_iov = &vector,
                 .msg_iovlen = 1,
                 .msg_control = control,
                 .msg_controllen = sizeof(control)};
  ssize_t size = -1;
  RunUntil([&] { return size == 1 || (size = recvmsg(fd.get(), &message, 0)) == 1; });
  ASSERT_EQ(size, 1);
  ASSERT_NE(CMSG_FIRSTHDR(&message), nullptr);
  EXPECT_EQ(*CMSG_DATA(CMSG_FIRSTHDR(&message)), IPTOS_CLASS_CS6);
}

TEST_F(EpollUdpTest, ASocketHearsItsInterfaceAlone) {
  ASSERT_TRUE(OpenFar("one", "0.0.0.0").ok());
  const absl::StatusOr<UdpId> second = OpenFar("two", "0.0.0.0");
  ASSERT_TRUE(second.ok()) << second.status() << ": one port, two interfaces";
  const absl::StatusOr<UdpId> socket = near_udp.Open({"two", Ip("10.2.0.1"), kSource});
  ASSERT_TRUE(near_udp.Send(*socket, Ip("10.2.0.2"), kPort, AsOctets("x")).ok());
  RunUntil([&] { return !handler.received.empty(); });
  ASSERT_EQ(handler.received.size(), 1u);
  EXPECT_EQ(handler.received[0].datagram.socket, *second);
  EXPECT_EQ(handler.received[0].datagram.interface, "two");
}

TEST_F(EpollUdpTest, ASocketMayBeClosedByItsOwnDatagram) {
  const absl::StatusOr<UdpId> far_socket = OpenFar("one", "0.0.0.0");
  const absl::StatusOr<UdpId> socket = near_udp.Open({"one", Ip("10.1.0.1"), kSource});
  handler.on_datagram = [&](const Datagram& datagram) { far_udp.Close(datagram.socket); };
  near_udp.Send(*socket, Ip("10.1.0.2"), kPort, AsOctets("x")).IgnoreError();
  near_udp.Send(*socket, Ip("10.1.0.2"), kPort, AsOctets("y")).IgnoreError();
  RunUntil([&] { return !handler.received.empty(); });
  loop->RunOnce(absl::Milliseconds(1));
  EXPECT_EQ(handler.received.size(), 1u);
  EXPECT_TRUE(OpenFar("one", "0.0.0.0").ok()) << "the port is free again";
}

TEST_F(EpollUdpTest, ABurstWaitsUntilItIsRead) {
  ASSERT_TRUE(OpenFar("one", "0.0.0.0").ok());
  const absl::StatusOr<UdpId> socket = near_udp.Open({"one", Ip("10.1.0.1"), kSource});
  const std::string datagram(1200, 'x');
  const auto send = [&] {
    return near_udp.Send(*socket, Ip("10.1.0.2"), kPort, AsOctets(datagram));
  };
  ASSERT_TRUE(send().ok());
  RunUntil([&] { return handler.received.size() == 1; });  // its MAC is known
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(send().ok());
  RunUntil([&] { return handler.received.size() == 501; });
}

TEST_F(EpollUdpTest, ErrorsNameInterfaceAddressAndPort) {
  struct Row {
    UdpOptions options;
    const char* error;
  };
  ASSERT_TRUE(near_udp.Open({"one", Ip("10.1.0.1"), kSource}).ok());
  for (const Row& row : {Row{{"none", Ip("10.1.0.1"), kPort}, "on none, 10.1.0.1 port 3784"},
                         Row{{"one", Ip("10.9.0.1"), kPort}, "on one, 10.9.0.1 port 3784"},
                         Row{{"one", Ip("10.1.0.1"), kSource}, "on one, 10.1.0.1 port 50000"}}) {
    const absl::StatusOr<UdpId> socket = near_udp.Open(row.options);
    ASSERT_FALSE(socket.ok());
    EXPECT_THAT(std::string(socket.status().message()), HasSubstr(row.error));
  }
}

TEST_F(EpollUdpTest, ASocketLivesAsLongAsItsInterface) {
  const absl::StatusOr<UdpId> socket = OpenFar("two", "0.0.0.0");
  ASSERT_TRUE(socket.ok());
  Enter(far_);
  RunShell("ip addr del 10.2.0.2/24 dev two && ip link set two down && ip link set two up");
  EXPECT_TRUE(far_udp.Lives(*socket));
  RunShell("ip link set two down && ip link set two name before");
  EXPECT_FALSE(far_udp.Lives(*socket)) << "another may have the name";
  RunShell("ip link set before name two");
  EXPECT_TRUE(far_udp.Lives(*socket));
  RunShell("ip link del two && ip link add two type veth peer name other");
  EXPECT_FALSE(far_udp.Lives(*socket));
  far_udp.Close(*socket);
  EXPECT_FALSE(far_udp.Lives(*socket));
}

TEST_F(EpollUdpTest, SendFailsOnceTheInterfaceIsGone) {
  const absl::StatusOr<UdpId> socket = near_udp.Open({"two", Ip("10.2.0.1"), kSource});
  ASSERT_TRUE(near_udp.Send(*socket, Ip("10.2.0.2"), kPort, AsOctets("x")).ok());
  RunShell("ip link del two");
  const absl::Status sent = near_udp.Send(*socket, Ip("10.2.0.2"), kPort, AsOctets("x"));
  EXPECT_FALSE(sent.ok());
  EXPECT_THAT(std::string(sent.message()), HasSubstr("send to 10.2.0.2 port 3784 on two"));
  near_udp.Close(*socket);
  EXPECT_FALSE(near_udp.Send(*socket, Ip("10.2.0.2"), kPort, AsOctets("x")).ok());
}

}  // namespace
}  // namespace openelb::io

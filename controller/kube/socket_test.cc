#include "controller/kube/socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace openelb::kube {
namespace {

// Two ends of a TCP connection.
class SocketTest : public ::testing::Test {
 protected:
  SocketTest() {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* to = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener, to, size), 0);
    EXPECT_EQ(listen(listener, 1), 0);
    getsockname(listener, to, &size);
    ours_ = socket(AF_INET, SOCK_STREAM, 0);
    DetectDeadPeer(ours_);
    EXPECT_EQ(connect(ours_, to, size), 0);
    theirs_ = accept(listener, nullptr, nullptr);
    close(listener);
  }
  ~SocketTest() override {
    close(ours_);
    if (theirs_ >= 0) close(theirs_);
  }
  void CloseTheirs() { close(std::exchange(theirs_, -1)); }
  void WaitForNews() const {
    pollfd poller{.fd = ours_, .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&poller, 1, 10000), 1);
  }
  int Option(int level, int option) const {
    int value = -1;
    socklen_t size = sizeof(value);
    EXPECT_EQ(getsockopt(ours_, level, option, &value, &size), 0);
    return value;
  }

  int ours_ = -1;
  int theirs_ = -1;
};

TEST_F(SocketTest, DeadPeersAreFound) {
  EXPECT_EQ(Option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_KEEPIDLE), 5);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_KEEPINTVL), 2);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_USER_TIMEOUT), 8000);
}

TEST_F(SocketTest, AnOpenConnectionIsNotStale) { EXPECT_FALSE(IsStale(ours_)); }

TEST_F(SocketTest, AClosedConnectionIsStale) {
  CloseTheirs();
  WaitForNews();
  EXPECT_TRUE(IsStale(ours_));
}

TEST_F(SocketTest, AResetConnectionIsStale) {
  const linger none{.l_onoff = 1, .l_linger = 0};
  setsockopt(theirs_, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
  CloseTheirs();
  WaitForNews();
  EXPECT_TRUE(IsStale(ours_));
}

TEST_F(SocketTest, AConnectionWithUnaskedBytesIsStale) {
  ASSERT_EQ(send(theirs_, "x", 1, 0), 1);
  WaitForNews();
  EXPECT_TRUE(IsStale(ours_));
}

TEST(SocketFamilyTest, OneNeverConnectedIsStale) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_TRUE(IsStale(fd));
  close(fd);
}

TEST(SocketFamilyTest, FamiliesOfHosts) {
  EXPECT_EQ(FamilyOf("10.0.0.1"), AF_INET);
  EXPECT_EQ(FamilyOf("::1"), AF_INET6);
  EXPECT_NE(FamilyOf("localhost"), AF_UNSPEC);
  EXPECT_EQ(FamilyOf("no host"), AF_UNSPEC);
}

}  // namespace
}  // namespace openelb::kube

#include "controller/push/listener.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace openelb::push {
namespace {

constexpr int kPatienceMs = 30'000;  // only a failing test waits for it

class ListenerTest : public ::testing::Test {
 protected:
  explicit ListenerTest(ConnectionTable::Limits limits = {}) {
    auto socket = ListenSocket::Open({"127.0.0.1", 0});
    EXPECT_TRUE(socket.ok()) << socket.status();
    port_ = socket->port();
    listener_ = std::make_unique<Listener>(*std::move(socket), limits, [this](int fd) {
      MutexLock lock(&mutex_);
      served_.push_back(fd);
    });
    listener_->Start();
  }
  ~ListenerTest() override {
    listener_->Stop();
    for (const int fd : served_) close(fd);
    for (const int fd : clients_) close(fd);
  }

  // A connected socket, and what gRPC would call it at our end.
  std::pair<int, std::string> Connect() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port_)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    clients_.push_back(fd);
    sockaddr_in own{};
    socklen_t size = sizeof own;
    getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
    return {fd, absl::StrCat("ipv4:127.0.0.1:", ntohs(own.sin_port))};
  }
  static bool Closed(int fd) {
    pollfd wanted{fd, POLLIN, 0};
    poll(&wanted, 1, kPatienceMs);
    char octet;
    return recv(fd, &octet, 1, 0) <= 0;
  }
  template <typename Done>
  static bool WaitFor(Done done) {
    for (int ms = 0; ms < kPatienceMs && !done(); ++ms) absl::SleepFor(absl::Milliseconds(1));
    return done();
  }
  bool Taken(uint64_t count) {
    return WaitFor([&] { return listener_->counters().taken == count; });
  }
  // At our end.
  void CloseFirst() {
    MutexLock lock(&mutex_);
    close(served_.front());
    served_.erase(served_.begin());
  }

  uint16_t port_ = 0;
  Mutex mutex_;
  std::vector<int> served_ GUARDED_BY(mutex_);
  std::vector<int> clients_;
  std::unique_ptr<Listener> listener_;
};

class FewStrangersTest : public ListenerTest {
 protected:
  FewStrangersTest() : ListenerTest({.strangers = 2, .strangers_of_host = 2}) {}
};

TEST_F(FewStrangersTest, MoreOfThemAreClosedAtOnce) {
  const std::string known = Connect().second;
  Connect();
  EXPECT_TRUE(Closed(Connect().first));
  EXPECT_EQ(listener_->counters().refused, 1u);
  listener_->OnKnown(known);
  Connect();
  ASSERT_TRUE(Taken(3));
  listener_->OnEnded(known);
  EXPECT_TRUE(Closed(Connect().first));
}

TEST_F(FewStrangersTest, WhatHasEndedMakesRoomThoughItsNumberIsUsedAgain) {
  Connect();
  Connect();
  ASSERT_TRUE(Taken(2));
  CloseFirst();
  Connect();  // its descriptor has the number of the one that was closed
  ASSERT_TRUE(Taken(3));
  EXPECT_EQ(listener_->counters().strangers, 2u);
  EXPECT_TRUE(Closed(Connect().first));
}

TEST_F(ListenerTest, WhatIsSentGoesAtOnceAndNotForEver) {
  Connect();
  ASSERT_TRUE(WaitFor([&] {
    MutexLock lock(&mutex_);
    return !served_.empty();
  }));
  MutexLock lock(&mutex_);
  for (const auto& [option, wanted] : {std::pair{TCP_NODELAY, 1}, {TCP_USER_TIMEOUT, 1000}}) {
    int value = 0;
    socklen_t size = sizeof value;
    ASSERT_EQ(getsockopt(served_[0], IPPROTO_TCP, option, &value, &size), 0);
    EXPECT_EQ(value, wanted);
  }
}

TEST_F(ListenerTest, GoesOnAfterAShortageOfDescriptors) {
  rlimit saved{};
  getrlimit(RLIMIT_NOFILE, &saved);
  const auto [first, first_peer] = Connect();
  ASSERT_TRUE(Taken(1));
  const int next = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // The lowest number that is free is at the limit.
  rlimit none = saved;
  none.rlim_cur = static_cast<rlim_t>(next) + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port_)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(next, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  EXPECT_TRUE(WaitFor([&] { return listener_->counters().shortages > 1; }));
  EXPECT_EQ(listener_->counters().taken, 1u);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &saved), 0);
  EXPECT_TRUE(Taken(2));
  close(next);
}

TEST(HostOfPeerTest, ReadsWhatGrpcCallsAPeer) {
  EXPECT_EQ(HostOfPeer("ipv4:10.0.0.1:1234"), "10.0.0.1");
  EXPECT_EQ(HostOfPeer("ipv6:%5B2001:db8::1%5D:1234"), "2001:db8::1");
  EXPECT_EQ(HostOfPeer("ipv6:%5Bfe80::1%25eth0%5D:1234"), "fe80::1");
  for (const char* none : {"", "unix:/a", "unknown", "ipv4:", "ipv4:10.0.0.1"}) {
    EXPECT_EQ(HostOfPeer(none), "") << none;
  }
}

}  // namespace
}  // namespace openelb::push

#include "speaker/io/epoll_io.h"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <functional>
#include <thread>

#include "api/base/scheduler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/recording_handler.h"
#include "speaker/io/test_namespace.h"

namespace openelb::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint16_t kPort = 1790;

// Two Ios in one namespace, driven by one thread; their clock is virtual.
class EpollIoTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
    server = EpollIo::Create(&clock).value();
    client = EpollIo::Create(&clock).value();
    server->SetHandler(&at_server);
    client->SetHandler(&at_client);
  }

  // Runs both until `done`, or fails after ten thousand rounds.
  void RunUntil(const std::function<bool()>& done) {
    for (int round = 0; round < 10000; ++round) {
      if (done()) return;
      server->RunOnce(absl::ZeroDuration());
      client->RunOnce(absl::Milliseconds(1));
    }
    FAIL() << "nothing more happens";
  }

  void Connect(const IpAddress& address) {
    ASSERT_TRUE(server->Listen({address, kPort}).ok());
    dialed = client->Dial({.remote = address, .port = kPort});
    EXPECT_TRUE(at_client.connected.empty()) << "called from within Dial";
    RunUntil([&] { return at_client.connected.contains(dialed) && !at_server.accepted.empty(); });
    ASSERT_FALSE(HasFatalFailure());
    accepted = at_server.accepted[0].conn;
  }

  const IpAddress v4 = IpAddress::Parse("127.0.0.1").value();
  const IpAddress v6 = IpAddress::Parse("::1").value();
  Scheduler clock;
  std::unique_ptr<EpollIo> server;
  std::unique_ptr<EpollIo> client;
  RecordingHandler at_server;
  RecordingHandler at_client;
  ConnId dialed = 0;
  ConnId accepted = 0;
};

class EpollIoFamilyTest : public EpollIoTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, EpollIoFamilyTest, testing::Values("127.0.0.1", "::1"),
                         [](const auto& info) {
                           return FamilyName(IpAddress::Parse(info.param)->family()).data();
                         });

TEST_P(EpollIoFamilyTest, CarriesDataBothWaysAndSeesTheAcknowledgement) {
  const IpAddress address = IpAddress::Parse(GetParam()).value();
  ASSERT_NO_FATAL_FAILURE(Connect(address));
  EXPECT_EQ(at_client.connected[dialed], address);
  EXPECT_EQ(at_server.accepted[0].local, address);
  EXPECT_EQ(at_server.accepted[0].remote, address);
  EXPECT_EQ(client->Acknowledged(dialed), 0u);

  const std::string text(100'000, 'x');
  EXPECT_EQ(client->Write(dialed, AsOctets(text)), text.size());
  EXPECT_EQ(server->Write(accepted, AsOctets("hello")), 5u);
  RunUntil([&] {
    return at_server.received[accepted] == text && at_client.received[dialed] == "hello" &&
           client->Acknowledged(dialed) == text.size();
  });
}

TEST_P(EpollIoFamilyTest, CloseDeliversTheLastWordsThoughInputIsUnread) {
  ASSERT_NO_FATAL_FAILURE(Connect(IpAddress::Parse(GetParam()).value()));
  const std::string unread(50'000, 'u');
  ASSERT_EQ(client->Write(dialed, AsOctets(unread)), unread.size());
  server->Write(accepted, AsOctets("notification"));
  server->Close(accepted);
  RunUntil([&] { return at_client.closed.contains(dialed); });
  EXPECT_TRUE(at_client.closed[dialed].ok()) << at_client.closed[dialed];
  EXPECT_EQ(at_client.received[dialed], "notification");
  RunUntil([&] { return !server->lingering(); });
  EXPECT_TRUE(at_server.closed.empty());
}

TEST_P(EpollIoFamilyTest, Md5KeysHoldForEveryListener) {
  const IpAddress address = IpAddress::Parse(GetParam()).value();
  ASSERT_TRUE(server->Listen({address, kPort}).ok());
  ASSERT_TRUE(server->SetListenerAuth(address, {.md5_password = "right"}).ok());
  ASSERT_TRUE(server->Listen({address, kPort + 1}).ok()) << "a later listener";
  for (uint16_t port : {kPort, static_cast<uint16_t>(kPort + 1)}) {
    const ConnId wrong =
        client->Dial({.remote = address, .port = port, .auth = {.md5_password = "wrong"}});
    const ConnId missing = client->Dial({.remote = address, .port = port});
    const ConnId right =
        client->Dial({.remote = address, .port = port, .auth = {.md5_password = "right"}});
    RunUntil([&] { return at_client.connected.contains(right); });
    EXPECT_FALSE(at_client.connected.contains(wrong));
    EXPECT_FALSE(at_client.connected.contains(missing));
    client->Close(wrong);
    client->Close(missing);
    client->Write(right, AsOctets("signed"));
    RunUntil([&] {
      return !at_server.accepted.empty() &&
             at_server.received[at_server.accepted.back().conn] == "signed";
    });
  }
  ASSERT_TRUE(server->SetListenerAuth(address, {}).ok());
  ASSERT_TRUE(server->SetListenerAuth(address, {}).ok()) << "removed twice";
  const ConnId plain = client->Dial({.remote = address, .port = kPort});
  RunUntil([&] { return at_client.connected.contains(plain); });
}

TEST_F(EpollIoTest, ARefusedConnectionNamesTheAddress) {
  const ConnId refused = client->Dial({.remote = v4, .port = kPort});
  const ConnId unreachable =
      client->Dial({.remote = IpAddress::Parse("10.9.9.9").value(), .port = kPort});
  EXPECT_TRUE(at_client.closed.empty()) << "called from within Dial";
  RunUntil([&] { return at_client.closed.size() == 2; });
  EXPECT_THAT(at_client.closed[refused].ToString(), HasSubstr("127.0.0.1: Connection refused"));
  EXPECT_THAT(at_client.closed[unreachable].ToString(),
              HasSubstr("10.9.9.9 port 1790: Network is unreachable"));
}

TEST_F(EpollIoTest, ACallAboutAConnectionThatWasClosedMeanwhileIsNotMade) {
  const ConnId closed =
      client->Dial({.remote = IpAddress::Parse("10.9.9.9").value(), .port = kPort});
  client->Close(closed);
  const ConnId refused = client->Dial({.remote = v4, .port = kPort});
  RunUntil([&] { return at_client.closed.contains(refused); });
  EXPECT_FALSE(at_client.closed.contains(closed));
}

TEST_F(EpollIoTest, ATakenPortIsNamedAndOthersStay) {
  ASSERT_TRUE(server->Listen({v4, kPort}).ok());
  EXPECT_THAT(client->Listen({v4, kPort}).ToString(),
              HasSubstr("listen on 127.0.0.1 port 1790: Address already in use"));
  EXPECT_TRUE(client->Listen({IpAddress::Parse("::").value(), kPort}).ok())
      << "an IPv6 listener leaves IPv4 alone";
  server->Unlisten({v4, kPort});
  EXPECT_TRUE(client->Listen({v4, kPort}).ok());
}

TEST_F(EpollIoTest, AStuckReaderStopsTheWriterUntilItReads) {
  ASSERT_NO_FATAL_FAILURE(Connect(v4));
  const std::string chunk(1 << 20, 'z');
  size_t taken = 0;
  size_t last = 0;
  int rounds = 0;
  do {  // the server does not run
    last = client->Write(dialed, AsOctets(chunk));
    taken += last;
    client->RunOnce(absl::Milliseconds(5));
    ASSERT_LT(++rounds, 1000);
  } while (last > 0);
  EXPECT_LT(client->Acknowledged(dialed), taken);
  const int writable = at_client.writable[dialed];
  RunUntil([&] { return at_server.received[accepted].size() == taken; });
  EXPECT_GT(at_client.writable[dialed], writable);
  RunUntil([&] { return client->Acknowledged(dialed) == taken; });
}

TEST_F(EpollIoTest, LingeringEndsByItself) {
  ASSERT_NO_FATAL_FAILURE(Connect(v4));
  client->Close(dialed);
  for (int i = 0; i < 20; ++i) client->RunOnce(absl::ZeroDuration());
  EXPECT_TRUE(client->lingering()) << "the server has not closed";
  clock.RunFor(EpollIo::kLinger);
  client->RunOnce(absl::ZeroDuration());
  EXPECT_FALSE(client->lingering());
}

TEST_F(EpollIoTest, TheEndOfAnIoClosesItsConnections) {
  ASSERT_NO_FATAL_FAILURE(Connect(v4));
  server.reset();
  server = EpollIo::Create(&clock).value();
  RunUntil([&] { return at_client.closed.contains(dialed); });
  EXPECT_EQ(client->Write(dialed, AsOctets("x")), 0u);
  EXPECT_EQ(client->Acknowledged(dialed), 0u);
  EXPECT_FALSE(client->SetTtl(dialed, 1, 0).ok());
}

TEST_F(EpollIoTest, ADialledConnectionCarriesTtlAndPrecedenceFromItsFirstSegment) {
  const UniqueFd listener = StartListen({v4, kPort}).value();
  const int on = 1;
  ASSERT_EQ(setsockopt(listener.get(), IPPROTO_TCP, TCP_SAVE_SYN, &on, sizeof(on)), 0);
  dialed = client->Dial({.remote = v4, .port = kPort, .ttl = 7});
  RunUntil([&] { return at_client.connected.contains(dialed); });
  const Accepted connection = AcceptNext(listener.get()).value();
  uint8_t syn[256];
  socklen_t size = sizeof(syn);
  ASSERT_EQ(getsockopt(connection.fd.get(), IPPROTO_TCP, TCP_SAVED_SYN, syn, &size), 0);
  ASSERT_GE(size, 20u);
  EXPECT_EQ(syn[8], 7) << "TTL of the IP header";
  EXPECT_EQ(syn[1], 0xc0) << "TOS of the IP header";
  EXPECT_TRUE(client->SetTtl(dialed, 255, 255).ok());
}

TEST_F(EpollIoTest, DialsFromTheSourceThatIsAskedFor) {
  ASSERT_TRUE(server->Listen({v4, kPort}).ok());
  const IpAddress source = IpAddress::Parse("127.0.0.9").value();
  const ConnId good = client->Dial({.remote = v4, .port = kPort, .source = source});
  const ConnId bad =
      client->Dial({.remote = v4, .port = kPort, .source = IpAddress::Parse("192.0.2.1").value()});
  RunUntil([&] { return !at_server.accepted.empty() && at_client.closed.contains(bad); });
  EXPECT_EQ(at_server.accepted[0].remote, source);
  EXPECT_EQ(at_client.connected.at(good), source);
  EXPECT_THAT(at_client.closed.at(bad).message(),
              HasSubstr("from 192.0.2.1: Cannot assign requested address"));
  EXPECT_EQ(server->InterfaceOf(at_server.accepted[0].conn), "");
}

TEST_F(EpollIoTest, KnowsTheLoopbacksAddressesToo) {
  const auto own = [&] {
    std::vector<std::string> found;
    for (const InterfaceAddress& address : client->OwnAddresses()) {
      found.push_back(address.interface + " " + address.ToString());
    }
    return found;
  };
  RunShell(
      "ip link add up0 type veth peer name down0 && ip link set up0 up && "
      "ip addr add 10.255.0.3/32 dev lo && ip addr add 10.0.0.9/24 dev up0 && "
      "ip addr add 10.0.0.3/24 dev up0 && ip addr add 10.0.1.3/24 dev down0 && "
      "ip addr add 10.0.0.200/32 dev up0 label up0:openelb");
  const std::vector<std::string> before = {"lo 10.255.0.3/32", "up0 10.0.0.9/24",
                                           "up0 10.0.0.3/24"};
  RunUntil([&] { return own() == before; });
  EXPECT_EQ(own(), before) << "the primary address first, and none that we hold";
  const int told = at_client.interface_changes;
  RunShell("ip addr add 10.255.0.4/32 dev lo");
  RunUntil([&] { return at_client.interface_changes > told; });
  EXPECT_THAT(own(), ElementsAre("lo 10.255.0.3/32", "lo 10.255.0.4/32", "up0 10.0.0.9/24",
                                 "up0 10.0.0.3/24"));
}

TEST_F(EpollIoTest, NamesAnInterfaceThatIsNotThere) {
  const ConnId conn = client->Dial(
      {.remote = IpAddress::Parse("fe80::1").value(), .port = kPort, .interface = "nosuch0"});
  RunUntil([&] { return at_client.closed.contains(conn); });
  EXPECT_THAT(at_client.closed.at(conn).message(),
              HasSubstr("connect to fe80::1%nosuch0 port " + std::to_string(kPort)));
}

TEST_F(EpollIoTest, SegmentsFromTooFarAwayDoNotCount) {
  for (const IpAddress& address : {v4, IpAddress::Parse("::1").value()}) {
    SCOPED_TRACE(address.ToString());
    const UniqueFd listener = StartListen({address, kPort}).value();
    const auto dial = [&](int min_ttl) {
      return client->Dial({.remote = address, .port = kPort, .ttl = 255, .min_ttl = min_ttl});
    };
    // The listener answers with the system's TTL, 64: to one it counts, to the other not.
    const ConnId strict = dial(255);
    const ConnId lax = dial(64);
    RunUntil([&] { return at_client.connected.contains(lax); });
    EXPECT_FALSE(at_client.connected.contains(strict));
    // What was lax may become strict: what the other end says now is not heard.
    const Accepted connection = AcceptNext(listener.get()).value();
    ASSERT_TRUE(client->SetTtl(lax, 255, 255).ok());
    ASSERT_EQ(send(connection.fd.get(), "x", 1, MSG_NOSIGNAL), 1);
    client->RunOnce(absl::Milliseconds(50));
    EXPECT_TRUE(at_client.received[lax].empty());
    client->Close(strict);
    client->Close(lax);
  }
}

TEST_F(EpollIoTest, WithoutDescriptorsConnectionsAreTurnedAwayAndTheRestGoesOn) {
  ASSERT_NO_FATAL_FAILURE(Connect(v4));
  rlimit saved{};
  getrlimit(RLIMIT_NOFILE, &saved);
  const UniqueFd probe(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  const UniqueFd client_socket = StartConnect({.remote = v4, .port = kPort}).value();
  const rlimit none{static_cast<rlim_t>(probe.get()), saved.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int i = 0; i < 20; ++i) server->RunOnce(absl::Milliseconds(1));
  char octet;
  const ssize_t end = recv(client_socket.get(), &octet, 1, MSG_DONTWAIT);
  const int error = errno;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &saved), 0);
  EXPECT_TRUE(end == 0 || (end < 0 && error == ECONNRESET)) << end << " " << error;
  EXPECT_EQ(at_server.accepted.size(), 1u);
  client->Write(dialed, AsOctets("still here"));
  RunUntil([&] { return at_server.received[accepted] == "still here"; });
  client->Dial({.remote = v4, .port = kPort});
  RunUntil([&] { return at_server.accepted.size() == 2; });
}

TEST_F(EpollIoTest, ThePasswordOfAPeerHasALimit) {
  EXPECT_TRUE(server->SetListenerAuth(v4, {.md5_password = std::string(80, 'p')}).ok());
  EXPECT_THAT(server->SetListenerAuth(v4, {.md5_password = std::string(81, 'p')}).ToString(),
              HasSubstr("127.0.0.1: 81 octets, at most 80"));
  EXPECT_TRUE(server->Listen({v4, kPort}).ok()) << "what was refused is not kept";
}

TEST_F(EpollIoTest, OtherThreadsPostInOrder) {
  constexpr size_t kEach = 1000;
  std::vector<size_t> seen[2];
  std::vector<std::thread> threads;
  for (std::vector<size_t>& numbers : seen) {
    threads.emplace_back([&] {
      for (size_t i = 0; i < kEach; ++i) client->Post([&numbers, i] { numbers.push_back(i); });
    });
  }
  RunUntil([&] { return seen[0].size() + seen[1].size() == 2 * kEach; });
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<size_t>& numbers : seen) {
    ASSERT_EQ(numbers.size(), kEach);
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  }
}

TEST_F(EpollIoTest, APostFromWithinATaskRunsLater) {
  int runs = 0;
  client->Post([&] {
    ++runs;
    client->Post([&] { ++runs; });
  });
  RunUntil([&] { return runs == 2; });
}

TEST_F(EpollIoTest, InterfacesAreReadAgainWhenTheyCouldNotBe) {
  rlimit saved{};
  getrlimit(RLIMIT_NOFILE, &saved);
  client->RunOnce(absl::ZeroDuration());
  RunShell("ip link add test0 type veth peer name test1 && ip link set test0 up");
  RunShell("ip addr add 192.0.2.3/24 dev test0");
  const UniqueFd probe(socket(AF_INET, SOCK_STREAM, 0));
  const rlimit none{static_cast<rlim_t>(probe.get()), saved.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int i = 0; i < 10; ++i) client->RunOnce(absl::ZeroDuration());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &saved), 0);
  EXPECT_TRUE(client->InterfaceAddresses().empty());
  clock.RunFor(absl::Seconds(1));
  RunUntil([&] { return client->InterfaceAddresses().size() == 1; });
}

TEST_F(EpollIoTest, InterfacesThatComeAndGoAreReported) {
  EXPECT_TRUE(client->InterfaceAddresses().empty()) << "loopback does not count";
  RunShell("ip link add test0 type veth peer name test1");
  RunShell("ip addr add 192.0.2.3/24 dev test0");
  for (int i = 0; i < 10; ++i) client->RunOnce(absl::ZeroDuration());
  EXPECT_EQ(at_client.interface_changes, 0) << "the interface is down";
  RunShell("ip link set test0 up && ip addr add 2001:db8::3/64 dev test0 nodad");
  const std::vector<InterfaceAddress> expected = {
      {"test0", IpAddress::Parse("192.0.2.3").value(), 24},
      {"test0", IpAddress::Parse("2001:db8::3").value(), 64},
  };
  RunUntil([&] { return client->InterfaceAddresses() == expected; });
  EXPECT_GT(at_client.interface_changes, 0);
  const int changes = at_client.interface_changes;
  RunShell("ip link del test0");
  RunUntil([&] { return client->InterfaceAddresses().empty(); });
  EXPECT_GT(at_client.interface_changes, changes);
}

}  // namespace
}  // namespace openelb::io

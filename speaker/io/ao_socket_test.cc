// Sizes and offsets are those that the kernel's own declarations have on its 64-bit machines.
#include "speaker/io/ao_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/epoll_io.h"
#include "speaker/io/socket.h"
#include "speaker/io/test_namespace.h"

namespace openelb::io {
namespace {

using linux_abi::TcpAoAdd;
using linux_abi::TcpAoDel;
using linux_abi::TcpAoInfo;
using testing::ElementsAre;

constexpr const char* kMissing = "the kernel has no TCP-AO (CONFIG_TCP_AO, Linux 6.7)";

static_assert(sizeof(TcpAoAdd) == 288 && alignof(TcpAoAdd) == 8);
static_assert(offsetof(TcpAoAdd, alg_name) == 128 && offsetof(TcpAoAdd, ifindex) == 192);
static_assert(offsetof(TcpAoAdd, reserved2) == 200 && offsetof(TcpAoAdd, prefix) == 202);
static_assert(offsetof(TcpAoAdd, sndid) == 203 && offsetof(TcpAoAdd, rcvid) == 204);
static_assert(offsetof(TcpAoAdd, maclen) == 205 && offsetof(TcpAoAdd, keyflags) == 206);
static_assert(offsetof(TcpAoAdd, keylen) == 207 && offsetof(TcpAoAdd, key) == 208);
static_assert(sizeof(TcpAoDel) == 144 && alignof(TcpAoDel) == 8);
static_assert(offsetof(TcpAoDel, ifindex) == 128 && offsetof(TcpAoDel, reserved2) == 136);
static_assert(offsetof(TcpAoDel, prefix) == 138 && offsetof(TcpAoDel, sndid) == 139);
static_assert(offsetof(TcpAoDel, rcvid) == 140 && offsetof(TcpAoDel, current_key) == 141);
static_assert(offsetof(TcpAoDel, rnext) == 142 && offsetof(TcpAoDel, keyflags) == 143);
static_assert(sizeof(TcpAoInfo) == 48 && alignof(TcpAoInfo) == 8);
static_assert(offsetof(TcpAoInfo, reserved2) == 4 && offsetof(TcpAoInfo, current_key) == 6);
static_assert(offsetof(TcpAoInfo, rnext) == 7 && offsetof(TcpAoInfo, pkt_good) == 8);
static_assert(offsetof(TcpAoInfo, pkt_dropped_icmp) == 40);

TcpAoKey Key(uint8_t send, uint8_t receive, const std::string& secret = "s3cret") {
  return {.send_id = send, .receive_id = receive, .secret = secret};
}
IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

template <typename Option>
uint32_t FlagsAt(const Option& option, size_t offset) {
  uint32_t flags = 0;
  std::memcpy(&flags, reinterpret_cast<const char*>(&option) + offset, sizeof(flags));
  return flags;
}

// "add 1/2 use", "del 1/2 (or 3/4)", "ask 2".
std::vector<std::string> Said(const std::vector<AoStep>& steps) {
  std::vector<std::string> said;
  for (const AoStep& step : steps) {
    if (const auto* add = std::get_if<TcpAoAdd>(&step.option)) {
      said.push_back(absl::StrCat("add ", add->sndid, "/", add->rcvid,
                                  add->set_current && add->set_rnext ? " use" : ""));
    } else if (const auto* del = std::get_if<TcpAoDel>(&step.option)) {
      EXPECT_FALSE(del->set_current || del->set_rnext);
      said.push_back(absl::StrCat(
          "del ", del->sndid, "/", del->rcvid,
          step.force ? absl::StrCat(" (or ", del->current_key, "/", del->rnext, ")") : ""));
    } else {
      const TcpAoInfo& info = std::get<TcpAoInfo>(step.option);
      EXPECT_TRUE(info.set_rnext && info.ao_required && !info.set_current);
      said.push_back(absl::StrCat("ask ", info.rnext));
    }
  }
  return said;
}

TEST(AoSocket, FlagsAreTheLowBitsInTheirOrder) {
  TcpAoAdd add{};
  add.set_rnext = 1;
  EXPECT_EQ(FlagsAt(add, 196), 2u);
  TcpAoDel del{};
  del.del_async = 1;
  EXPECT_EQ(FlagsAt(del, 132), 4u);
  TcpAoInfo info{};
  info.ao_required = 1;
  EXPECT_EQ(FlagsAt(info, 0), 4u);
  info.accept_icmps = 1;
  EXPECT_EQ(FlagsAt(info, 0), 20u);
}

TEST(AoSocket, AKeyAsTheKernelTakesIt) {
  TcpAoKey key{.send_id = 255,
               .receive_id = 7,
               .algorithm = TcpAoAlgorithm::kHmacSha256_128,
               .include_tcp_options = false,
               .secret = std::string(80, 'k')};
  const auto steps = DialSteps(Ip("fd00::1"), {key});
  const auto& add = std::get<TcpAoAdd>(steps.at(0).option);
  const auto& addr = reinterpret_cast<const sockaddr_in6&>(add.addr);
  EXPECT_EQ(addr.sin6_family, AF_INET6);
  EXPECT_EQ(addr.sin6_port, 0);
  EXPECT_EQ(addr.sin6_addr.s6_addr[15], 1);
  EXPECT_EQ(add.prefix, 128);
  EXPECT_STREQ(add.alg_name, "hmac(sha256)");
  EXPECT_EQ(add.sndid, 255);
  EXPECT_EQ(add.rcvid, 7);
  EXPECT_EQ(add.maclen, 16);
  EXPECT_EQ(add.keyflags, 2);
  EXPECT_EQ(add.keylen, 80);
  EXPECT_EQ(std::string(std::begin(add.key), std::end(add.key)), key.secret);
  EXPECT_EQ(FlagsAt(add, 196), 3u);
  EXPECT_EQ(steps[0].what, "TCP-AO key 255/7 (hmac-sha-256-128) for fd00::1");

  for (const auto& [algorithm, name] :
       {std::pair(TcpAoAlgorithm::kHmacSha1_96, "hmac(sha1)"),
        std::pair(TcpAoAlgorithm::kAes128Cmac96, "cmac(aes128)"),
        std::pair(TcpAoAlgorithm::kHmacSha256_96, "hmac(sha256)")}) {
    key = Key(0, 0);
    key.algorithm = algorithm;
    const auto of_v4 = ListenerSteps(Ip("10.0.0.1"), {}, {key});
    const auto& listening = std::get<TcpAoAdd>(of_v4.at(0).option);
    EXPECT_STREQ(listening.alg_name, name);
    EXPECT_EQ(listening.maclen, 12);
    EXPECT_EQ(listening.prefix, 32);
    EXPECT_EQ(listening.keyflags, 0);
    EXPECT_EQ(listening.keylen, 6);
    EXPECT_EQ(listening.addr.ss_family, AF_INET);
    EXPECT_EQ(FlagsAt(listening, 196), 0u) << "a listener has no current key";
  }
}

TEST(AoSocket, StepsOfSockets) {
  const IpAddress peer = Ip("10.0.0.1");
  const TcpAoKey a = Key(1, 11), b = Key(2, 12), c = Key(3, 13), b2 = Key(2, 12, "another");
  EXPECT_THAT(Said(DialSteps(peer, {b, a})), ElementsAre("add 2/12 use", "add 1/11", "ask 12"));
  EXPECT_THAT(Said(ListenerSteps(peer, {a, b}, {c, b2})),
              ElementsAre("del 1/11", "del 2/12", "add 3/13", "add 2/12"));
  EXPECT_THAT(Said(ConnectionSteps(peer, {a, b}, {a, b})), ElementsAre("ask 11"));
  EXPECT_THAT(Said(ConnectionSteps(peer, {a}, {a, b})), ElementsAre("ask 11", "add 2/12"));
  EXPECT_THAT(Said(ConnectionSteps(peer, {a, b}, {b, a})), ElementsAre("ask 12"));
  EXPECT_THAT(Said(ConnectionSteps(peer, {b, a}, {b})),
              ElementsAre("ask 12", "del 1/11 (or 2/12)"));
  EXPECT_THAT(Said(ConnectionSteps(peer, {a}, {c, b})),
              ElementsAre("add 3/13", "ask 13", "del 1/11 (or 3/13)", "add 2/12"));
  EXPECT_THAT(Said(ConnectionSteps(peer, {a, b}, {a, b2})),
              ElementsAre("ask 11", "del 2/12 (or 1/11)", "add 2/12"));
}

TEST(AoSocket, TheProbeSaysWhatIsMissing) {
  const absl::Status support = TcpAoSupport();
  const std::string missing = support.ok() ? "" : kMissing;
  EXPECT_EQ(support.message(), missing);
  // What the probe says is what a key meets.
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const absl::Status added = Carry(fd.get(), DialSteps(Ip("10.0.0.1"), {Key(1, 2)}));
  EXPECT_EQ(added.message(), missing);
}

// Over the loopback: with TCP-AO where the kernel has it, and never without where it has not.
class AoConnectionTest : public testing::Test, public IoHandler {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(EnterNewNetworkNamespace());
    io = EpollIo::Create(&clock).value();
    io->SetHandler(this);
    ASSERT_TRUE(io->Listen({peer, 1790}).ok());
  }
  void OnConnected(ConnId conn, const IpAddress&) override { connected.insert(conn); }
  void OnAccepted(ConnId conn, const IpAddress&, const IpAddress&) override { accepted = conn; }
  void OnData(ConnId, std::span<const uint8_t> data) override {
    received.append(data.begin(), data.end());
  }
  void OnWritable(ConnId) override {}
  void OnClosed(ConnId conn, const absl::Status& why) override { closed[conn] = why; }
  void OnInterfacesChanged() override {}

  ConnId Dial(const TcpAoKeys& keys) {
    return io->Dial({.remote = peer, .port = 1790, .auth = {.ao_keys = keys}});
  }
  void Run(absl::Duration time) {
    const absl::Duration end = clock.Monotonic() + time;
    while (clock.Monotonic() < end) io->RunOnce(absl::Milliseconds(10));
  }
  bool Carries(ConnId conn, const std::string& text) {
    received.clear();
    io->Write(conn, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    Run(absl::Milliseconds(300));
    return received == text;
  }

  const IpAddress peer = Ip("127.0.0.1");
  const SystemClock clock;
  std::unique_ptr<EpollIo> io;
  std::set<ConnId> connected;
  std::map<ConnId, absl::Status> closed;
  ConnId accepted = 0;
  std::string received;
};

TEST_F(AoConnectionTest, KeysRollOverWhereTheKernelHasThem) {
  if (!io->TcpAoSupport().ok()) {
    EXPECT_EQ(io->SetListenerAuth(peer, {.ao_keys = {Key(1, 1)}}).message(), kMissing);
    const ConnId conn = Dial({Key(1, 1)});
    Run(absl::Milliseconds(100));
    EXPECT_EQ(closed[conn].message(), kMissing);
    EXPECT_EQ(accepted, 0u) << "nothing has been sent";
    EXPECT_TRUE(io->Listen({peer, 1791}).ok()) << "later listeners do without";
    return;
  }
  ASSERT_TRUE(io->SetListenerAuth(peer, {.ao_keys = {Key(1, 1)}}).ok());
  const ConnId plain = Dial({});
  const ConnId wrong = Dial({Key(1, 1, "wrong")});
  const ConnId right = Dial({Key(1, 1)});
  Run(absl::Milliseconds(500));
  EXPECT_FALSE(connected.contains(plain));
  EXPECT_FALSE(connected.contains(wrong));
  ASSERT_TRUE(connected.contains(right));
  EXPECT_TRUE(Carries(right, "with the first key"));
  // One more at both ends, in use at both ends, and the first one gone.
  for (const TcpAoKeys& keys :
       {TcpAoKeys{Key(1, 1), Key(2, 2)}, TcpAoKeys{Key(2, 2), Key(1, 1)}, TcpAoKeys{Key(2, 2)}}) {
    ASSERT_TRUE(io->SetListenerAuth(peer, {.ao_keys = keys}).ok());
    for (const ConnId conn : {right, accepted}) {
      const absl::Status status = io->SetAoKeys(conn, keys);
      EXPECT_TRUE(status.ok()) << status;
    }
    EXPECT_TRUE(Carries(right, "there"));
    EXPECT_TRUE(Carries(accepted, "and back"));
  }
  EXPECT_FALSE(io->SetAoKeys(right, {Key(2, 2, "another")}).ok());
}

TEST_F(AoConnectionTest, AConnectionWithoutKeysGetsNone) {
  const ConnId conn = Dial({});
  Run(absl::Milliseconds(200));
  ASSERT_TRUE(connected.contains(conn));
  EXPECT_FALSE(io->SetAoKeys(conn, {Key(1, 1)}).ok());
  EXPECT_FALSE(io->SetAoKeys(accepted, {Key(1, 1)}).ok());
}

TEST_F(AoConnectionTest, WhoConnectedBeforeAPasswordWasAskedForIsTurnedAway) {
  Dial({});  // which the kernel has completed when it returns
  ASSERT_TRUE(io->SetListenerAuth(peer, {.md5_password = "s3cret"}).ok());
  Run(absl::Milliseconds(300));
  EXPECT_EQ(accepted, 0u);
}

}  // namespace
}  // namespace openelb::io

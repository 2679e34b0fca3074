#include "speaker/io/epoll_vrrp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/link_socket.h"
#include "speaker/io/recording_handler.h"
#include "speaker/io/test_namespace.h"

namespace openelb::io {
namespace {

using testing::HasSubstr;
using testing::Not;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class RecordingVrrpHandler final : public VrrpHandler {
 public:
  struct Received {
    VrrpPacket packet;
    std::string payload;
  };
  void OnVrrpPacket(const VrrpPacket& packet) override {
    received.push_back({packet, {packet.payload.begin(), packet.payload.end()}});
  }
  void OnInterfacesChanged() override { ++changes; }
  std::vector<Received> received;
  int changes = 0;
};

// One end of a cable: a network namespace, and a process in it.
class Side {
 public:
  Side() {
    EnterNewNetworkNamespace();
    ns_ = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY));
  }
  void Enter() const { ASSERT_EQ(setns(ns_.get(), CLONE_NEWNET), 0); }
  std::string path() const { return absl::StrCat("/proc/", getpid(), "/fd/", ns_.get()); }
  void Start(const Clock* clock, HeldMarks marks = {}) {
    Enter();
    vrrp.reset();
    loop = EpollIo::Create(clock).value();
    loop->SetHandler(&unused);
    vrrp = EpollVrrp::Create(loop.get(), marks).value();
    vrrp->SetHandler(&handler);
  }
  void RunOnce() {
    Enter();
    loop->RunOnce(absl::Milliseconds(1));
  }
  int index() const { return vrrp->Interfaces().at(0).index; }
  bool carrier() const { return vrrp->Interfaces().at(0).carrier; }
  // What `ip` says about the addresses of the interface.
  std::string Shell(const std::string& command) const {
    Enter();
    std::string text;
    FILE* pipe = popen(command.c_str(), "r");
    for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) text += static_cast<char>(c);
    EXPECT_EQ(pclose(pipe), 0) << command;
    return text;
  }

  std::unique_ptr<EpollIo> loop;
  std::unique_ptr<EpollVrrp> vrrp;
  RecordingVrrpHandler handler;
  RecordingHandler unused;

 private:
  UniqueFd ns_;
};

class EpollVrrpTest : public testing::Test {
 protected:
  void SetUp() override {
    near.Shell(absl::StrCat("ip link add eth0 type veth peer name eth0 netns ", far.path()));
    for (const auto& [side, last] : {std::pair(&near, "1"), std::pair(&far, "2")}) {
      side->Shell(absl::StrCat("ip addr add 192.168.50.", last, "/24 dev eth0 && ",
                               "ip link set eth0 addrgenmode none && ip link set eth0 up && ",
                               "ip addr add fe80::", last, "/64 dev eth0 nodad"));
      side->Start(&clock);
    }
    // Until then the kernel drops what is sent, without an error.
    RunUntil([&] { return near.carrier() && far.carrier(); });
    for (int i = 0; i < 3; ++i) near.RunOnce();
    near.handler.changes = 0;
  }
  void RunUntil(const std::function<bool()>& done) {
    for (int round = 0; round < 2000 && !done(); ++round) {
      near.RunOnce();
      far.RunOnce();
    }
    EXPECT_TRUE(done()) << "nothing more happens";
    near.Enter();
  }
  std::string Routes() { return near.Shell("ip route; ip -6 route"); }
  std::string Addresses() { return near.Shell("ip -o addr show dev eth0"); }

  SystemClock clock;
  Side near;
  Side far;
  const IpAddress v4 = Ip("192.168.50.100");
  const IpAddress v6 = Ip("2001:db8::100");
};

TEST_F(EpollVrrpTest, CarriesPacketsToTheGroupAndToOneNode) {
  struct Case {
    const char* source;
    const char* destination;
  };
  for (const Case& test : {Case{"192.168.50.1", "224.0.0.18"}, Case{"192.168.50.1", "192.168.50.2"},
                           Case{"fe80::1", "ff02::12"}, Case{"fe80::1", "fe80::2"}}) {
    SCOPED_TRACE(test.destination);
    const IpAddress source = Ip(test.source);
    const IpAddress destination = Ip(test.destination);
    far.Enter();
    ASSERT_TRUE(far.vrrp->Open(far.index(), source.family()).ok());
    near.Enter();
    ASSERT_TRUE(near.vrrp->Open(near.index(), source.family()).ok());
    far.handler.received.clear();
    const absl::Status sent =
        near.vrrp->Send(near.index(), source, destination, AsOctets("whatever"));
    ASSERT_TRUE(sent.ok()) << sent;
    RunUntil([&] { return !far.handler.received.empty(); });
    ASSERT_EQ(far.handler.received.size(), 1u);
    const auto& [packet, payload] = far.handler.received[0];
    EXPECT_EQ(packet.interface, far.index());
    EXPECT_EQ(packet.source, source);
    EXPECT_EQ(packet.destination, destination);
    EXPECT_EQ(packet.ttl, 255);
    EXPECT_EQ(payload, "whatever");
    EXPECT_TRUE(near.handler.received.empty()) << "it does not hear itself";
    near.vrrp->Close(near.index(), source.family());
    far.vrrp->Close(far.index(), source.family());
    EXPECT_FALSE(near.vrrp->Send(near.index(), source, destination, AsOctets("closed")).ok());
  }
}

TEST_F(EpollVrrpTest, ATtlFromFurtherAwayShows) {
  for (const char* address : {"192.168.50.2", "fe80::2"}) {
    const IpAddress destination = Ip(address);
    far.Enter();
    ASSERT_TRUE(far.vrrp->Open(far.index(), destination.family()).ok());
    near.Enter();
    UniqueFd fd(socket(destination.is_v4() ? AF_INET : AF_INET6, SOCK_RAW, 112));
    ASSERT_TRUE(SetTtl(fd.get(), destination.family(), 254).ok());
    SocketAddress to = ToLinkAddress(destination, 0, static_cast<unsigned>(near.index()));
    ASSERT_EQ(sendto(fd.get(), "x", 1, 0, to.get(), to.size), 1);
    far.handler.received.clear();
    RunUntil([&] { return !far.handler.received.empty(); });
    EXPECT_EQ(far.handler.received.at(0).packet.ttl, 254);
  }
}

TEST_F(EpollVrrpTest, HoldsAddressesForThemselvesAlone) {
  const std::vector<InterfaceAddress> before = near.loop->InterfaceAddresses();
  const std::string routes = Routes();
  ASSERT_TRUE(near.vrrp->Hold({{near.index(), {v4, v6}}}).ok());
  EXPECT_THAT(Addresses(),
              HasSubstr("192.168.50.100/32 metric 1868917858 scope global eth0:openelb"));
  EXPECT_THAT(Addresses(),
              HasSubstr("2001:db8::100/128 metric 1868917858 scope global nodad deprecated"));
  EXPECT_THAT(Addresses(), Not(HasSubstr("tentative")));
  EXPECT_THAT(near.Shell("ip route get 192.168.50.2"), HasSubstr("src 192.168.50.1 "));
  near.RunOnce();
  EXPECT_EQ(near.loop->InterfaceAddresses(), before) << "the node's own are told from them";
  EXPECT_EQ(near.loop->Held(), (HeldAddresses{{near.index(), {v4, v6}}}));

  ASSERT_TRUE(near.vrrp->Hold({{near.index(), {v6}}}).ok());
  EXPECT_THAT(Addresses(), Not(HasSubstr("192.168.50.100")));
  EXPECT_THAT(Addresses(), HasSubstr("2001:db8::100"));
  ASSERT_TRUE(near.vrrp->Hold({}).ok());
  EXPECT_THAT(Addresses(), Not(HasSubstr("2001:db8::100")));
  EXPECT_THAT(Addresses(), HasSubstr("192.168.50.1/24"));
  EXPECT_EQ(Routes(), routes);
}

// Of the marks, older kernels keep only some: none of the protocol before Linux 5.18, and no label
// where IPv6 or a long interface name has no room for one.
TEST_F(EpollVrrpTest, AnOlderKernelKnowsOursToo) {
  near.Start(&clock, {.protocol = false, .label = false});
  const std::vector<InterfaceAddress> before = near.loop->InterfaceAddresses();
  ASSERT_TRUE(near.vrrp->Hold({{near.index(), {v4, v6}}}).ok());
  near.RunOnce();
  EXPECT_EQ(near.loop->Held(), (HeldAddresses{{near.index(), {v4, v6}}}));
  EXPECT_EQ(near.loop->InterfaceAddresses(), before);
  EXPECT_TRUE(near.vrrp->Hold({{near.index(), {v4, v6}}}).ok());

  near.Start(&clock);  // after a crash
  near.Shell("ip addr add 192.168.50.77/32 metric 100 dev eth0");
  near.RunOnce();
  ASSERT_TRUE(near.vrrp->Hold({}).ok());
  EXPECT_THAT(Addresses(), Not(HasSubstr("192.168.50.100")));
  EXPECT_THAT(Addresses(), Not(HasSubstr("2001:db8::100")));
  EXPECT_THAT(Addresses(), HasSubstr("192.168.50.77/32"));
}

// What this process has put there it knows without a mark.
TEST_F(EpollVrrpTest, ItKnowsItsOwnWithoutAnyMark) {
  near.Start(&clock, {.protocol = false, .metric = false, .label = false});
  ASSERT_TRUE(near.vrrp->Hold({{near.index(), {v4, v6}}}).ok());
  RunUntil([&] { return near.handler.changes > 0; });
  EXPECT_TRUE(near.loop->Held().empty());
  EXPECT_TRUE(near.vrrp->Hold({{near.index(), {v4, v6}}}).ok());

  // Taken away, and put there by somebody else: theirs.
  near.handler.changes = 0;
  near.Shell("ip addr del 192.168.50.100/32 dev eth0");
  RunUntil([&] { return near.handler.changes > 0; });
  near.Shell("ip addr add 192.168.50.100/32 dev eth0");
  near.RunOnce();
  ASSERT_TRUE(near.vrrp->Hold({}).ok());
  EXPECT_THAT(Addresses(), HasSubstr("192.168.50.100/32"));
  EXPECT_THAT(Addresses(), Not(HasSubstr("2001:db8::100")));
}

TEST_F(EpollVrrpTest, RemovesWhatAnEarlierProcessLeftAndNothingElse) {
  ASSERT_TRUE(near.vrrp->Hold({{near.index(), {v4, v6}}}).ok());
  near.Shell("ip addr add 192.168.50.77/32 dev eth0");
  near.Start(&clock);
  EXPECT_THAT(Addresses(), HasSubstr("192.168.50.100/32"));
  ASSERT_TRUE(near.vrrp->Hold({}).ok());
  EXPECT_THAT(Addresses(), Not(HasSubstr("192.168.50.100")));
  EXPECT_THAT(Addresses(), Not(HasSubstr("2001:db8::100")));
  EXPECT_THAT(Addresses(), HasSubstr("192.168.50.77/32"));
}

TEST_F(EpollVrrpTest, AnAddressThatSomebodyTookAwayComesBack) {
  ASSERT_TRUE(near.vrrp->Hold({{near.index(), {v4}}}).ok());
  near.RunOnce();
  near.handler.changes = 0;
  near.Shell("ip addr del 192.168.50.100/32 dev eth0");
  RunUntil([&] { return near.handler.changes > 0; });
  ASSERT_TRUE(near.vrrp->Hold({{near.index(), {v4}}}).ok());
  EXPECT_THAT(Addresses(), HasSubstr("192.168.50.100/32"));
}

TEST_F(EpollVrrpTest, AnAddressOfSomebodyElseStaysTheirs) {
  near.Shell("ip addr add 192.168.50.100/32 dev eth0");
  const absl::Status held = near.vrrp->Hold({{near.index(), {v4, v6}}});
  EXPECT_THAT(std::string(held.message()), HasSubstr("add 192.168.50.100 on eth0"));
  EXPECT_TRUE(absl::IsAlreadyExists(held)) << held;
  EXPECT_THAT(Addresses(), HasSubstr("2001:db8::100")) << "the rest has been done";
  ASSERT_TRUE(near.vrrp->Hold({}).ok());
  EXPECT_THAT(Addresses(), HasSubstr("192.168.50.100/32"));
}

TEST_F(EpollVrrpTest, AnInterfaceMayComeAndGo) {
  const int index = near.index();
  EXPECT_FALSE(near.vrrp->Open(index + 1000, Family::kV4).ok());
  ASSERT_TRUE(near.vrrp->Open(index, Family::kV4).ok());
  ASSERT_TRUE(near.vrrp->Hold({{index, {v4}}}).ok());
  near.Shell("ip link del eth0");
  RunUntil([&] { return near.vrrp->Interfaces().empty(); });
  EXPECT_GT(near.handler.changes, 0);
  EXPECT_FALSE(near.vrrp->Send(index, Ip("192.168.50.1"), Ip("224.0.0.18"), AsOctets("lost")).ok());
  EXPECT_TRUE(near.vrrp->Hold({{index, {v4}}}).ok());
  EXPECT_TRUE(near.vrrp->Hold({}).ok());
  near.vrrp->Close(index, Family::kV4);
}

}  // namespace
}  // namespace openelb::io

// A node that owns addresses on a real wire, in the eyes of Linux: two namespaces on a bridge, the
// node in one, a client's kernel in the other.
#include <fcntl.h>
#include <unistd.h>

#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "api/base/socket_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/epoll_packet.h"
#include "speaker/io/recording_handler.h"
#include "speaker/io/test_namespace.h"
#include "speaker/layer2/layer2.h"
#include "speaker/layer2/test_frames.h"

namespace openelb::layer2 {
namespace {

using io::ReadShell;
using io::RunShell;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const IpAddress kV4 = Ip("192.168.0.100");
const IpAddress kV6 = Ip("2001:db8::64");

class RecordingObserver final : public Layer2Observer {
 public:
  void OnProbed(const std::string&, const ProbeResult& result) override {
    probed.push_back(result);
  }
  void OnConflict(const std::string&, const Conflict& conflict) override {
    conflicts.push_back(conflict);
  }
  void OnInterfacesChanged() override {}
  std::vector<ProbeResult> probed;
  std::vector<Conflict> conflicts;
};

class WireTest : public testing::Test {
 protected:
  // In namespaces of their own: a switch that snoops on MLD; the node, whose MAC ends in 0a; the
  // client, 0c, whose kernel resolves addresses; and old, 0d, whose kernel can have one.
  void SetUp() override {
    for (Place* place : {&client, &old, &node, &wire}) {
      ASSERT_NO_FATAL_FAILURE(io::EnterNewNetworkNamespace());
      place->ns = io::UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY));
      // Link-local addresses are to be there at once.
      RunShell("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
    }
    RunShell("ip link add bridge type bridge mcast_snooping 1 && ip link set bridge up");
    Attach(node, "0a", "192.168.0.10", "2001:db8::a");
    Attach(client, "0c", "192.168.0.12", "2001:db8::c");
    Attach(old, "0d", "192.168.0.13", "2001:db8::d");
    Enter(node);
    loop = io::EpollIo::Create(&clock).value();
    loop->SetHandler(&unused);
    packet = std::make_unique<io::EpollPacket>(loop.get());
    layer2 = std::make_unique<Layer2>(packet.get(), &clock, &random, &observer);
    RunUntil([&] { return loop->Interfaces().size() == 1 && loop->Interfaces()[0].carrier; });
    for (Place* place : {&client, &old}) {
      Enter(*place);
      for (int i = 0; i < 500 && !absl::StrContains(ReadShell("ip link show eth0"), "LOWER_UP");
           ++i) {
        usleep(1000);
      }
    }
    Enter(node);
  }

  struct Place {
    io::UniqueFd ns;
  };
  static void Enter(const Place& place) { ASSERT_EQ(setns(place.ns.get(), CLONE_NEWNET), 0); }
  void Attach(const Place& place, const std::string& last, const std::string& v4,
              const std::string& v6) {
    const std::string port = "port" + last;
    const std::string ns = absl::StrCat("/proc/", getpid(), "/fd/", place.ns.get());
    RunShell(absl::StrCat("ip link add ", port, " type veth peer name eth0 address 02:00:00:00:00:",
                          last, " netns ", ns, " && ip link set ", port, " master bridge up"));
    Enter(place);
    RunShell(absl::StrCat("ip link set eth0 up && ip addr add ", v4, "/24 dev eth0 && ip addr add ",
                          v6, "/64 dev eth0 nodad"));
    Enter(wire);
  }

  void RunUntil(const std::function<bool()>& done) {
    for (int round = 0; round < 5000 && !done(); ++round) {
      layer2->Tick();
      loop->RunOnce(absl::Milliseconds(1));
      layer2->Tick();
    }
    EXPECT_TRUE(done()) << "nothing more happens";
  }
  // What the client's kernel has of an address: "192.168.0.100 lladdr 02:00:00:00:00:0a REACHABLE".
  std::string Neighbour(const IpAddress& address) {
    Enter(client);
    const std::string entry =
        ReadShell("ip neigh show dev eth0 to " + address.ToString() + " 2>&1");
    Enter(node);
    return entry;
  }
  void OnClient(const std::string& command) {
    Enter(client);
    RunShell(command);
    Enter(node);
  }
  // The client sends to the address, so that its kernel has to know whom to send to.
  void Use(const IpAddress& address) {
    Enter(client);
    SocketAddress to = ToSocketAddress(address, 9);
    const io::UniqueFd fd(socket(to.storage.ss_family, SOCK_DGRAM, 0));
    EXPECT_EQ(sendto(fd.get(), "", 1, 0, to.get(), to.size), 1);
    Enter(node);
  }

  SystemClock clock;
  SystemRandom random;
  io::RecordingHandler unused;
  RecordingObserver observer;
  Place client;
  Place old;
  Place node;
  Place wire;  // goes, and all cables with it, when nothing holds it
  std::unique_ptr<io::EpollIo> loop;
  std::unique_ptr<io::EpollPacket> packet;
  std::unique_ptr<Layer2> layer2;
};

TEST_F(WireTest, TheKernelFindsTheOwner) {
  for (const IpAddress& address : {kV4, kV6}) {
    ASSERT_EQ(layer2->Own("eth0", address), absl::OkStatus());
    Use(address);
    RunUntil([&] { return absl::StrContains(Neighbour(address), "02:00:00:00:00:0a REACHABLE"); });
    EXPECT_THAT(ReadShell("ip addr show"), Not(HasSubstr(address.ToString())))
        << "nothing is configured";
  }
  EXPECT_EQ(layer2->counters().arp_answers, 1u);
  EXPECT_EQ(layer2->counters().ndp_answers, 1u);
  EXPECT_EQ(layer2->send_errors() + layer2->group_errors(), 0u);
}

// The kernel asks the owner it knows directly, by unicast, once an entry is in doubt.
TEST_F(WireTest, TheKernelConfirmsTheOwner) {
  OnClient(
      "for family in ipv4 ipv6; do"
      " echo 0 > /proc/sys/net/$family/neigh/eth0/delay_first_probe_time; done");
  for (const IpAddress& address : {kV4, kV6}) {
    ASSERT_EQ(layer2->Own("eth0", address), absl::OkStatus());
    OnClient(absl::StrCat("ip neigh replace ", address.ToString(),
                          " dev eth0 lladdr 02:00:00:00:00:0a nud stale"));
    Use(address);
    RunUntil([&] { return absl::StrContains(Neighbour(address), "0a REACHABLE"); });
  }
  EXPECT_EQ(layer2->counters().arp_answers, 1u);
  EXPECT_EQ(layer2->counters().ndp_answers, 1u);
}

// The entry was confirmed a moment ago, which makes Linux deaf to a reply it did not ask for.
TEST_F(WireTest, ATakeOverOverwritesAFreshEntry) {
  // Announced once: that has to do.
  layer2 = std::make_unique<Layer2>(
      packet.get(), &clock, &random, &observer,
      Timing{.announce_after = {absl::ZeroDuration()}, .announce_every = absl::InfiniteDuration()});
  for (const IpAddress& address : {kV4, kV6}) {
    const std::string text = address.ToString();
    Enter(old);
    RunShell(absl::StrCat("ip addr add ", text, " dev eth0", address.is_v6() ? " nodad" : ""));
    Enter(node);
    Use(address);
    RunUntil([&] { return absl::StrContains(Neighbour(address), "0d REACHABLE"); });
    Enter(old);
    RunShell(absl::StrCat("ip addr del ", text, address.is_v6() ? "/128" : "/32", " dev eth0"));
    Enter(node);
    ASSERT_EQ(layer2->Own("eth0", address), absl::OkStatus());
    RunUntil([&] { return absl::StrContains(Neighbour(address), "lladdr 02:00:00:00:00:0a"); });
    EXPECT_EQ(layer2->counters().announcements, address.is_v4() ? 1u : 2u);
  }
}

// A kernel that has the address answers when asked, and never says so of itself.
TEST_F(WireTest, ADuplicateIsFoundWithItsMac) {
  for (const IpAddress& address : {kV4, kV6}) {
    Enter(old);
    RunShell(absl::StrCat("ip addr add ", address.ToString(), " dev eth0",
                          address.is_v6() ? " nodad" : ""));
    Enter(node);
    ASSERT_TRUE(layer2->Probe("eth0", address).ok());
    RunUntil([&] { return !observer.probed.empty(); });
    EXPECT_THAT(observer.probed,
                ElementsAre(ProbeResult{address, ProbeOutcome::kTaken, Mac(0x0d)}));
    observer.probed.clear();
    ASSERT_EQ(layer2->Own("eth0", address), absl::OkStatus());
    RunUntil([&] { return !observer.conflicts.empty(); });
    EXPECT_EQ(observer.conflicts[0], (Conflict{address, Mac(0x0d), ConflictPhase::kBegun}));
    layer2->Stop("eth0", address);
    layer2->Tick();
    observer.conflicts.clear();
  }
}

TEST_F(WireTest, AProbeFindsAFreeAddress) {
  for (const IpAddress& address : {kV4, kV6}) {
    ASSERT_TRUE(layer2->Probe("eth0", address).ok());
    RunUntil([&] { return !observer.probed.empty(); });
    EXPECT_THAT(observer.probed, ElementsAre(ProbeResult{address, ProbeOutcome::kFree, {}}));
    observer.probed.clear();
  }
  EXPECT_THAT(observer.conflicts, IsEmpty());
}

// The kernel of a host that is given the address hears that it is taken (RFC 4862 5.4).
TEST_F(WireTest, DuplicateAddressDetectionOfOthersIsAnswered) {
  ASSERT_EQ(layer2->Own("eth0", kV6), absl::OkStatus());
  layer2->Tick();
  Enter(old);
  RunShell("echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad");
  RunShell("ip addr add 2001:db8::64/64 dev eth0");
  Enter(node);
  const auto failed = [&] {
    Enter(old);
    const std::string addresses = ReadShell("ip -6 addr show dev eth0");
    Enter(node);
    return absl::StrContains(addresses, "2001:db8::64/64 scope global dadfailed");
  };
  RunUntil(failed);
}

TEST_F(WireTest, TheSwitchIsToldOfTheGroup) {
  ASSERT_EQ(layer2->Own("eth0", kV6), absl::OkStatus());
  layer2->Tick();
  EXPECT_THAT(ReadShell("ip maddr show dev eth0"), HasSubstr("ff02::1:ff00:64"));
  layer2->Stop("eth0", kV6);
  layer2->Tick();
  EXPECT_THAT(ReadShell("ip maddr show dev eth0"), Not(HasSubstr("ff02::1:ff00:64")));
}

}  // namespace
}  // namespace openelb::layer2

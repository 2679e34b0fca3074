// Our virtual router against keepalived's, each in a network namespace of its own, over a veth
// pair. What keepalived makes of us is read from its log. Needs root.

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/base/log.h"
#include "gmock/gmock.h"
#include "speaker/io/epoll_io.h"
#include "speaker/io/epoll_vrrp.h"
#include "speaker/io/recording_handler.h"
#include "speaker/io/test_namespace.h"
#include "speaker/testing/child_process.h"
#include "speaker/vrrp/instance.h"

namespace openelb::vrrp {
namespace {

using testing::HasSubstr;
using testing::Not;

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

struct Variant {
  const char* name;
  int version;
  absl::Duration interval;
  Family family;
  bool unicast;
};
void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class InteropTest : public testing::TestWithParam<Variant>, public Observer {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(io::EnterNewNetworkNamespace());
    folder = std::filesystem::temp_directory_path() / absl::StrCat("openelb-vrrp-", getpid());
    std::filesystem::create_directories(folder);
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << Log() << Output("ip addr");
    instance.reset();
    vrrp.reset();
    peer.reset();
    std::filesystem::remove_all(folder);
  }

  bool v6() const { return GetParam().family == Family::kV6; }
  IpAddress Address() const { return Ip(v6() ? "2001:db8::100" : "10.98.0.100"); }
  // As keepalived has to be told of them.
  std::vector<IpAddress> Addresses() const {
    if (v6()) return {VirtualLinkLocal(51), Address()};
    return {Address()};
  }
  std::string Path(const char* name) const { return (folder / name).string(); }

  // ---- keepalived ----

  void StartPeer(int priority, const std::string& options) {
    const Variant& variant = GetParam();
    std::string conf = absl::StrCat(
        "global_defs {\n vrrp_version ", variant.version, "\n}\nvrrp_instance V1 {\n",
        " state BACKUP\n interface leaf0\n virtual_router_id 51\n priority ", priority,
        "\n advert_int ", absl::ToDoubleSeconds(variant.interval), "\n ", options, "\n");
    if (v6()) absl::StrAppend(&conf, " native_ipv6\n");
    if (variant.unicast) {
      absl::StrAppend(&conf, " unicast_peer {\n  ", v6() ? "fe80::2" : "10.98.0.2", "\n }\n");
    }
    absl::StrAppend(&conf, " virtual_ipaddress {\n");
    for (const IpAddress& address : Addresses()) {
      absl::StrAppend(&conf, "  ", address.ToString(), "/", FamilyBits(address.family()), "\n");
    }
    absl::StrAppend(&conf, " }\n}\n");
    std::ofstream(Path("conf")) << conf;
    // Its IPv6 unicast packets carry the interface's hop limit, where RFC 9568 asks for 255.
    //
    // It waits in namespaces of its own for its end of the cable. Killing the first of its process
    // namespace ends all of it, without a goodbye.
    peer = std::make_unique<ChildProcess>(
        std::vector<std::string>{
            "unshare", "--net", "--pid", "--fork", "--kill-child=KILL", "sh", "-c",
            absl::StrCat("until ip link show leaf0; do sleep 0.01; done; ip link set lo up; "
                         "ip link set leaf0 addrgenmode none; ip addr add 10.98.0.1/24 dev leaf0; "
                         "ip addr add fe80::1/64 dev leaf0 nodad; ip link set leaf0 up; "
                         "echo 255 > /proc/sys/net/ipv6/conf/leaf0/hop_limit; exec keepalived -n "
                         "-l -D -P -f ",
                         Path("conf"), " -p ", Path("pid"), " -r ", Path("vrrp.pid"), " 1>&2")},
        Path("log"));
    const std::string ours = Output("readlink /proc/self/ns/net");
    RunUntil("keepalived's namespace", [&] {
      const std::string its = Output(absl::StrCat("readlink /proc/", peer->pid(), "/ns/net"));
      return absl::StartsWith(its, "net:") && its != ours;
    });
    io::RunShell(absl::StrCat("ip link add node0 type veth peer name leaf0 netns ", peer->pid()));
    io::RunShell(
        "ip link set node0 addrgenmode none && ip addr add 10.98.0.2/24 dev node0 && "
        "ip addr add fe80::2/64 dev node0 nodad && ip link set node0 up");
  }
  std::string Log() const {
    std::ifstream file(Path("log"));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // As it says itself: "MASTER", "BACKUP" or nothing yet.
  std::string PeerState() const {
    std::string state;
    const std::string log = Log();
    for (absl::string_view line : absl::StrSplit(log, '\n')) {
      const size_t at = line.find("Entering ");
      if (at == absl::string_view::npos) continue;
      line.remove_prefix(at + 9);
      state = std::string(line.substr(0, line.find(' ')));
    }
    return state;
  }
  void RunUntilPeerIs(const std::string& state) {
    RunUntil(absl::StrCat("keepalived as ", state), [&] { return PeerState() == state; });
  }
  // What it complains about when a packet is not as it should be.
  void ExpectNoComplaint() const {
    for (const char* complaint : {"ncorrect", "nvalid", "mismatch", "rror", "differ", "expected"}) {
      EXPECT_THAT(Log(), Not(HasSubstr(complaint)));
    }
  }
  void StopPeerInOrder() const {
    io::RunShell(absl::StrCat("kill -TERM ", ChildrenOf(peer->pid())));
  }
  // Of one process: keepalived is the child of what made its namespace, and its VRRP one deeper.
  template <typename Pid>
  static std::string ChildrenOf(const Pid& pid) {
    const std::string number(absl::StripAsciiWhitespace(absl::StrCat(pid)));
    return Output(absl::StrCat("cat /proc/", number, "/task/", number, "/children"));
  }

  // ---- ours ----

  void StartOurs(uint8_t priority, bool preempt = false) {
    loop = io::EpollIo::Create(&clock).value();
    loop->SetHandler(&tcp);
    vrrp = io::EpollVrrp::Create(loop.get()).value();
    instance = std::make_unique<Instance>(vrrp.get(), &clock, &logger, this);
    config.interface = "node0";
    config.family = GetParam().family;
    config.vrid = 51;
    config.name = "vip";
    config.version = GetParam().version;
    config.priority = priority;
    config.preempt = preempt;
    config.interval = GetParam().interval;
    config.addresses = {Address()};
    if (GetParam().unicast) config.unicast_peers = {Ip(v6() ? "fe80::1" : "10.98.0.1")};
    ASSERT_TRUE(instance->Apply({config}, {}).empty());
  }
  RouterState State() const { return instance->Routers().at(0).state; }
  void RunUntilOursIs(RouterState state) {
    RunUntil(absl::StrCat("our router as ", RouterStateName(state)),
             [&] { return State() == state; });
  }
  bool OnNic() const { return absl::StrContains(Output("ip addr"), Address().ToString()); }
  // What keepalived sends is taken, as a whole.
  void ExpectNothingDropped() const {
    EXPECT_TRUE(instance->counters().dropped.empty())
        << instance->counters().dropped.begin()->first;
    EXPECT_EQ(instance->counters().address_mismatches, 0u);
    EXPECT_EQ(instance->counters().send_errors, 0u);
    EXPECT_EQ(instance->counters().hold_errors, 0u);
  }

  void Announce(int, const std::vector<IpAddress>&) override { ++announced; }
  void Release(int, const std::vector<IpAddress>&) override {}

  // Runs our side until then, at most half a minute.
  void RunUntil(const std::string& what, const std::function<bool()>& done) {
    const absl::Duration end = clock.Monotonic() + absl::Seconds(30);
    while (!done()) {
      ASSERT_LT(clock.Monotonic(), end) << "no sign of " << what;
      RunFor(absl::Milliseconds(20));
    }
  }
  void RunFor(absl::Duration time) {
    const absl::Duration end = clock.Monotonic() + time;
    while (clock.Monotonic() < end) {
      if (instance == nullptr) {
        usleep(1000);
        continue;
      }
      loop->RunOnce(std::min(instance->NextWakeup(), end) - clock.Monotonic());
      if (instance->NextWakeup() <= clock.Monotonic()) instance->Tick();
    }
  }

  std::filesystem::path folder;
  std::unique_ptr<ChildProcess> peer;
  SystemClock clock;
  NullLogSink sink;
  Logger logger{&sink, &clock};
  io::RecordingHandler tcp;
  std::unique_ptr<io::EpollIo> loop;
  std::unique_ptr<io::EpollVrrp> vrrp;
  std::unique_ptr<Instance> instance;
  RouterConfig config;
  int announced = 0;
};

TEST_P(InteropTest, KeepalivedAsMaster) {
  ASSERT_NO_FATAL_FAILURE(StartPeer(200, ""));
  ASSERT_NO_FATAL_FAILURE(RunUntilPeerIs("MASTER"));
  ASSERT_NO_FATAL_FAILURE(StartOurs(100));
  RunUntil("its packets", [&] { return instance->counters().received >= 5; });
  EXPECT_EQ(State(), RouterState::kBackup);
  EXPECT_EQ(instance->Routers().at(0).active, Ip(v6() ? "fe80::1" : "10.98.0.1"));
  EXPECT_EQ(instance->Routers().at(0).active_priority, 200);
  EXPECT_FALSE(OnNic());
  ExpectNothingDropped();

  // A goodbye.
  StopPeerInOrder();
  ASSERT_NO_FATAL_FAILURE(RunUntilOursIs(RouterState::kActive));
  EXPECT_EQ(instance->counters().releases_received, 1u);
  EXPECT_TRUE(OnNic());
  EXPECT_GT(announced, 0);
  ExpectNothingDropped();
}

TEST_P(InteropTest, KeepalivedFallsSilent) {
  ASSERT_NO_FATAL_FAILURE(StartPeer(200, ""));
  ASSERT_NO_FATAL_FAILURE(RunUntilPeerIs("MASTER"));
  ASSERT_NO_FATAL_FAILURE(StartOurs(100));
  RunUntil("its packets", [&] { return instance->counters().received >= 2; });
  // Its interface stays up, so that nothing but silence tells.
  io::RunShell(absl::StrCat("kill -STOP ", ChildrenOf(ChildrenOf(peer->pid()))));
  ASSERT_NO_FATAL_FAILURE(RunUntilOursIs(RouterState::kActive));
  EXPECT_EQ(instance->counters().releases_received, 0u);
  EXPECT_TRUE(OnNic());
}

TEST_P(InteropTest, KeepalivedAsBackup) {
  ASSERT_NO_FATAL_FAILURE(StartPeer(50, ""));
  ASSERT_NO_FATAL_FAILURE(RunUntilPeerIs("MASTER"));
  // We preempt, and it gives way.
  ASSERT_NO_FATAL_FAILURE(StartOurs(100, true));
  ASSERT_NO_FATAL_FAILURE(RunUntilOursIs(RouterState::kActive));
  ASSERT_NO_FATAL_FAILURE(RunUntilPeerIs("BACKUP"));
  EXPECT_TRUE(OnNic());
  // Changes that act live do not disturb it.
  config.priority = 120;
  instance->Apply({config}, {});
  const uint64_t sent = instance->counters().sent;
  RunUntil("our packets", [&] { return instance->counters().sent >= sent + 5; });
  ASSERT_NO_FATAL_FAILURE(RunUntilPeerIs("BACKUP"));

  // We say goodbye, and it takes over.
  instance->Stop();
  EXPECT_FALSE(OnNic());
  ASSERT_NO_FATAL_FAILURE(RunUntilPeerIs("MASTER"));
  ExpectNothingDropped();
  ExpectNoComplaint();
}

TEST_P(InteropTest, KeepalivedPreempts) {
  ASSERT_NO_FATAL_FAILURE(StartPeer(200, "preempt_delay 2"));
  ASSERT_NO_FATAL_FAILURE(StartOurs(100, true));
  ASSERT_NO_FATAL_FAILURE(RunUntilPeerIs("MASTER"));
  ASSERT_NO_FATAL_FAILURE(RunUntilOursIs(RouterState::kBackup));
  EXPECT_FALSE(OnNic());
  ExpectNoComplaint();
}

INSTANTIATE_TEST_SUITE_P(
    All, InteropTest,
    testing::Values(Variant{"V3", 3, absl::Milliseconds(500), Family::kV4, false},
                    Variant{"V3Ipv6", 3, absl::Milliseconds(500), Family::kV6, false},
                    Variant{"V3Ipv6Unicast", 3, absl::Milliseconds(500), Family::kV6, true},
                    Variant{"V3Unicast", 3, absl::Milliseconds(500), Family::kV4, true},
                    Variant{"V2", 2, absl::Seconds(1), Family::kV4, false}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace openelb::vrrp

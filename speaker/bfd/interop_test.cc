// Our BFD against BIRD's and FRR's, each in a network namespace of its own, over a veth pair. What
// a router sees is read from the router. Needs root.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "speaker/bfd/interop_node.h"
#include "speaker/io/test_namespace.h"
#include "speaker/testing/child_process.h"

namespace openelb::bfd {
namespace {

using testing::HasSubstr;

const absl::Duration kMs = absl::Milliseconds(1);
constexpr char kSecret[] = "s3cret";
// Ours and theirs, per family.
constexpr const char* kAddresses[][2] = {{"10.98.0.2", "10.98.0.1"}, {"fe80::2", "fe80::1"}};

struct Router {
  const char* name;
  AuthenticationType type;
  bool bird() const { return absl::StartsWith(name, "Bird"); }
};

void PrintTo(const Router& router, std::ostream* out) { *out << router.name; }

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class InteropTest : public testing::TestWithParam<Router> {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(io::EnterNewNetworkNamespace());
    folder = std::filesystem::temp_directory_path() / absl::StrCat("openelb-bfd-", getpid());
    std::filesystem::create_directories(folder);
    chmod(folder.c_str(), 0777);  // FRR gives up root
    StartRouter();
    node = std::make_unique<InteropNode>();
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << Status() << Output(absl::StrCat("cat ", Path("log")));
    node.reset();
    router.reset();
    std::filesystem::remove_all(folder);
  }

  std::string Path(const char* name) const { return (folder / name).string(); }

  void StartRouter() {
    // It waits in a namespace of its own for its end of the cable.
    const std::string setup =
        "until ip link show leaf0; do sleep 0.01; done; ip link set lo up; "
        "ip addr add 10.98.0.1/24 dev leaf0; ip addr add fe80::1/64 dev leaf0 nodad; "
        "ip link set leaf0 up; ";
    std::vector<std::string> command = {"unshare", "--net"};
    if (GetParam().bird()) {
      std::ofstream(Path("conf")) << BirdConfiguration();
      command.insert(
          command.end(),
          {"sh", "-c", absl::StrCat(setup, "exec bird -f -c ", Path("conf"), " -s ", Path("ctl"))});
    } else {
      std::ofstream(Path("conf")) << FrrConfiguration();
      // Its processes give up root, so only a process namespace makes sure that they go with us.
      command.insert(command.end(), {"--pid", "--fork", "--kill-child=KILL", "sh", "-c",
                                     absl::StrCat(setup, FrrCommands())});
    }
    router = std::make_unique<ChildProcess>(command, Path("log"));
    io::RunShell("ip link add node0 type veth peer name leaf0");
    const std::string ours = Output("readlink /proc/self/ns/net");
    Until("the router's namespace", [&] {
      const std::string its = Output(absl::StrCat("readlink /proc/", router->pid(), "/ns/net"));
      return absl::StartsWith(its, "net:") && its != ours;
    });
    io::RunShell(absl::StrCat("ip link set leaf0 netns ", router->pid()));
    io::RunShell(
        "ip addr add 10.98.0.2/24 dev node0 && "
        "ip addr add fe80::2/64 dev node0 nodad && ip link set node0 up");
    Until("the router", [&] { return absl::StrContains(Status(), "10.98.0.2"); });
  }

  static std::string BirdConfiguration() {
    std::string authentication;
    if (GetParam().type != AuthenticationType::kNone) {
      authentication = absl::StrCat(
          "authentication ",
          GetParam().type == AuthenticationType::kMeticulousKeyedSha1 ? "meticulous " : "",
          "keyed sha1; password \"", kSecret, "\" { id 7; };");
    }
    return absl::StrCat(
        "router id 10.98.0.1;\nprotocol device {}\nprotocol bfd {\n"
        "interface \"leaf0\" { interval 100 ms; multiplier 5; ",
        authentication,
        " };\nneighbor 10.98.0.2 dev \"leaf0\" local 10.98.0.1;\n"
        "neighbor fe80::2 dev \"leaf0\" local fe80::1;\n}\n");
  }
  static std::string FrrConfiguration() {
    std::string text = "bfd\n";
    for (const auto& [ours, theirs] : kAddresses) {
      absl::StrAppend(&text, " peer ", ours, " local-address ", theirs, " interface leaf0\n",
                      "  receive-interval 100\n  transmit-interval 100\n  detect-multiplier 5\n");
    }
    return text;
  }
  std::string FrrCommands() const {
    const std::string common = absl::StrCat(" -z ", Path("zserv"), " --vty_socket ",
                                            folder.string(), " -A 127.0.0.1 -P 0 --log stdout ");
    return absl::StrCat("/usr/lib/frr/zebra", common, "-f /dev/null -i ", Path("zebra.pid"),
                        " & until [ -S ", Path("zserv"), " ]; do sleep 0.01; done; ",
                        "/usr/lib/frr/bfdd", common, "-f ", Path("conf"), " -i ", Path("bfdd.pid"),
                        " --bfdctl ", Path("bfdctl"), " & wait");
  }

  std::string Vtysh(const std::vector<std::string>& commands) const {
    std::string line = absl::StrCat("vtysh --vty_socket ", folder.string(), " -d bfdd");
    for (const std::string& command : commands) absl::StrAppend(&line, " -c '", command, "'");
    return Output(line);
  }
  std::string Status() const {
    if (!GetParam().bird()) return Vtysh({"show bfd peers json"});
    return Output(absl::StrCat("birdc -s ", Path("ctl"), " show bfd sessions"));
  }
  // What the router says of its session with one of our addresses, without blanks. FRR: the JSON
  // object.
  std::string StatusOf(absl::string_view ours) const {
    const std::string begin =
        GetParam().bird() ? std::string(ours) : absl::StrCat("\"peer\":\"", ours, "\"");
    const char end = GetParam().bird() ? '\n' : '}';
    for (absl::string_view part : absl::StrSplit(Status(), end)) {
      if (absl::StrContains(part, begin)) return absl::StrReplaceAll(part, {{" ", ""}});
    }
    return "";
  }
  bool RouterSays(bool up) const {
    return std::all_of(std::begin(kAddresses), std::end(kAddresses), [&](const auto& pair) {
      const std::string status = StatusOf(pair[0]);
      if (GetParam().bird()) return absl::StrContains(status, "Up") == up && !status.empty();
      return absl::StrContains(status, up ? "\"status\":\"up\"" : "\"status\":\"down\"");
    });
  }
  bool WeSay(State state) {
    const std::vector<SessionView> views =
        node->Do([](Instance* instance) { return instance->Sessions(); });
    return views.size() == 2 && std::all_of(views.begin(), views.end(),
                                            [&](const auto& view) { return view.state == state; });
  }

  SessionConfig Default() const {
    SessionConfig config{.detect_mult = 5};
    if (GetParam().type != AuthenticationType::kNone) {
      config.authentication = {GetParam().type, {{7, kSecret}}};
    }
    return config;
  }
  void Watch(const SessionConfig& config) {
    std::vector<PeerConfig> peers;
    for (const auto& [ours, theirs] : kAddresses) {
      peers.push_back({{Ip(theirs), "node0"}, Ip(ours), config});
    }
    EXPECT_THAT(node->Do([&](Instance* instance) { return instance->Apply(peers); }),
                testing::ElementsAre());
  }
  void BringUp() {
    Watch(Default());
    Until("both sessions", [&] { return WeSay(State::kUp) && RouterSays(true); });
    // The timers of its configuration are in force once its polls have been answered.
    Until("the timers", [&] {
      return node->Do([](Instance* instance) { return instance->Sessions()[0].detection_time; }) ==
             500 * kMs;
    });
    node->TakeChanges();
  }
  // Every change since the last look is one of these; the first of each session came soon.
  void ExpectBothDown(absl::Time since, Reason reason) {
    std::set<SessionKey> seen;
    for (const InteropNode::Change& change : node->TakeChanges()) {
      if (!seen.insert(change.key).second) continue;
      EXPECT_EQ(change.transition.to, State::kDown);
      EXPECT_EQ(ReasonName(change.transition.reason), ReasonName(reason));
      EXPECT_LT(change.at - since, absl::Seconds(2)) << "of 0.5 s that were agreed";
      std::cout << change.key.ToString() << ": " << ReasonName(change.transition.reason)
                << " after " << absl::FormatDuration(change.at - since) << "\n";
    }
    EXPECT_EQ(seen.size(), 2u);
  }
  void InRouter(const std::string& command) {
    io::RunShell(absl::StrCat("nsenter --net=/proc/", router->pid(), "/ns/net ", command));
  }
  void Cut() {
    InRouter(
        "nft 'add table inet cut; add chain inet cut in { type filter hook input priority 0; "
        "policy drop; }; add chain inet cut out { type filter hook output priority 0; "
        "policy drop; }'");
  }

  void Until(const std::string& what, const std::function<bool()>& done) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!done()) {
      ASSERT_LT(absl::Now(), deadline) << what << "\n" << Status();
      absl::SleepFor(absl::Milliseconds(10));
    }
  }

  std::filesystem::path folder;
  std::unique_ptr<ChildProcess> router;
  std::unique_ptr<InteropNode> node;
};

std::string NameOf(const testing::TestParamInfo<Router>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Routers, InteropTest,
                         testing::Values(Router{"Frr", AuthenticationType::kNone},
                                         Router{"Bird", AuthenticationType::kNone},
                                         Router{"BirdKeyedSha1", AuthenticationType::kKeyedSha1},
                                         Router{"BirdMeticulousKeyedSha1",
                                                AuthenticationType::kMeticulousKeyedSha1}),
                         NameOf);

TEST_P(InteropTest, ACutIsDetectedAtBothEndsAndItsEndToo) {
  BringUp();
  const absl::Time cut = absl::Now();
  Cut();
  Until("our loss", [&] { return WeSay(State::kDown); });
  ExpectBothDown(cut, Reason::kDetectionTimeExpired);
  Until("the router's loss", [&] { return RouterSays(false); });
  InRouter("nft delete table inet cut");
  Until("both sessions", [&] { return WeSay(State::kUp) && RouterSays(true); });
}

TEST_P(InteropTest, TimersChangeLive) {
  BringUp();
  SessionConfig slower = Default();
  slower.desired_min_tx = 400 * kMs;
  slower.required_min_rx = 200 * kMs;
  Watch(slower);
  Until("the router's view", [&] {
    const std::string status = StatusOf(kAddresses[0][0]);
    // BIRD shows what it expects of us; FRR, what we said.
    return GetParam().bird() ? absl::StrContains(status, "2.000")
                             : absl::StrContains(status, "\"remote-transmit-interval\":400");
  });
  Watch(Default());
  Until("the router's view", [&] {
    const std::string status = StatusOf(kAddresses[0][0]);
    return GetParam().bird() ? absl::StrContains(status, "0.500")
                             : absl::StrContains(status, "\"remote-transmit-interval\":100");
  });
  EXPECT_THAT(node->TakeChanges(), testing::IsEmpty());
  EXPECT_TRUE(RouterSays(true));
}

TEST_P(InteropTest, OurAdminDownReachesTheRouter) {
  BringUp();
  SessionConfig down = Default();
  down.admin_down = true;
  Watch(down);
  Until("the router's view", [&] { return RouterSays(false); });
  if (!GetParam().bird()) {
    EXPECT_THAT(StatusOf(kAddresses[0][0]),
                HasSubstr("\"remote-diagnostic\":\"administrativelydown\""));
  }
  Watch(Default());
  Until("both sessions", [&] { return WeSay(State::kUp) && RouterSays(true); });
}

class FrrInteropTest : public InteropTest {};
INSTANTIATE_TEST_SUITE_P(Routers, FrrInteropTest,
                         testing::Values(Router{"Frr", AuthenticationType::kNone}), NameOf);

TEST_P(FrrInteropTest, ItsAdminDownIsNoFailure) {
  BringUp();
  const absl::Time before = absl::Now();
  std::vector<std::string> commands = {"configure terminal", "bfd"};
  for (const auto& [ours, theirs] : kAddresses) {
    commands.push_back(absl::StrCat("peer ", ours, " local-address ", theirs, " interface leaf0"));
    commands.push_back("shutdown");
  }
  Vtysh(commands);
  Until("our loss", [&] { return WeSay(State::kDown); });
  ExpectBothDown(before, Reason::kNeighborAdminDown);
}

class BirdInteropTest : public InteropTest {};
INSTANTIATE_TEST_SUITE_P(Routers, BirdInteropTest,
                         testing::Values(Router{"BirdMeticulousKeyedSha1",
                                                AuthenticationType::kMeticulousKeyedSha1}),
                         NameOf);

TEST_P(BirdInteropTest, AStoppedProcessIsMissed) {
  BringUp();
  const absl::Time before = absl::Now();
  router->Signal(SIGSTOP);
  Until("our loss", [&] { return WeSay(State::kDown); });
  ExpectBothDown(before, Reason::kDetectionTimeExpired);
  router->Signal(SIGCONT);
  Until("both sessions", [&] { return WeSay(State::kUp) && RouterSays(true); });
}

TEST_P(BirdInteropTest, AWrongKeyIsRefusedAtBothEnds) {
  SessionConfig wrong = Default();
  wrong.authentication.keys = {{7, "another"}};
  Watch(wrong);
  Until("our refusal", [&] {
    return node->Do([](Instance* instance) {
      return instance->counters().DroppedFor(Drop::kAuthenticationDigest);
    }) > 3;
  });
  EXPECT_TRUE(WeSay(State::kDown));
  EXPECT_TRUE(RouterSays(false));
  // Both keys during a roll; the router has the second.
  SessionConfig roll = Default();
  roll.authentication.keys.push_back({8, "next"});
  Watch(roll);
  Until("both sessions", [&] { return WeSay(State::kUp) && RouterSays(true); });
}

}  // namespace
}  // namespace openelb::bfd

// The real program against a real router: openelb-speaker and its controller's end of the stream in
// one network namespace, BIRD in another, a veth pair between them. What is announced is read from
// BIRD.

#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/plan/v1/plan.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "speaker/io/ao_socket.h"
#include "speaker/io/socket.h"
#include "speaker/io/test_namespace.h"
#include "speaker/testing/child_process.h"
#include "speaker/testing/plan_server.h"

namespace openelb {
namespace {

using plan::v1::ResourceBody;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kSpeaker[] = OPENELB_SPEAKER;
constexpr char kBirdConf[] = R"(
router id 10.99.0.1;
protocol device {}
protocol direct { ipv4; ipv6; }
protocol bgp speaker {
  local 10.99.0.1 as 65001;
  neighbor 10.99.0.2 as 65000;
  password "s3cret";
  ipv4 { import all; export none; add paths rx; };
}
)";

class SpeakerProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(io::EnterNewNetworkNamespace());
    folder = std::filesystem::temp_directory_path() / absl::StrCat("openelb-speaker-", getpid());
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "bird.conf") << kBirdConf;
    // BIRD waits in a namespace of its own for its end of the cable.
    bird = std::make_unique<ChildProcess>(
        std::vector<std::string>{
            "unshare", "--net", "sh", "-c",
            absl::StrCat("until ip link show leaf0; do sleep 0.01; done; ip link set lo up; "
                         "ip addr add 10.99.0.1/24 dev leaf0; ip link set leaf0 up; "
                         "exec bird -f -c ",
                         (folder / "bird.conf").string(), " -s ", (folder / "bird.ctl").string())},
        folder / "bird.log");
    io::RunShell("ip link add node0 type veth peer name leaf0");
    const std::string ours = Output("readlink /proc/self/ns/net");
    Until("BIRD's namespace", [&] {
      const std::string its = Output(absl::StrCat("readlink /proc/", bird->pid(), "/ns/net"));
      return absl::StartsWith(its, "net:") && its != ours;
    });
    io::RunShell(absl::StrCat("ip link set leaf0 netns ", bird->pid()));
    io::RunShell("ip addr add 10.99.0.2/24 dev node0 && ip link set node0 up");
    Until("BIRD", [&] { return absl::StrContains(Bird("show status"), "up and running"); });
  }
  void TearDown() override {
    if (HasFailure()) {
      std::cerr << Output(absl::StrCat("tail -n 200 ", (folder / "speaker.log").string(), " ",
                                       (folder / "bird.log").string()));
    }
    speaker.reset();
    bird.reset();
    std::filesystem::remove_all(folder);
  }

  void Until(const std::string& what, const std::function<bool()>& done) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (!done()) {
      ASSERT_LT(absl::Now(), deadline) << what << "\n" << Bird("show protocols all speaker");
      absl::SleepFor(absl::Milliseconds(10));
    }
  }

  std::string Bird(const std::string& command) const {
    return Output(absl::StrCat("birdc -r -s ", (folder / "bird.ctl").string(), " ", command));
  }
  // Routes of the session, one line for each path's next hop.
  std::string Routes() const { return Bird("show route all protocol speaker"); }

  void StartSpeaker(int port) {
    std::ofstream(folder / "controllers") << "127.0.0.1:" << port << "\n";
    speaker = std::make_unique<ChildProcess>(
        std::vector<std::string>{
            kSpeaker, absl::StrCat("--controllers-file=", (folder / "controllers").string()),
            "--node-name=n1", "--plan-insecure",
            absl::StrCat("--state-dir=", (folder / "state").string()),
            "--metrics-addr=127.0.0.1:50053"},
        folder / "speaker.log");
  }

  void PutPlan(PlanServer* server) {
    ResourceBody instance;
    instance.mutable_instance()->set_local_as(65000);
    instance.mutable_instance()->set_router_id("10.99.0.2");
    instance.mutable_instance()->set_listen_port(-1);
    server->Put("instance", instance);
    PutPeer(server, [](plan::v1::BgpPeer* peer) { peer->set_md5_password("s3cret"); });
    PutGroup(server, {"10.99.0.2", "10.99.0.3"});
    PutRoute(server, "172.22.0.2/32");
  }
  void PutPeer(PlanServer* server, const std::function<void(plan::v1::BgpPeer*)>& protect) {
    ResourceBody peer;
    peer.mutable_peer()->set_address("10.99.0.1");
    peer.mutable_peer()->set_name("leaf");
    peer.mutable_peer()->set_remote_as(65001);
    peer.mutable_peer()->set_remote_port(179);
    peer.mutable_peer()->set_hold_time_s(9);
    peer.mutable_peer()->set_connect_retry_s(1);
    peer.mutable_peer()->set_ttl(1);
    protect(peer.mutable_peer());
    peer.mutable_peer()->set_scope("leaf");
    plan::v1::AddressFamily* family = peer.mutable_peer()->add_families();
    family->set_family(4);
    family->set_add_path_send(true);
    server->Put("peer/10.99.0.1", peer);
  }
  void PutGroup(PlanServer* server, const std::vector<std::string>& addresses) {
    ResourceBody group;
    group.mutable_group()->set_id("rack");
    for (const std::string& address : addresses) {
      plan::v1::Member* member = group.mutable_group()->add_members();
      member->set_node(absl::StrCat("node-", address));
      member->set_address(address);
    }
    server->Put("group/rack", group);
  }
  void PutRoute(PlanServer* server, const std::string& prefix) {
    ResourceBody route;
    route.mutable_route()->set_prefix(prefix);
    plan::v1::Target* target = route.mutable_route()->add_targets();
    target->set_scope("leaf");
    target->set_group("rack");
    server->Put(absl::StrCat("route/", prefix), route);
  }

  bool BothNextHops() const {
    const std::string routes = Routes();
    return absl::StrContains(routes, "172.22.0.2/32") &&
           absl::StrContains(routes, "BGP.next_hop: 10.99.0.2") &&
           absl::StrContains(routes, "BGP.next_hop: 10.99.0.3");
  }

  // The body that the speaker's HTTP server answers with, head included.
  std::string Get(const std::string& path) const {
    return Output(absl::StrCat("bash -c 'exec 3<>/dev/tcp/127.0.0.1/50053; printf \"GET ", path,
                               " HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3'"));
  }

  std::filesystem::path folder;
  std::unique_ptr<ChildProcess> bird;
  std::unique_ptr<ChildProcess> speaker;
};

TEST_F(SpeakerProcessTest, APlanBecomesRoutesAndItsChangesFollow) {
  PlanServer server;
  PutPlan(&server);
  StartSpeaker(server.port());
  Until("both next hops", [&] { return BothNextHops(); });
  EXPECT_THAT(Routes(), AllOf(HasSubstr("BGP.as_path: 65000"), HasSubstr("BGP.origin: IGP")));

  PutRoute(&server, "172.22.0.3/32");
  Until("the second route", [&] { return absl::StrContains(Routes(), "172.22.0.3/32"); });
  PutGroup(&server, {"10.99.0.2"});
  Until("one next hop", [&] { return !absl::StrContains(Routes(), "10.99.0.3"); });
  EXPECT_THAT(Routes(), AllOf(HasSubstr("172.22.0.2/32"), HasSubstr("172.22.0.3/32")));
  server.Remove("route/172.22.0.2/32");
  Until("the withdrawal", [&] { return !absl::StrContains(Routes(), "172.22.0.2/32"); });
  Until("the report", [&] {
    const plan::v1::Observed observed = server.observed();
    return observed.peers_size() == 1 && observed.peers(0).session_state() == "ESTABLISHED" &&
           observed.peers(0).announced_prefixes() == 1 &&
           observed.peers(0).on_wire().counter() == server.generation().counter;
  });

  EXPECT_THAT(
      Get("/metrics"),
      AllOf(HasSubstr("200 OK"),
            HasSubstr("openelb_speaker_bgp_session_state{name=\"leaf\",peer=\"10.99.0.1\"} 5"),
            HasSubstr("openelb_speaker_attached 1"), HasSubstr("openelb_speaker_plan_routes 1")));
  EXPECT_THAT(Get("/healthz"), HasSubstr("200 OK"));
  EXPECT_THAT(Get("/readyz"), HasSubstr("200 OK"));
}

// Of a router that would take a session without any protection: this BIRD knows no TCP-AO.
TEST_F(SpeakerProcessTest, WithKeysThereIsNoSessionWithoutThem) {
  PlanServer server;
  PutPlan(&server);
  PutPeer(&server, [](plan::v1::BgpPeer* peer) {
    plan::v1::TcpAoKey* key = peer->add_tcp_ao_keys();
    key->set_send_id(1);
    key->set_receive_id(2);
    key->set_algorithm("hmac-sha-1-96");
    key->set_secret("s3cret");
  });
  std::string conf = kBirdConf;
  const std::string password = "  password \"s3cret\";\n";
  std::ofstream(folder / "bird.conf") << conf.erase(conf.find(password), password.size());
  EXPECT_THAT(Output(absl::StrCat("birdc -s ", (folder / "bird.ctl").string(), " configure")),
              HasSubstr("Reconfigur"));
  StartSpeaker(server.port());
  const absl::Status support = io::TcpAoSupport();
  const std::string error = support.ok() ? "no answer" : std::string(support.message());
  Until("its error", [&] {
    const plan::v1::Observed observed = server.observed();
    return observed.peers_size() == 1 && absl::StrContains(observed.peers(0).last_error(), error) &&
           observed.peers(0).sent().open() == 0;
  });
  EXPECT_THAT(Bird("show protocols all speaker"), Not(HasSubstr("Established")));
  PutPeer(&server, [](plan::v1::BgpPeer*) {});
  Until("both next hops", [&] { return BothNextHops(); });
}

TEST_F(SpeakerProcessTest, SigtermEndsInOrderWithinTwoSeconds) {
  PlanServer server;
  PutPlan(&server);
  StartSpeaker(server.port());
  Until("both next hops", [&] { return BothNextHops(); });
  speaker->Signal(SIGTERM);
  EXPECT_EQ(speaker->Wait(absl::Seconds(3)), 0);
  Until("the end of the session", [&] { return Routes().find("172.22.0.2") == std::string::npos; });
  EXPECT_THAT(Bird("show protocols all speaker"), HasSubstr("Received: Administrative shutdown"));
  Until("the goodbye", [&] { return server.goodbyes() == 1; });
}

TEST_F(SpeakerProcessTest, APeerThatHangsHoldsTheEndUpForTwoSecondsAtMost) {
  PlanServer server;
  PutPlan(&server);
  StartSpeaker(server.port());
  Until("both next hops", [&] { return BothNextHops(); });
  bird->Signal(SIGSTOP);
  speaker->Signal(SIGTERM);
  EXPECT_EQ(speaker->Wait(absl::Seconds(4)), 0);
}

TEST_F(SpeakerProcessTest, AControllerThatMovedIsFoundThroughTheFile) {
  auto server = std::make_unique<PlanServer>();
  PutPlan(server.get());
  StartSpeaker(server->port());
  Until("both next hops", [&] { return BothNextHops(); });
  server.reset();
  server = std::make_unique<PlanServer>();
  std::ofstream(folder / "controllers") << "127.0.0.1:" << server->port() << " # moved\n";
  PutPlan(server.get());
  PutRoute(server.get(), "172.22.0.9/32");
  Until("the new route", [&] { return absl::StrContains(Routes(), "172.22.0.9/32"); });
}

TEST_F(SpeakerProcessTest, AfterItsOwnCrashItAnnouncesWithoutAController) {
  int port = 0;
  {
    PlanServer server;
    port = server.port();
    PutPlan(&server);
    StartSpeaker(port);
    Until("both next hops", [&] { return BothNextHops(); });
    Until("the saved plan", [&] {
      return Output(absl::StrCat("grep -ac route/172.22.0.2/32 ",
                                 (folder / "state" / "plan").string())) == "1\n";
    });
  }
  // The controller is gone: nothing is withdrawn.
  Until("the controller's end",
        [&] { return absl::StrContains(Get("/metrics"), "openelb_speaker_attached 0"); });
  EXPECT_TRUE(BothNextHops());

  speaker->Signal(SIGKILL);
  EXPECT_EQ(speaker->Wait(absl::Seconds(3)), 128 + SIGKILL);
  Until("the withdrawal", [&] { return Routes().find("172.22.0.2") == std::string::npos; });
  StartSpeaker(port);
  Until("both next hops", [&] { return BothNextHops(); });
  EXPECT_THAT(Get("/readyz"), HasSubstr("200 OK"));
}

TEST(SpeakerFlagsProcessTest, HelpVersionAndErrors) {
  const std::string speaker = kSpeaker;
  EXPECT_THAT(Output(speaker + " --version"), HasSubstr("openelb-speaker "));
  EXPECT_THAT(Output(speaker + " version"), HasSubstr("openelb-speaker "));
  EXPECT_THAT(Output(speaker + " --help"),
              AllOf(HasSubstr("--controller"), HasSubstr("--api-hosts")));
  const std::string wrong = Output(speaker + " --no-such-flag=1; echo \"exit $?\"");
  EXPECT_THAT(wrong, AllOf(HasSubstr("no-such-flag"), HasSubstr("exit 2")));
  EXPECT_EQ(std::count(wrong.begin(), wrong.end(), '\n'), 2) << wrong;
}

}  // namespace
}  // namespace openelb

// LANs on threads of their own over real sockets, each node in a network namespace of its own.
// Needs root.
#include "speaker/lan/lan_thread.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <ostream>
#include <source_location>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/base/mutex.h"
#include "gmock/gmock.h"
#include "speaker/io/test_namespace.h"
#include "speaker/layer2/test_frames.h"

namespace openelb::lan {
namespace {

using layer2::Ip;
using testing::HasSubstr;
using testing::Not;

const absl::Duration kMs = absl::Milliseconds(1);
const IpAddress kLayer2 = Ip("10.98.0.100");
const IpAddress kVip = Ip("10.98.0.200");

// The owner thread's mailbox: the test is the owner, and reads it when it likes.
class Mailbox {
 public:
  void Post(std::function<void()> task) {
    MutexLock lock(&mutex_);
    tasks_.push_back(std::move(task));
    posted_.NotifyOne();
  }
  // Waits a little for tasks, and runs them.
  void Run() {
    std::vector<std::function<void()>> tasks;
    {
      MutexLock lock(&mutex_);
      if (tasks_.empty()) posted_.WaitFor(&mutex_, std::chrono::milliseconds(10));
      tasks.swap(tasks_);
    }
    for (const std::function<void()>& task : tasks) task();
  }
  bool empty() {
    MutexLock lock(&mutex_);
    return tasks_.empty();
  }

 private:
  Mutex mutex_;
  CondVar posted_;
  std::vector<std::function<void()>> tasks_ GUARDED_BY(mutex_);
};

class Node final : public Observer {
 public:
  Node(int number, Mailbox* mailbox) : number_(number) {
    LanOptions options;
    options.owner.node = Name(number);
    lan =
        LanThread::Start(options, &clock_, &random_, &sink_, [mailbox](std::function<void()> task) {
          mailbox->Post(std::move(task));
        }).value();
    lan->SetObserver(this);
  }
  static std::string Name(int number) { return absl::StrCat("n", number); }
  static IpAddress Address(int number) {
    return IpAddress::FromV4(0x0a620000U + static_cast<uint32_t>(number));
  }
  // Node 1 owns the Layer 2 address and has the better priority. Half a second of silence is a
  // failure: more than a loaded machine takes to run a thread.
  void Apply() {
    link::PlanState plan;
    link::Layer2Address& layer2 = plan.layer2[kLayer2];
    layer2.interface = "veth";
    layer2.turn = 1;
    for (int node : {1, 2}) {
      layer2.ranks.push_back({.node = Name(node), .bfd_peer = {}});
      if (node != number_) layer2.ranks.back().bfd_peer = Address(node);
    }
    plan.bfd[{"veth", Address(3 - number_)}] = {.local = Address(number_),
                                                .node = Name(3 - number_),
                                                .desired_min_tx = 50 * kMs,
                                                .required_min_rx = 50 * kMs,
                                                .detect_mult = 10,
                                                .secret = "secret"};
    plan.vrrp[{"veth", Family::kV4, 51}] = {.version = 3,
                                            .priority = static_cast<uint8_t>(200 - number_),
                                            .interval = 150 * kMs,
                                            .addresses = {kVip},
                                            .unicast_peers = {},
                                            .name = "vip"};
    lan->ApplyLayer2(plan, {.layer2 = {kLayer2}, .bfd = true}, /*confirmed=*/true);
    lan->ApplyVip(plan);
  }
  bool Owns() const { return lan->state().owned.contains(kLayer2); }
  vrrp::RouterState Router() const {
    return lan->state().routers.empty() ? vrrp::RouterState::kInitialize
                                        : lan->state().routers[0].state;
  }
  // As the thread has it, whatever the owner thread was told.
  struct Inside {
    bool up = false;  // the BFD session
    bool owns = false;
    vrrp::RouterState router = vrrp::RouterState::kInitialize;
    uint64_t bfd_received = 0;
    uint64_t vrrp_received = 0;
    uint64_t transitions = 0;  // of the router and the session
  };
  Inside Look() const {
    Inside inside;
    EXPECT_TRUE(lan->Read([&inside](const LocalLan& all) {
      const bfd::Watch& watch = all.owner()->watch();
      inside.up = watch.Sessions().size() == 1 && watch.Sessions()[0].state == bfd::State::kUp;
      inside.bfd_received = watch.counters().received;
      for (const auto& [what, count] : watch.counters().transitions) inside.transitions += count;
      inside.owns = all.owner()->owned().contains(kLayer2);
      const vrrp::Instance& routers = all.routers()->routers();
      if (!routers.Routers().empty()) inside.router = routers.Routers()[0].state;
      inside.vrrp_received = routers.counters().received;
      for (const auto& [what, count] : routers.counters().transitions) inside.transitions += count;
    }));
    return inside;
  }
  void OnLanChanged(const LanState& before, const LanState& now) override {
    EXPECT_EQ(&now, &lan->state());
    EXPECT_EQ(before.owned, owned_before_);
    owned_before_ = now.owned;
    ++told;
  }

  friend std::ostream& operator<<(std::ostream& out, const Node& node) {
    const Inside inside = node.Look();
    return out << (node.Owns() ? "owns" : "does not own") << ", is "
               << vrrp::RouterStateName(node.Router()) << ", on its thread "
               << (inside.owns ? "owns" : "does not own") << ", is "
               << vrrp::RouterStateName(inside.router) << ", session "
               << (inside.up ? "up" : "down") << ", " << inside.bfd_received << " BFD and "
               << inside.vrrp_received << " VRRP packets";
  }

  int told = 0;

 private:
  const int number_;
  std::map<IpAddress, absl::Time> owned_before_;
  SystemClock clock_;
  SystemRandom random_;
  NullLogSink sink_;

 public:
  std::unique_ptr<LanThread> lan;  // goes before what it uses
};

// Two nodes with a cable between their namespaces; the test stays in that of the first.
class LanThreadTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(io::EnterNewNetworkNamespace());
    far = OwnNamespace();
    two = std::make_unique<Node>(2, &mailbox);
    ASSERT_NO_FATAL_FAILURE(io::EnterNewNetworkNamespace());
    near = OwnNamespace();
    one = std::make_unique<Node>(1, &mailbox);
    one->Apply();  // before there is a link: its sockets are opened when that comes
    Connect();
    RunUntil([&] { return one->Owns() && one->Router() == vrrp::RouterState::kActive; });
    two->Apply();  // not before: of two that ask at once either may be first, and keeps the address
    RunUntil([&] { return two->Router() == vrrp::RouterState::kBackup; });
    RunUntil([&] { return one->Look().up && two->Look().up; });
    ASSERT_FALSE(two->Owns());
    ASSERT_FALSE(HasFailure());
  }
  static io::UniqueFd OwnNamespace() {
    return io::UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  void Connect() {
    const std::string there = absl::StrCat("/proc/", getpid(), "/fd/", far.get());
    io::RunShell(absl::StrCat("ip link add veth type veth peer name veth netns ", there));
    io::RunShell("ip addr add 10.98.0.1/24 dev veth && ip link set veth up");
    InFar([] { io::RunShell("ip addr add 10.98.0.2/24 dev veth && ip link set veth up"); });
  }
  void InFar(const std::function<void()>& what) {
    ASSERT_EQ(setns(far.get(), CLONE_NEWNET), 0);
    what();
    ASSERT_EQ(setns(near.get(), CLONE_NEWNET), 0);
  }
  // Whether the far node finds the address: the kernel there asks for it.
  bool Resolves(const IpAddress& address) {
    std::string neighbours;
    InFar([&] {
      const std::string text = address.ToString();
      io::ReadShell(absl::StrCat("ip neigh del ", text, " dev veth 2>/dev/null; ",
                                 "ping -c 1 -W 1 ", text, " >/dev/null"));
      neighbours = io::ReadShell(absl::StrCat("ip neigh show ", text, " dev veth"));
    });
    return absl::StrContains(neighbours, "lladdr");
  }
  void RunUntil(const std::function<bool()>& done,
                std::source_location where = std::source_location::current()) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (!done() && absl::Now() < deadline) mailbox.Run();
    if (done()) return;
    std::string links = io::ReadShell("ip -o addr; ip -o link");
    InFar([&] { links += io::ReadShell("ip -o addr; ip -o link"); });
    ADD_FAILURE() << "line " << where.line() << ": nothing more happens; one " << *one << "; two "
                  << *two << "\n"
                  << links;
  }

  Mailbox mailbox;
  io::UniqueFd near;
  io::UniqueFd far;
  std::unique_ptr<Node> one;
  std::unique_ptr<Node> two;
};

// Whatever it is that keeps the owner: nobody serves the mailbox, for several times what it takes
// to be taken for dead. What must not be lost: the session, the virtual router, and the answers.
TEST_F(LanThreadTest, AnOwnerThreadThatStallsLosesNothing) {
  mailbox.Run();
  const Node::Inside one_before = one->Look();
  const Node::Inside two_before = two->Look();
  for (int round = 0; round < 2000; ++round) {
    const Node::Inside now = two->Look();
    if (now.bfd_received >= two_before.bfd_received + 40 &&
        now.vrrp_received >= two_before.vrrp_received + 15) {
      break;
    }
    absl::SleepFor(10 * kMs);
  }
  const Node::Inside two_after = two->Look();
  EXPECT_GE(two_after.bfd_received, two_before.bfd_received + 40);
  EXPECT_GE(two_after.vrrp_received, two_before.vrrp_received + 15);
  EXPECT_TRUE(two_after.up);
  EXPECT_FALSE(two_after.owns);
  EXPECT_EQ(two_after.router, vrrp::RouterState::kBackup);
  EXPECT_EQ(two_after.transitions, two_before.transitions);
  EXPECT_EQ(one->Look().transitions, one_before.transitions);
  EXPECT_TRUE(Resolves(kLayer2));
  EXPECT_TRUE(Resolves(kVip));
}

// Nor does it keep this node from taking over.
TEST_F(LanThreadTest, AnOwnerThreadThatStallsTakesOver) {
  one->lan.reset();
  for (int round = 0; round < 1000 && !two->Look().owns; ++round) absl::SleepFor(10 * kMs);
  for (int round = 0; round < 1000 && two->Look().router != vrrp::RouterState::kActive; ++round) {
    absl::SleepFor(10 * kMs);
  }
  EXPECT_TRUE(two->Look().owns);
  EXPECT_EQ(two->Look().router, vrrp::RouterState::kActive);
  EXPECT_FALSE(two->Owns()) << "the owner thread has not heard of it yet";
  RunUntil([&] { return two->Owns() && two->Router() == vrrp::RouterState::kActive; });
}

TEST_F(LanThreadTest, TheOwnerIsToldTheNextOnceItHasTakenTheLast) {
  for (int round = 0; round < 20; ++round) mailbox.Run();
  const int told = two->told;
  io::RunShell("ip link set veth down");
  for (int round = 0; round < 1000 && two->Look().up; ++round) absl::SleepFor(10 * kMs);
  io::RunShell("ip link set veth up");
  for (int round = 0; round < 1000 && !two->Look().up; ++round) absl::SleepFor(10 * kMs);
  EXPECT_EQ(two->told, told);
  RunUntil([&] { return two->told > told; });
  EXPECT_EQ(two->told, told + 1) << "all that happened since comes as one";
  RunUntil([&] { return one->Owns() != two->Owns(); });
}

TEST_F(LanThreadTest, AnInterfaceThatIsMadeAnewGoesOn) {
  io::RunShell("ip link del veth");
  RunUntil([&] { return one->Router() == vrrp::RouterState::kInitialize && !two->Look().up; });
  Connect();
  RunUntil([&] { return one->Look().up && two->Look().up; });
  RunUntil([&] { return one->Owns() != two->Owns(); });
  RunUntil([&] {
    return (one->Router() == vrrp::RouterState::kActive) !=
           (two->Router() == vrrp::RouterState::kActive);
  });
}

TEST_F(LanThreadTest, StopHasHandedOverWhenItReturns) {
  one->lan->Stop();
  EXPECT_THAT(io::ReadShell("ip addr show dev veth"), Not(HasSubstr(kVip.ToString())));
  EXPECT_TRUE(one->Look().transitions > 0 && !one->Look().up);
  RunUntil([&] { return two->Owns() && two->Router() == vrrp::RouterState::kActive; });
  RunUntil([&] { return !one->Owns(); });
}

TEST_F(LanThreadTest, NobodyIsToldAfterTheEnd) {
  one->lan->Stop();
  for (int round = 0; round < 1000 && mailbox.empty(); ++round) absl::SleepFor(10 * kMs);
  ASSERT_FALSE(mailbox.empty()) << "what has changed is posted";
  const int told = one->told + two->told;
  one->lan.reset();
  two->lan.reset();
  while (!mailbox.empty()) mailbox.Run();
  EXPECT_EQ(one->told + two->told, told);
}

// Thousands of addresses in one plan must not keep the session and the router waiting.
TEST_F(LanThreadTest, ALargePlanLosesNothing) {
  const uint64_t before = one->Look().transitions + two->Look().transitions;
  constexpr uint32_t kMany = 10'000;
  link::PlanState plan;
  link::PlanChanges changes;
  for (uint32_t i = 0; i < kMany; ++i) {
    const IpAddress address = IpAddress::FromV4(0x0a630000U + i);
    plan.layer2[address].interface = "veth";
    plan.layer2[address].ranks = {{.node = Node::Name(1), .bfd_peer = {}},
                                  {.node = Node::Name(2), .bfd_peer = Node::Address(2)}};
    changes.layer2.insert(address);
  }
  one->lan->ApplyLayer2(plan, changes, /*confirmed=*/true);
  RunUntil([&] { return one->lan->state().owned.size() == kMany + 1; });
  EXPECT_EQ(one->Look().transitions + two->Look().transitions, before);
}

TEST(LanThreadModesTest, AModeThatIsOffTakesOffWhatItHeld) {
  ASSERT_NO_FATAL_FAILURE(io::EnterNewNetworkNamespace());
  io::RunShell("ip link add veth type veth peer name other && ip link set veth up");
  io::RunShell("ip addr add 10.98.0.1/24 dev veth");
  const SystemClock clock;
  SystemRandom random;
  NullLogSink sink;
  auto loop = io::EpollIo::Create(&clock).value();
  ASSERT_FALSE(loop->Interfaces().empty());
  const int index = loop->Interfaces().back().index;
  ASSERT_TRUE(io::EpollVrrp::Create(loop.get()).value()->Hold({{index, {kVip}}}).ok());
  ASSERT_THAT(io::ReadShell("ip addr"), HasSubstr(kVip.ToString()));
  const auto lan = LanThread::Start({.layer2 = false, .vip = false, .owner = {}}, &clock, &random,
                                    &sink, [](const std::function<void()>&) {})
                       .value();
  EXPECT_FALSE(lan->layer2() || lan->vip());
  EXPECT_THAT(io::ReadShell("ip addr"), Not(HasSubstr(kVip.ToString())));
}

}  // namespace
}  // namespace openelb::lan

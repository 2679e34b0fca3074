// BFD on threads of its own over real sockets, each node in a network namespace of its own. Needs
// root.
#include "speaker/bfd/watch_thread.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/base/mutex.h"
#include "gmock/gmock.h"
#include "speaker/io/test_namespace.h"

namespace openelb::bfd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Duration kMs = absl::Milliseconds(1);

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
    watch = WatchThread::Start(
                &clock_, &random_, &logger_,
                [mailbox](std::function<void()> task) { mailbox->Post(std::move(task)); }, this)
                .value();
  }
  static IpAddress Address(int number) {
    return IpAddress::FromV4(0x0a620000U + static_cast<uint32_t>(number));
  }
  // A second of silence is a failure: far more than a loaded machine takes to run a thread.
  void WatchOther(absl::string_view secret = "secret") {
    watch->Apply({{{Address(3 - number_), "veth"},
                   Address(number_),
                   {.desired_min_tx = 20 * kMs,
                    .required_min_rx = 20 * kMs,
                    .detect_mult = 50,
                    .authentication = SharedSecret(secret)}}});
  }
  bool Up() const { return !changes.empty() && changes.back().to == State::kUp; }
  void OnSessionChanged(const SessionKey& key, const Transition& transition) override {
    EXPECT_EQ(key, (SessionKey{Address(3 - number_), "veth"}));
    changes.push_back(transition);
  }

  std::vector<Transition> changes;  // as told on the owner thread

 private:
  const int number_;
  SystemClock clock_;
  SystemRandom random_;
  NullLogSink sink_;
  Logger logger_{&sink_, &clock_};

 public:
  std::unique_ptr<WatchThread> watch;  // goes before what it uses
};

// Two nodes with a cable between their namespaces; the test stays in that of the first.
class WatchThreadTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(io::EnterNewNetworkNamespace());
    far = OwnNamespace();
    two = std::make_unique<Node>(2, &mailbox);
    ASSERT_NO_FATAL_FAILURE(io::EnterNewNetworkNamespace());
    near = OwnNamespace();
    one = std::make_unique<Node>(1, &mailbox);
    // Both know their sessions before there is a link: they open their sockets when it comes.
    one->WatchOther();
    two->WatchOther();
    Connect();
    RunUntil([&] { return one->Up() && two->Up(); });
    ASSERT_FALSE(HasFailure());
    one->changes.clear();
    two->changes.clear();
  }
  static io::UniqueFd OwnNamespace() {
    return io::UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  void Connect() {
    const std::string there = absl::StrCat("/proc/", getpid(), "/fd/", far.get());
    io::RunShell(absl::StrCat("ip link add veth type veth peer name veth netns ", there));
    io::RunShell("ip addr add 10.98.0.1/24 dev veth && ip link set veth up");
    ASSERT_EQ(setns(far.get(), CLONE_NEWNET), 0);
    io::RunShell("ip addr add 10.98.0.2/24 dev veth && ip link set veth up");
    ASSERT_EQ(setns(near.get(), CLONE_NEWNET), 0);
  }
  void RunUntil(const std::function<bool()>& done) {
    for (int round = 0; round < 2000 && !done(); ++round) mailbox.Run();
    EXPECT_TRUE(done()) << "nothing more happens";
  }

  Mailbox mailbox;
  io::UniqueFd near;
  io::UniqueFd far;
  std::unique_ptr<Node> one;
  std::unique_ptr<Node> two;
};

TEST_F(WatchThreadTest, AnOwnerThatIsBusyIsNotTakenForDead) {
  // Nobody serves the mailbox meanwhile, for twice the detection time.
  const uint64_t heard = two->watch->counters().received;
  for (int round = 0; round < 500 && two->watch->counters().received < heard + 100; ++round) {
    absl::SleepFor(10 * kMs);
  }
  EXPECT_GE(two->watch->counters().received, heard + 100);
  EXPECT_TRUE(mailbox.empty());
  for (const Node* node : {one.get(), two.get()}) {
    ASSERT_EQ(node->watch->Sessions().size(), 1u);
    EXPECT_EQ(node->watch->Sessions()[0].state, State::kUp);
    EXPECT_EQ(node->watch->Sessions()[0].detection_time, 1000 * kMs);
    EXPECT_EQ(node->watch->NextWakeup(), absl::InfiniteDuration());
  }
}

TEST_F(WatchThreadTest, ACutCableIsNoticedAndItsReturnToo) {
  io::RunShell("ip link set veth down");
  RunUntil([&] { return !two->changes.empty(); });
  EXPECT_THAT(two->changes,
              ElementsAre(Transition{State::kUp, State::kDown, Reason::kDetectionTimeExpired}));
  io::RunShell("ip link set veth up");
  RunUntil([&] { return one->Up() && two->Up(); });
}

TEST_F(WatchThreadTest, AnInterfaceThatIsMadeAnewGoesOn) {
  io::RunShell("ip link del veth");
  RunUntil([&] { return !one->changes.empty() && !two->changes.empty(); });
  ASSERT_FALSE(one->Up() || two->Up());
  Connect();
  RunUntil([&] { return one->Up() && two->Up(); });
}

TEST_F(WatchThreadTest, StopHasToldThePeerWhenItReturns) {
  const uint64_t sent = one->watch->counters().sent;
  one->watch->Stop();
  EXPECT_GT(one->watch->counters().sent, sent);
  EXPECT_THAT(one->watch->Sessions(), IsEmpty());
  RunUntil([&] { return !two->changes.empty(); });
  EXPECT_THAT(two->changes,
              ElementsAre(Transition{State::kUp, State::kDown, Reason::kNeighborAdminDown}));
  RunUntil([&] { return !one->changes.empty(); });
  EXPECT_EQ(one->changes[0].reason, Reason::kAdminDown);
}

TEST_F(WatchThreadTest, NobodyIsToldAfterTheEnd) {
  one->watch->Stop();
  RunUntil([&] { return !two->changes.empty(); });
  ASSERT_FALSE(mailbox.empty() && one->changes.empty()) << "the goodbye is posted";
  one->changes.clear();
  two->watch->Stop();  // posts as well
  two->changes.clear();
  one->watch.reset();
  two->watch.reset();
  ASSERT_FALSE(mailbox.empty());
  mailbox.Run();
  EXPECT_THAT(one->changes, IsEmpty());
  EXPECT_THAT(two->changes, IsEmpty());
}

TEST_F(WatchThreadTest, ANewSecretAndAMissingPeerAreTakenWhileItRuns) {
  one->WatchOther("new");
  two->WatchOther("new");
  const uint64_t heard = two->watch->counters().received;
  RunUntil([&] { return two->watch->counters().received > heard + 10; });
  EXPECT_EQ(two->watch->counters().DroppedFor(Drop::kAuthenticationDigest), 0u);
  EXPECT_THAT(two->changes, IsEmpty());
  one->watch->Apply({});
  EXPECT_THAT(one->watch->Sessions(), IsEmpty());
}

}  // namespace
}  // namespace openelb::bfd

// Watches over a simulated link: what they add to the sessions of an Instance.
#include "speaker/bfd/watch.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <string>

#include "api/base/scheduler.h"
#include "speaker/io/sim_udp.h"

namespace openelb::bfd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const absl::Duration kS = absl::Seconds(1);

class Lines final : public LogSink {
 public:
  void Write(const LogRecord& record) override {
    if (record.level >= LogLevel::kWarning) lines.push_back(FormatText(record));
  }
  std::vector<std::string> lines;
};

class Node final : public Observer {
 public:
  Node(int number, io::SimUdp* network, Scheduler* scheduler)
      : number_(number), random_(static_cast<uint64_t>(number)), logger_(&log, scheduler) {
    network->SetAddresses(std::to_string(number), {{"eth0", Address(number), 24}});
    udp_ = network->Start(std::to_string(number));
    watch.emplace(udp_.get(), scheduler, &random_, &logger_, this);
  }

  static IpAddress Address(int number) {
    return IpAddress::FromV4(0x0a000000U + static_cast<uint32_t>(number));
  }
  PeerConfig Other(const Authentication& authentication) const {
    return {{Address(3 - number_), "eth0"},
            Address(number_),
            {.authentication = authentication, .admin_down = false}};
  }
  bool Up() const {
    const std::vector<SessionView> sessions = watch->Sessions();
    return sessions.size() == 1 && sessions[0].state == State::kUp;
  }
  void OnSessionChanged(const SessionKey&, const Transition& transition) override {
    if (transition.from == State::kUp) lost.push_back(transition.reason);
  }

  std::vector<Reason> lost;
  Lines log;

 private:
  const int number_;
  SeededRandom random_;
  Logger logger_;
  std::unique_ptr<io::Udp> udp_;

 public:
  std::optional<Watch> watch;  // goes before what it uses
};

class WatchTest : public testing::Test {
 protected:
  WatchTest() {
    network.SetTap([this](absl::string_view from, absl::string_view, const io::Datagram& datagram) {
      constexpr size_t kKeyId = kMandatoryLength + 2;
      if (from == "1" && datagram.data.size() > kKeyId) signed_with = datagram.data[kKeyId];
    });
  }

  void Run(absl::Duration time) {
    const absl::Duration end = scheduler.Monotonic() + time;
    while (scheduler.Monotonic() < end) {
      const absl::Duration next = std::min({end, one.watch->NextWakeup(), two.watch->NextWakeup()});
      if (!scheduler.Step(next)) scheduler.RunUntil(next);
      for (Node* node : {&one, &two}) {
        if (node->watch->NextWakeup() <= scheduler.Monotonic()) node->watch->Tick();
      }
    }
  }
  void BringUp(const char* secret) {
    one.watch->Apply({one.Other(SharedSecret(secret))});
    two.watch->Apply({two.Other(SharedSecret(secret))});
    Run(3 * kS);
    ASSERT_TRUE(one.Up() && two.Up());
  }
  static uint8_t IdOf(const char* secret) { return SharedSecret(secret).keys[0].id; }
  uint64_t Refused() const {
    const Counters counters = two.watch->counters();
    return counters.DroppedFor(Drop::kAuthenticationKeyId) +
           counters.DroppedFor(Drop::kAuthenticationDigest);
  }

  Scheduler scheduler;
  io::SimUdp network{&scheduler, 7};
  Node one{1, &network, &scheduler};
  Node two{2, &network, &scheduler};
  std::optional<uint8_t> signed_with;  // the newest packet of node 1
};

TEST_F(WatchTest, ANewSecretCostsNoSessionThoughPlansComeNineSecondsApart) {
  BringUp("old");
  one.watch->Apply({one.Other(SharedSecret("new"))});
  Run(9 * kS);
  EXPECT_EQ(signed_with, IdOf("old"));
  two.watch->Apply({two.Other(SharedSecret("new"))});
  Run(2 * kS);
  EXPECT_EQ(signed_with, IdOf("new"));
  Run(60 * kS);
  EXPECT_TRUE(one.Up() && two.Up());
  EXPECT_THAT(one.lost, IsEmpty());
  EXPECT_THAT(two.lost, IsEmpty());
  EXPECT_EQ(Refused(), 0u);
  EXPECT_EQ(one.watch->Sessions()[0].detection_time, absl::Milliseconds(300));
}

TEST_F(WatchTest, TheOldSecretIsWorthNothingInTheEnd) {
  BringUp("old");
  one.watch->Apply({one.Other(SharedSecret("new"))});
  Run(10 * kS + absl::Milliseconds(500));
  EXPECT_THAT(two.lost, ElementsAre(Reason::kDetectionTimeExpired)) << "it was never told";
  EXPECT_GT(Refused(), 0u);
}

TEST_F(WatchTest, OtherChangesMeanwhileTakeTheRollAsItStands) {
  BringUp("old");
  one.watch->Apply({one.Other(SharedSecret("new"))});
  two.watch->Apply({two.Other(SharedSecret("new"))});
  Run(5 * kS);
  PeerConfig slower = one.Other(SharedSecret("new"));
  slower.session.detect_mult = 5;
  one.watch->Apply({slower});
  Run(1 * kS);
  EXPECT_EQ(signed_with, IdOf("old"));
  Run(5 * kS);
  EXPECT_EQ(signed_with, IdOf("new"));
  EXPECT_THAT(two.lost, IsEmpty());
  EXPECT_EQ(two.watch->Sessions()[0].detection_time, absl::Milliseconds(500));
}

TEST_F(WatchTest, ASessionThatIsDownTakesTheNewSecretAtOnce) {
  one.watch->Apply({one.Other(SharedSecret("old"))});
  Run(3 * kS);
  one.watch->Apply({one.Other(SharedSecret("new"))});
  two.watch->Apply({two.Other(SharedSecret("new"))});
  Run(3 * kS);
  EXPECT_TRUE(one.Up() && two.Up());
}

TEST_F(WatchTest, ASessionThatLeavesThePlanAndComesBackWithAnotherSecretIsKept) {
  BringUp("old");
  one.watch->Apply({});
  Run(2 * kS);
  one.watch->Apply({one.Other(SharedSecret("new"))});
  Run(2 * kS);
  two.watch->Apply({two.Other(SharedSecret("new"))});
  Run(30 * kS);
  EXPECT_TRUE(one.Up());
  EXPECT_THAT(two.lost, IsEmpty());
}

TEST_F(WatchTest, AConfigurationThatCannotBeIsLoggedOnceAndLosesNothing) {
  BringUp("old");
  const std::vector<PeerConfig> bad = {one.Other(SharedSecret(std::string(21, 'x')))};
  one.watch->Apply(bad);
  one.watch->Apply(bad);
  Run(30 * kS);
  EXPECT_THAT(one.log.lines,
              ElementsAre(HasSubstr("BFD session with 10.0.0.2 on eth0: authentication: key")));
  EXPECT_THAT(two.lost, IsEmpty());
  one.watch->Apply({one.Other(SharedSecret("old"))});
  one.watch->Apply(bad);
  EXPECT_EQ(one.log.lines.size(), 2u) << "it came anew";
  one.watch->Apply({one.Other(SharedSecret("old")), one.Other(SharedSecret("other"))});
  EXPECT_THAT(one.log.lines.back(), HasSubstr("is named twice"));
  Run(30 * kS);
  EXPECT_EQ(signed_with, IdOf("old"));
  EXPECT_THAT(two.lost, IsEmpty());
}

TEST_F(WatchTest, AListOfSeveralKeysIsTakenAsItIs) {
  const Authentication keys = {AuthenticationType::kMeticulousKeyedSha1, {{8, "b"}, {7, "a"}}};
  one.watch->Apply({one.Other(keys)});
  two.watch->Apply({two.Other(keys)});
  Run(3 * kS);
  EXPECT_TRUE(one.Up() && two.Up());
  EXPECT_EQ(signed_with, 8);
}

TEST_F(WatchTest, StopSaysGoodbyeAtOnce) {
  BringUp("secret");
  one.watch->Stop();
  Run(absl::Milliseconds(2));
  EXPECT_THAT(two.lost, ElementsAre(Reason::kNeighborAdminDown));
  EXPECT_THAT(one.watch->Sessions(), IsEmpty());
  EXPECT_EQ(one.watch->NextWakeup(), absl::InfiniteDuration());
}

}  // namespace
}  // namespace openelb::bfd

#include "speaker/link/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/base/clock.h"
#include "api/plan/referral.h"
#include "speaker/link/endpoint.h"
#include "speaker/link/plan_builder.h"

namespace openelb::link {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FakeTransport final : public PlanLink {
 public:
  void Dial(const std::string& endpoint) override { calls.push_back("dial " + endpoint); }
  void Send(const plan::v1::Report& report) override {
    last = report;
    calls.push_back(
        report.GetDescriptor()->FindFieldByNumber(static_cast<int>(report.body_case()))->name());
  }
  void Hangup() override { calls.push_back("hangup"); }
  std::vector<std::string> Take() { return std::exchange(calls, {}); }
  std::vector<std::string> calls;
  plan::v1::Report last;
};

class LinkTest : public ::testing::Test {
 protected:
  LinkTest() : link_(&transport_, &store_, &random_, &log_, Options()) {}
  LinkOptions Options() {
    return {.node = "n1",
            .kernel_boot_id = "boot",
            .instance = "i1",
            .version = "v",
            .controllers = {"flag:1", "file:1"},
            .read_controllers = [this] { return controllers_file_; }};
  }
  void Up() {
    link_.Start(now_);
    link_.OnUp("flag:1", now_);
    link_.OnPlan(Heartbeat(), now_);
    transport_.Take();
  }
  static plan::v1::Plan Heartbeat() {
    plan::v1::Plan plan;
    plan.mutable_heartbeat();
    return plan;
  }
  void Apply(plan::Generation generation, const Resources& resources) {
    for (const auto& plan : Snapshot(generation, resources)) link_.OnPlan(plan, now_);
  }

  absl::StatusOr<std::vector<std::string>> controllers_file_ = std::vector<std::string>();
  absl::Duration now_ = absl::Seconds(10);
  FakeTransport transport_;
  PlanStore store_;
  SeededRandom random_{1};
  SystemClock clock_;
  NullLogSink sink_;
  Logger log_{&sink_, &clock_};
  Link link_;
};

TEST_F(LinkTest, ARoundTriesSavedThenFileThenFlags) {
  SavedPlan saved;
  saved.endpoints = {"saved:1", "saved:2"};
  store_.Restore(saved);
  controllers_file_ = std::vector<std::string>{"file:1", "saved:2"};
  link_.Start(now_);
  for (int i = 0; i < 4; ++i) link_.OnDown(absl::UnavailableError("refused"), now_);
  EXPECT_THAT(transport_.Take(),
              ElementsAre("dial saved:1", "dial saved:2", "dial file:1", "dial flag:1"));
  // The file is read again for the next round; one that cannot be read leaves the last.
  for (int i = 0; i < 2; ++i) {
    if (i == 0) controllers_file_ = std::vector<std::string>{"file:2"};
    if (i == 1) controllers_file_ = absl::UnavailableError("gone");
    now_ = link_.NextWakeup();
    link_.Tick(now_);
    for (int j = 0; j < 5; ++j) link_.OnDown(absl::UnavailableError("refused"), now_);
    EXPECT_THAT(transport_.Take(), ElementsAre("dial saved:1", "dial saved:2", "dial file:2",
                                               "dial flag:1", "dial file:1"));
  }
}

TEST_F(LinkTest, AReferralIsFollowedAndNobodyIsAskedTwiceInARound) {
  const auto stands_by = [](std::vector<std::string> leader) {
    return plan::WithReferral(absl::FailedPreconditionError("stands by"), leader);
  };
  controllers_file_ = std::vector<std::string>{"file:1"};
  link_.Start(now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("dial file:1"));
  link_.OnDown(stands_by({"leader:1", "not an endpoint"}), now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("dial leader:1"));
  // It leads no more, and both name each other: the others are tried, then it waits.
  link_.OnDown(stands_by({"file:1"}), now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("dial flag:1"));
  link_.OnDown(stands_by({}), now_);
  EXPECT_THAT(transport_.Take(), IsEmpty());
  EXPECT_GT(link_.NextWakeup(), now_);
  EXPECT_EQ(link_.counters().referrals, 3u);
  now_ = link_.NextWakeup();
  link_.Tick(now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("dial file:1"));

  // A controller that led and sends its speakers on is left at once, and tried last.
  link_.OnUp("file:1", now_);
  link_.OnPlan(Heartbeat(), now_);
  transport_.Take();
  link_.OnDown(stands_by({"leader:2"}), now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("dial leader:2"));
  link_.OnDown(absl::UnavailableError("refused"), now_);
  link_.OnDown(absl::UnavailableError("refused"), now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("dial flag:1"));
  now_ = link_.NextWakeup();
  link_.Tick(now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("dial file:1"));
}

TEST_F(LinkTest, ARenewedTokenIsSentOnTheLiveStream) {
  absl::StatusOr<std::string> token = std::string("t1");
  LinkOptions options = Options();
  options.read_token = [&] { return token; };
  Link link(&transport_, &store_, &random_, &log_, options);
  link.Start(now_);
  link.OnUp("flag:1", now_);
  const auto sent = [&] {
    transport_.Take();
    transport_.last.Clear();
    now_ += absl::Seconds(10);
    link.OnPlan(Heartbeat(), now_);
    link.Tick(now_);
    return transport_.last.token().token();
  };
  EXPECT_EQ(sent(), "");
  token = std::string("t2");
  EXPECT_EQ(sent(), "t2");
  EXPECT_EQ(sent(), "");
  token = absl::UnavailableError("gone");
  EXPECT_EQ(sent(), "");
  token = std::string("t3");
  EXPECT_EQ(sent(), "t3");
  // The next stream is opened with it.
  link.OnDown(absl::UnavailableError("gone"), now_);
  now_ = link.NextWakeup();
  link.Tick(now_);
  link.OnUp("flag:1", now_);
  EXPECT_EQ(sent(), "");
}

TEST_F(LinkTest, BacksOffWithFullJitterAndStartsAfreshOnceHeard) {
  link_.Start(now_);
  absl::Duration longest;
  absl::Duration shortest = absl::InfiniteDuration();
  for (int round = 0; round < 200; ++round) {
    while (transport_.Take() != std::vector<std::string>()) {
      link_.OnDown(absl::UnavailableError("refused"), now_);
    }
    const absl::Duration wait = link_.NextWakeup() - now_;
    if (round < 2) {
      EXPECT_LE(wait, absl::Milliseconds(100 << round));
    }
    if (round > 10) longest = std::max(longest, wait);
    if (round > 10) shortest = std::min(shortest, wait);
    now_ = link_.NextWakeup();
    link_.Tick(now_);
  }
  EXPECT_LE(longest, absl::Seconds(5));
  EXPECT_GE(longest, absl::Seconds(4));
  EXPECT_LE(shortest, absl::Seconds(1));
  link_.OnUp("flag:1", now_);
  link_.OnPlan(Heartbeat(), now_);
  link_.OnDown(absl::UnavailableError("gone"), now_);
  EXPECT_LE(link_.NextWakeup() - now_, absl::Milliseconds(100));
}

TEST_F(LinkTest, EachStreamStartsWithHelloAndWhatIsKnown) {
  Up();
  EXPECT_EQ(link_.counters().streams, 1u);
  plan::v1::Facts facts;
  facts.add_facts()->set_kind("prefixes");
  link_.SendFacts(facts, now_);
  link_.SendObserved({}, now_);
  const Resources resources = {{"place/g", "garbage"}};
  Apply({4, 2}, resources);
  EXPECT_THAT(transport_.Take(), ElementsAre("facts", "observed", "ack"));
  link_.OnDown(absl::UnavailableError("gone"), now_);
  link_.SendObserved({}, now_);  // kept for the next stream
  now_ = link_.NextWakeup();
  link_.Tick(now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("dial flag:1"));
  link_.OnUp("flag:1", now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("hello", "ack", "facts", "observed"));
}

TEST_F(LinkTest, TheHelloSaysWhatIsHeld) {
  SavedPlan saved;
  saved.generation = {4, 2};
  saved.largest_epoch = 6;
  saved.resources = PackedResources::Of({{"x", "y"}});
  store_.Restore(saved);
  link_.Start(now_);
  link_.OnUp("flag:1", now_);
  const plan::v1::Hello& hello = transport_.last.hello();
  EXPECT_EQ(hello.node(), "n1");
  EXPECT_EQ(hello.instance(), "i1");
  EXPECT_EQ(hello.generation().epoch(), 4u);
  EXPECT_EQ(hello.hash(), plan::ResourceHash("x", "y"));
  EXPECT_EQ(hello.largest_epoch(), 6u);
}

TEST_F(LinkTest, HeartbeatsWhenIdleAndHangsUpOnASilentController) {
  Up();
  EXPECT_EQ(link_.NextWakeup(), now_ + absl::Milliseconds(300));
  for (int i = 1; i <= 4; ++i) link_.Tick(absl::Seconds(10) + i * absl::Milliseconds(300));
  EXPECT_THAT(transport_.Take(), ElementsAre("heartbeat", "heartbeat", "heartbeat", "hangup"));
  EXPECT_EQ(link_.counters().dead_controllers, 1u);
  EXPECT_FALSE(link_.connected());
  link_.OnDown(absl::UnavailableError("late"), now_);  // of a stream hung up on
}

TEST_F(LinkTest, ADialThatLeadsNowhereIsGivenUp) {
  link_.Start(now_);
  EXPECT_EQ(link_.NextWakeup(), now_ + absl::Seconds(1));
  link_.Tick(now_ + absl::Seconds(1));
  EXPECT_THAT(transport_.Take(), ElementsAre("dial flag:1", "hangup", "dial file:1"));
  EXPECT_EQ(link_.counters().dial_failures, 1u);
}

TEST_F(LinkTest, ConfirmedIsWhatTheControllerVouchesFor) {
  Up();
  EXPECT_FALSE(link_.confirmed());
  Apply({4, 2}, {});
  EXPECT_TRUE(link_.confirmed());
  link_.OnDown(absl::UnavailableError("gone"), now_);
  EXPECT_FALSE(link_.confirmed());
  link_.Tick(link_.NextWakeup());
  link_.OnUp("flag:1", now_);
  link_.OnPlan(Heartbeat(), now_);
  EXPECT_FALSE(link_.confirmed());  // the controller has no plan yet
  plan::v1::Plan current = Heartbeat();
  current.mutable_generation()->set_epoch(4);
  current.mutable_generation()->set_counter(2);
  link_.OnPlan(current, now_);
  EXPECT_TRUE(link_.confirmed());
  current.mutable_generation()->set_counter(3);
  link_.OnPlan(current, now_);
  EXPECT_FALSE(link_.confirmed());
}

TEST_F(LinkTest, ADeposedControllerIsToldAndLeftForAnother) {
  Up();
  Apply({5, 1}, {});
  transport_.Take();
  link_.OnPlan(Snapshot({4, 9}, {})[0], now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("ack"));
  EXPECT_EQ(transport_.last.ack().largest_epoch(), 5u);
  EXPECT_TRUE(store_.has_plan());
  for (int i = 0; i < 30; ++i) {  // it stays alive but does not raise its epoch
    now_ += absl::Milliseconds(100);
    link_.OnPlan(Heartbeat(), now_);
    link_.Tick(now_);
  }
  const auto calls = transport_.Take();
  ASSERT_GE(calls.size(), 2u);
  EXPECT_EQ(calls[calls.size() - 2], "hangup");
  EXPECT_EQ(calls.back(), "dial file:1");
  EXPECT_EQ(link_.counters().deposed, 1u);

  link_.OnUp("file:1", now_);
  link_.OnPlan(Snapshot({4, 9}, {})[0], now_);
  now_ += absl::Seconds(2);
  Apply({6, 1}, {});  // raised in time
  link_.OnPlan(Heartbeat(), now_);
  now_ += absl::Milliseconds(900);
  link_.OnPlan(Heartbeat(), now_);
  now_ += absl::Milliseconds(900);
  link_.Tick(now_);
  EXPECT_TRUE(link_.connected());
}

TEST_F(LinkTest, AsksTheControllerAboutScrapers) {
  std::vector<absl::StatusCode> answers;
  const auto keep = [&](const absl::Status& verdict) { answers.push_back(verdict.code()); };
  Up();
  link_.ReviewScraper("token", keep, now_);
  EXPECT_EQ(transport_.last.scraper_token().token(), "token");
  plan::v1::Plan plan = Heartbeat();
  auto* verdict = plan.add_scraper_verdicts();
  verdict->set_id(transport_.last.scraper_token().id());
  verdict->set_result(plan::v1::ScraperVerdict::ALLOWED);
  link_.OnPlan(plan, now_);
  EXPECT_THAT(answers, ElementsAre(absl::StatusCode::kOk));
  link_.OnPlan(plan, now_);  // nobody asked again
  EXPECT_EQ(answers.size(), 1u);
}

TEST_F(LinkTest, NobodyToAskIsSaidAtOnceAndAnAnswerIsNotAwaitedForEver) {
  std::vector<absl::StatusCode> answers;
  const auto keep = [&](const absl::Status& verdict) { answers.push_back(verdict.code()); };
  link_.Start(now_);
  link_.ReviewScraper("token", keep, now_);
  EXPECT_THAT(answers, ElementsAre(absl::StatusCode::kUnavailable));
  EXPECT_THAT(transport_.Take(), ElementsAre("dial flag:1"));

  // A controller of an older version says nothing.
  link_.OnUp("flag:1", now_);
  link_.OnPlan(Heartbeat(), now_);
  answers.clear();
  link_.ReviewScraper("token", keep, now_);
  EXPECT_LE(link_.NextWakeup(), now_ + ScraperReviews::kPatience);
  for (int i = 0; i < 30; ++i) {
    now_ += absl::Milliseconds(100);
    link_.OnPlan(Heartbeat(), now_);
    link_.Tick(now_);
  }
  EXPECT_THAT(answers, ElementsAre(absl::StatusCode::kUnavailable));

  // Nor does one whose stream is gone.
  answers.clear();
  link_.ReviewScraper("token", keep, now_);
  EXPECT_THAT(answers, IsEmpty());
  link_.OnDown(absl::UnavailableError("gone"), now_);
  EXPECT_THAT(answers, ElementsAre(absl::StatusCode::kUnavailable));
}

TEST_F(LinkTest, StopSaysGoodbyeAndDialsNoMore) {
  Up();
  link_.Stop(true, now_);
  EXPECT_TRUE(transport_.last.goodbye().leaving());
  link_.Hangup();
  EXPECT_THAT(transport_.Take(), ElementsAre("goodbye", "hangup"));
  EXPECT_EQ(link_.NextWakeup(), absl::InfiniteDuration());
}

TEST_F(LinkTest, StopWithoutAStreamIsSilent) {
  link_.Start(now_);
  link_.Stop(false, now_);
  EXPECT_THAT(transport_.Take(), ElementsAre("dial flag:1", "hangup"));
  link_.OnDown(absl::UnavailableError("late"), now_);
  EXPECT_EQ(link_.NextWakeup(), absl::InfiniteDuration());
}

TEST(ControllersFileTest, Parses) {
  const auto endpoints = ParseControllersFile("# leader first\n10.0.0.1:1 # a\n\n[fd00::1]:2\r\n");
  ASSERT_TRUE(endpoints.ok()) << endpoints.status();
  EXPECT_THAT(*endpoints, ElementsAre("10.0.0.1:1", "[fd00::1]:2"));
  EXPECT_THAT(std::string(ParseControllersFile("10.0.0.1:1\nhost\n").status().message()),
              HasSubstr("line 2: "));
}

}  // namespace
}  // namespace openelb::link

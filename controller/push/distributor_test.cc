#include "controller/push/distributor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/push/test_distributor.h"

namespace openelb::push {
namespace {

using plan::v1::Plan;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Keys(const plan::v1::Delta& delta) {
  std::vector<std::string> keys;
  for (const auto& resource : delta.upserts()) keys.push_back(resource.key());
  for (const auto& key : delta.removals()) keys.push_back("-" + key);
  return keys;
}

TEST_F(DistributorTest, ANewSpeakerGetsItsUnionInChunks) {
  Attach(1, "n1");
  const std::vector<Plan> sent = Drain(1);
  ASSERT_EQ(sent.size(), 4u);
  EXPECT_EQ(sent[0].snapshot_begin().resource_count(), 4u);
  EXPECT_EQ(sent[1].chunk().resources(0).key(), "route/0");
  EXPECT_EQ(sent[1].chunk().resources_size(), 2);
  EXPECT_EQ(sent[2].chunk().resources(1).key(), "instance");
  EXPECT_EQ(sent[2].chunk().resources(1).body(), "n1");
  EXPECT_EQ(sent[3].snapshot_end().hash(), HashOf("n1"));
  Ack(1, {5, 1});
  EXPECT_THAT(events_, ElementsAre("up n1", "acked n1 5.1 first"));
  EXPECT_THAT(Drain(1), IsEmpty());
  const SpeakerStatus status = distributor_.Speakers().at("n1");
  EXPECT_TRUE(status.attached);
  EXPECT_EQ(status.acked, (plan::Generation{5, 1}));
  EXPECT_EQ(status.planned, status.acked);
}

TEST_F(DistributorTest, ADeltaCarriesTheLatestStateAfterTheLastOneIsAcked) {
  AttachAndSync(1, "n1");
  AttachAndSync(2, "n2");
  Change("rack/r", "route/0", "new");
  now_ += absl::Milliseconds(3);
  Change("rack/r", "route/1", "newer");
  Change("rack/r", "route/1", "");
  Change("rack/r", "route/9", "added");
  Change("node/n2", "instance", "other");
  const std::vector<Plan> first = Drain(1);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_THAT(Keys(first[0].delta()), ElementsAre("route/0"));
  EXPECT_EQ(first[0].delta().base().counter(), 1u);
  EXPECT_EQ(first[0].generation().counter(), 2u);
  now_ += absl::Milliseconds(4);
  EXPECT_EQ(distributor_.Speakers().at("n1").pending_since, absl::Seconds(100));
  Ack(1, {5, 2});
  EXPECT_THAT(events_, ElementsAre("acked n1 5.2 7ms"));
  const std::vector<Plan> second = Drain(1);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_THAT(Keys(second[0].delta()), ElementsAre("route/9", "-route/1"));
  EXPECT_EQ(second[0].delta().base().counter(), 2u);
  EXPECT_EQ(second[0].generation().counter(), 5u);
  EXPECT_EQ(second[0].delta().hash(), HashOf("n1"));
  Ack(1, {5, 5});
  EXPECT_EQ(distributor_.Speakers().at("n1").pending_since, std::nullopt);
  // The other speaker saw one more change.
  EXPECT_EQ(distributor_.Speakers().at("n2").planned.counter, 6u);
  EXPECT_EQ(distributor_.Speakers().at("n1").planned.counter, 5u);
}

TEST_F(DistributorTest, AHelloWithTheCurrentPlanIsSentNothing) {
  struct Case {
    const char* name;
    plan::Generation generation;
    bool hash_fits;
    size_t resources_sent;
    bool delta;
  };
  const Case cases[] = {
      {"the same", {5, 1}, true, 0, false},
      {"same content, older epoch", {4, 77}, true, 0, true},
      {"another content", {5, 1}, false, 4, false},
  };
  StreamId stream = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    distributor_.OnAttached(++stream, {"n1"}, now_);
    plan::v1::Report hello = Hello("n1", "i1");
    hello.mutable_hello()->mutable_generation()->set_epoch(c.generation.epoch);
    hello.mutable_hello()->mutable_generation()->set_counter(c.generation.counter);
    hello.mutable_hello()->set_hash(HashOf("n1") + (c.hash_fits ? 0 : 1));
    distributor_.OnReport(stream, hello, now_);
    size_t resources = 0;
    bool delta = false;
    bool vouched = false;
    for (const Plan& plan : Drain(stream)) {
      resources += plan.chunk().resources_size() + plan.delta().upserts_size();
      delta |= plan.has_delta();
      vouched |= plan.has_heartbeat() && plan.has_generation();
    }
    EXPECT_EQ(resources, c.resources_sent);
    EXPECT_EQ(delta, c.delta);
    EXPECT_EQ(vouched, c.resources_sent == 0 && !c.delta);  // "what you hold is current"
  }
  EXPECT_EQ(distributor_.counters().resumed, 2u);
}

TEST_F(DistributorTest, HellosThatAreRefused) {
  struct Case {
    const char* name;
    std::string token_node;
    std::string node;
    std::string instance;
    absl::StatusCode code;
    std::string message;
    std::string event = {};
  };
  const Case cases[] = {
      {"no node", "n1", "", "i2", absl::StatusCode::kInvalidArgument, "node"},
      {"no instance", "n1", "n1", "", absl::StatusCode::kInvalidArgument, "instance"},
      {"another node's token", "n2", "n1", "i2", absl::StatusCode::kPermissionDenied,
       "claims \"n1\", but its token is bound to \"n2\""},
      {"a second speaker", "n1", "n1", "i2", absl::StatusCode::kAlreadyExists,
       "\"n1\" has a speaker already, heard 2000 ms ago", "second n1 at 10.0.0.9"},
      {"the same instance again", "n1", "n1", "i1", absl::StatusCode::kOk, ""},
      {"no token is asked for", "", "n1", "i1", absl::StatusCode::kOk, ""},
  };
  StreamId stream = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const StreamId first = ++stream;
    Attach(first, "n1");
    now_ += absl::Seconds(2);  // a stream that is silent, and not dead yet
    distributor_.OnAttached(++stream, {c.token_node, "10.0.0.9"}, now_);
    events_.clear();
    distributor_.OnReport(stream, Hello(c.node, c.instance), now_);
    if (c.code == absl::StatusCode::kOk) {
      EXPECT_FALSE(link_.closed.contains(stream));
      EXPECT_TRUE(absl::IsAborted(link_.closed[first]));
      EXPECT_THAT(events_, ElementsAre("up n1"));
      distributor_.OnDetached(stream, absl::OkStatus(), now_);
    } else {
      EXPECT_EQ(link_.closed[stream].code(), c.code);
      EXPECT_THAT(std::string(link_.closed[stream].message()), HasSubstr(c.message));
      EXPECT_FALSE(link_.closed.contains(first));
      EXPECT_EQ(absl::StrJoin(events_, ","), c.event);
      EXPECT_THAT(std::string(link_.closed[stream].message()), Not(HasSubstr("i1")));
      distributor_.OnDetached(first, absl::OkStatus(), now_);
    }
  }
  EXPECT_EQ(distributor_.counters().refused, 4u);
  EXPECT_EQ(distributor_.counters().second, 1u);
}

TEST_F(DistributorTest, AnotherProcessHasItsTurnOnceTheStreamIsDead) {
  Attach(1, "n1");
  now_ += DistributorOptions().dead_after;
  distributor_.Tick(now_);
  EXPECT_TRUE(absl::IsUnavailable(link_.closed.at(1)));
  distributor_.OnAttached(2, {"n1"}, now_);
  distributor_.OnReport(2, Hello("n1", "i2"), now_);
  EXPECT_FALSE(link_.closed.contains(2));
}

TEST_F(DistributorTest, ReportsOutOfPlaceEndTheStream) {
  distributor_.OnAttached(1, {"n1"}, now_);
  Ack(1, {5, 1});
  EXPECT_TRUE(absl::IsFailedPrecondition(link_.closed.at(1)));
  Attach(2, "n1");
  distributor_.OnReport(2, Hello("n1", "i1"), now_);
  EXPECT_TRUE(absl::IsFailedPrecondition(link_.closed.at(2)));
  EXPECT_EQ(distributor_.counters().invalid_reports, 2u);
  EXPECT_THAT(events_, ElementsAre("up n1", "down n1"));
  distributor_.OnReport(2, Hello("n1", "i1"), now_);  // what was on its way
  distributor_.OnDetached(2, absl::OkStatus(), now_);
  EXPECT_THAT(events_, ElementsAre("up n1", "down n1"));
}

TEST_F(DistributorTest, AnEpochThatASpeakerHasSeenIsExceededBeforeAnythingIsSent) {
  distributor_.OnAttached(1, {"n1"}, now_);
  plan::v1::Report hello = Hello("n1", "i1");
  hello.mutable_hello()->set_largest_epoch(9);
  distributor_.OnReport(1, hello, now_);
  EXPECT_THAT(events_, ElementsAre("up n1", "epoch n1 9"));
  for (const Plan& plan : Drain(1)) EXPECT_TRUE(plan.has_heartbeat());
  distributor_.SetEpoch(10, now_);
  EXPECT_EQ(Drain(1).at(0).generation().epoch(), 10u);
  Ack(1, {10, 1});

  // Another controller has led meanwhile: the refusal says so.
  events_.clear();
  Change("rack/r", "route/0", "new");
  ASSERT_TRUE(Drain(1).at(0).has_delta());
  Ack(1, {10, 2}, "generation.epoch: too small", 12);
  EXPECT_THAT(events_, ElementsAre("epoch n1 12"));
  EXPECT_THAT(Drain(1), IsEmpty());
  distributor_.SetEpoch(13, now_);
  EXPECT_TRUE(Drain(1).at(0).has_snapshot_begin());
  EXPECT_EQ(distributor_.counters().epoch_refusals, 1u);
}

TEST_F(DistributorTest, ARaisedEpochMovesEverySpeakerAndRestartsSnapshots) {
  AttachAndSync(1, "n1");
  Attach(2, "n2");  // its snapshot has begun
  distributor_.SetEpoch(6, now_);
  const Plan moved = Drain(1).at(0);
  EXPECT_THAT(Keys(moved.delta()), IsEmpty());
  EXPECT_EQ(moved.generation().epoch(), 6u);
  const std::vector<Plan> sent = Drain(2);
  ASSERT_EQ(sent.size(), 5u);
  EXPECT_EQ(sent[0].generation().epoch(), 5u);
  EXPECT_TRUE(sent[1].has_snapshot_begin());
  EXPECT_EQ(sent[1].generation().epoch(), 6u);
}

TEST_F(DistributorTest, NothingButHeartbeatsBeforeThereIsAPlan) {
  distributor_.SetEpoch(0, now_);
  view_.nodes["n3"] = {};
  Attach(1, "n1");
  Attach(3, "n3");
  Change("rack/r", "route/0", "new");
  now_ += absl::Milliseconds(300);
  for (const StreamId stream : {1, 3}) {
    for (const Plan& plan : Drain(stream)) {
      EXPECT_TRUE(plan.has_heartbeat());
      EXPECT_FALSE(plan.has_generation());
    }
  }
  distributor_.SetEpoch(6, now_);
  EXPECT_TRUE(Drain(1).at(0).has_snapshot_begin());
  EXPECT_THAT(Drain(3), IsEmpty());  // a node without sets keeps what it has
  view_.nodes["n3"] = {"node/n3"};   // a set with nothing in it: the empty plan
  plan::PlanChange change;
  change.speakers.insert("n3");
  distributor_.OnPlanChange(change, now_);
  EXPECT_EQ(Drain(3).at(1).snapshot_end().hash(), 0u);
}

TEST_F(DistributorTest, ARefusedPlanIsFollowedByASnapshotAndARefusedSnapshotByPatience) {
  AttachAndSync(1, "n1");
  Change("rack/r", "route/0", "new");
  Drain(1);
  Ack(1, {5, 2}, "delta.base: wrong");
  EXPECT_TRUE(Drain(1).at(0).has_snapshot_begin());
  Ack(1, {5, 2}, "snapshot: wrong hash");
  EXPECT_THAT(Drain(1), IsEmpty());
  std::vector<bool> snapshots;
  for (int i = 0; i < 4; ++i) {
    now_ = distributor_.NextWakeup();
    distributor_.Tick(now_);
    snapshots.push_back(Drain(1).at(0).has_snapshot_begin());
  }
  EXPECT_THAT(snapshots, ElementsAre(false, false, false, true));
  EXPECT_EQ(distributor_.counters().plan_errors, 2u);
}

TEST_F(DistributorTest, NacksAreKeptUntilTheNextAckLeavesThemOut) {
  AttachAndSync(1, "n1");
  Change("rack/r", "route/0", "bad");
  Ack(1, {5, 2}, "", 0, {{"route/0", "prefix: bad"}});
  EXPECT_EQ(distributor_.Speakers().at("n1").nacks.at("route/0"), "prefix: bad");
  Change("rack/r", "route/1", "new");
  Ack(1, {5, 3}, "", 0, {{"route/0", "prefix: bad"}});
  EXPECT_EQ(distributor_.counters().resource_nacks, 1u);  // the same one
  Change("rack/r", "route/0", "good");
  Ack(1, {5, 4});
  EXPECT_THAT(distributor_.Speakers().at("n1").nacks, IsEmpty());
}

TEST_F(DistributorTest, LargeChangesBecomeSnapshots) {
  for (int i = 0; i < 300; ++i) view_.sets["rack/r"].Put(absl::StrCat("route/", i), "body");
  AttachAndSync(1, "n1");
  plan::PlanChange change;
  for (int i = 0; i < 140; ++i) change.keys["rack/r"].insert(absl::StrCat("route/", i));
  distributor_.OnPlanChange(change, now_);
  EXPECT_TRUE(Drain(1).at(0).has_delta());
  Ack(1, {5, 2});
  for (int i = 140; i < 160; ++i) change.keys["rack/r"].insert(absl::StrCat("route/", i));
  distributor_.OnPlanChange(change, now_);
  EXPECT_TRUE(Drain(1).at(0).has_snapshot_begin());
  Ack(1, {5, 3});
  Change("rack/r", "route/0", std::string(3 << 20, 'x'));  // more than a delta may have
  EXPECT_TRUE(Drain(1).at(0).has_snapshot_begin());
}

TEST_F(DistributorTest, SilentAndStuckStreamsAreClosed) {
  AttachAndSync(1, "n1");
  EXPECT_EQ(distributor_.NextWakeup(), now_ + absl::Milliseconds(300));
  now_ += absl::Milliseconds(300);
  distributor_.Tick(now_);
  EXPECT_TRUE(Drain(1).at(0).has_heartbeat());
  now_ = absl::Seconds(103);
  distributor_.Tick(now_);
  EXPECT_TRUE(absl::IsUnavailable(link_.closed.at(1)));
  EXPECT_THAT(events_, ElementsAre("down n1"));
  EXPECT_FALSE(distributor_.Speakers().at("n1").attached);
  EXPECT_EQ(distributor_.NextWakeup(), absl::InfiniteDuration());

  AttachAndSync(2, "n1");
  Change("rack/r", "route/0", "new");
  for (int i = 0; i < 11; ++i) {
    plan::v1::Report report;
    report.mutable_heartbeat();
    distributor_.OnReport(2, report, now_);
    distributor_.Tick(now_);
    now_ += absl::Seconds(1);
  }
  EXPECT_TRUE(absl::IsDeadlineExceeded(link_.closed.at(2)));
  EXPECT_EQ(distributor_.counters().dead_peers, 1u);
  EXPECT_EQ(distributor_.counters().unacknowledged, 1u);
}

TEST_F(DistributorTest, EndpointsAreToldOnceAndWhenTheyChange) {
  AttachAndSync(1, "n1");
  distributor_.SetEndpoints({"10.0.0.1:1"}, now_);
  EXPECT_THAT(Drain(1).at(0).controller_endpoints(), ElementsAre("10.0.0.1:1"));
  distributor_.SetEndpoints({"10.0.0.1:1"}, now_);
  EXPECT_THAT(Drain(1), IsEmpty());
  Attach(2, "n2");
  EXPECT_THAT(Drain(2).at(0).controller_endpoints(), ElementsAre("10.0.0.1:1"));
}

TEST_F(DistributorTest, WhoDoesNotLeadTurnsSpeakersAway) {
  AttachAndSync(1, "n1");
  const absl::Status why = absl::FailedPreconditionError("stands by");
  distributor_.SetRefusal(why);
  distributor_.SetRefusal(why);
  EXPECT_EQ(link_.closed.at(1), why);
  EXPECT_THAT(events_, ElementsAre("down n1"));
  Attach(2, "n2");
  EXPECT_EQ(link_.closed.at(2), why);
  EXPECT_THAT(link_.sent[2], IsEmpty());

  distributor_.SetRefusal(absl::OkStatus());
  AttachAndSync(3, "n1");
  distributor_.SendAway(absl::FailedPreconditionError("another may lead"));
  EXPECT_TRUE(link_.closed.contains(3));
  AttachAndSync(4, "n1");
  EXPECT_FALSE(link_.closed.contains(4));
}

TEST_F(DistributorTest, NodesWithoutPlanAndSpeakerAreForgotten) {
  AttachAndSync(1, "n1");
  distributor_.OnDetached(1, absl::OkStatus(), now_);
  EXPECT_TRUE(distributor_.Speakers().contains("n1"));
  Change("rack/r", "route/0", "new");
  EXPECT_GT(distributor_.Speakers().at("n1").planned, distributor_.Speakers().at("n1").acked);
  view_.nodes.erase("n1");
  plan::PlanChange change;
  change.speakers.insert("n1");
  distributor_.OnPlanChange(change, now_);
  EXPECT_FALSE(distributor_.Speakers().contains("n1"));
}

}  // namespace
}  // namespace openelb::push

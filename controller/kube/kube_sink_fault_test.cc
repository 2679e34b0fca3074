// What must not be lost when the API server, the network or somebody else gets in the way.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/network/v1alpha2/names.h"
#include "controller/kube/json.h"
#include "controller/kube/sink_test_world.h"

namespace openelb::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Kind = fake::Fault::Kind;

class KubeSinkFaultTest : public ::testing::Test {
 protected:
  void Create(const std::string& name, const std::string& ip) {
    world_.CreateService(name);
    world_.RunFor(absl::Milliseconds(10));
    world_.Assign(name, ip);
  }

  SinkTestWorld world_;
};

// Lost must not be: another writer's finalizer, and ours.
TEST_F(KubeSinkFaultTest, ConflictTakesTheFreshObject) {
  world_.CreateService("a");
  world_.RunFor(absl::Milliseconds(10));
  world_.ShowChanges(false);
  world_.server().Patch("services", "default", "a",
                        R"({"metadata": {"finalizers": ["example.com/other"]}})");
  world_.Assign("a", "10.0.0.1");
  world_.RunFor(absl::Milliseconds(20));
  EXPECT_EQ(world_.sink().counters().services.conflicts, 1u);
  world_.ShowChanges(true);
  world_.RunFor(absl::Milliseconds(20));  // no back-off: the source has shown the newer state
  EXPECT_EQ(world_.Finalizers("services", "a"),
            absl::StrCat("example.com/other ", network::kServiceFinalizer));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
}

// The same while the source shows nothing: the object is read.
TEST_F(KubeSinkFaultTest, ConflictWithoutASourceReadsTheObject) {
  world_.CreateService("a");
  world_.RunFor(absl::Milliseconds(10));
  world_.ShowChanges(false);
  world_.server().Patch("services", "default", "a",
                        R"({"metadata": {"finalizers": ["example.com/other"]}})");
  world_.Assign("a", "10.0.0.1");
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.Finalizers("services", "a"),
            absl::StrCat("example.com/other ", network::kServiceFinalizer));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
}

// Events that come late show states from before our own writes; nothing is written twice.
TEST_F(KubeSinkFaultTest, LateSourceCausesNoSecondWrite) {
  world_.set_show_delay(absl::Milliseconds(200));
  world_.CreateService("a");
  world_.RunFor(absl::Milliseconds(300));
  world_.Assign("a", "10.0.0.1");
  world_.RunFor(absl::Minutes(1));
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch services/status a"));
}

// Events that do not come at all: the watch may be dead.
TEST_F(KubeSinkFaultTest, SaysThatAWriteIsNotShown) {
  world_.CreateService("a");
  world_.CreateService("b");
  world_.RunFor(absl::Milliseconds(10));
  world_.Assign("b", "10.0.0.2");
  world_.RunFor(absl::Seconds(3));
  world_.ShowChanges(false);
  const absl::Duration written = world_.scheduler().Monotonic();
  world_.Assign("a", "10.0.0.1");
  world_.RunFor(absl::Seconds(4));
  EXPECT_EQ(world_.sink().TakeUnshown(), std::nullopt);
  world_.RunFor(absl::Milliseconds(1100));
  const auto since = world_.sink().TakeUnshown();
  ASSERT_TRUE(since.has_value());
  EXPECT_LE(*since - written, absl::Milliseconds(10));
  // Again, until it is.
  EXPECT_EQ(world_.sink().TakeUnshown(), std::nullopt);
  world_.RunFor(absl::Seconds(5));
  EXPECT_NE(world_.sink().TakeUnshown(), std::nullopt);
  world_.ShowChanges(true);
  world_.RunFor(absl::Minutes(1));
  EXPECT_EQ(world_.sink().TakeUnshown(), std::nullopt);
}

// Lost must not be: the status of a Service in a store restored from an earlier copy, whose
// versions are smaller than those we know.
TEST_F(KubeSinkFaultTest, RestoredStoreGetsItsStatusesBack) {
  world_.CreateService("a");
  world_.RunFor(absl::Milliseconds(10));
  const fake::Store before = world_.server().Snapshot();
  world_.ShowChanges(false);  // the watch lags behind our write
  world_.Assign("a", "10.0.0.1");
  world_.RunFor(absl::Milliseconds(50));
  ASSERT_EQ(world_.Ingress("a"), "10.0.0.1");
  world_.server().Restore(before);
  ASSERT_EQ(world_.Ingress("a"), "");
  world_.ShowChanges(true);
  world_.RunFor(absl::Seconds(10));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
  EXPECT_EQ(world_.Finalizers("services", "a"), network::kServiceFinalizer);
}

// Lost must not be: anything that was wanted while the server was away; and its return is met by
// single probes, the first of which comes soon.
TEST_F(KubeSinkFaultTest, ServerAwayForAMinute) {
  constexpr int kServices = 50;
  for (int i = 0; i < kServices; ++i) world_.CreateService(absl::StrCat("s", i));
  world_.RunFor(absl::Milliseconds(10));
  world_.transport().SetReachable(false);
  for (int i = 0; i < kServices; ++i)
    world_.Assign(absl::StrCat("s", i), absl::StrCat("10.0.0.", i));
  world_.RunFor(absl::Minutes(1));
  EXPECT_LE(world_.sink().counters().services.failed, 200u);
  world_.transport().SetReachable(true);
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(world_.answers.size(), kServices);
  EXPECT_EQ(world_.TakeWrites().size(), 1u * kServices);
}

// Lost must not be: time. A single Service is served within two seconds of the server's return.
TEST_F(KubeSinkFaultTest, FirstServiceAfterTheReturnIsServedSoon) {
  world_.CreateService("a");
  world_.RunFor(absl::Milliseconds(10));
  world_.transport().SetReachable(false);
  world_.Assign("a", "10.0.0.1");
  world_.RunFor(absl::Minutes(1));
  world_.transport().SetReachable(true);
  world_.RunFor(absl::Milliseconds(600));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
}

// The network swallows everything and calls time out.
TEST_F(KubeSinkFaultTest, SilentServer) {
  world_.transport().SetSilent(true);
  world_.CreateService("a");
  world_.RunFor(absl::Milliseconds(10));
  world_.Assign("a", "10.0.0.1");
  world_.RunFor(absl::Minutes(1));
  world_.transport().SetSilent(false);
  world_.RunFor(absl::Seconds(75));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
}

// Lost must not be: the answer, though the server's was: the source shows that the write stands.
TEST_F(KubeSinkFaultTest, LostAnswerIsFoundOut) {
  world_.transport().Inject(
      {.kind = Kind::kNoAnswer, .verb = "patch", .resource = "services/status"});
  Create("a", "10.0.0.1");
  world_.RunFor(absl::Seconds(15));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
  EXPECT_THAT(world_.answers, ElementsAre("Service/default/a: 10.0.0.1"));
  EXPECT_THAT(world_.TakeWrites(), ElementsAre("patch services/status a"));
}

// One object that is refused for ever: the others are served at once, it is tried ever more rarely,
// and the controller hears that there is nothing to wait for.
TEST_F(KubeSinkFaultTest, RefusedObjectHoldsNoOther) {
  for (const int status : {403, 404, 422, 500}) {
    SCOPED_TRACE(status);
    SinkTestWorld world;
    world.CreateService("bad");
    world.RunFor(absl::Milliseconds(10));
    world.transport().Inject(
        {.verb = "patch", .resource = "services/status", .count = 1, .status = status});
    world.Assign("bad", "10.0.0.1");
    world.RunFor(absl::Milliseconds(5));
    for (int i = 0; i < 20; ++i) {
      const std::string name = absl::StrCat("s", i);
      world.CreateService(name);
      world.RunFor(absl::Milliseconds(5));
      world.Assign(name, absl::StrCat("10.0.1.", i));
    }
    world.RunFor(absl::Milliseconds(200));
    EXPECT_EQ(world.Ingress("s19"), "10.0.1.19");
    EXPECT_EQ(world.Ingress("bad"), "10.0.0.1");  // once the refusal is over
  }
}

TEST_F(KubeSinkFaultTest, RefusalIsAnAnswerAndIsDamped) {
  world_.transport().Inject(
      {.verb = "patch", .resource = "services/status", .count = -1, .status = 403});
  Create("a", "10.0.0.1");
  world_.RunFor(absl::Minutes(10));
  EXPECT_THAT(world_.answers, ElementsAre("Service/default/a: 10.0.0.1"));
  const uint64_t refused = world_.sink().counters().services.refused;
  EXPECT_GE(refused, 10u);
  EXPECT_LE(refused, 25u);
  world_.transport().ClearFaults();
  world_.RunFor(absl::Minutes(1) + absl::Seconds(1));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
}

// 429 is the client's to obey; nothing is lost and nothing is sent meanwhile.
TEST_F(KubeSinkFaultTest, ThrottledWritesAllArrive) {
  world_.transport().Inject(
      {.verb = "patch", .count = 20, .status = 429, .delay = absl::Seconds(2)});
  for (int i = 0; i < 30; ++i) Create(absl::StrCat("s", i), absl::StrCat("10.0.0.", i));
  world_.RunFor(absl::Minutes(1));
  EXPECT_EQ(world_.answers.size(), 30u);
}

// An API server whose CRD lacks what we write takes the patch and drops it.
class DroppingTransport final : public Transport {
 public:
  DroppingTransport(Scheduler* scheduler, std::string body)
      : scheduler_(scheduler), body_(std::move(body)) {}
  RequestId Start(HttpRequest, std::shared_ptr<ResponseSink> sink) override {
    scheduler_->After(absl::Milliseconds(1), [this, sink] {
      sink->OnHead(200, {});
      sink->OnData(body_);
      sink->OnDone(absl::OkStatus());
    });
    return ++requests_;
  }
  void Cancel(RequestId) override {}
  RequestId requests() const { return requests_; }

 private:
  Scheduler* scheduler_;
  std::string body_;
  RequestId requests_ = 0;
};

TEST(KubeSinkDroppedTest, WhatTheServerDropsIsNotWrittenAgain) {
  Scheduler scheduler;
  const std::string body = R"({"metadata": {"name": "leaf", "uid": "u", "resourceVersion": "5"}})";
  DroppingTransport transport(&scheduler, body);
  Client client(&transport, &scheduler);
  NullLogSink null;
  Logger log(&null, &scheduler);
  KubeSink sink("c", {&client, &scheduler, &log, nullptr});
  sink.SetActive(true);
  sink.Seen({"BgpPeer", "", "leaf"}, *ParseJson(body));
  const auto run = [&] {
    for (int i = 0; i < 1000; ++i) {
      sink.Turn();
      scheduler.RunFor(absl::Milliseconds(100));
    }
  };
  sink.WriteBgpPeer("leaf", {.expected = 1});
  run();
  EXPECT_EQ(transport.requests(), 1u);
  sink.WriteBgpPeer("leaf", {.expected = 2});
  run();
  EXPECT_EQ(transport.requests(), 2u);
}

// A namespace deleted whole: no finalizer of ours holds it, no event is tried for ever.
TEST_F(KubeSinkFaultTest, NamespaceDeletedWhole) {
  world_.server().Put(R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}})");
  const ObjectKey key{Service::kKind, "ns", "a"};
  world_.CreateService("a", "ns");
  world_.RunFor(absl::Milliseconds(10));
  world_.sink().WriteService(key, {.ips = {"10.0.0.1"}, .pool = "pool", .ours = true});
  world_.RunFor(absl::Seconds(1));
  world_.server().Remove("namespaces", "", "ns");
  world_.RunFor(absl::Milliseconds(10));
  world_.sink().WriteService(key, {});
  world_.sink().Record({.about = key, .reason = "ReleaseIP", .message = "released"});
  world_.RunFor(absl::Seconds(1));
  world_.sink().Forget(key);
  EXPECT_TRUE(world_.server().Find("services", "ns", "a").IsNull());
  world_.TakeWrites();
  world_.RunFor(absl::Minutes(10));
  EXPECT_THAT(world_.TakeWrites(), IsEmpty());
  EXPECT_EQ(world_.sink().NextWakeup(), absl::InfiniteDuration());
}

// Never stuck: what is being deleted goes though the controller does not know the object, as one
// that it could not read.
TEST_F(KubeSinkFaultTest, UnclaimedObjectsAreSetFree) {
  world_.server().Put(absl::StrCat(
      R"({"apiVersion": "network.kubesphere.io/v1alpha2", "kind": "Eip", "metadata":
          {"name": "unreadable", "finalizers": [")",
      network::kEipFinalizer, R"("]}, "spec": {"address": "nonsense"}})"));
  world_.CreateService("a");
  world_.server().Patch(
      "services", "default", "a",
      absl::StrCat(R"({"metadata": {"finalizers": [")", network::kServiceFinalizer, R"("]}})"));
  world_.server().Remove("eips", "", "unreadable");
  world_.server().Remove("services", "default", "a");
  world_.RunFor(absl::Seconds(9));
  EXPECT_THAT(world_.TakeWrites(), IsEmpty());
  world_.RunFor(absl::Seconds(2));
  EXPECT_THAT(world_.TakeWrites(),
              UnorderedElementsAre("patch services/status a", "patch eips unreadable"));
  EXPECT_EQ(world_.Finalizers("eips", "unreadable"), "gone");
  EXPECT_EQ(world_.Ingress("a"), "gone");
  EXPECT_EQ(world_.sink().counters().unclaimed, 2u);
}

}  // namespace
}  // namespace openelb::kube

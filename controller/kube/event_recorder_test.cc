#include "controller/kube/event_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/codec/write.h"
#include "controller/kube/sink_test_world.h"

namespace openelb::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class EventRecorderTest : public ::testing::Test {
 protected:
  EventRecorderTest() {
    world_.CreateService("a");
    world_.RunFor(absl::Milliseconds(10));
  }
  void Record(const std::string& message, const ObjectKey& about = ServiceKey("a")) {
    world_.sink().Record({.about = about, .reason = "AssignIP", .message = message});
  }
  // Event objects as the server has them, by creation.
  std::vector<codec::Value> Events(const std::string& ns = "default") {
    const codec::Value list =
        world_.server()
            .Serve({.path = absl::StrCat("/api/v1/namespaces/", ns, "/events")})
            .reply.body;
    const codec::Value* items = list.Find("items");
    return items == nullptr || items->list() == nullptr ? std::vector<codec::Value>()
                                                        : *items->list();
  }
  static std::string Text(const codec::Value& event, absl::string_view key) {
    return codec::ToJson(*event.Find(key));
  }

  SinkTestWorld world_;
};

TEST_F(EventRecorderTest, SaysWhoAboutWhatAndWhen) {
  Record("success to assign ip: 10.0.0.1");
  world_.RunFor(absl::Seconds(1));
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  const codec::Value& event = events[0];
  const ShownMeta service = ReadMeta(world_.server().Find("services", "default", "a"));
  EXPECT_EQ(Text(event, "involvedObject"),
            absl::StrCat(R"({"apiVersion":"v1","kind":"Service","name":"a","namespace":"default",)",
                         R"("resourceVersion":")", service.version, R"(","uid":")", service.uid,
                         R"("})"));
  EXPECT_EQ(Text(event, "source"), R"({"component":"OpenELBController"})");
  EXPECT_EQ(Text(event, "reportingInstance"), R"("controller-0")");
  EXPECT_EQ(Text(event, "reason"), R"("AssignIP")");
  EXPECT_EQ(Text(event, "type"), R"("Normal")");
  EXPECT_EQ(Text(event, "count"), "1");
  EXPECT_EQ(Text(event, "firstTimestamp"), Text(event, "lastTimestamp"));
}

TEST_F(EventRecorderTest, ClusterScopedObjectsHaveTheirsInDefault) {
  Record("is down", {"BgpPeer", "", "leaf"});
  world_.RunFor(absl::Seconds(1));
  ASSERT_EQ(Events().size(), 1u);
  EXPECT_EQ(Text(Events()[0], "involvedObject"),
            R"({"apiVersion":"network.kubesphere.io/v1alpha2","kind":"BgpPeer","name":"leaf"})");
}

TEST_F(EventRecorderTest, SameSentenceRaisesTheCount) {
  for (int i = 0; i < 5; ++i) {
    Record("again");
    world_.RunFor(absl::Seconds(2));
  }
  ASSERT_EQ(Events().size(), 1u);
  EXPECT_EQ(Text(Events()[0], "count"), "5");
  EXPECT_NE(Text(Events()[0], "firstTimestamp"), Text(Events()[0], "lastTimestamp"));
  EXPECT_EQ(world_.CountWrites()["patch events"], 4);
  // Many at once cost one call.
  for (int i = 0; i < 10; ++i) Record("at once");
  world_.RunFor(absl::Seconds(2));
  EXPECT_EQ(world_.CountWrites(), (std::map<std::string, int>{{"create events", 1}}));
  EXPECT_EQ(Text(Events()[1], "count"), "10");
}

TEST_F(EventRecorderTest, EventThatExpiredIsMadeAnew) {
  Record("again");
  world_.RunFor(absl::Seconds(1));
  const codec::Value event = Events()[0];
  world_.server().Remove("events", "default", *event.Find("metadata")->Find("name")->string());
  Record("again");
  world_.RunFor(absl::Seconds(1));
  ASSERT_EQ(Events().size(), 1u);
  EXPECT_EQ(Text(Events()[0], "count"), "2");
}

TEST_F(EventRecorderTest, OneObjectCannotFlood) {
  for (int i = 0; i < 100; ++i) Record(absl::StrCat("message ", i));
  Record("of another", ServiceKey("b"));
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(Events().size(), 26u);
  EXPECT_EQ(world_.sink().counters().events.spam, 75u);
  world_.RunFor(absl::Minutes(11));
  for (int i = 0; i < 100; ++i) Record(absl::StrCat("later ", i));
  world_.RunFor(absl::Seconds(1));
  EXPECT_EQ(Events().size(), 28u);
}

// Lost must not be: events of a minute without API server. Nor do they hold statuses.
TEST_F(EventRecorderTest, ServerAway) {
  world_.transport().SetReachable(false);
  Record("while away");
  world_.RunFor(absl::Minutes(1));
  world_.transport().SetReachable(true);
  world_.RunFor(absl::Seconds(2));
  EXPECT_EQ(Events().size(), 1u);
}

TEST_F(EventRecorderTest, ThousandsWaitWithoutHoldingStatuses) {
  world_.transport().set_latency(absl::Milliseconds(50));
  for (int i = 0; i < 10100; ++i) Record("one of many", ServiceKey(absl::StrCat("s", i)));
  world_.Assign("a", "10.0.0.1");
  world_.RunFor(absl::Milliseconds(250));
  EXPECT_EQ(world_.Ingress("a"), "10.0.0.1");
  EXPECT_GE(world_.sink().counters().events.full, 90u);
}

TEST_F(EventRecorderTest, RefusedEventsAreDroppedNotRepeated) {
  world_.transport().Inject({.verb = "create", .resource = "events", .count = -1, .status = 403});
  Record("refused");
  world_.RunFor(absl::Minutes(10));
  EXPECT_EQ(world_.sink().counters().events.refused, 1u);
  world_.transport().ClearFaults();
  // In a namespace that is no more.
  Record("late", {"Service", "nowhere", "a"});
  world_.RunFor(absl::Minutes(10));
  EXPECT_EQ(world_.sink().counters().events.refused, 2u);
  EXPECT_THAT(Events(), IsEmpty());
}

}  // namespace
}  // namespace openelb::kube

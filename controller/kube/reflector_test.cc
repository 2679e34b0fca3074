// The requests of one reflector, word for word, and what it does with answers that no server in
// its right mind gives. Faults and their consequences: source_fault_test.cc.

#include "controller/kube/reflector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"

namespace openelb::kube {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kNodeList[] =
    R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"n1","uid":"1"}}]})";
constexpr char kInitialEnd[] = R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7",)"
                               R"("annotations":{"k8s.io/initial-events-end":"true"}}}})"
                               "\n";

constexpr char kExpired[] =
    R"({"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}})"
    "\n";

std::string Event(const std::string& type, const std::string& name, int uid, int version) {
  return absl::StrCat(R"({"type":")", type, R"(","object":{"metadata":{"name":")", name,
                      R"(","uid":")", uid, R"(","resourceVersion":")", version, "\"}}}\n");
}

class ReflectorTest : public ::testing::Test {
 protected:
  // The path of the next request, waited for if need be.
  std::string Request() {
    Reflector::Action action = reflector_.Next(now_);
    cancelled_ = action.cancel;
    if (!action.request.has_value()) {
      now_ = reflector_.NextWakeup();
      action = reflector_.Next(now_);
    }
    return action.request.has_value() ? action.request->path : "none";
  }
  void Answer(int status, absl::string_view body, const HttpHeaders& headers = {}) {
    Begin(status, body, headers);
    reflector_.OnDone(absl::OkStatus(), now_);
  }
  void Begin(int status, absl::string_view body, const HttpHeaders& headers = {}) {
    reflector_.OnHead(status, headers, now_);
    reflector_.OnData(body, now_);
  }
  void Break() { reflector_.OnDone(absl::UnavailableError("reset"), now_); }
  // As far as a watch from revision 7 with node n1.
  void StartWatching() {
    Request();
    Begin(200, Event("ADDED", "n1", 1, 5) + kInitialEnd);
    ASSERT_TRUE(reflector_.complete());
    informer_.TakeEvents();
  }

  Scheduler clock_;
  NullLogSink sink_;
  Logger log_{&sink_, &clock_};
  Informer informer_{
      {.kind = "Node", .api_version = "v1", .name = "nodes", .path = "/api/v1/nodes"}, &log_, {}};
  SeededRandom random_{1};
  Reflector reflector_{&informer_, &random_};
  absl::Duration now_ = absl::Seconds(100);
  bool cancelled_ = false;
};

TEST_F(ReflectorTest, AsksForAWatchThatBringsAll) {
  EXPECT_THAT(Request(),
              MatchesRegex("/api/v1/nodes\\?watch=1&allowWatchBookmarks=true&timeoutSeconds="
                           "[345][0-9][0-9]&sendInitialEvents=true&resourceVersionMatch="
                           "NotOlderThan"));
}

TEST_F(ReflectorTest, ListsInPagesAndWatchesFromThereWhereThatIsRefused) {
  Request();
  Answer(422, R"({"kind":"Status","message":"sendInitialEvents is forbidden","code":422})");
  EXPECT_EQ(Request(), "/api/v1/nodes?limit=500");
  Answer(200, R"({"metadata":{"resourceVersion":"7","continue":"a+b="},"items":[]})");
  EXPECT_EQ(Request(), "/api/v1/nodes?limit=500&continue=a%2bb%3d");
  EXPECT_FALSE(reflector_.complete());
  Answer(200, kNodeList);
  EXPECT_TRUE(reflector_.complete());
  EXPECT_THAT(informer_.TakeEvents(), SizeIs(1));
  EXPECT_THAT(Request(), MatchesRegex("/api/v1/nodes\\?watch=1&allowWatchBookmarks=true&"
                                      "timeoutSeconds=[345][0-9][0-9]&resourceVersion=7"));
  EXPECT_FALSE(reflector_.outage().has_value());
}

TEST_F(ReflectorTest, PagesThatExpireTwiceAreAskedForAsOne) {
  Request();
  Answer(422, "");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Request(), "/api/v1/nodes?limit=500");
    Answer(200, R"({"metadata":{"resourceVersion":"7","continue":"c"},"items":[]})");
    Request();
    Answer(410, R"({"kind":"Status","message":"too old","code":410})");
  }
  EXPECT_EQ(Request(), "/api/v1/nodes");
  Answer(200, kNodeList);
  EXPECT_TRUE(reflector_.complete());
}

TEST_F(ReflectorTest, ProbesAfterABreakThenWatchesFromWhereItWas) {
  StartWatching();
  reflector_.OnData(Event("ADDED", "n2", 2, 8), now_);
  reflector_.OnData(R"({"type":"ADDED","object":{"metadata":{"na)", now_);
  Break();
  EXPECT_EQ(Request(), "/api/v1/nodes?limit=1");
  Answer(200, R"({"metadata":{"resourceVersion":"9"},"items":[]})");
  EXPECT_THAT(Request(), HasSubstr("&resourceVersion=8"));
  EXPECT_EQ(reflector_.counters().lists, 1u);
  EXPECT_THAT(informer_.TakeEvents(), SizeIs(1));
}

TEST_F(ReflectorTest, ABookmarkMovesOn) {
  StartWatching();
  reflector_.OnData(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"50"}}})"
                    "\n",
                    now_);
  reflector_.OnDone(absl::OkStatus(), now_);
  EXPECT_THAT(Request(), HasSubstr("&resourceVersion=50"));
}

TEST_F(ReflectorTest, AWatchThatCannotBeHadThreeTimesIsReplacedByAList) {
  StartWatching();
  reflector_.OnDone(absl::OkStatus(), now_);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Request(), HasSubstr("watch=1"));
    Answer(504, "");
    if (i == 2) break;
    EXPECT_EQ(Request(), "/api/v1/nodes?limit=1");
    Answer(200, kNodeList);
    EXPECT_TRUE(reflector_.outage().has_value());  // the probe alone is no good news
  }
  EXPECT_EQ(Request(), "/api/v1/nodes?limit=500");
}

TEST_F(ReflectorTest, AWatchThatExpiresRightAfterItsListIsNoReasonToHurry) {
  StartWatching();
  for (int i = 0; i < 8; ++i) {
    reflector_.OnData(kExpired, now_);
    EXPECT_EQ(Request(), "/api/v1/nodes?limit=500");
    Answer(200, kNodeList);
    Request();
    Begin(200, "");
  }
  EXPECT_GT(now_, absl::Seconds(105));
}

struct Oddity {
  const char* name;
  std::string line;
  const char* next;  // the request that follows
};

class ReflectorOddity : public ReflectorTest, public ::testing::WithParamInterface<Oddity> {};

TEST_P(ReflectorOddity, EndsTheWatch) {
  StartWatching();
  reflector_.OnData(GetParam().line, now_);
  EXPECT_THAT(Request(), StartsWith(GetParam().next));
  EXPECT_TRUE(cancelled_);
  EXPECT_EQ(informer_.size(), 1u);
  for (const ObjectEvent& event : informer_.TakeEvents()) EXPECT_EQ(event.key.name, "n1");
}

INSTANTIATE_TEST_SUITE_P(
    , ReflectorOddity,
    ::testing::Values(
        Oddity{"NoJson", "<html>\n", "/api/v1/nodes?limit=1"},
        Oddity{"NoEvent", "{\"type\":\"NEWS\",\"object\":{}}\n", "/api/v1/nodes?limit=1"},
        Oddity{"NoObject", "{\"type\":\"ADDED\"}\n", "/api/v1/nodes?limit=1"},
        Oddity{"TooLong", std::string(LineCutter::kLongest + 1, ' '), "/api/v1/nodes?limit=1"},
        Oddity{"Error",
               "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500,"
               "\"message\":\"etcd\"}}\n",
               "/api/v1/nodes?limit=1"},
        Oddity{"Expired", kExpired, "/api/v1/nodes?limit=500"},
        Oddity{"Backwards", Event("MODIFIED", "n1", 1, 6), "/api/v1/nodes?limit=500"},
        Oddity{"OtherUid", Event("MODIFIED", "n1", 2, 8), "/api/v1/nodes?limit=500"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(ReflectorTest, WhatIsNoListIsAnOutage) {
  Request();
  Answer(422, "");
  for (const char* body :
       {"", "[]", "{}", R"({"items":[]})", R"({"metadata":{"resourceVersion":"1"}})",
        R"({"metadata":{"resourceVersion":"1"},"items":{}})"}) {
    EXPECT_EQ(Request(), "/api/v1/nodes?limit=500");
    Answer(200, body);
    EXPECT_FALSE(reflector_.complete()) << body;
    ASSERT_TRUE(reflector_.outage().has_value());
    EXPECT_THAT(std::string(reflector_.outage()->status.message()),
                StartsWith("cannot list nodes: "));
  }
  Request();
  Answer(200, kNodeList);
  EXPECT_TRUE(reflector_.complete());
}

TEST_F(ReflectorTest, AWatchIsAnsweredAtOnceOrTriedAgain) {
  Request();
  now_ += absl::Seconds(10);
  EXPECT_THAT(Request(), HasSubstr("sendInitialEvents"));
  EXPECT_EQ(reflector_.outage()->status.code(), absl::StatusCode::kDeadlineExceeded);
  // One that begins and never ends its objects is given up.
  Begin(200, Event("ADDED", "n1", 1, 5));
  now_ += absl::Seconds(10);
  EXPECT_EQ(Request(), "/api/v1/nodes?limit=500");
  EXPECT_TRUE(cancelled_);
}

// Revisions that have passed ours prove nothing after an absence in which an etcd can be restored;
// it lasts until the server answers, not until the last attempt that fails.
TEST_F(ReflectorTest, AServerThatWasAwayForLongIsListed) {
  constexpr char kProbed[] = R"({"metadata":{"resourceVersion":"9"},"items":[]})";
  StartWatching();
  reflector_.OnDone(absl::OkStatus(), now_);
  Request();
  for (const auto& [away, next] :
       {std::pair(absl::Seconds(2), "&resourceVersion=8"), {absl::Seconds(3), "?limit=500"}}) {
    Begin(200, Event("MODIFIED", "n1", 1, 8));
    Break();
    EXPECT_EQ(Request(), "/api/v1/nodes?limit=1");
    Break();
    now_ += away;
    EXPECT_EQ(Request(), "/api/v1/nodes?limit=1");
    Answer(200, kProbed);
    EXPECT_THAT(Request(), HasSubstr(next));
  }
}

TEST_F(ReflectorTest, OpaqueVersionsAreTakenAsTheyCome) {
  Request();
  Begin(200, kInitialEnd);
  for (const char* version : {"x2", "x1"}) {
    reflector_.OnData(absl::StrCat(R"({"type":"MODIFIED","object":{"metadata":{"name":"n",)",
                                   R"("uid":"1","labels":{"v":")", version,
                                   R"("},"resourceVersion":")", version, "\"}}}\n"),
                      now_);
  }
  EXPECT_THAT(informer_.TakeEvents(), SizeIs(2));
  reflector_.OnDone(absl::OkStatus(), now_);
  EXPECT_THAT(Request(), HasSubstr("&resourceVersion=x1"));
}

}  // namespace
}  // namespace openelb::kube

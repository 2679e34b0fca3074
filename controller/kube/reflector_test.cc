// The requests of one reflector, word for word, and what it does with answers that no server in
// its right mind gives. Faults and their consequences: source_fault_test.cc.

#include "controller/kube/reflector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "controller/kube/json.h"

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
  StoreWitness witness_{"/the/lease", "us_1"};
  Reflector reflector_{&informer_, &random_, &witness_};
  absl::Duration now_ = absl::Seconds(100);
  bool cancelled_ = false;
};

TEST_F(ReflectorTest, AsksForAWatchThatBringsAll) {
  EXPECT_THAT(Request(),
              MatchesRegex("/api/v1/nodes\\?watch=1&allowWatchBookmarks=true&timeoutSeconds="
                           "[678][0-9]&sendInitialEvents=true&resourceVersionMatch="
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
                                      "timeoutSeconds=[678][0-9]&resourceVersion=7"));
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

void PrintTo(const Oddity& oddity, std::ostream* out) { *out << oddity.name; }

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

class ReflectorWitness : public ReflectorTest {
 protected:
  static std::string Lease(int revision, int acquired = 1) {
    return absl::StrCat(R"({"metadata":{"uid":"u","resourceVersion":")", revision,
                        R"("},"spec":{"holderIdentity":"us_1","acquireTime":"2026-01-01T00:00:0)",
                        acquired, R"(Z","renewTime":"2026-01-01T00:01:00Z"}})");
  }
  void Write(const std::string& lease) { witness_.OnWritten(*ParseJson(lease)); }
  // From the break of a watch at revision 8 to the first answer, 5 s later.
  void BeAwayUntilProbed(int version) {
    Break();
    Request();
    Break();
    now_ += absl::Seconds(5);
    EXPECT_EQ(Request(), "/api/v1/nodes?limit=1");
    Answer(200, absl::StrCat(R"({"metadata":{"resourceVersion":")", version, R"("},"items":[]})"));
  }
  void SetUp() override {
    Write(Lease(5));
    StartWatching();
    reflector_.OnData(Event("MODIFIED", "n1", 1, 8), now_);
  }
};

TEST_F(ReflectorWitness, ALeaseThatGoesOnSparesTheList) {
  Write(Lease(9));
  BeAwayUntilProbed(30);
  EXPECT_EQ(Request(), "/the/lease");
  Answer(200, Lease(20));
  EXPECT_THAT(Request(), HasSubstr("&resourceVersion=8"));
  EXPECT_EQ(reflector_.counters().resumed, 1u);
  EXPECT_EQ(reflector_.counters().lists, 1u);
}

// Nothing changed between the two, so it is as well to begin where the proof ends.
TEST_F(ReflectorWitness, ABookmarkLaterThanTheLeaseIsNotReliedOn) {
  Write(Lease(9));
  reflector_.OnData(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}})"
                    "\n",
                    now_);
  BeAwayUntilProbed(30);
  EXPECT_EQ(Request(), "/the/lease");
  Answer(200, Lease(9));
  EXPECT_THAT(Request(), HasSubstr("&resourceVersion=9"));
}

TEST_F(ReflectorWitness, ALeaseThatDoesNotIsNoProof) {
  for (const std::string& shown : {Lease(7), Lease(20, 2), std::string("{}"), std::string("x")}) {
    SCOPED_TRACE(shown);
    Write(Lease(9));
    BeAwayUntilProbed(30);
    EXPECT_EQ(Request(), "/the/lease");
    Answer(200, shown);
    if (shown == "x") {  // told as the failure it is
      EXPECT_EQ(Request(), "/api/v1/nodes?limit=1");
      Answer(200, R"({"metadata":{"resourceVersion":"30"},"items":[]})");
    }
    EXPECT_EQ(Request(), "/api/v1/nodes?limit=500");
    Answer(200, R"({"metadata":{"resourceVersion":"8"},"items":[]})");
    Request();
    Begin(200, "");
  }
  EXPECT_EQ(reflector_.counters().resumed, 0u);
}

// It is known before the server is asked for it.
TEST_F(ReflectorWitness, WhatTheLeaseCannotProveIsListedAtOnce) {
  const struct {
    const char* what;
    std::string known;
    int probed;
  } kCases[] = {{"older than what was seen", Lease(7), 30},
                {"taken anew since that", Lease(9, 2), 30},
                {"of another etcd", Lease(900, 2), 31}};
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.what);
    Write(test.known);
    BeAwayUntilProbed(test.probed);
    EXPECT_EQ(Request(), "/api/v1/nodes?limit=500");
    Answer(200, R"({"metadata":{"resourceVersion":"8"},"items":[]})");
    Request();
    Begin(200, "");
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

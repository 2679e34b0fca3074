#include "controller/kube/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "api/codec/write.h"

namespace openelb::kube {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Keeps what is started until the test answers it.
class ScriptedTransport final : public Transport {
 public:
  struct Exchange {
    HttpRequest request;
    std::shared_ptr<ResponseSink> sink;
  };

  RequestId Start(HttpRequest request, std::shared_ptr<ResponseSink> sink) override {
    started.push_back(absl::StrCat(request.method, " ", request.path));
    under_way.emplace(++last, Exchange{std::move(request), std::move(sink)});
    return last;
  }
  void Cancel(RequestId request) override {
    cancelled.push_back(request);
    under_way.erase(request);
  }

  // Answers the oldest request under way to `path`.
  void Answer(absl::string_view path, int status, absl::string_view body,
              const HttpHeaders& headers = {}, const absl::Status& end = absl::OkStatus()) {
    const std::shared_ptr<ResponseSink> sink = Take(path);
    sink->OnHead(status, headers);
    // In two pieces, as bodies come.
    sink->OnData(body.substr(0, body.size() / 2));
    sink->OnData(body.substr(body.size() / 2));
    sink->OnDone(end);
  }
  std::shared_ptr<ResponseSink> Take(absl::string_view path) {
    for (auto it = under_way.begin(); it != under_way.end(); ++it) {
      if (it->second.request.path == path) return under_way.extract(it).mapped().sink;
    }
    ADD_FAILURE() << "nothing asks for " << path;
    return nullptr;
  }

  std::vector<std::string> started;
  std::vector<RequestId> cancelled;
  std::map<RequestId, Exchange> under_way;
  RequestId last = 0;
};

class ClientTest : public ::testing::Test {
 protected:
  void Get(const std::string& path, bool urgent = false) {
    client_->Call({.path = path}, Keep(path), urgent);
  }
  Client::Done Keep(const std::string& name) {
    return [this, name](absl::StatusOr<codec::Value> answer) {
      EXPECT_FALSE(answers_.contains(name)) << name << " was answered twice";
      answers_.emplace(
          name, answer.ok() ? codec::ToJson(*answer)
                            : answer.status().ToString(absl::StatusToStringMode::kWithNoExtraData));
    };
  }
  // Turns when the client asks to, until `time` has passed.
  void Pass(absl::Duration time) {
    const absl::Duration end = clock_.Monotonic() + time;
    while (client_->NextWakeup() <= end) {
      clock_.RunUntil(client_->NextWakeup());
      client_->Turn();
    }
    clock_.RunUntil(end);
  }

  Scheduler clock_;
  ScriptedTransport transport_;
  std::unique_ptr<Client> client_ = std::make_unique<Client>(&transport_, &clock_, 2);
  std::map<std::string, std::string> answers_;
};

constexpr absl::string_view kThrottled =
    R"({"kind":"Status","message":"too many requests","reason":"TooManyRequests","code":429})";

TEST_F(ClientTest, SendsTheCallAndGivesItsAnswer) {
  codec::Value patch;
  patch["status"]["used"] = "2";
  client_->Call({"PATCH", "/apis/e", kMergePatch, patch, absl::Seconds(3)}, Keep("patch"));
  ASSERT_EQ(transport_.under_way.size(), 1);
  const HttpRequest& request = transport_.under_way.begin()->second.request;
  EXPECT_EQ(request.method, "PATCH");
  EXPECT_EQ(request.path, "/apis/e");
  EXPECT_EQ(request.content_type, "application/merge-patch+json");
  EXPECT_EQ(request.body, R"({"status":{"used":"2"}})");
  EXPECT_EQ(request.timeout, absl::Seconds(3));
  EXPECT_THAT(answers_, IsEmpty());
  transport_.Answer("/apis/e", 200, R"({"metadata":{"name":"e","managedFields":[]}})");
  EXPECT_EQ(answers_["patch"], R"({"metadata":{"name":"e"}})");
}

TEST_F(ClientTest, WithoutContentTypeThereIsNoBody) {
  Get("/a");
  EXPECT_EQ(transport_.under_way.begin()->second.request.body, "");
  transport_.Answer("/a", 200, "");
  EXPECT_EQ(answers_["/a"], "null");
}

TEST_F(ClientTest, ErrorsAreStatuses) {
  Get("/a");
  transport_.Answer("/a", 404,
                    R"({"kind":"Status","message":"eips \"a\" not found","reason":"NotFound",)"
                    R"("code":404})");
  EXPECT_EQ(answers_["/a"], R"(NOT_FOUND: eips "a" not found)");
  Get("/b");
  transport_.Answer("/b", 502, "<html>");
  EXPECT_EQ(answers_["/b"], "UNAVAILABLE: HTTP status 502: <html>");
  Get("/c");
  transport_.Answer("/c", 200, "<html>");
  EXPECT_THAT(answers_["/c"], HasSubstr("UNAVAILABLE: the answer is none of an API server: JSON"));
  Get("/d");
  transport_.Take("/d")->OnDone(absl::DeadlineExceededError("silence"));
  EXPECT_EQ(answers_["/d"], "DEADLINE_EXCEEDED: silence");
  // The body broke off: what came of it does not count.
  Get("/e");
  transport_.Answer("/e", 200, "{}", {}, absl::UnavailableError("broke"));
  EXPECT_EQ(answers_["/e"], "UNAVAILABLE: broke");
  EXPECT_EQ(client_->counters().calls, 5);
  EXPECT_EQ(client_->counters().errors, 5);
  EXPECT_EQ(client_->counters().throttled, 0);
}

TEST_F(ClientTest, NoMoreThanTheLimitAreUnderWay) {
  for (const char* path : {"/1", "/2", "/3", "/4"}) Get(path);
  EXPECT_THAT(transport_.started, ElementsAre("GET /1", "GET /2"));
  EXPECT_EQ(client_->NextWakeup(), absl::InfiniteDuration());
  transport_.Answer("/2", 200, "{}");
  EXPECT_THAT(transport_.started, ElementsAre("GET /1", "GET /2", "GET /3"));
  Get("/lease", true);
  EXPECT_EQ(transport_.started.back(), "GET /lease");
  // The urgent call's end makes no room for others, and it took none.
  transport_.Answer("/lease", 200, "{}");
  EXPECT_EQ(transport_.started.back(), "GET /lease");
  transport_.Answer("/1", 500, "");
  EXPECT_EQ(transport_.started.back(), "GET /4");
}

TEST_F(ClientTest, A429StopsAllCallsForAsLongAsTheServerSays) {
  for (const char* path : {"/1", "/2", "/3"}) Get(path);
  transport_.Answer("/1", 429, kThrottled, {{"retry-after", "5"}});
  transport_.Answer("/2", 200, "{}");
  Get("/4");
  EXPECT_THAT(transport_.started, ElementsAre("GET /1", "GET /2"));
  Pass(absl::Seconds(5) - absl::Milliseconds(1));
  EXPECT_THAT(transport_.started, ElementsAre("GET /1", "GET /2"));
  Pass(absl::Milliseconds(1));
  EXPECT_THAT(transport_.started, ElementsAre("GET /1", "GET /2", "GET /1", "GET /3"));
  transport_.Answer("/1", 200, "[1]");
  EXPECT_EQ(answers_["/1"], "[1]");
  EXPECT_EQ(client_->counters().throttled, 1);
  EXPECT_EQ(client_->counters().errors, 0);
  EXPECT_EQ(client_->counters().calls, 5);
}

TEST_F(ClientTest, TheLongestRetryAfterCounts) {
  Get("/1");
  Get("/2");
  transport_.Answer("/1", 429, kThrottled, {{"retry-after", "10"}});
  transport_.Answer("/2", 429, kThrottled);
  Pass(absl::Seconds(9));
  EXPECT_EQ(transport_.started.size(), 2);
  Pass(absl::Seconds(1));
  EXPECT_EQ(transport_.started.size(), 4);
}

TEST_F(ClientTest, UrgentCallsDoNotWaitForRetryAfter) {
  Get("/1");
  transport_.Answer("/1", 429, kThrottled, {{"retry-after", "30"}});
  Get("/lease", true);
  EXPECT_EQ(transport_.started.back(), "GET /lease");
  transport_.Answer("/lease", 429, kThrottled, {{"retry-after", "40"}});
  EXPECT_EQ(answers_["/lease"], "RESOURCE_EXHAUSTED: too many requests");
  Pass(absl::Seconds(39));
  EXPECT_EQ(transport_.started.back(), "GET /lease");
  Pass(absl::Seconds(1));
  EXPECT_EQ(transport_.started.back(), "GET /1");
}

TEST_F(ClientTest, AnswersBeyondAllMeasureAreCutOff) {
  Get("/1");
  const RequestId request = transport_.last;
  const std::shared_ptr<ResponseSink> sink = transport_.under_way.begin()->second.sink;
  sink->OnHead(200, {});
  const std::string piece(size_t{16} << 20, ' ');
  for (int i = 0; i < 4; ++i) sink->OnData(piece);
  EXPECT_THAT(transport_.cancelled, IsEmpty());
  sink->OnData(" ");
  EXPECT_THAT(transport_.cancelled, ElementsAre(request));
  EXPECT_THAT(answers_["/1"], HasSubstr("RESOURCE_EXHAUSTED"));
}

// A connection may be dead without a sign: the call that waited in vain tells, once another one
// shows that the server is there.
TEST_F(ClientTest, TellsSinceWhenConnectionsMayBeDead) {
  const auto end = [&](const std::string& path, const absl::Status& status) {
    transport_.Take(path)->OnDone(status);
  };
  const absl::Duration start = clock_.Monotonic();
  Get("/silent");
  Pass(absl::Seconds(5));
  Get("/answered");
  end("/silent", absl::DeadlineExceededError("no sign of life"));
  EXPECT_EQ(client_->TakeDoubt(), std::nullopt);
  transport_.Answer("/answered", 404, "{}");
  EXPECT_EQ(client_->TakeDoubt(), start);
  EXPECT_EQ(client_->TakeDoubt(), std::nullopt);
  // One that is refused or reset at once is no silence.
  Get("/refused");
  end("/refused", absl::UnavailableError("refused"));
  Get("/later");
  transport_.Answer("/later", 200, "{}");
  EXPECT_EQ(client_->TakeDoubt(), std::nullopt);
}

TEST_F(ClientTest, ItsEndCancelsWhatIsUnderWay) {
  for (const char* path : {"/1", "/2", "/3"}) Get(path);
  Get("/lease", true);
  client_.reset();
  EXPECT_THAT(transport_.cancelled, ElementsAre(1, 2, 3));
  EXPECT_THAT(answers_, IsEmpty());
}

TEST_F(ClientTest, AnAnswerMayLeadToTheNextCallOrTheEnd) {
  client_->Call({.path = "/1"}, [this](absl::StatusOr<codec::Value>) { Get("/2"); });
  transport_.Answer("/1", 200, "{}");
  EXPECT_EQ(transport_.started.back(), "GET /2");
  client_->Call({.path = "/3"}, [this](absl::StatusOr<codec::Value>) { client_.reset(); });
  transport_.Answer("/3", 200, "{}");
  EXPECT_THAT(answers_, IsEmpty());
  EXPECT_EQ(transport_.cancelled.size(), 1);
}

}  // namespace
}  // namespace openelb::kube

#include "controller/kube/testing/fake_transport.h"

#include <memory>
#include <string>

#include "api/codec/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace openelb::kube {
namespace {

using fake::Fault;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kServices = "/api/v1/services";
constexpr const char* kWatch = "/api/v1/services?watch=1&allowWatchBookmarks=true&resourceVersion=";

struct Recorder final : ResponseSink {
  void OnHead(int s, const HttpHeaders& h) override {
    status = s;
    headers = h;
  }
  void OnData(absl::string_view data) override {
    body.append(data.data(), data.size());
    ++pieces;
  }
  void OnDone(const absl::Status& s) override { done = s; }

  int status = 0;
  HttpHeaders headers;
  std::string body;
  int pieces = 0;
  std::optional<absl::Status> done;
};

class FakeTransportTest : public ::testing::Test {
 protected:
  std::shared_ptr<Recorder> Start(std::string method, std::string path, std::string body = "",
                                  std::string type = "application/json") {
    auto recorder = std::make_shared<Recorder>();
    HttpRequest request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.content_type = body.empty() ? "" : std::move(type);
    request.body = std::move(body);
    id_ = transport_.Start(std::move(request), recorder);
    return recorder;
  }
  std::shared_ptr<Recorder> Call(std::string method, std::string path, std::string body = "",
                                 std::string type = "application/json") {
    auto recorder = Start(std::move(method), std::move(path), std::move(body), std::move(type));
    scheduler_.RunFor(absl::Seconds(1));
    return recorder;
  }
  void PutService(const std::string& name) {
    server_.Put("{apiVersion: v1, kind: Service, metadata: {name: " + name +
                ", namespace: default}, spec: {type: LoadBalancer}}");
  }
  std::string WatchFromNow() { return kWatch + std::to_string(server_.revision()); }
  void Inject(Fault::Kind kind, void (*change)(Fault*) = [](Fault*) {}) {
    Fault fault;
    fault.kind = kind;
    change(&fault);
    transport_.Inject(fault);
  }

  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
  RequestId id_ = 0;
};

TEST_F(FakeTransportTest, AnswersLater) {
  PutService("web");
  auto list = Start("GET", kServices);
  EXPECT_EQ(list->status, 0);
  scheduler_.RunFor(absl::Seconds(1));
  EXPECT_EQ(list->status, 200);
  EXPECT_THAT(list->body, HasSubstr("\"name\":\"web\""));
  ASSERT_TRUE(list->done.has_value());
  EXPECT_TRUE(list->done->ok());
  EXPECT_EQ(transport_.open(), 0u);
}

TEST_F(FakeTransportTest, AWatchSendsWhatChanges) {
  auto watch = Call("GET", WatchFromNow());
  EXPECT_EQ(watch->status, 200);
  EXPECT_EQ(watch->body, "");
  PutService("web");
  server_.Remove("services", "default", "web");
  scheduler_.RunFor(absl::Seconds(1));
  EXPECT_THAT(watch->body, HasSubstr("\"type\":\"ADDED\""));
  EXPECT_THAT(watch->body, HasSubstr("\"type\":\"DELETED\""));
  EXPECT_FALSE(watch->done.has_value());
  transport_.Cancel(id_);
  PutService("more");
  scheduler_.RunFor(absl::Seconds(1));
  EXPECT_THAT(watch->body, Not(HasSubstr("more")));
  EXPECT_FALSE(watch->done.has_value());
}

TEST_F(FakeTransportTest, AWatchEndsInTimeAfterABookmark) {
  auto recorder = std::make_shared<Recorder>();
  HttpRequest request;
  request.path = WatchFromNow() + "&timeoutSeconds=90";
  request.timeout = absl::Seconds(120);
  transport_.Start(request, recorder);
  scheduler_.RunFor(absl::Seconds(61));
  EXPECT_THAT(recorder->body, HasSubstr("BOOKMARK"));
  scheduler_.RunFor(absl::Seconds(30));
  ASSERT_TRUE(recorder->done.has_value());
  EXPECT_TRUE(recorder->done->ok());
}

TEST_F(FakeTransportTest, SilenceIsATimeout) {
  auto watch = Call("GET", WatchFromNow());
  scheduler_.RunFor(absl::Seconds(10));
  ASSERT_TRUE(watch->done.has_value());
  EXPECT_EQ(watch->done->code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(FakeTransportTest, AnUnreachableServerBreaksAndRefuses) {
  auto watch = Call("GET", WatchFromNow());
  transport_.SetReachable(false);
  auto list = Call("GET", kServices);
  for (const auto& request : {watch, list}) {
    ASSERT_TRUE(request->done.has_value());
    EXPECT_EQ(request->done->code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ(list->status, 0);
  transport_.SetReachable(true);
  EXPECT_EQ(Call("GET", kServices)->status, 200);
}

TEST_F(FakeTransportTest, WhatASilentNetworkHeldArrivesWhenItEnds) {
  auto watch = Call("GET", WatchFromNow());
  transport_.SetSilent(true);
  PutService("web");
  auto list = Call("GET", kServices);
  EXPECT_EQ(watch->body, "");
  EXPECT_EQ(list->status, 0);
  transport_.SetSilent(false);
  scheduler_.RunFor(absl::Seconds(1));
  EXPECT_THAT(watch->body, HasSubstr("web"));
  EXPECT_EQ(list->status, 200);
}

TEST_F(FakeTransportTest, FaultsStrikeWhatTheyNameAndAsOftenAsTheySay) {
  Inject(Fault::Kind::kStatus, [](Fault* f) {
    f->verb = "list";
    f->resource = "services";
    f->count = 2;
    f->skip = 1;
    f->status = 429;
    f->delay = absl::Seconds(3);
  });
  EXPECT_EQ(Call("GET", "/api/v1/nodes")->status, 200);
  EXPECT_EQ(Call("GET", kServices)->status, 200);
  auto refused = Call("GET", kServices);
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->headers["retry-after"], "3");
  EXPECT_THAT(refused->body, HasSubstr("\"retryAfterSeconds\":3"));
  EXPECT_EQ(Call("GET", kServices)->status, 429);
  EXPECT_EQ(Call("GET", kServices)->status, 200);
}

TEST_F(FakeTransportTest, AHangDoesNothingAndNoAnswerDoesIt) {
  const std::string label = R"({"metadata":{"labels":{"a":"b"}}})";
  const std::string path = "/api/v1/namespaces/default/services/web";
  PutService("web");
  const auto before = server_.revision();
  Inject(Fault::Kind::kHang);
  Start("PATCH", path, label, "application/merge-patch+json");
  scheduler_.RunFor(absl::Seconds(11));
  EXPECT_EQ(server_.revision(), before);
  Inject(Fault::Kind::kNoAnswer);
  auto patch = Start("PATCH", path, label, "application/merge-patch+json");
  scheduler_.RunFor(absl::Seconds(11));
  EXPECT_EQ(server_.revision(), before + 1);
  EXPECT_EQ(patch->status, 0);
  EXPECT_EQ(patch->done->code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(FakeTransportTest, ACutBreaksWithinTheBody) {
  Inject(Fault::Kind::kCut, [](Fault* f) { f->bytes = 10; });
  auto list = Call("GET", kServices);
  EXPECT_EQ(list->status, 200);
  EXPECT_EQ(list->body.size(), 10u);
  EXPECT_EQ(list->done->code(), absl::StatusCode::kUnavailable);
}

TEST_F(FakeTransportTest, SlowPiecesKeepTheirOrderAndAreNoSilence) {
  PutService("web");
  const std::string whole = Call("GET", kServices)->body;
  Inject(Fault::Kind::kSlow, [](Fault* f) {
    f->bytes = 100;
    f->delay = absl::Seconds(9);
  });
  auto list = Start("GET", kServices);
  scheduler_.RunFor(absl::Minutes(5));
  EXPECT_EQ(list->body, whole);
  EXPECT_GT(list->pieces, 5);
  EXPECT_TRUE(list->done->ok());
}

TEST_F(FakeTransportTest, AStaleReadSeesThePast) {
  PutService("one");
  PutService("two");
  Inject(Fault::Kind::kStale, [](Fault* f) { f->behind = 1; });
  auto list = Call("GET", kServices);
  EXPECT_THAT(list->body, HasSubstr("\"one\""));
  EXPECT_THAT(list->body, Not(HasSubstr("\"two\"")));
}

TEST_F(FakeTransportTest, WatchEventsComeTwiceLateOrAsAnError) {
  Inject(Fault::Kind::kDuplicate);
  auto twice = Call("GET", WatchFromNow());
  Inject(Fault::Kind::kLate, [](Fault* f) { f->delay = absl::Seconds(5); });
  auto late = Call("GET", WatchFromNow());
  PutService("web");
  scheduler_.RunFor(absl::Seconds(4));
  const size_t first = twice->body.find("ADDED");
  ASSERT_NE(first, std::string::npos);
  EXPECT_NE(twice->body.find("ADDED", first + 1), std::string::npos);
  EXPECT_EQ(late->body, "");
  scheduler_.RunFor(absl::Seconds(2));
  EXPECT_THAT(late->body, HasSubstr("ADDED"));
  Inject(Fault::Kind::kExpired);
  auto expired = Call("GET", WatchFromNow());
  EXPECT_THAT(expired->body, HasSubstr("\"code\":410"));
  EXPECT_TRUE(expired->done->ok());
}

}  // namespace
}  // namespace openelb::kube

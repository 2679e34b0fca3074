// What a Transport makes of a network and a server that fail it. Needs a double.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/kube/client.h"
#include "controller/kube/testing/contract/contract.h"
#include "controller/kube/testing/value_at.h"
#include "gmock/gmock.h"

namespace openelb::kube::contract {
namespace {

using fake::Fault;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A slow machine connects within it.
constexpr absl::Duration kSoon = absl::Seconds(2);
constexpr const char* kLabel = R"({"metadata":{"labels":{"x":"v"}}})";

class FaultTest : public ContractTest {
 protected:
  void Inject(Fault fault) {
    backend_->Do([&](fake::Server*, FakeTransport* faults) { faults->Inject(fault); });
  }
  // How many requests of this verb on Secrets have reached the server.
  int Reached(const std::string& verb) {
    int count = 0;
    backend_->Do([&](fake::Server* server, FakeTransport*) {
      for (const fake::LoggedRequest& request : server->log()) {
        count += request.verb == verb && request.resource == "secrets" ? 1 : 0;
      }
    });
    return count;
  }
};

TEST_F(FaultTest, SilenceIsADeadline) {
  Make({"a"});
  Inject({.kind = Fault::Kind::kHang, .verb = "patch"});
  Answer lost = Send("PATCH", Secrets() + "/a", kLabel, kMergePatch, kSoon);
  EXPECT_EQ(lost.done.code(), absl::StatusCode::kDeadlineExceeded) << lost.done;
  EXPECT_EQ(lost.status, 0);
  EXPECT_EQ(Reached("patch"), 0);
  // The same to the client, and yet it was done.
  Inject({.kind = Fault::Kind::kNoAnswer, .verb = "patch"});
  lost = Send("PATCH", Secrets() + "/a", kLabel, kMergePatch, kSoon);
  EXPECT_EQ(lost.done.code(), absl::StatusCode::kDeadlineExceeded) << lost.done;
  EXPECT_EQ(fake::TextAt(Get(Secrets() + "/a").body, {"metadata", "labels", "x"}), "v");
  EXPECT_EQ(Reached("patch"), 1);
}

TEST_F(FaultTest, ASilentWatchIsADeadline) {
  auto stream = Watch(Secrets(), "resourceVersion=" + Get(Secrets()).revision(), kSoon);
  EXPECT_TRUE(backend_->RunUntil([&] { return stream->done.has_value(); }));
  EXPECT_EQ(stream->status, 200);
  EXPECT_EQ(stream->done->code(), absl::StatusCode::kDeadlineExceeded) << *stream->done;
}

// The connection lives, and neither events nor the end of the watch come.
TEST_F(FaultTest, AMuteWatchIsADeadline) {
  Inject({.kind = Fault::Kind::kMute, .verb = "watch"});
  const std::string from = Get(Secrets()).revision();
  auto mute = Watch(Secrets(), "timeoutSeconds=1&resourceVersion=" + from, kSoon);
  EXPECT_TRUE(backend_->RunUntil([&] { return mute->status == 200; }));
  Make({"a"});
  EXPECT_TRUE(backend_->RunUntil([&] { return mute->done.has_value(); }));
  EXPECT_THAT(mute->events, IsEmpty());
  EXPECT_EQ(mute->done->code(), absl::StatusCode::kDeadlineExceeded) << *mute->done;
  auto resumed = Watch(Secrets(), "resourceVersion=" + from);
  EXPECT_THAT(NextNames(resumed.get(), 1), ElementsAre("ADDED a"));
}

TEST_F(FaultTest, AWriteWhoseAnswerIsCutOffIsNotRepeated) {
  for (const size_t bytes : {0, 10}) {
    const int before = Reached("create");
    Inject({.kind = Fault::Kind::kCut, .verb = "create", .bytes = bytes});
    const Answer cut = Post(Secrets(), absl::StrCat("{metadata: {name: a", bytes, "}}"));
    EXPECT_EQ(cut.done.code(), absl::StatusCode::kUnavailable) << cut.done;
    EXPECT_EQ(cut.text.size(), bytes);
    EXPECT_EQ(Reached("create"), before + 1);
    EXPECT_EQ(Get(absl::StrCat(Secrets(), "/a", bytes)).status, 200);
  }
}

TEST_F(FaultTest, AConnectionThatBreaksAtOnceIsUnavailable) {
  Inject({.kind = Fault::Kind::kRefuse, .verb = "create"});
  const Answer refused = Post(Secrets(), "{metadata: {name: a}}");
  EXPECT_EQ(refused.done.code(), absl::StatusCode::kUnavailable) << refused.done;
  EXPECT_EQ(refused.status, 0);
  EXPECT_EQ(Get(Secrets() + "/a").status, 404);
}

TEST_F(FaultTest, AWatchThatIsCutHasDeliveredWhatCameBefore) {
  const std::string from = Get(Secrets()).revision();
  Inject({.kind = Fault::Kind::kCut, .verb = "watch", .bytes = 1000});
  auto stream = Watch(Secrets(), "resourceVersion=" + from);
  Make({"a", "b", "c", "d", "e", "f", "g", "h"});
  EXPECT_TRUE(backend_->RunUntil([&] { return stream->done.has_value(); }));
  EXPECT_EQ(stream->done->code(), absl::StatusCode::kUnavailable) << *stream->done;
  ASSERT_GT(stream->events.size(), 1u);
  ASSERT_LT(stream->events.size(), 8u);
  const Event last = stream->events.back();
  auto resumed = Watch(Secrets(), "resourceVersion=" + last.revision());
  EXPECT_THAT(NextNames(resumed.get(), 1),
              ElementsAre(absl::StrCat("ADDED ", std::string(1, last.name()[0] + 1))));
}

TEST_F(FaultTest, TinySlowPiecesMakeTheWhole) {
  Make({"a", "b"});
  const std::string whole = Get(Secrets()).text;
  Inject({.kind = Fault::Kind::kSlow, .verb = "list", .delay = absl::Milliseconds(1), .bytes = 7});
  const Answer slow = Get(Secrets());
  EXPECT_TRUE(slow.done.ok()) << slow.done;
  EXPECT_EQ(slow.text, whole);
}

TEST_F(FaultTest, ErrorsOfTheServerComeWithHeadAndBody) {
  for (const int status : {401, 403, 410, 429, 500, 503}) {
    // A transport may show newer credentials after 401; these are none.
    Inject({.kind = Fault::Kind::kStatus,
            .verb = "get",
            .status = status,
            .delay = absl::Seconds(status == 429 ? 7 : 0)});
    Answer answer = Get(Secrets() + "/a");
    EXPECT_TRUE(answer.done.ok()) << answer.done;
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(fake::TextAt(answer.body, {"kind"}), "Status");
    if (status == 429) {
      EXPECT_EQ(answer.headers["retry-after"], "7");
      EXPECT_THAT(answer.text, HasSubstr("\"retryAfterSeconds\":7"));
    }
  }
}

TEST_F(FaultTest, AnUnreachableServerIsUnavailableUntilItIsBack) {
  auto stream = Watch(Secrets(), "resourceVersion=" + Get(Secrets()).revision());
  EXPECT_TRUE(backend_->RunUntil([&] { return stream->status == 200; }));
  backend_->Do([](fake::Server*, FakeTransport* faults) { faults->SetReachable(false); });
  EXPECT_TRUE(backend_->RunUntil([&] { return stream->done.has_value(); }));
  EXPECT_EQ(stream->done->code(), absl::StatusCode::kUnavailable) << *stream->done;
  EXPECT_EQ(Get(Secrets()).done.code(), absl::StatusCode::kUnavailable);
  backend_->Do([](fake::Server*, FakeTransport* faults) { faults->SetReachable(true); });
  EXPECT_EQ(Get(Secrets()).status, 200);
}

TEST_F(FaultTest, NothingIsHeardOfACancelledRequest) {
  auto stream = Watch(Secrets(), "resourceVersion=" + Get(Secrets()).revision());
  EXPECT_TRUE(backend_->RunUntil([&] { return stream->status == 200; }));
  Cancel(stream.get());
  Cancel(stream.get());
  Make({"a", "b"});
  EXPECT_THAT(stream->events, IsEmpty());
  EXPECT_FALSE(stream->done.has_value());
}

TEST_F(FaultTest, ARestoredServerRepeatsRevisionsForOtherContent) {
  Make({"a"});
  backend_->Do([&](fake::Server* server, FakeTransport* faults) {
    fake::Store snapshot = server->Snapshot();
    server->Remove("secrets", ns_, "a");
    server->Restore(std::move(snapshot));
    faults->BreakConnections();
  });
  const Answer list = Get(Secrets());
  EXPECT_EQ(list.body.Find("items")->list()->size(), 1u);
  auto ahead = Watch(Secrets(), absl::StrCat("timeoutSeconds=1&resourceVersion=",
                                             std::stoll(list.revision()) + 1));
  Make({"b"});
  // What a client saw last time stood at b's revision: it does not learn of b.
  EXPECT_TRUE(backend_->RunUntil([&] { return ahead->done.has_value(); }));
  EXPECT_THAT(ahead->events, IsEmpty());
}

}  // namespace
}  // namespace openelb::kube::contract

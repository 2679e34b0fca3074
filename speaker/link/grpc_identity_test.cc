// Who may attach, over real sockets: a controller that has to ask somebody else about a token, one
// that stands by, tokens that are renewed on a live stream.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/plan/referral.h"
#include "controller/push/grpc_server.h"
#include "speaker/link/grpc_client.h"
#include "speaker/link/grpc_test_bed.h"

namespace openelb::link {
namespace {

using ::testing::ElementsAre;

// Answers when the test does, on the test's thread.
class SlowAuthenticator final : public push::Authenticator {
 public:
  explicit SlowAuthenticator(Post post) : post_(std::move(post)) {}
  void Authenticate(const std::string& token, Done done) override {
    post_([this, token, done = std::move(done)] {
      asked.push_back(token);
      waiting.push_back(done);
    });
  }
  void Answer(const absl::StatusOr<push::Identity>& answer) {
    const auto done = std::move(waiting.front());
    waiting.erase(waiting.begin());
    done(answer);
  }
  std::vector<std::string> asked;
  std::vector<Done> waiting;

 private:
  const Post post_;
};

class ControllerSide final : public push::PlanLink::Handler {
 public:
  void OnAttached(push::StreamId stream, const push::Origin& origin) override {
    nodes[stream] = origin.node;
    if (!refusal.ok()) server->Close(stream, refusal);
  }
  void OnReport(push::StreamId, const plan::v1::Report& report) override {
    reports.push_back(report.body_case());
  }
  void OnWritable(push::StreamId) override {}
  void OnDetached(push::StreamId stream, const absl::Status&) override { nodes.erase(stream); }

  push::GrpcServer* server = nullptr;
  absl::Status refusal;
  std::map<push::StreamId, std::string> nodes;
  std::vector<plan::v1::Report::BodyCase> reports;
};

class SpeakerSide final : public PlanLink::Handler {
 public:
  void OnUp(const std::string& endpoint) override { up.push_back(endpoint); }
  void OnPlan(const plan::v1::Plan&) override {}
  void OnDown(const absl::Status& why) override { down.push_back(why); }
  std::vector<std::string> up;
  std::vector<absl::Status> down;
};

class GrpcIdentityTest : public ::testing::Test {
 protected:
  GrpcIdentityTest() {
    files_.Issue("openelb-controller.openelb-system.svc");
    files_.Write("token", "token-1\n");
    server_ = std::make_unique<push::GrpcServer>(
        push::GrpcServerOptions{.cert = files_.Path("tls.crt"), .key = files_.Path("tls.key")},
        &authenticator_, &controller_, box_.Post());
    controller_.server = server_.get();
    const auto port = server_->Start("127.0.0.1:0");
    EXPECT_TRUE(port.ok()) << port.status();
    endpoint_ = absl::StrCat("127.0.0.1:", port.value_or(0));
  }
  std::unique_ptr<GrpcClient> Dial(SpeakerSide* speaker) {
    auto client = std::make_unique<GrpcClient>(
        GrpcClientOptions{.ca = files_.Path("ca.crt"), .token_file = files_.Path("token")}, speaker,
        box_.Post());
    client->Dial(endpoint_);
    return client;
  }
  bool Asked(size_t times) {
    return box_.RunUntil([&] { return authenticator_.asked.size() == times; });
  }
  static plan::v1::Report Token(const std::string& token) {
    plan::v1::Report report;
    report.mutable_token()->set_token(token);
    return report;
  }

  Files files_;
  Mailbox box_;
  SlowAuthenticator authenticator_{box_.Post()};
  ControllerSide controller_;
  std::unique_ptr<push::GrpcServer> server_;
  std::string endpoint_;
};

TEST_F(GrpcIdentityTest, AStreamWaitsForTheAnswer) {
  for (const absl::Status& answer : {absl::OkStatus(), absl::UnavailableError("review: away"),
                                     absl::UnauthenticatedError("token: not known")}) {
    SpeakerSide speaker;
    const auto client = Dial(&speaker);
    ASSERT_TRUE(box_.RunUntil([&] { return !authenticator_.waiting.empty(); }));
    EXPECT_TRUE(speaker.up.empty());
    if (!answer.ok()) {
      authenticator_.Answer(answer);
      ASSERT_TRUE(box_.RunUntil([&] { return !speaker.down.empty(); }));
      EXPECT_THAT(speaker.down, ElementsAre(answer));
      EXPECT_TRUE(speaker.up.empty());
      continue;
    }
    authenticator_.Answer(push::Identity{.node = "n1"});
    ASSERT_TRUE(box_.RunUntil([&] { return !speaker.up.empty() && !controller_.nodes.empty(); }));
    EXPECT_EQ(controller_.nodes.begin()->second, "n1");
  }
}

TEST_F(GrpcIdentityTest, AnAnswerToASpeakerThatIsGoneIsDropped) {
  SpeakerSide speaker;
  auto client = Dial(&speaker);
  ASSERT_TRUE(Asked(1));
  client.reset();
  SpeakerSide second;
  client = Dial(&second);
  ASSERT_TRUE(Asked(2));
  server_->Stop();
  authenticator_.Answer(push::Identity{.node = "n1"});
  server_.reset();
  authenticator_.Answer(push::Identity{.node = "n1"});
  ASSERT_TRUE(box_.RunUntil([&] { return !second.down.empty(); }));
  EXPECT_TRUE(absl::IsUnavailable(second.down[0])) << second.down[0];
  EXPECT_TRUE(controller_.nodes.empty());
}

TEST_F(GrpcIdentityTest, ARenewedTokenKeepsTheStreamAndIsNoReport) {
  SpeakerSide speaker;
  const auto client = Dial(&speaker);
  ASSERT_TRUE(Asked(1));
  authenticator_.Answer(push::Identity{.node = "n1", .recheck = absl::ZeroDuration()});
  ASSERT_TRUE(box_.RunUntil([&] { return !speaker.up.empty(); }));
  client->Send(Token("token-2"));
  ASSERT_TRUE(Asked(2));
  EXPECT_THAT(authenticator_.asked, ElementsAre("token-1", "token-2"));
  authenticator_.Answer(push::Identity{.node = "n1", .recheck = absl::ZeroDuration()});

  plan::v1::Report heartbeat;
  heartbeat.mutable_heartbeat();
  client->Send(heartbeat);
  ASSERT_TRUE(Asked(3));  // it has expired already
  EXPECT_EQ(authenticator_.asked[2], "token-2");
  ASSERT_TRUE(box_.RunUntil([&] { return !controller_.reports.empty(); }));
  EXPECT_THAT(controller_.reports, ElementsAre(plan::v1::Report::kHeartbeat));
  EXPECT_TRUE(speaker.down.empty());

  const absl::Status expired = absl::UnauthenticatedError("token: expired");
  authenticator_.Answer(expired);
  ASSERT_TRUE(box_.RunUntil([&] { return !speaker.down.empty() && controller_.nodes.empty(); }));
  EXPECT_THAT(speaker.down, ElementsAre(expired));
}

TEST_F(GrpcIdentityTest, AStandbysReferralReachesTheSpeaker) {
  controller_.refusal =
      plan::WithReferral(absl::FailedPreconditionError("stands by"), {"10.0.0.2:50051"});
  SpeakerSide speaker;
  const auto client = Dial(&speaker);
  ASSERT_TRUE(Asked(1));
  authenticator_.Answer(push::Identity{.node = "n1"});
  ASSERT_TRUE(box_.RunUntil([&] { return !speaker.down.empty(); }));
  EXPECT_EQ(speaker.down[0], controller_.refusal);
  EXPECT_THAT(plan::ReferralOf(speaker.down[0]).value(), ElementsAre("10.0.0.2:50051"));
}

}  // namespace
}  // namespace openelb::link

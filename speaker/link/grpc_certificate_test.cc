// A controller that serves with certificates of its own making, kept in memory and renewed while it
// runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "controller/push/grpc_server.h"
#include "controller/tls/material.h"
#include "controller/tls/memory_file.h"
#include "speaker/link/grpc_client.h"
#include "speaker/link/grpc_test_bed.h"

namespace openelb::link {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kName[] = "openelb-controller.openelb-system.svc";

class Everybody final : public push::Authenticator {
 public:
  void Authenticate(const std::string&, Done done) override { done(push::Identity{.node = "n1"}); }
};

class ControllerSide final : public push::PlanLink::Handler {
 public:
  void OnAttached(push::StreamId stream, const push::Origin&) override { last = stream; }
  void OnReport(push::StreamId, const plan::v1::Report&) override {}
  void OnWritable(push::StreamId) override {}
  void OnDetached(push::StreamId, const absl::Status&) override {}
  push::StreamId last = 0;
};

class SpeakerSide final : public PlanLink::Handler {
 public:
  void OnUp(const std::string&) override { up = true; }
  void OnPlan(const plan::v1::Plan&) override { ++plans; }
  void OnDown(const absl::Status& why) override { down.push_back(why); }
  bool up = false;
  int plans = 0;
  std::vector<absl::Status> down;
};

class GrpcCertificateTest : public ::testing::Test {
 protected:
  GrpcCertificateTest() {
    files_.Write("token", "token-1");
    auto file = tls::MemoryFile::Create("tls.pem");
    EXPECT_TRUE(file.ok()) << file.status();
    served_ = *std::move(file);
  }
  static tls::Material Make(const tls::Material& old = {}) {
    const auto renewal = tls::Renew(old, {.dns_name = kName}, absl::Now());
    EXPECT_TRUE(renewal.ok() && *renewal) << renewal.status();
    return (*renewal)->material;
  }
  void Serve(const tls::Material& material) {
    const tls::KeyPair& pair = material.serving;
    EXPECT_TRUE(served_->Replace(absl::StrCat(pair.certificate, pair.key)).ok());
  }
  void Start() {
    server_ = std::make_unique<push::GrpcServer>(
        push::GrpcServerOptions{.cert = served_->path(), .key = served_->path()}, &authenticator_,
        &controller_, box_.Post());
    const auto port = server_->Start("127.0.0.1:0");
    ASSERT_TRUE(port.ok()) << port.status();
    endpoint_ = absl::StrCat("127.0.0.1:", *port);
  }
  std::unique_ptr<GrpcClient> Dial(SpeakerSide* speaker) {
    auto client = std::make_unique<GrpcClient>(
        GrpcClientOptions{
            .ca = files_.Path("ca.crt"), .token_file = files_.Path("token"), .server_name = kName},
        speaker, box_.Post());
    client->Dial(endpoint_);
    EXPECT_TRUE(box_.RunUntil([&] { return speaker->up || !speaker->down.empty(); }));
    return client;
  }
  // Whether a speaker that trusts `material` gets through.
  bool Serves(const tls::Material& material) {
    files_.Write("ca.crt", material.Bundle());
    SpeakerSide speaker;
    const auto client = Dial(&speaker);
    return speaker.up;
  }

  Files files_;
  Mailbox box_;
  Everybody authenticator_;
  ControllerSide controller_;
  std::unique_ptr<tls::MemoryFile> served_;
  std::unique_ptr<push::GrpcServer> server_;
  std::string endpoint_;
};

TEST_F(GrpcCertificateTest, RenewalsServeNewStreamsAndLeaveLiveOnes) {
  const tls::Material first = Make();
  Serve(first);
  Start();
  files_.Write("ca.crt", first.Bundle());
  SpeakerSide live;
  const auto client = Dial(&live);
  ASSERT_TRUE(box_.RunUntil([&] { return controller_.last != 0; }));
  const push::StreamId stream = controller_.last;

  // Another certificate of the same authority: no speaker need learn anything.
  tls::Material second = first;
  second.serving = {};
  second = Make(second);
  Serve(second);
  EXPECT_TRUE(Serves(first));

  // Another authority, all at once: those who have its bundle get through, others no more.
  const tls::Material third = Make();
  Serve(third);
  EXPECT_TRUE(Serves(third));
  EXPECT_FALSE(Serves(first));

  auto plan = std::make_shared<plan::v1::Plan>();
  plan->mutable_heartbeat();
  server_->Send(stream, plan);
  ASSERT_TRUE(box_.RunUntil([&] { return live.plans == 1; }));
  EXPECT_TRUE(live.down.empty());
}

TEST_F(GrpcCertificateTest, AnAuthorityIsReplacedUnnoticed) {
  const tls::Material first = Make();
  tls::Material second = first;
  second.authority.key = "";  // lost: a new authority, and the serving certificate stays
  second = Make(second);
  EXPECT_EQ(second.serving, first.serving);
  Serve(second);
  Start();
  EXPECT_TRUE(Serves(first));
  EXPECT_TRUE(Serves(second));
  second.serving = {};
  second = Make(second);
  Serve(second);
  EXPECT_TRUE(Serves(second));
}

TEST_F(GrpcCertificateTest, WhatCannotBeServedLeavesTheLastGoodCertificate) {
  const tls::Material good = Make();
  Serve(good);
  Start();
  EXPECT_TRUE(Serves(good));
  tls::Material damaged = good;
  damaged.serving.key = Make().serving.key;  // of another certificate
  Serve(damaged);
  EXPECT_TRUE(Serves(good));
  damaged.serving = {.certificate = "rubbish", .key = "rubbish"};
  Serve(damaged);
  EXPECT_TRUE(Serves(good));
  const tls::Material next = Make();
  Serve(next);
  EXPECT_TRUE(Serves(next));
}

TEST_F(GrpcCertificateTest, AnExpiredCertificateIsRefusedUntilItIsRenewed) {
  tls::Material material = Make();
  const auto expired = tls::Issue(material.authority, kName, absl::Now() - absl::Hours(2),
                                  absl::Now() - absl::Hours(1));
  ASSERT_TRUE(expired.ok());
  material.serving = *expired;
  Serve(material);
  Start();
  files_.Write("ca.crt", material.Bundle());
  SpeakerSide speaker;
  const auto client = Dial(&speaker);
  ASSERT_EQ(speaker.down.size(), 1u);
  EXPECT_THAT(speaker.down[0].message(),
              AllOf(HasSubstr("is not signed by what " + files_.Path("ca.crt") + " holds, or"),
                    HasSubstr(" by the clock here")));
  material = Make(material);
  Serve(material);
  EXPECT_TRUE(Serves(material));
}

}  // namespace
}  // namespace openelb::link

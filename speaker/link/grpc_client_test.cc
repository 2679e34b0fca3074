// Both ends of the plan stream over real sockets: TLS, tokens, rotation, slow and dead peers. The
// test's thread owns both ends.

#include "speaker/link/grpc_client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/base/log.h"
#include "controller/push/grpc_server.h"
#include "controller/push/token_file_authenticator.h"
#include "speaker/link/grpc_test_bed.h"

namespace openelb::link {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ControllerSide final : public push::PlanLink::Handler {
 public:
  void OnAttached(push::StreamId stream, const push::Origin& origin) override {
    last = stream;
    ++attached;
    nodes[stream] = origin.node;
  }
  void OnReport(push::StreamId, const plan::v1::Report& report) override {
    reports.push_back(report);
  }
  void OnWritable(push::StreamId) override { ++writable; }
  void OnDetached(push::StreamId stream, const absl::Status&) override {
    nodes.erase(stream);
    ++detached;
  }
  push::StreamId last = 0;
  std::map<push::StreamId, std::string> nodes;
  std::vector<plan::v1::Report> reports;
  int attached = 0;
  int writable = 0;
  int detached = 0;
};

class SpeakerSide final : public PlanLink::Handler {
 public:
  void OnUp(const std::string& endpoint) override { up.push_back(endpoint); }
  void OnPlan(const plan::v1::Plan& plan) override { plans.push_back(plan); }
  void OnDown(const absl::Status& why) override { down.push_back(why); }
  std::vector<std::string> up;
  std::vector<plan::v1::Plan> plans;
  std::vector<absl::Status> down;
};

class GrpcLinkTest : public ::testing::Test {
 protected:
  GrpcLinkTest() : log_(&sink_, &clock_) {
    files_.Issue("openelb-controller.openelb-system.svc");
    files_.Write("tokens", "n1 token-1\nn2 token-2\n");
    files_.Write("token", "token-1\n");
  }
  void Serve(push::GrpcServerOptions options) {
    authenticator_ = std::make_unique<push::TokenFileAuthenticator>(files_.Path("tokens"), &log_);
    ASSERT_TRUE(authenticator_->Load().ok());
    server_ = std::make_unique<push::GrpcServer>(std::move(options), authenticator_.get(),
                                                 &controller_, controller_box_.Post());
    const auto port = server_->Start("127.0.0.1:0");
    ASSERT_TRUE(port.ok()) << port.status();
    endpoint_ = absl::StrCat("127.0.0.1:", *port);
  }
  push::GrpcServerOptions Tls() const {
    return {.cert = files_.Path("tls.crt"), .key = files_.Path("tls.key")};
  }
  GrpcClientOptions ClientTls() const {
    return {.ca = files_.Path("ca.crt"), .token_file = files_.Path("token")};
  }
  std::unique_ptr<GrpcClient> MakeClient(SpeakerSide* speaker, GrpcClientOptions options) {
    return std::make_unique<GrpcClient>(std::move(options), speaker, controller_box_.Post());
  }
  // Dials once; how it ended, OK while it is up.
  absl::Status Try(GrpcClientOptions options) {
    SpeakerSide speaker;
    const auto client = MakeClient(&speaker, std::move(options));
    client->Dial(endpoint_);
    const int attached = controller_.attached;
    EXPECT_TRUE(controller_box_.RunUntil([&] {
      return !speaker.down.empty() || (!speaker.up.empty() && controller_.attached > attached);
    }));
    return speaker.down.empty() ? absl::OkStatus() : speaker.down[0];
  }

  Files files_;
  NullLogSink sink_;
  SystemClock clock_;
  Logger log_;
  Mailbox controller_box_;
  ControllerSide controller_;
  std::unique_ptr<push::TokenFileAuthenticator> authenticator_;
  std::unique_ptr<push::GrpcServer> server_;
  std::string endpoint_;
};

std::shared_ptr<plan::v1::Plan> Heartbeat(uint64_t counter) {
  auto plan = std::make_shared<plan::v1::Plan>();
  plan->mutable_generation()->set_counter(counter);
  plan->mutable_heartbeat();
  return plan;
}

TEST_F(GrpcLinkTest, PlansAndReportsArriveInOrder) {
  for (const bool insecure : {false, true}) {
    SCOPED_TRACE(insecure);
    controller_ = ControllerSide();
    Serve(insecure ? push::GrpcServerOptions{.insecure = true} : Tls());
    SpeakerSide speaker;
    const auto client =
        MakeClient(&speaker, insecure ? GrpcClientOptions{.insecure = true} : ClientTls());
    client->Dial(endpoint_);
    ASSERT_TRUE(controller_box_.RunUntil([&] { return !speaker.up.empty(); }));
    EXPECT_THAT(speaker.up, ElementsAre(endpoint_));
    ASSERT_TRUE(controller_box_.RunUntil([&] { return controller_.last != 0; }));
    EXPECT_EQ(controller_.nodes[controller_.last], insecure ? "" : "n1");

    constexpr int kCount = 50;
    plan::v1::Report report;
    for (int i = 0; i < kCount; ++i) {
      report.mutable_hello()->set_largest_epoch(i);
      client->Send(report);
      server_->Send(controller_.last, Heartbeat(i));
      ASSERT_TRUE(controller_box_.RunUntil([&] { return controller_.writable == i + 1; }));
    }
    ASSERT_TRUE(controller_box_.RunUntil(
        [&] { return controller_.reports.size() == kCount && speaker.plans.size() == kCount; }));
    for (int i = 0; i < kCount; ++i) {
      EXPECT_EQ(controller_.reports[i].hello().largest_epoch(), static_cast<uint64_t>(i));
      EXPECT_EQ(speaker.plans[i].generation().counter(), static_cast<uint64_t>(i));
    }
    server_->Close(controller_.last, absl::AlreadyExistsError("node \"n1\""));
    ASSERT_TRUE(controller_box_.RunUntil(
        [&] { return !speaker.down.empty() && controller_.detached == 1; }));
    EXPECT_EQ(speaker.down[0], absl::AlreadyExistsError("node \"n1\""));
    server_->Stop();
  }
}

TEST_F(GrpcLinkTest, OnlyBoundTokensOverTrustedTlsGetThrough) {
  Serve(Tls());
  EXPECT_EQ(Try(ClientTls()), absl::OkStatus());

  GrpcClientOptions options = ClientTls();
  files_.Write("wrong-token", "token-3");
  options.token_file = files_.Path("wrong-token");
  EXPECT_EQ(Try(options), absl::UnauthenticatedError("token: bound to no node"));
  options.token_file = files_.Path("missing");
  EXPECT_THAT(std::string(Try(options).message()), HasSubstr("token-file: " + options.token_file));

  options = ClientTls();
  options.server_name = "another.openelb-system.svc";
  EXPECT_TRUE(absl::IsUnavailable(Try(options)));
  options = ClientTls();
  Files other;
  other.Issue("openelb-controller.openelb-system.svc");
  options.ca = other.Path("ca.crt");
  EXPECT_TRUE(absl::IsUnavailable(Try(options)));
  options.ca = files_.Path("missing");
  EXPECT_THAT(std::string(Try(options).message()), HasSubstr("plan-tls-ca: " + options.ca));

  EXPECT_TRUE(absl::IsUnavailable(Try({.insecure = true})));  // plain text against TLS
  ASSERT_TRUE(controller_box_.RunUntil([&] { return controller_.nodes.empty(); }));
  EXPECT_EQ(controller_.detached, 1);  // nobody else was let in

  server_.reset();
  Serve({.insecure = true});
  EXPECT_TRUE(absl::IsUnavailable(Try(ClientTls())));  // TLS against plain text
}

TEST_F(GrpcLinkTest, WithACaTheControllerAsksForCertificates) {
  push::GrpcServerOptions options = Tls();
  options.ca = files_.Path("ca.crt");
  Serve(options);
  EXPECT_TRUE(absl::IsUnavailable(Try(ClientTls())));
  GrpcClientOptions with = ClientTls();
  with.cert = files_.Path("tls.crt");
  with.key = files_.Path("tls.key");
  EXPECT_EQ(Try(with), absl::OkStatus());
}

TEST_F(GrpcLinkTest, RotatedFilesServeNewStreamsAndLeaveLiveOnes) {
  Serve(Tls());
  SpeakerSide speaker;
  const auto client = MakeClient(&speaker, ClientTls());
  client->Dial(endpoint_);
  ASSERT_TRUE(controller_box_.RunUntil([&] { return controller_.last != 0; }));
  const push::StreamId live = controller_.last;

  std::filesystem::copy(files_.Path("ca.crt"), files_.Path("old-ca.crt"));
  files_.Issue("openelb-controller.openelb-system.svc");
  files_.Write("tokens", "n1 token-new\n");
  files_.Write("token", "token-new\n");
  // The controller looks at its certificate once a second.
  const absl::Time deadline = absl::Now() + kPatience;
  while (!Try(ClientTls()).ok() && absl::Now() < deadline) {
    controller_box_.RunFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(Try(ClientTls()), absl::OkStatus());
  GrpcClientOptions old = ClientTls();
  old.ca = files_.Path("old-ca.crt");
  EXPECT_TRUE(absl::IsUnavailable(Try(old)));
  old = ClientTls();
  files_.Write("old-token", "token-1");
  old.token_file = files_.Path("old-token");
  EXPECT_TRUE(absl::IsUnauthenticated(Try(old)));

  // A broken token file leaves the last good tokens.
  files_.Write("tokens", "n1\n");
  EXPECT_EQ(Try(ClientTls()), absl::OkStatus());
  EXPECT_GT(authenticator_->file_errors(), 0u);

  server_->Send(live, Heartbeat(7));
  ASSERT_TRUE(controller_box_.RunUntil([&] { return !speaker.plans.empty(); }));
  EXPECT_TRUE(speaker.down.empty());
}

TEST_F(GrpcLinkTest, ASpeakerThatDoesNotReadStopsItsStreamOnly) {
  Serve(Tls());
  Mailbox stuck;
  SpeakerSide slow;
  GrpcClient client(ClientTls(), &slow, stuck.Post());
  client.Dial(endpoint_);
  ASSERT_TRUE(stuck.RunUntil([&] { return !slow.up.empty(); }));
  ASSERT_TRUE(controller_box_.RunUntil([&] { return controller_.last != 0; }));
  const push::StreamId stream = controller_.last;

  auto large = std::make_shared<plan::v1::Plan>();
  plan::v1::Resource* resource = large->mutable_chunk()->add_resources();
  resource->set_body(std::string(1 << 20, 'x'));
  int sent = 0;
  do {
    server_->Send(stream, large);
    ++sent;
  } while (sent < 100 && controller_box_.RunUntil([&] { return controller_.writable == sent; },
                                                  absl::Milliseconds(500)));
  EXPECT_LT(sent, 100);  // it waits at the sender
  EXPECT_EQ(Try(ClientTls()), absl::OkStatus());
  ASSERT_TRUE(stuck.RunUntil([&] { return slow.plans.size() == static_cast<size_t>(sent); }));

  ASSERT_TRUE(controller_box_.RunUntil([&] { return controller_.writable == sent; }));

  // Closed while it does not read: the controller is rid of it at once.
  controller_.writable = sent = 0;
  do {
    server_->Send(stream, large);
    ++sent;
  } while (sent < 100 && controller_box_.RunUntil([&] { return controller_.writable == sent; },
                                                  absl::Milliseconds(500)));
  server_->Close(stream, absl::UnavailableError("nothing heard"));
  EXPECT_TRUE(controller_box_.RunUntil([&] { return !controller_.nodes.contains(stream); }));
}

TEST_F(GrpcLinkTest, AFloodOfReportsWaitsAtItsSender) {
  Serve(Tls());
  Mailbox busy;
  ControllerSide controller;
  push::GrpcServer server(Tls(), authenticator_.get(), &controller, busy.Post());
  const auto port = server.Start("127.0.0.1:0");
  ASSERT_TRUE(port.ok());
  SpeakerSide speaker;
  const auto client = MakeClient(&speaker, ClientTls());
  client->Dial(absl::StrCat("127.0.0.1:", *port));
  ASSERT_TRUE(controller_box_.RunUntil([&] { return !speaker.up.empty(); }));
  // More than the client queues, of a size that no window holds.
  plan::v1::Report report;
  report.mutable_ack()->set_plan_error(std::string(1 << 20, 'x'));
  for (int i = 0; i < 300; ++i) client->Send(report);
  ASSERT_TRUE(controller_box_.RunUntil([&] { return !speaker.down.empty(); }));
  ASSERT_TRUE(busy.RunUntil([&] { return controller.detached == 1; }));
  EXPECT_LT(controller.reports.size(), 256u);
}

TEST_F(GrpcLinkTest, ControllersThatAreGoneOrMuteAreReportedInTime) {
  Serve(Tls());
  SpeakerSide speaker;
  const auto client = MakeClient(&speaker, ClientTls());
  client->Dial(endpoint_);
  ASSERT_TRUE(controller_box_.RunUntil([&] { return !speaker.up.empty(); }));
  server_->Stop();
  ASSERT_TRUE(controller_box_.RunUntil([&] { return !speaker.down.empty(); }));
  EXPECT_EQ(speaker.down[0], absl::UnavailableError("this controller stops"));
  client->Dial(endpoint_);  // nobody listens any more
  ASSERT_TRUE(controller_box_.RunUntil([&] { return speaker.down.size() == 2; }));
  EXPECT_TRUE(absl::IsUnavailable(speaker.down[1])) << speaker.down[1];

  // Takes connections and says nothing.
  const int mute = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(bind(mute, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(mute, 5), 0);
  ASSERT_EQ(getsockname(mute, reinterpret_cast<sockaddr*>(&address), &length), 0);
  client->Dial(absl::StrCat("127.0.0.1:", ntohs(address.sin_port)));
  EXPECT_TRUE(controller_box_.RunUntil([&] { return speaker.down.size() == 3; }));
  client->Dial(absl::StrCat("127.0.0.1:", ntohs(address.sin_port)));
  client->Hangup();
  controller_box_.RunFor(absl::Milliseconds(50));
  EXPECT_EQ(speaker.down.size(), 3u);  // no OnDown after Hangup
  close(mute);
}

// gRPC 1.51 frees its queue for callbacks twice now and then when nothing uses it for a moment.
TEST_F(GrpcLinkTest, DialsMayFollowOneAnother) {
  SpeakerSide speaker;
  for (size_t dials = 1; dials <= 300; ++dials) {
    const auto client = MakeClient(&speaker, {.insecure = true});
    client->Dial("127.0.0.1:1");
    ASSERT_TRUE(controller_box_.RunUntil([&] { return speaker.down.size() == dials; }));
  }
}

TEST_F(GrpcLinkTest, WhatCannotBeServedIsNamed) {
  Serve(Tls());
  const auto start = [&](push::GrpcServerOptions options, const std::string& address) {
    push::GrpcServer server(std::move(options), authenticator_.get(), &controller_,
                            controller_box_.Post());
    return std::string(server.Start(address).status().message());
  };
  EXPECT_THAT(start(Tls(), endpoint_), HasSubstr("--plan-addr: cannot listen on " + endpoint_));
  EXPECT_THAT(start({.cert = files_.Path("none"), .key = files_.Path("tls.key")}, "127.0.0.1:0"),
              HasSubstr("--plan-tls-cert: " + files_.Path("none") + ": No such file or directory"));
  EXPECT_THAT(start({.cert = files_.Path("tls.crt"), .key = files_.Path("none")}, "127.0.0.1:0"),
              HasSubstr("--plan-tls-key: " + files_.Path("none") + ": No such file or directory"));
  EXPECT_THAT(start({.cert = files_.Path("tls.crt"), .key = files_.Path("ca.key")}, "127.0.0.1:0"),
              HasSubstr("plan-tls-key: " + files_.Path("ca.key") + ": key values mismatch"));
}

}  // namespace
}  // namespace openelb::link

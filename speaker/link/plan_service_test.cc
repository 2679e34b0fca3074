// The whole plan stream over TLS: distributor, server, client, link and store.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/push/distributor.h"
#include "controller/push/grpc_server.h"
#include "controller/push/token_file_authenticator.h"
#include "speaker/link/grpc_client.h"
#include "speaker/link/grpc_test_bed.h"
#include "speaker/link/link.h"

namespace openelb::link {
namespace {

using ::testing::HasSubstr;

class OneSet final : public plan::PlanView {
 public:
  std::vector<std::string> SetsOf(absl::string_view) const override { return {"set"}; }
  const plan::ResourceSet* Find(absl::string_view) const override { return &set; }
  plan::ResourceSet set;
};

class Controller final : public push::PlanLink::Handler, public push::Distributor::Owner {
 public:
  Controller(const Files& files, Mailbox* box, const Clock* clock, Logger* log)
      : clock_(clock),
        authenticator_(files.Path("tokens"), log),
        server({.cert = files.Path("tls.crt"), .key = files.Path("tls.key")}, &authenticator_, this,
               box->Post()),
        distributor(&view, &server, this, log) {
    EXPECT_TRUE(authenticator_.Load().ok());
    const auto port = server.Start("127.0.0.1:0");
    EXPECT_TRUE(port.ok()) << port.status();
    endpoint = absl::StrCat("127.0.0.1:", *port);
    distributor.SetEpoch(1, Now());
  }
  void Put(int i, const std::string& group) {
    plan::v1::ResourceBody body;
    const std::string prefix =
        absl::StrCat("10.", i / 65536, ".", i / 256 % 256, ".", i % 256, "/32");
    body.mutable_route()->set_prefix(prefix);
    plan::v1::Target* target = body.mutable_route()->add_targets();
    target->set_scope("scope");
    target->set_group(group);
    view.set.Put("route/" + prefix, body.SerializeAsString());
    plan::PlanChange change;
    change.keys["set"].insert("route/" + prefix);
    distributor.OnPlanChange(change, Now());
  }
  void OnAttached(push::StreamId stream, const push::Origin& origin) override {
    distributor.OnAttached(stream, origin, Now());
  }
  void OnReport(push::StreamId stream, const plan::v1::Report& report) override {
    distributor.OnReport(stream, report, Now());
  }
  void OnWritable(push::StreamId stream) override { distributor.OnWritable(stream, Now()); }
  void OnDetached(push::StreamId stream, const absl::Status& why) override {
    distributor.OnDetached(stream, why, Now());
  }
  void OnSpeakerUp(const std::string&, const plan::v1::Hello&) override {}
  void OnSpeakerDown(const std::string&, const absl::Status&) override {}
  void OnSecondSpeaker(const std::string&, const std::string&) override {}
  void OnScraperToken(push::StreamId, const std::string&, uint64_t) override {}
  void OnSpeakerReport(const std::string&, const plan::v1::Report&) override {}
  void OnAcked(const std::string&, plan::Generation, std::optional<absl::Duration> since) override {
    if (since) latencies.push_back(*since);
  }
  void OnLargerEpoch(const std::string&, uint64_t) override {}
  absl::Duration Now() const { return clock_->Monotonic(); }

 private:
  const Clock* clock_;
  push::TokenFileAuthenticator authenticator_;

 public:
  OneSet view;
  push::GrpcServer server;
  push::Distributor distributor;
  std::string endpoint;
  std::vector<absl::Duration> latencies;
};

class Speaker final : public PlanLink::Handler {
 public:
  Speaker(const Files& files, const std::string& node, const std::string& endpoint, Mailbox* box,
          const Clock* clock, Logger* log)
      : clock_(clock),
        client_({.ca = files.Path("ca.crt"), .token_file = files.Path("token")}, this, box->Post()),
        link(&client_, &store, &random_, log,
             {.node = node, .instance = "i", .controllers = {endpoint}}) {
    link.Start(clock_->Monotonic());
  }
  void OnUp(const std::string& endpoint) override { link.OnUp(endpoint, clock_->Monotonic()); }
  void OnPlan(const plan::v1::Plan& plan) override { link.OnPlan(plan, clock_->Monotonic()); }
  void OnDown(const absl::Status& why) override {
    down.push_back(why);
    link.OnDown(why, clock_->Monotonic());
  }

 private:
  const Clock* clock_;
  SeededRandom random_{1};
  GrpcClient client_;

 public:
  PlanStore store;
  Link link;
  std::vector<absl::Status> down;
};

class PlanServiceTest : public ::testing::Test {
 protected:
  PlanServiceTest() {
    files_.Issue("openelb-controller.openelb-system.svc");
    files_.Write("tokens", "n1 token-1\nn2 token-2\n");
    files_.Write("token", "token-1\n");
  }
  Files files_;
  Mailbox box_;
  SystemClock clock_;
  NullLogSink sink_;
  Logger log_{&sink_, &clock_};
};

TEST_F(PlanServiceTest, TenThousandRoutesAndThenDeltas) {
  constexpr int kRoutes = 10'000;
  constexpr int kDeltas = 200;
  Controller controller(files_, &box_, &clock_, &log_);
  for (int i = 0; i < kRoutes; ++i) controller.Put(i, "g0");
  const absl::Duration start = clock_.Monotonic();
  Speaker speaker(files_, "n1", controller.endpoint, &box_, &clock_, &log_);
  ASSERT_TRUE(box_.RunUntil([&] { return speaker.store.state().routes.size() == kRoutes; }));
  const absl::Duration snapshot = clock_.Monotonic() - start;
  EXPECT_EQ(speaker.store.state().hash, controller.view.set.hash());
  ASSERT_TRUE(box_.RunUntil([&] { return controller.distributor.Speakers()["n1"].acked.epoch; }));

  for (int i = 0; i < kDeltas; ++i) {
    controller.Put(i, "g1");
    ASSERT_TRUE(box_.RunUntil([&] { return controller.latencies.size() == i + 1u; }));
  }
  EXPECT_EQ(speaker.store.state().hash, controller.view.set.hash());
  EXPECT_EQ(controller.distributor.counters().snapshots, 1u);
  EXPECT_EQ(controller.distributor.counters().deltas, static_cast<uint64_t>(kDeltas));
  std::sort(controller.latencies.begin(), controller.latencies.end());
  std::cout << "dial to " << kRoutes << " routes in force: " << snapshot << "; change to ack: p50 "
            << controller.latencies[kDeltas / 2] << ", p99 "
            << controller.latencies[kDeltas * 99 / 100] << "\n";
}

TEST_F(PlanServiceTest, AnotherNodesValidTokenIsRefused) {
  Controller controller(files_, &box_, &clock_, &log_);
  controller.Put(1, "g");
  Speaker speaker(files_, "n2", controller.endpoint, &box_, &clock_, &log_);
  ASSERT_TRUE(box_.RunUntil([&] { return !speaker.down.empty(); }));
  EXPECT_TRUE(absl::IsPermissionDenied(speaker.down[0])) << speaker.down[0];
  EXPECT_THAT(std::string(speaker.down[0].message()), HasSubstr("\"n2\""));
  EXPECT_THAT(std::string(speaker.down[0].message()), HasSubstr("\"n1\""));
  EXPECT_FALSE(speaker.store.has_plan());
}

TEST_F(PlanServiceTest, ALostControllerLeavesThePlanInForceAndItsSuccessorSendsNothing) {
  auto first = std::make_unique<Controller>(files_, &box_, &clock_, &log_);
  first->Put(1, "g");
  Speaker speaker(files_, "n1", first->endpoint, &box_, &clock_, &log_);
  ASSERT_TRUE(box_.RunUntil([&] { return speaker.link.confirmed(); }));
  Controller second(files_, &box_, &clock_, &log_);
  second.Put(1, "g");
  second.distributor.SetEpoch(2, second.Now());
  first->distributor.SetEndpoints({second.endpoint}, first->Now());
  ASSERT_TRUE(box_.RunUntil([&] { return !speaker.store.endpoints().empty(); }));
  first.reset();
  ASSERT_TRUE(box_.RunUntil([&] { return !speaker.down.empty(); }));
  EXPECT_EQ(speaker.store.state().routes.size(), 1u);
  const absl::Duration deadline = clock_.Monotonic() + kPatience;
  while (!speaker.link.confirmed() && clock_.Monotonic() < deadline) {
    speaker.link.Tick(clock_.Monotonic());
    box_.RunFor(absl::Milliseconds(5));
  }
  EXPECT_EQ(speaker.store.state().generation.epoch, 2u);
  EXPECT_EQ(speaker.store.counters().snapshots, 1u);
}

}  // namespace
}  // namespace openelb::link

// One leader before an API server in memory, in virtual time.

#include "controller/kube/webhook_bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_join.h"
#include "api/base/scheduler.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"

namespace openelb::kube {
namespace {

using codec::Value;
using fake::Fault;
using ::testing::HasSubstr;

constexpr char kResource[] = "validatingwebhookconfigurations";
constexpr char kInstalled[] = R"(
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: openelb-admission}
webhooks:
- name: validate.network.kubesphere.io
  failurePolicy: Ignore
  clientConfig: {service: {name: openelb-controller, namespace: openelb-system, path: /validate}}
- name: another.example.com
  clientConfig: {service: {name: openelb-controller, namespace: elsewhere}}
)";

class RecordingSink final : public LogSink {
 public:
  void Write(const LogRecord& record) override { lines.push_back(FormatText(record)); }
  std::string All() const { return absl::StrJoin(lines, "\n"); }
  std::vector<std::string> lines;
};

class WebhookBundleTest : public ::testing::Test {
 protected:
  void Lead(const std::string& bundle = "authority") {
    bundle_.SetBundle(bundle);
    bundle_.SetLeading(true);
    RunFor(absl::Seconds(1));
  }
  void RunFor(absl::Duration time) {
    const absl::Duration end = scheduler_.Monotonic() + time;
    while (scheduler_.Monotonic() < end) {
      client_.Turn();
      bundle_.Turn();
      const absl::Duration next = std::max(
          scheduler_.Monotonic(), std::min({end, bundle_.NextWakeup(), client_.NextWakeup()}));
      if (!scheduler_.Step(next)) scheduler_.RunUntil(next);
    }
  }
  // caBundle of the webhook, decoded as far as the test needs it: as it stands.
  std::string Shown(size_t webhook) const {
    const Value object = server_.Find(kResource, "", "openelb-admission");
    const Value* found =
        object.Find("webhooks")->list()->at(webhook).Find("clientConfig")->Find("caBundle");
    return found == nullptr ? "" : *found->string();
  }

  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  FakeTransport transport_{&server_, &scheduler_};
  Client client_{&transport_, &scheduler_};
  SeededRandom random_{1};
  RecordingSink sink_;
  Logger log_{&sink_, &scheduler_};
  WebhookBundle bundle_{{}, {&client_, &scheduler_, &random_, &log_}};
};

TEST_F(WebhookBundleTest, TheLeaderKeepsItsOwnCurrent) {
  server_.Put(kInstalled);
  bundle_.SetBundle("authority");
  RunFor(absl::Minutes(1));
  EXPECT_EQ(Shown(0), "") << "a standby writes nothing";
  Lead();
  EXPECT_EQ(Shown(0), "YXV0aG9yaXR5");
  EXPECT_EQ(Shown(1), "") << "another's";
  const Value object = server_.Find(kResource, "", "openelb-admission");
  EXPECT_EQ(*object.Find("webhooks")->list()->at(0).Find("failurePolicy")->string(), "Ignore");
  RunFor(absl::Minutes(10));
  EXPECT_EQ(bundle_.writes(), 1u);
  bundle_.SetBundle("renewed");
  RunFor(absl::Seconds(1));
  EXPECT_EQ(Shown(0), "cmVuZXdlZA==");
}

TEST_F(WebhookBundleTest, WhatAnInstallationTookAwayComesBack) {
  server_.Put(kInstalled);
  Lead();
  server_.Put(kInstalled);
  EXPECT_EQ(Shown(0), "");
  RunFor(absl::Seconds(31));
  EXPECT_EQ(Shown(0), "YXV0aG9yaXR5");
}

TEST_F(WebhookBundleTest, OneThatIsNotThereIsNotMade) {
  Lead();
  RunFor(absl::Minutes(5));
  EXPECT_EQ(bundle_.writes(), 0u);
  EXPECT_THAT(sink_.All(), HasSubstr("webhooks are not asked for"));
  server_.Put(kInstalled);
  RunFor(absl::Seconds(31));
  EXPECT_EQ(Shown(0), "YXV0aG9yaXR5");
}

TEST_F(WebhookBundleTest, AConflictAndARefusalAreTriedAgain) {
  server_.Put(kInstalled);
  transport_.Inject({.kind = Fault::Kind::kStatus, .verb = "patch", .count = 1, .status = 409});
  transport_.Inject({.kind = Fault::Kind::kStatus, .verb = "patch", .count = 1, .status = 403});
  Lead();
  RunFor(absl::Minutes(2));
  EXPECT_EQ(Shown(0), "YXV0aG9yaXR5");
  EXPECT_THAT(sink_.All(), HasSubstr("PERMISSION_DENIED"));
}

}  // namespace
}  // namespace openelb::kube

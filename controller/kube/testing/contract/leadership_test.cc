// Leadership and what speakers are given, on an API server: Leases, Secrets and ConfigMaps as they
// are really kept. Time is the test's own, and only the server's answers are waited for.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "controller/kube/client.h"
#include "controller/kube/leader_election.h"
#include "controller/kube/speaker_access.h"
#include "controller/kube/testing/contract/contract.h"
#include "controller/kube/testing/value_at.h"
#include "controller/kube/token_review_authenticator.h"
#include "gmock/gmock.h"

namespace openelb::kube::contract {
namespace {

using codec::Value;
using fake::TextAt;
using fake::ValueAt;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

using Role = Leadership::Role;

class HandClock final : public Clock {
 public:
  absl::Duration Monotonic() const override { return now; }
  absl::Time Wall() const override { return absl::FromUnixSeconds(1767225600) + now; }
  absl::Duration now = absl::Seconds(100);
};

class LeadershipContractTest : public ContractTest {
 protected:
  std::unique_ptr<LeaderElection> Elector(const std::string& pod) {
    return std::make_unique<LeaderElection>(
        LeaseOptions{.namespace_name = ns_, .identity = pod + "_1", .endpoint = pod + ":50051"},
        LeaderElection::Seams{.client = &client_,
                              .clock = &clock_,
                              .random = &random_,
                              .log = &log_,
                              .on_change = [](const Leadership&) {},
                              .on_search = [] {}});
  }
  bool Becomes(LeaderElection* elector, Role role) {
    return backend_->RunUntil([&] {
      elector->Turn();
      return elector->leadership().role == role;
    });
  }
  // Of something that has a next wake-up unless it waits for an answer.
  bool IsIdle(absl::Duration next_wakeup) const {
    return clock_.now < next_wakeup && next_wakeup < absl::InfiniteDuration();
  }
  Answer Lease() { return Get(Leases() + "/openelb-controller"); }

  HandClock clock_;
  NullLogSink sink_;
  Logger log_{&sink_, &clock_};
  SeededRandom random_{1};
  Client client_{backend_->transport(), &clock_};
};

TEST_F(LeadershipContractTest, ALeaseIsTakenRenewedLostAndGivenUp) {
  const auto a = Elector("a");
  ASSERT_TRUE(Becomes(a.get(), Role::kLeading));
  Answer lease = Lease();
  EXPECT_EQ(TextAt(lease.body, {"spec", "holderIdentity"}), "a_1");
  EXPECT_EQ(TextAt(lease.body, {"metadata", "annotations", kEpochAnnotation}), "1");
  EXPECT_EQ(TextAt(lease.body, {"spec", "renewTime"}), "2026-01-01T00:01:40.000000Z");

  const auto b = Elector("b");
  ASSERT_TRUE(backend_->RunUntil([&] {
    b->Turn();
    return b->leadership().leader == "a_1";
  }));
  EXPECT_EQ(b->leadership().endpoint, "a:50051");
  clock_.now += absl::Seconds(2);
  ASSERT_TRUE(backend_->RunUntil([&] {
    a->Turn();
    return a->counters().renewals == 2;
  }));

  // b sees the renewal, and then none for as long as the Lease says.
  Role role = Role::kStandby;
  for (int i = 0; i < 40 && role == Role::kStandby; ++i) {
    clock_.now += absl::Milliseconds(500);
    ASSERT_TRUE(backend_->RunUntil([&] {
      b->Turn();
      role = b->leadership().role;
      return IsIdle(b->NextWakeup());
    }));
  }
  EXPECT_EQ(role, Role::kLeading);
  EXPECT_EQ(b->leadership().epoch, 2u);
  EXPECT_EQ(*ValueAt(Lease().body, {"spec", "leaseTransitions"}), Value(1));
  ASSERT_TRUE(Becomes(a.get(), Role::kDeposed));
  EXPECT_EQ(a->leadership().leader, "b_1");

  b->RaiseAbove(7);
  ASSERT_TRUE(backend_->RunUntil([&] {
    b->Turn();
    return b->leadership().epoch == 8;
  }));
  b->Release();
  ASSERT_TRUE(backend_->RunUntil([&] {
    b->Turn();
    return b->released();
  }));
  EXPECT_EQ(TextAt(Lease().body, {"spec", "holderIdentity"}), "");
  const auto c = Elector("c");
  ASSERT_TRUE(Becomes(c.get(), Role::kLeading));
  EXPECT_EQ(c->leadership().epoch, 9u);
  Delete(Leases() + "/openelb-controller");
  clock_.now += absl::Seconds(2);
  ASSERT_TRUE(backend_->RunUntil([&] {
    c->Turn();
    return c->counters().renewals == 2;
  }));
  EXPECT_EQ(TextAt(Lease().body, {"metadata", "annotations", kEpochAnnotation}), "9");
}

TEST_F(LeadershipContractTest, WhatSpeakersMountIsMadeAndMended) {
  std::vector<std::string> endpoints;
  int certificates = 0;
  SpeakerAccess access(
      {.namespace_name = ns_, .endpoint = "10.0.0.1:50051"},
      {.client = &client_,
       .clock = &clock_,
       .random = &random_,
       .log = &log_,
       .on_certificate = [&](const tls::Material&) { ++certificates; },
       .on_endpoints = [&](const std::vector<std::string>& all) { endpoints = all; }});
  access.SetLeading(true);
  const auto settled = [&] {
    return backend_->RunUntil([&] {
      access.Turn();
      return !endpoints.empty() && IsIdle(access.certificate().NextWakeup()) &&
             IsIdle(access.map().NextWakeup());
    });
  };
  const std::string secret = Secrets() + "/openelb-controller-tls";
  const std::string map = "/api/v1/namespaces/" + ns_ + "/configmaps/openelb-controllers";
  ASSERT_TRUE(settled());
  const Answer first = Get(secret);
  ASSERT_EQ(first.status, 200) << first.text;
  EXPECT_EQ(TextAt(first.body, {"type"}), "kubernetes.io/tls");
  EXPECT_THAT(TextAt(Get(map).body, {"data", "ca.crt"}),
              MatchesRegex("-----BEGIN CERTIFICATE-----\n.*"));
  EXPECT_EQ(TextAt(Get(map).body, {"data", "endpoints"}), "10.0.0.1:50051\n");

  EXPECT_EQ(Delete(secret).status, 200);
  EXPECT_EQ(Merge(map, "{data: {endpoints: x}}").status, 200);
  clock_.now += absl::Minutes(1);
  ASSERT_TRUE(settled());
  EXPECT_EQ(*ValueAt(Get(secret).body, {"data"}), *ValueAt(first.body, {"data"}));
  EXPECT_EQ(TextAt(Get(map).body, {"data", "endpoints"}), "10.0.0.1:50051\n");
  EXPECT_EQ(certificates, 1);
}

TEST_F(LeadershipContractTest, ATokenThatIsBoundToNoPodIsRefused) {
  TokenReviewAuthenticator authenticator({.namespace_name = "default", .name = "default"}, &client_,
                                         &clock_, &log_,
                                         [](std::function<void()> function) { function(); });
  const auto ask = [&](const std::string& token) {
    absl::StatusOr<push::Identity> answer = absl::UnknownError("none");
    bool done = false;
    authenticator.Authenticate(token, [&](const absl::StatusOr<push::Identity>& given) {
      answer = given;
      done = true;
    });
    EXPECT_TRUE(backend_->RunUntil([&] { return done; }));
    return answer.ok() ? answer->node : answer.status().ToString();
  };
  EXPECT_THAT(ask(backend_->NewToken("openelb-controller")),
              HasSubstr("UNAUTHENTICATED: token: user.extra: no authentication.kubernetes.io/"));
  EXPECT_THAT(ask("nonsense"), HasSubstr("UNAUTHENTICATED: token: the API server does not accept"));
}

}  // namespace
}  // namespace openelb::kube::contract

// Two controllers, one of which leads, before an API server in memory, in virtual time.

#include "controller/kube/speaker_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/base/scheduler.h"
#include "api/codec/parse.h"
#include "controller/kube/testing/fake_transport.h"
#include "controller/kube/testing/server.h"

namespace openelb::kube {
namespace {

using codec::Value;
using fake::Fault;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kNamespace[] = "openelb-system";
constexpr char kSecret[] = "openelb-controller-tls";
constexpr char kMap[] = "openelb-controllers";

class RecordingSink final : public LogSink {
 public:
  void Write(const LogRecord& record) override { lines.push_back(FormatText(record)); }
  std::string All() const { return absl::StrJoin(lines, "\n"); }
  std::vector<std::string> lines;
};

class SpeakerAccessTest : public ::testing::Test {
 protected:
  struct Process {
    Process(const std::string& endpoint, SpeakerAccessTest* test)
        : transport(&test->server_, &test->scheduler_),
          client(&transport, &test->scheduler_),
          log(&test->sink_, &test->scheduler_),
          access(
              {.endpoint = endpoint},
              {.client = &client,
               .clock = &test->scheduler_,
               .random = &test->random_,
               .log = &log,
               .on_certificate =
                   [this](const tls::Material& material) {
                     ++certificates;
                     served = material;
                   },
               .on_endpoints = [this](const std::vector<std::string>& all) { endpoints = all; }}) {}
    FakeTransport transport;
    Client client;
    Logger log;
    tls::Material served;
    int certificates = 0;
    std::vector<std::string> endpoints;
    SpeakerAccess access;
  };

  Process& Start(const std::string& endpoint, bool leads) {
    auto& process = processes_[endpoint];
    process = std::make_unique<Process>(endpoint, this);
    process->access.SetLeading(leads);
    return *process;
  }
  void RunFor(absl::Duration time) {
    const absl::Duration end = scheduler_.Monotonic() + time;
    while (scheduler_.Monotonic() < end) {
      absl::Duration next = end;
      for (const auto& [name, process] : processes_) {
        process->client.Turn();
        process->access.Turn();
        next = std::min({next, process->access.NextWakeup(), process->client.NextWakeup()});
      }
      next = std::max(next, scheduler_.Monotonic());
      if (!scheduler_.Step(next)) scheduler_.RunUntil(next);
    }
  }
  std::string Data(const char* resource, const char* name, const char* key) const {
    const Value object = server_.Find(resource, kNamespace, name);
    const Value* data = object.Find("data");
    const Value* datum = data == nullptr ? nullptr : data->Find(key);
    return datum == nullptr ? "" : *datum->string();
  }
  std::string SecretData(const char* key) const {
    std::string text;
    absl::Base64Unescape(Data("secrets", kSecret, key), &text);
    return text;
  }
  size_t Writes() const {
    return static_cast<size_t>(std::count_if(
        server_.log().begin(), server_.log().end(), [](const fake::LoggedRequest& request) {
          return request.verb != "get" && request.verb != "list";
        }));
  }
  // Everybody serves and trusts the same.
  void ExpectConsistent() {
    for (const auto& [endpoint, process] : processes_) {
      SCOPED_TRACE(endpoint);
      EXPECT_EQ(process->served.serving.certificate, SecretData("tls.crt"));
      EXPECT_EQ(process->served.Bundle(), Data("configmaps", kMap, "ca.crt"));
      const absl::Status good = tls::CheckServing(
          process->served, "openelb-controller.openelb-system.svc", scheduler_.Wall());
      EXPECT_TRUE(good.ok()) << good;
    }
  }

  Scheduler scheduler_;
  fake::Server server_{&scheduler_};
  SeededRandom random_{1};
  RecordingSink sink_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
};

TEST_F(SpeakerAccessTest, TheLeaderPublishesAndTheStandbyFollows) {
  Process& standby = Start("10.0.0.2:50051", false);
  RunFor(absl::Seconds(5));
  EXPECT_EQ(Writes(), 0u);
  Process& leader = Start("10.0.0.1:50051", true);
  RunFor(absl::Seconds(3));
  ExpectConsistent();
  EXPECT_EQ(Data("configmaps", kMap, "endpoints"), "10.0.0.1:50051\n");
  EXPECT_THAT(leader.endpoints, ElementsAre("10.0.0.1:50051"));
  EXPECT_THAT(standby.endpoints, IsEmpty());
  const Value secret = server_.Find("secrets", kNamespace, kSecret);
  EXPECT_EQ(*secret.Find("type")->string(), "kubernetes.io/tls");

  // Nothing changes: nothing is written, the certificate stays.
  const size_t writes = Writes();
  RunFor(absl::Minutes(10));
  EXPECT_EQ(Writes(), writes);
  EXPECT_EQ(leader.certificates, 1);
  EXPECT_EQ(standby.certificates, 1);
  EXPECT_THAT(sink_.All(), Not(HasSubstr(leader.served.serving.key.substr(40, 40))));
}

TEST_F(SpeakerAccessTest, EndpointsAreThoseOfTheService) {
  server_.Put(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata:
  name: openelb-controller-abcde
  namespace: openelb-system
  labels: {kubernetes.io/service-name: openelb-controller}
ports:
- {name: metrics, port: 50052}
- {name: plan, port: 50051}
endpoints:
- {addresses: [10.0.0.9], conditions: {ready: false, terminating: true}}
- {addresses: [10.0.0.2], conditions: {ready: false}}
- {addresses: [10.0.0.1], conditions: {ready: true}}
)");
  server_.Put(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv6
metadata:
  name: openelb-controller-fghij
  namespace: openelb-system
  labels: {kubernetes.io/service-name: openelb-controller}
ports: [{name: plan, port: 50051}]
endpoints: [{addresses: ["fd00::1"], conditions: {ready: true}}]
)");
  Process& leader = Start("10.0.0.2:50051", true);
  RunFor(absl::Seconds(1));
  EXPECT_THAT(leader.endpoints, ElementsAre("10.0.0.2:50051", "10.0.0.1:50051", "[fd00::1]:50051"));
  EXPECT_EQ(Data("configmaps", kMap, "endpoints"),
            "10.0.0.2:50051\n10.0.0.1:50051\n[fd00::1]:50051\n");
  server_.Remove("endpointslices", kNamespace, "openelb-controller-fghij");
  RunFor(absl::Seconds(11));
  EXPECT_THAT(leader.endpoints, ElementsAre("10.0.0.2:50051", "10.0.0.1:50051"));
  // A Service that cannot be read leaves what was known.
  leader.transport.Inject(
      {.kind = Fault::Kind::kStatus, .resource = "endpointslices", .count = -1});
  RunFor(absl::Seconds(60));
  EXPECT_THAT(leader.endpoints, ElementsAre("10.0.0.2:50051", "10.0.0.1:50051"));
}

TEST_F(SpeakerAccessTest, ADeletedOrDamagedSecretIsWrittenAgainAsItWas) {
  Process& leader = Start("10.0.0.1:50051", true);
  Process& standby = Start("10.0.0.2:50051", false);
  RunFor(absl::Seconds(40));
  const tls::Material good = leader.served;
  const auto mend = [&] {
    RunFor(absl::Seconds(40));
    ExpectConsistent();
    EXPECT_EQ(leader.served, good);
    EXPECT_EQ(standby.served, good);
  };
  server_.Remove("secrets", kNamespace, kSecret);
  mend();
  EXPECT_THAT(sink_.All(), HasSubstr("serving certificate: missing"));
  for (const char* patch : {R"({"data": {"tls.crt": "!!!", "ca.crt": null}})",
                            R"({"data": {"tls.key": "cnViYmlzaA=="}})", R"({"data": null})"}) {
    server_.Patch("secrets", kNamespace, kSecret, patch);
    mend();
  }
  EXPECT_THAT(sink_.All(), HasSubstr("serving certificate: key: "));
  server_.Remove("configmaps", kNamespace, kMap);
  mend();
  server_.Patch("configmaps", kNamespace, kMap, R"({"data": {"ca.crt": "x", "kept": "yes"}})");
  mend();
  EXPECT_EQ(Data("configmaps", kMap, "kept"), "yes");
}

TEST_F(SpeakerAccessTest, ANewLeaderGoesOnWithTheSameAuthority) {
  Start("10.0.0.1:50051", true);
  RunFor(absl::Seconds(3));
  const std::string bundle = Data("configmaps", kMap, "ca.crt");
  processes_.clear();
  Process& next = Start("10.0.0.2:50051", true);
  RunFor(absl::Seconds(3));
  ExpectConsistent();
  EXPECT_EQ(next.served.Bundle(), bundle);
  EXPECT_EQ(next.access.certificate().writes(), 0u);
  EXPECT_EQ(Data("configmaps", kMap, "endpoints"), "10.0.0.2:50051\n");
}

TEST_F(SpeakerAccessTest, TwoThatBelieveTheyLeadAgree) {
  Start("10.0.0.1:50051", true);
  Start("10.0.0.2:50051", true);
  RunFor(absl::Seconds(5));
  EXPECT_EQ(processes_["10.0.0.1:50051"]->served, processes_["10.0.0.2:50051"]->served);
}

TEST_F(SpeakerAccessTest, CertificatesAreRenewedInTime) {
  Process& leader = Start("10.0.0.1:50051", true);
  Start("10.0.0.2:50051", false);
  RunFor(absl::Seconds(40));
  const tls::Material first = leader.served;
  scheduler_.StepWall(absl::Hours(24) * 61);
  RunFor(absl::Seconds(70));
  ExpectConsistent();
  EXPECT_NE(leader.served.serving, first.serving);
  EXPECT_EQ(leader.served.authority, first.authority);
  // Nobody led for months: what has expired is replaced by the next who does.
  leader.access.SetLeading(false);
  scheduler_.StepWall(absl::Hours(24) * 200);
  RunFor(absl::Minutes(2));
  EXPECT_THAT(sink_.All(), HasSubstr("serving certificate: expired at"));
  leader.access.SetLeading(true);
  RunFor(absl::Seconds(70));
  ExpectConsistent();
}

TEST_F(SpeakerAccessTest, AnApiServerThatRefusesIsSaidAndTriedAgain) {
  Process& leader = Start("10.0.0.1:50051", true);
  leader.transport.Inject(
      {.kind = Fault::Kind::kStatus, .resource = "secrets", .count = -1, .status = 403});
  leader.transport.Inject(
      {.kind = Fault::Kind::kStatus, .verb = "create", .resource = "configmaps", .count = 3});
  RunFor(absl::Minutes(1));
  EXPECT_EQ(leader.certificates, 0);
  EXPECT_THAT(sink_.All(), AllOf(HasSubstr("the controllers' certificate cannot be read"),
                                 HasSubstr("PERMISSION_DENIED")));
  EXPECT_LT(server_.log().size(), 100u);
  leader.transport.ClearFaults();
  leader.transport.Inject({.kind = Fault::Kind::kNoAnswer, .verb = "create", .count = 2});
  RunFor(absl::Minutes(1));
  ExpectConsistent();
}

}  // namespace
}  // namespace openelb::kube

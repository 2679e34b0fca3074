// All of the shell: a TLS client, the server, the desk, and a controller's thread.

#include "controller/admission/webhooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <csignal>
#include <latch>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/base/listen_socket.h"
#include "api/http/test_client.h"

namespace openelb::admission {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Idle final : public EventLoopWork {
 public:
  void Turn() override {}
  absl::Duration NextWakeup() override { return absl::InfiniteDuration(); }
};

uint16_t FreePort() { return ListenSocket::Open({"", 0})->port(); }

std::string Review(const std::string& operation, const std::string& object) {
  return absl::StrCat(
      R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u",)",
      R"("kind":{"kind":"Eip"},"operation":")", operation, R"(","object":)", object, "}}");
}
std::string Eip(const std::string& name, const std::string& address) {
  return absl::StrCat(R"({"apiVersion":"network.kubesphere.io/v1alpha2","kind":"Eip",)",
                      R"("metadata":{"name":")", name, R"("},"spec":{"address":")", address,
                      R"("}})");
}

class WebhooksTest : public ::testing::Test {
 protected:
  WebhooksTest() {
    std::signal(SIGPIPE, SIG_IGN);
    network::Eip taken;
    taken.meta.name = "taken";
    taken.address = "192.0.2.0/24";
    known_.Apply({{.key = KeyOf(taken), .object = taken}});
    known_.SetComplete();
    webhooks_.SetCertificate(http::IssueFor(authority_));
  }
  ~WebhooksTest() override {
    loop_.Stop();
    thread_.join();
  }
  std::string Ask(const std::string& path, const std::string& body) {
    return http::Ask(webhooks_.port(), authority_, http::Post(path, body));
  }

  SystemClock clock_;
  NullLogSink sink_;
  Logger log_{&sink_, &clock_};
  EventLoop loop_{&clock_};
  Knowledge known_{"openelb-system"};
  tls::KeyPair authority_ =
      *tls::MakeAuthority(absl::Now() - absl::Hours(1), absl::Now() + absl::Hours(1));
  Webhooks webhooks_{{.port = FreePort()},
                     [this](std::function<void()> task) { loop_.Post(std::move(task)); },
                     &known_,
                     &clock_,
                     &log_};
  Idle idle_;
  std::thread thread_{[this] { loop_.Run(&idle_); }};
};

TEST_F(WebhooksTest, ReviewsAreJudgedByWhatTheControllerKnows) {
  const std::string good = Ask("/validate", Review("CREATE", Eip("new", "198.51.100.1")));
  EXPECT_THAT(good, HasSubstr(R"("allowed":true)"));
  for (const char* path : {"/validate", "/validate-network-kubesphere-io-v1alpha2-eip"}) {
    const std::string bad = Ask(path, Review("CREATE", Eip("new", "192.0.2.1")));
    EXPECT_THAT(bad, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(bad, HasSubstr(R"(overlaps Eip \"taken\")"));
  }
  EXPECT_THAT(Ask("/validate", "{}"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("/mutate", "{}"), StartsWith("HTTP/1.1 404 "));
  const WebhookCounters counters = webhooks_.counters();
  EXPECT_EQ(counters.reviews.reviews.at({"Eip", "CREATE", "allowed"}), 1u);
  EXPECT_EQ(counters.reviews.reviews.at({"Eip", "CREATE", "refused"}), 2u);
  EXPECT_EQ(counters.reviews.no_review, 1u);
  EXPECT_EQ(counters.reviews.no_path, 1u);
  EXPECT_EQ(counters.server.accepted, 5u);
}

TEST_F(WebhooksTest, WithoutItsFlagTheMutatingOneChangesNothing) {
  EXPECT_THAT(Ask(kMutatePath, Review("CREATE", Eip("new", "198.51.100.1"))),
              HasSubstr(R"("allowed":true)"));
}

// An API server waits 3 s.
TEST_F(WebhooksTest, AControllerThatIsBusyMeansTryAgain) {
  const auto done = std::make_shared<std::latch>(1);  // the waiter may leave it last
  loop_.Post([done] { done->wait(); });
  const absl::Time begun = absl::Now();
  const std::string answer = Ask("/validate", Review("CREATE", Eip("new", "198.51.100.1")));
  const absl::Duration took = absl::Now() - begun;
  done->count_down();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("try again"));
  EXPECT_LT(took, absl::Milliseconds(2500));
}

TEST_F(WebhooksTest, WithoutAPortNothingIsServed) {
  Webhooks none({.port = 0}, [](const auto&) {}, &known_, &clock_, &log_);
  none.SetCertificate(http::IssueFor(authority_));
  EXPECT_EQ(none.port(), 0);
  EXPECT_EQ(none.counters().server.accepted, 0u);
}

TEST_F(WebhooksTest, APortInUseIsNotTheEnd) {
  Webhooks second({.port = webhooks_.port()}, [](const auto&) {}, &known_, &clock_, &log_);
  second.SetCertificate(http::IssueFor(authority_));
  EXPECT_EQ(second.port(), 0);
}

}  // namespace
}  // namespace openelb::admission

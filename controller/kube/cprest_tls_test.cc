// The transport over TLS: whom it trusts, whom it says we are, and how both are replaced while it
// runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controller/kube/cprest_rig.h"
#include "controller/kube/testing/script_server.h"
#include "controller/kube/testing/test_pki.h"

namespace openelb::kube {
namespace {

using ::testing::HasSubstr;

void AnswerAll(ScriptConnection* c) {
  while (!c->ReadRequest().empty()) c->Answer(200, "{}");
}

class CprestTlsTest : public CprestTransportTest {
 protected:
  CprestTlsTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directories(folder_);
    config_.ca.data = authority_.certificate();
  }
  ~CprestTlsTest() override { std::filesystem::remove_all(folder_); }

  ScriptServer::Options Tls(const std::string& alternative_name = "IP:127.0.0.1",
                            const std::string& name = "kube-apiserver") {
    return {.tls = authority_.Issue(name, alternative_name)};
  }
  // As the kubelet does: a new file takes the old one's place.
  std::string Write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / "new") << content;
    std::filesystem::rename(folder_ / "new", folder_ / name);
    return folder_ / name;
  }
  void ExpectRefused(absl::string_view why) {
    const auto got = Get("/");
    EXPECT_EQ(got->done->code(), absl::StatusCode::kUnauthenticated);
    EXPECT_THAT(got->done->message(),
                ::testing::AllOf(HasSubstr("the server's certificate is refused: "),
                                 HasSubstr(std::string(why))));
    EXPECT_EQ(got->status, 0);
  }

  const std::filesystem::path folder_;
  TestAuthority authority_;
};

TEST_F(CprestTlsTest, TrustsItsAuthorityAndTheServersAddress) {
  Serve(Tls(), AnswerAll);
  EXPECT_EQ(*Get("/")->done, absl::OkStatus());
  EXPECT_EQ(*Fetch(Patch())->done, absl::OkStatus());
}

TEST_F(CprestTlsTest, ReachesAnIpv6Server) {
  ScriptServer::Options options = Tls("IP:::1");
  options.v6 = true;
  std::string host;
  Serve(options, [&host](ScriptConnection* c) {
    host = c->ReadRequest();
    c->Answer(200, "{}");
  });
  EXPECT_EQ(*Get("/")->done, absl::OkStatus());
  EXPECT_THAT(host, HasSubstr(absl::StrCat("Host:[::1]:", server_->port(), "\r\n")));
  options.tls = authority_.Issue("x", "IP:127.0.0.1");
  Serve(options, AnswerAll);
  ExpectRefused("IP address mismatch");
}

TEST_F(CprestTlsTest, ReachesAServerByName) {
  Serve(Tls("DNS:localhost"), AnswerAll);
  config_.host = "localhost";
  Connect();
  EXPECT_EQ(*Get("/")->done, absl::OkStatus());
}

TEST_F(CprestTlsTest, RefusesOtherServers) {
  TestAuthority other;
  Serve({.tls = other.Issue("kube-apiserver", "IP:127.0.0.1")}, AnswerAll);
  ExpectRefused("unable to get local issuer certificate");
  Serve(Tls("IP:127.0.0.2,DNS:localhost"), AnswerAll);
  ExpectRefused("IP address mismatch");
  Serve(Tls("DNS:kubernetes", "127.0.0.1"), AnswerAll);  // the subject is no proof
  ExpectRefused("IP address mismatch");
  Serve({.tls = authority_.Issue("kube-apiserver", "IP:127.0.0.1", -absl::Minutes(1))}, AnswerAll);
  ExpectRefused("certificate has expired");
  // The system's authorities count only where no other is given.
  config_.ca = {};
  Serve(Tls(), AnswerAll);
  ExpectRefused("unable to get local issuer certificate");
}

TEST_F(CprestTlsTest, AnotherNameMayBeExpected) {
  config_.tls_server_name = "kubernetes";
  Serve(Tls("DNS:kubernetes"), AnswerAll);
  EXPECT_EQ(*Get("/")->done, absl::OkStatus());
  Serve(Tls("IP:127.0.0.1"), AnswerAll);
  ExpectRefused("hostname mismatch");
}

TEST_F(CprestTlsTest, VerificationCanBeSwitchedOff) {
  config_.ca = {};
  config_.insecure_skip_tls_verify = true;
  Serve(Tls("IP:127.0.0.2"), AnswerAll);
  EXPECT_EQ(*Get("/")->done, absl::OkStatus());
}

TEST_F(CprestTlsTest, AServerWithoutTlsIsAnError) {
  Serve([](ScriptConnection* c) { c->Answer(400, "Client sent HTTP to HTTPS or so"); });
  config_.tls = true;
  Connect();
  const auto got = Get("/");
  EXPECT_EQ(got->done->code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(got->done->message(), HasSubstr("TLS: wrong version number"));
}

TEST_F(CprestTlsTest, AnAuthorityMayBeReplaced) {
  config_.ca = {.file = Write("ca.crt", authority_.certificate())};
  Serve(Tls(), AnswerAll);
  EXPECT_EQ(*Get("/")->done, absl::OkStatus());
  TestAuthority next;
  const ScriptServer::Options renewed{.port = server_->port(),
                                      .tls = next.Issue("kube-apiserver", "IP:127.0.0.1")};
  server_.reset();
  server_ = std::make_unique<ScriptServer>(renewed, AnswerAll);
  ExpectRefused("unable to get local issuer certificate");
  Write("ca.crt", absl::StrCat(authority_.certificate(), next.certificate()));
  EXPECT_EQ(*Get("/")->done, absl::OkStatus());
  for (const char* bad : {"", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    Write("ca.crt", bad);
    Connect();
    const auto got = Get("/");
    EXPECT_EQ(got->done->code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(got->done->message(), HasSubstr(absl::StrCat(config_.ca.file, ": holds no")));
  }
}

TEST_F(CprestTlsTest, AReplacedTokenIsShownAtOnceAndAfterA401) {
  config_.token_file = Write("token", "first");
  std::atomic<int> refused = 0;
  std::string valid = "first";
  Serve(Tls(), [&](ScriptConnection* c) {
    for (std::string request; !(request = c->ReadRequest()).empty();) {
      if (absl::StrContains(request, absl::StrCat("Authorization:Bearer ", valid, "\r\n"))) {
        c->Answer(200, "{}");
      } else {
        ++refused;
        if (valid == "third") Write("token", valid);  // too late for this request
        c->Answer(401, "{}");
      }
    }
  });
  EXPECT_EQ(Get("/")->status, 200);
  Write("token", valid = "second");
  EXPECT_EQ(Fetch(Patch())->status, 200);
  EXPECT_EQ(refused, 0);
  valid = "third";
  EXPECT_EQ(Fetch(Patch())->status, 200);
  EXPECT_EQ(refused, 1);
  // Nothing has been replaced: the refusal stands.
  valid = "fourth";
  EXPECT_EQ(Fetch(Patch())->status, 401);
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(transport_->CredentialsProblem(absl::Now()), "");
  std::filesystem::remove(config_.token_file);
  EXPECT_EQ(Fetch(Patch())->status, 401);
  EXPECT_THAT(transport_->CredentialsProblem(absl::Now()), HasSubstr(config_.token_file));
}

TEST_F(CprestTlsTest, AReplacedClientCertificateIsShownAfterA401) {
  const auto write = [this](const std::string& name) {
    const TestCertificate certificate = authority_.Issue(name, "");
    config_.client_certificate.file = Write("tls.crt", certificate.certificate);
    config_.client_key.file = Write("tls.key", certificate.key);
  };
  write("first");
  std::string valid = "first";
  ScriptServer::Options options = Tls();
  options.client_authority = authority_.certificate();
  Serve(options, [&valid](ScriptConnection* c) {
    while (!c->ReadRequest().empty()) c->Answer(c->client() == valid ? 200 : 401, "{}");
  });
  EXPECT_EQ(Get("/")->status, 200);
  EXPECT_EQ(Get("/")->status, 200);
  // The kept connections show the old certificate for as long as they live.
  write(valid = "second");
  EXPECT_EQ(Fetch(Patch())->status, 200);
  valid = "third";
  EXPECT_EQ(Get("/")->status, 401);
  // Certificate and key are replaced one after the other; between, they do not match.
  Write("tls.crt", authority_.Issue("third", "").certificate);
  Connect();
  const auto got = Get("/");
  EXPECT_EQ(got->done->code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(got->done->message(), HasSubstr("tls.key: is not the one of the client certificate"));
  write("third");
  EXPECT_EQ(Get("/")->status, 200);
}

TEST_F(CprestTlsTest, ARequestCanBeCancelledWithinTheHandshake) {
  // The server has no TLS and stays silent.
  Serve([](ScriptConnection* c) { c->WaitForClose(); });
  config_.tls = true;
  Connect();
  const auto sink = Start({.path = "/"});
  ASSERT_TRUE(owner_.RunUntil([&] { return server_->open() == 1; }));
  transport_->Cancel(last_);
  EXPECT_TRUE(owner_.RunUntil([&] { return server_->open() == 0; }));
  const auto silent = Fetch({.path = "/", .timeout = absl::Milliseconds(200)});
  EXPECT_EQ(silent->done->code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(CprestTlsTest, RequestsUnderWayCanBeCancelledAtAnyMoment) {
  Serve(Tls(), [](ScriptConnection* c) {
    while (!c->ReadRequest().empty()) {
      c->Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (int i = 0; i < 20; ++i) c->WriteChunk(std::string(1000, 'x'));
      c->Write("0\r\n\r\n");
    }
  });
  for (int i = 0; i < 200; ++i) {
    const auto sink = Start({.path = "/"});
    const size_t until = static_cast<size_t>(i % 20) * 1000;
    ASSERT_TRUE(owner_.RunUntil([&] { return sink->body.size() >= until; }));
    transport_->Cancel(last_);
    EXPECT_EQ(sink.use_count(), 1);
  }
  EXPECT_EQ(Get("/")->body.size(), 20000);
}

}  // namespace
}  // namespace openelb::kube

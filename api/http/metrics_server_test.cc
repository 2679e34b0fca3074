// The server of metrics and real clients, over loopback.

#include "api/http/metrics_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/base/temp_folder.h"
#include "api/http/test_client.h"

namespace openelb::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class KeptLines final : public LogSink {
 public:
  void Write(const LogRecord& record) override {
    MutexLock lock(&mutex_);
    absl::StrAppend(&lines_, FormatText(record), "\n");
  }
  std::string All() const {
    MutexLock lock(&mutex_);
    return lines_;
  }

 private:
  mutable Mutex mutex_;
  std::string lines_ GUARDED_BY(mutex_);
};

class MetricsServerTest : public ::testing::Test {
 protected:
  MetricsServerTest() { std::signal(SIGPIPE, SIG_IGN); }

  void Start(CommonOptions options) {
    if (!options.metrics_addr) options.metrics_addr = HostPort{"127.0.0.1", 0};
    server_ = MetricsServer::Start(
        options,
        {{"/metrics", [] { return Answer{200, "openelb_up 1\n", kMetricsText}; }},
         {"/healthz", [] { return Answer{200, "ok\n"}; }}},
        guard_, &log_);
  }
  CommonOptions Secure() const {
    CommonOptions options;
    options.metrics_secure = true;
    return options;
  }
  // Writes a file of a test and returns its path.
  std::string Write(const std::string& name, const std::string& content) {
    const std::string path = folder_.path() + "/" + name;
    std::ofstream(path + ".new") << content;
    std::rename((path + ".new").c_str(), path.c_str());
    return path;
  }
  std::string Get(const std::string& path, const std::string& token = "",
                  const tls::KeyPair& certificate = {}) {
    TestClient client(server_->port(), {}, certificate);
    if (!client.error().empty()) return client.error();
    client.Send(absl::StrCat("GET ", path, " HTTP/1.1\r\n",
                             token.empty() ? "" : "Authorization: Bearer " + token + "\r\n",
                             "\r\n"));
    return client.Receive();
  }
  std::string Shown() { return TestClient(server_->port(), {}).certificate(); }

  const SystemClock clock_;
  KeptLines sink_;
  Logger log_{&sink_, &clock_};
  TempFolder folder_;
  std::shared_ptr<ScraperGuard> guard_ = std::make_shared<ScraperGuard>(
      [](const std::string& token, const ScraperGuard::Done& done) {
        done(token == "good" ? absl::OkStatus() : absl::UnauthenticatedError("token: whose"));
      },
      &clock_);
  tls::KeyPair authority_ =
      *tls::MakeAuthority(absl::Now() - absl::Hours(1), absl::Now() + absl::Hours(1));
  std::unique_ptr<MetricsServer> server_;
};

TEST_F(MetricsServerTest, NothingIsServedWithoutAnAddress) {
  server_ = MetricsServer::Start({}, {}, guard_, &log_);
  EXPECT_EQ(server_, nullptr);
}

TEST_F(MetricsServerTest, AnAddressInUseIsLogged) {
  Start({});
  CommonOptions same;
  same.metrics_addr = HostPort{"127.0.0.1", server_->port()};
  EXPECT_EQ(MetricsServer::Start(same, {}, guard_, &log_), nullptr);
  EXPECT_THAT(sink_.All(), HasSubstr("metrics are not served"));
}

TEST_F(MetricsServerTest, PlainMetricsAreForEverybody) {
  Start({});
  const int fd = Dial(server_->port());
  ASSERT_GT(send(fd, "GET /metrics HTTP/1.1\r\n\r\n", 25, MSG_NOSIGNAL), 0);
  char answer[512];
  const ssize_t got = recv(fd, answer, sizeof answer, MSG_WAITALL);
  close(fd);
  ASSERT_GT(got, 0);
  EXPECT_THAT(std::string(answer, static_cast<size_t>(got)), EndsWith("openelb_up 1\n"));
}

TEST_F(MetricsServerTest, SecureMetricsAreForThoseWithAToken) {
  Start(Secure());
  EXPECT_THAT(Get("/metrics"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Get("/metrics", "bad"), StartsWith("HTTP/1.1 401 "));
  const std::string good = Get("/metrics", "good");
  EXPECT_THAT(good, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4;"));
  EXPECT_THAT(good, EndsWith("openelb_up 1\n"));
  EXPECT_THAT(Get("/healthz"), EndsWith("ok\n"));
  EXPECT_THAT(Get("/nothing"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(MetricsServerTest, SecureMetricsAreNotSentInPlainText) {
  Start(Secure());
  const int fd = Dial(server_->port());
  ASSERT_GT(send(fd, "GET /metrics HTTP/1.1\r\n\r\n", 25, MSG_NOSIGNAL), 0);
  shutdown(fd, SHUT_WR);
  std::string all;
  char buffer[512];
  for (ssize_t got = 0; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;)
    all.append(buffer, static_cast<size_t>(got));
  close(fd);
  EXPECT_THAT(all, Not(HasSubstr("openelb_up")));
  EXPECT_THAT(Get("/metrics", "good"), EndsWith("openelb_up 1\n"));
}

TEST_F(MetricsServerTest, AnotherCertificateCanBeSet) {
  Start(Secure());
  const tls::KeyPair issued = IssueFor(authority_);
  EXPECT_NE(Shown(), issued.certificate);
  ASSERT_TRUE(server_->SetCertificate(issued).ok());
  EXPECT_EQ(Shown(), issued.certificate);
  EXPECT_FALSE(server_->SetCertificate({}).ok());
  EXPECT_EQ(Shown(), issued.certificate);
}

TEST_F(MetricsServerTest, FilesAreReadAgainWhenTheyChange) {
  const tls::KeyPair first = IssueFor(authority_);
  CommonOptions options = Secure();
  options.metrics_tls_cert = Write("tls.crt", first.certificate);
  options.metrics_tls_key = Write("tls.key", first.key);
  Start(options);
  EXPECT_EQ(Shown(), first.certificate);
  const tls::KeyPair second = IssueFor(authority_);
  Write("tls.crt", second.certificate);
  EXPECT_EQ(Shown(), first.certificate);  // the key does not fit yet
  Write("tls.key", second.key);
  EXPECT_EQ(Shown(), second.certificate);
  // What the flags name counts, not what the cluster has.
  ASSERT_TRUE(server_->SetCertificate(first).ok());
  EXPECT_EQ(Shown(), second.certificate);
}

TEST_F(MetricsServerTest, FilesThatAreNotThereYetDelayNothing) {
  CommonOptions options = Secure();
  options.metrics_tls_cert = folder_.path() + "/tls.crt";
  options.metrics_tls_key = folder_.path() + "/tls.key";
  Start(options);
  ASSERT_NE(server_, nullptr);
  EXPECT_THAT(Get("/healthz"), EndsWith("ok\n"));
  EXPECT_THAT(sink_.All(),
              HasSubstr("--metrics-tls-cert: " + options.metrics_tls_cert + ": No such file"));
  const tls::KeyPair late = IssueFor(authority_);
  Write("tls.crt", late.certificate);
  Write("tls.key", late.key);
  EXPECT_EQ(Shown(), late.certificate);
  EXPECT_THAT(sink_.All(), HasSubstr("certificate files are good again"));
  Write("tls.key", "no key");
  EXPECT_EQ(Shown(), late.certificate);
  EXPECT_THAT(sink_.All(), HasSubstr("--metrics-tls-key: " + options.metrics_tls_key + ": "));
}

TEST_F(MetricsServerTest, ACertificateOfTheAuthorityNeedsNoToken) {
  const tls::KeyPair ours = SelfSigned();
  const tls::KeyPair other = SelfSigned();
  CommonOptions options = Secure();
  options.metrics_tls_ca = Write("ca.crt", ours.certificate);
  Start(options);
  EXPECT_THAT(Get("/metrics"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Get("/metrics", "good"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/metrics", "", ours), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/metrics", "good", other), Not(HasSubstr("openelb_up")));
  Write("ca.crt", other.certificate);
  EXPECT_THAT(Get("/metrics", "", other), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/metrics", "", ours), Not(HasSubstr("openelb_up")));
  // Away or half written: nothing changes.
  Write("ca.crt", "");
  Shown();
  EXPECT_THAT(sink_.All(), HasSubstr("--metrics-tls-ca: " + options.metrics_tls_ca + ": "));
  EXPECT_THAT(Get("/metrics"), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Get("/metrics", "", other), StartsWith("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace openelb::http

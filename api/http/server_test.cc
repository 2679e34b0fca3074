// The server and real clients, good and bad, over loopback.

#include "api/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/http/test_client.h"

namespace openelb::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() { std::signal(SIGPIPE, SIG_IGN); }

  void Start(ServerOptions options = {}) {
    options.address = HostPort{"127.0.0.1", 0};
    options.tls = *tls::ServerContext::Of(certificate_);
    options.takes = {.methods = {"POST"}, .most_body = 4 << 20};
    tls_ = options.tls;
    auto server = Server::Start(options, [this](const Request& request, Server::Reply reply) {
      if (request.path == "/never") {
        kept_.push_back(std::move(reply));
      } else {
        reply({200, absl::StrCat(request.path, " ", request.body.size())});
      }
    });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string Ask(absl::string_view request) {
    return http::Ask(server_->port(), authority_, request);
  }
  bool Answers() { return Ask(Post("/", "abc")).ends_with("/ 3"); }
  // Until the server has closed it, which must be within 5 s.
  static bool IsClosed(int fd) {
    timeval patience{.tv_sec = 5, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char octet = 0;
    const ssize_t got = recv(fd, &octet, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }

  tls::KeyPair authority_ =
      *tls::MakeAuthority(absl::Now() - absl::Hours(1), absl::Now() + absl::Hours(1));
  tls::KeyPair certificate_ = IssueFor(authority_);
  std::shared_ptr<tls::ServerContext> tls_;
  std::vector<Server::Reply> kept_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersAPost) {
  Start();
  const std::string answer = Ask(Post("/validate?timeout=3s", std::string(100'000, 'x')));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, EndsWith("/validate 100000"));
}

TEST_F(ServerTest, AnotherAuthorityIsNotBelieved) {
  Start();
  const auto other =
      *tls::MakeAuthority(absl::Now() - absl::Hours(1), absl::Now() + absl::Hours(1));
  EXPECT_THAT(TestClient(server_->port(), other).error(), HasSubstr("certificate verify failed"));
}

TEST_F(ServerTest, TheCertificateIsRotatedUnderWay) {
  Start();
  TestClient before(server_->port(), authority_);
  EXPECT_EQ(before.certificate(), certificate_.certificate);
  const tls::KeyPair renewed = IssueFor(authority_);
  ASSERT_TRUE(tls_->SetCertificate(renewed).ok());
  EXPECT_EQ(TestClient(server_->port(), authority_).certificate(), renewed.certificate);
  ASSERT_TRUE(before.Send(Post("/", "abc")));
  EXPECT_THAT(before.Receive(), EndsWith("/ 3"));
  // What cannot be served with leaves what was.
  for (const tls::KeyPair& bad : {tls::KeyPair{}, tls::KeyPair{"nonsense", "nonsense"},
                                  tls::KeyPair{renewed.certificate, certificate_.key}}) {
    EXPECT_FALSE(tls_->SetCertificate(bad).ok());
    EXPECT_EQ(TestClient(server_->port(), authority_).certificate(), renewed.certificate);
  }
}

TEST_F(ServerTest, GarbageIsRefusedAndCounted) {
  Start();
  const int plain = Dial(server_->port());
  ASSERT_GT(send(plain, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 0);
  shutdown(plain, SHUT_WR);
  char answer[512];
  while (recv(plain, answer, sizeof answer, 0) > 0) {
  }
  close(plain);
  EXPECT_THAT(Ask("\x01\x02\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("GET /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask(std::string(40'000, 'x')), StartsWith("HTTP/1.1 431 "));
  EXPECT_TRUE(Answers());
  const ServerCounters counters = server_->counters();
  EXPECT_EQ(counters.no_tls, 1u);
  EXPECT_EQ(counters.no_http, 3u);
  EXPECT_EQ(counters.too_large, 1u);
}

// The client goes on sending for a while, and reads the reason nevertheless.
TEST_F(ServerTest, AnOversizedBodyIsRefusedBeforeItIsHeld) {
  Start();
  TestClient client(server_->port(), authority_);
  client.Send("POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n");
  client.Send(std::string(100'000, 'x'));
  const std::string answer = client.Receive();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(answer, HasSubstr("the body is longer than 4194304 octets"));
  EXPECT_EQ(server_->counters().too_large, 1u);
}

TEST_F(ServerTest, SlowClientsAreLeftAndDisturbNobody) {
  Start({.patience = absl::Milliseconds(500)});
  const int silent = Dial(server_->port());
  TestClient headless(server_->port(), authority_);
  headless.Send("POST / HT");
  TestClient bodiless(server_->port(), authority_);
  bodiless.Send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(Answers());
  // One octet now and then does not help.
  TestClient dripping(server_->port(), authority_);
  int drops = 0;
  while (dripping.Send("P") && drops < 100) {
    ++drops;
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_LT(drops, 40);
  EXPECT_TRUE(IsClosed(silent));
  EXPECT_EQ(headless.Receive(), "");
  EXPECT_EQ(bodiless.Receive(), "");
  EXPECT_TRUE(Answers());
  EXPECT_EQ(server_->counters().too_slow, 4u);
  close(silent);
}

TEST_F(ServerTest, WhoIsNotAnsweredInTimeIsLeft) {
  Start({.patience = absl::Milliseconds(300)});
  EXPECT_EQ(Ask(Post("/never", "")), "");
  EXPECT_EQ(server_->counters().too_slow, 1u);
  ASSERT_EQ(kept_.size(), 1u);
  kept_[0]({200, "late"});
  EXPECT_TRUE(Answers());
  server_.reset();
  kept_[0]({200, "later still"});
}

TEST_F(ServerTest, ManyConnectionsOfOneSourceCostThatSource) {
  Start({.most_connections = 8});
  TestClient early(server_->port(), authority_);
  std::vector<int> silent;
  for (int i = 0; i < 50; ++i) silent.push_back(Dial(server_->port(), "127.0.0.2"));
  EXPECT_TRUE(Answers());
  ASSERT_TRUE(early.Send(Post("/", "abc")));
  EXPECT_THAT(early.Receive(), EndsWith("/ 3"));
  EXPECT_GE(server_->counters().crowded, 42u);
  for (const int fd : silent) close(fd);
}

TEST_F(ServerTest, WhoSendsMostPaysFirstForMemory) {
  Start({.most_octets = 1 << 20});
  TestClient large(server_->port(), authority_);
  TestClient small(server_->port(), authority_);
  small.Send("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na");
  large.Send("POST / HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n");
  large.Send(std::string(4'000'000, 'x'));
  EXPECT_EQ(large.Receive(), "");
  small.Send("bc");
  EXPECT_THAT(small.Receive(), EndsWith("/ 3"));
}

TEST_F(ServerTest, RequestsThatTheirClientsGaveUpStillCount) {
  Start({.most_connections = 4, .patience = absl::Milliseconds(300)});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Ask(Post("/never", "x")), "");
  EXPECT_THAT(Ask(Post("/", "abc")), StartsWith("HTTP/1.1 503 "));
  kept_.clear();
  EXPECT_TRUE(Answers());
}

TEST_F(ServerTest, ItEndsWithConnectionsOpen) {
  Start();
  const int silent = Dial(server_->port());
  TestClient waiting(server_->port(), authority_);
  waiting.Send(Post("/never", ""));
  server_.reset();
  EXPECT_EQ(waiting.Receive(), "");
  EXPECT_TRUE(IsClosed(silent));
  close(silent);
}

TEST_F(ServerTest, APortInUseIsAnError) {
  Start();
  const auto second = Server::Start({.address = HostPort{"127.0.0.1", server_->port()}}, nullptr);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("cannot listen on 127.0.0.1:"));
}

// Without TLS, and with a guard.
class PlainServerTest : public ::testing::Test {
 protected:
  PlainServerTest() { std::signal(SIGPIPE, SIG_IGN); }

  void Start(const Server::Guard& guard = nullptr, const HostPort& address = {"127.0.0.1", 0}) {
    auto server = Server::Start(
        {.address = address},
        [this](const Request& request, const Server::Reply& reply) {
          reply({200, request.path == "/large" ? large_ : request.path});
        },
        guard);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  static std::string ReadAll(int fd) {
    std::string all;
    char buffer[4096];
    for (ssize_t got = 0; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;)
      all.append(buffer, static_cast<size_t>(got));
    close(fd);
    return all;
  }
  static void Send(int fd, absl::string_view text) {
    ASSERT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  std::string Get(absl::string_view path) {
    const int fd = Dial(server_->port());
    Send(fd, absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
    return ReadAll(fd);
  }

  const std::string large_ = std::string(8 << 20, 'x');
  std::unique_ptr<Server> server_;
};

TEST_F(PlainServerTest, ServesSeveralClientsAndASlowOneHoldsNobodyUp) {
  Start();
  const int slow = Dial(server_->port());
  Send(slow, "GET /heal");
  EXPECT_THAT(Get("/readyz"), EndsWith("/readyz"));
  Send(slow, "thz HTTP/1.1\r\n\r\n");
  EXPECT_THAT(ReadAll(slow), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(PlainServerTest, SendsAnswersLargerThanASocketBuffer) {
  Start();
  EXPECT_GT(Get("/large").size(), large_.size());
}

TEST_F(PlainServerTest, OutlivesMoreSilentClientsThanItKeeps) {
  Start();
  std::vector<int> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(Dial(server_->port(), "127.0.0.2"));
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 OK\r\n"));
  for (const int fd : silent) close(fd);
}

TEST_F(PlainServerTest, ListensOnBothFamiliesWithoutAHost) {
  Start(nullptr, {"", 0});
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(PlainServerTest, AGuardIsAskedBeforeTheHandler) {
  std::vector<Server::Verdict> asked;
  Start([&](const Request& request, Server::Verdict verdict) {
    if (request.path == "/wait") {
      asked.push_back(std::move(verdict));
    } else {
      verdict(request.path == "/open" ? std::nullopt : std::optional(Answer{403, "not you"}));
    }
  });
  EXPECT_THAT(Get("/open"), EndsWith("/open"));
  EXPECT_THAT(Get("/shut"), EndsWith("not you"));
  const int waiting = Dial(server_->port());
  Send(waiting, "GET /wait HTTP/1.1\r\n\r\n");
  EXPECT_THAT(Get("/open"), EndsWith("/open"));  // and so the other one was asked about before
  ASSERT_EQ(asked.size(), 1u);
  asked[0](std::nullopt);
  EXPECT_THAT(ReadAll(waiting), EndsWith("/wait"));
  server_.reset();
  asked[0](std::nullopt);  // also after the end
}

TEST_F(PlainServerTest, StopsWithAClientConnected) {
  Start();
  const int fd = Dial(server_->port());
  server_.reset();
  EXPECT_EQ(ReadAll(fd), "");
}

}  // namespace
}  // namespace openelb::http

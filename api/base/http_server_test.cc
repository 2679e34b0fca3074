#include "api/base/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

namespace openelb {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

HttpHandlers TwoPages() {
  return {{"/healthz", [] { return HttpReply{200, "ok\n"}; }},
          {"/readyz", [] { return HttpReply{503, "no plan yet\n"}; }}};
}

int Dial(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_GE(fd, 0);
  if (fd < 0) return fd;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience = {20, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  return fd;
}

std::string ReadAll(int fd) {
  std::string out;
  char buffer[4096];
  for (ssize_t got; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;) out.append(buffer, got);
  close(fd);
  return out;
}

void Send(int fd, absl::string_view text) {
  ASSERT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

std::string Get(uint16_t port, absl::string_view path) {
  const int fd = Dial(port);
  Send(fd, std::string("GET ") + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n");
  return ReadAll(fd);
}

TEST(AnswerHttpTest, AnswersByMethodAndPath) {
  const struct {
    const char* request;
    const char* status;
    const char* ending;
  } cases[] = {
      {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n"},
      {"GET /healthz?full=1 HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n"},
      {"GET /readyz HTTP/1.1\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n", "no plan yet\n"},
      {"HEAD /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "close\r\n\r\n"},
      {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", "no such page\n"},
      {"GET /healthz/ HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", "no such page\n"},
      {"POST /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n", "GET and HEAD\n"},
      {"GET /healthz\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "request\n"},
      {"GET /healthz HTTP/2\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "request\n"},
      {"\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "request\n"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.request);
    const std::string answer = AnswerHttp(c.request, TwoPages());
    EXPECT_THAT(answer, StartsWith(c.status));
    EXPECT_THAT(answer, ::testing::EndsWith(c.ending));
  }
  EXPECT_THAT(AnswerHttp("HEAD /healthz HTTP/1.1\r\n\r\n", TwoPages()),
              HasSubstr("Content-Length: 3\r\n"));
}

TEST(HttpServerTest, ServesSeveralClientsAndASlowOneHoldsNobodyUp) {
  const auto server = HttpServer::Start({"127.0.0.1", 0}, TwoPages());
  ASSERT_TRUE(server.ok()) << server.status();
  const int slow = Dial((*server)->port());
  Send(slow, "GET /heal");
  EXPECT_THAT(Get((*server)->port(), "/healthz"), HasSubstr("200 OK"));
  EXPECT_THAT(Get((*server)->port(), "/readyz"), HasSubstr("503"));
  EXPECT_THAT(Get((*server)->port(), "/nope"), HasSubstr("404"));
  Send(slow, "thz HTTP/1.1\r\n\r\n");
  EXPECT_THAT(ReadAll(slow), HasSubstr("200 OK"));
}

TEST(HttpServerTest, SendsAnswersLargerThanASocketBuffer) {
  const std::string page(8 << 20, 'x');
  const auto server =
      HttpServer::Start({"127.0.0.1", 0}, {{"/metrics", [&] { return HttpReply{200, page}; }}});
  ASSERT_TRUE(server.ok());
  EXPECT_GT(Get((*server)->port(), "/metrics").size(), page.size());
}

TEST(HttpServerTest, RefusesARequestWithoutEnd) {
  const auto server = HttpServer::Start({"127.0.0.1", 0}, TwoPages());
  ASSERT_TRUE(server.ok());
  const int fd = Dial((*server)->port());
  Send(fd, std::string(8193, 'x'));
  EXPECT_THAT(ReadAll(fd), HasSubstr("400 Bad Request"));
}

TEST(HttpServerTest, OutlivesMoreSilentClientsThanItKeeps) {
  const auto server = HttpServer::Start({"127.0.0.1", 0}, TwoPages());
  ASSERT_TRUE(server.ok());
  std::vector<int> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(Dial((*server)->port()));
  EXPECT_THAT(Get((*server)->port(), "/healthz"), HasSubstr("200 OK"));
  for (const int fd : silent) close(fd);
}

TEST(HttpServerTest, ListensOnBothFamiliesWithoutAHost) {
  const auto server = HttpServer::Start({"", 0}, TwoPages());
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT(Get((*server)->port(), "/healthz"), HasSubstr("200 OK"));
}

TEST(HttpServerTest, ATakenPortIsNamed) {
  const auto first = HttpServer::Start({"127.0.0.1", 0}, TwoPages());
  ASSERT_TRUE(first.ok());
  const HostPort taken = {"127.0.0.1", (*first)->port()};
  const auto second = HttpServer::Start(taken, TwoPages());
  EXPECT_EQ(second.status().message(),
            "cannot listen on " + taken.ToString() + ": Address already in use");
  EXPECT_EQ(HttpServer::Start({"localhorst", 1}, TwoPages()).status().message(),
            "cannot listen on localhorst:1: the host must be an IP address or empty");
}

TEST(HttpServerTest, StopsWithAClientConnected) {
  auto server = HttpServer::Start({"127.0.0.1", 0}, TwoPages());
  ASSERT_TRUE(server.ok());
  const int fd = Dial((*server)->port());
  server->reset();
  EXPECT_EQ(ReadAll(fd), "");
}

}  // namespace
}  // namespace openelb

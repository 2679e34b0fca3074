#include "api/base/http_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace openelb {
namespace {

using std::chrono::steady_clock;

constexpr size_t kMaxConnections = 64;
constexpr size_t kMaxRequest = 8192;
constexpr std::chrono::seconds kPatience{5};  // from accept to the last byte of the answer

const char* ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "";
  }
}

std::string Render(const HttpReply& reply, bool with_body) {
  return absl::StrCat("HTTP/1.1 ", reply.status, " ", ReasonPhrase(reply.status),
                      "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8",
                      "\r\nContent-Length: ", reply.body.size(),
                      reply.status == 405 ? "\r\nAllow: GET, HEAD" : "",
                      "\r\nConnection: close\r\n\r\n", with_body ? reply.body : "");
}

}  // namespace

std::string AnswerHttp(absl::string_view request, const HttpHandlers& handlers) {
  const absl::string_view line = request.substr(0, request.find("\r\n"));
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || !absl::StartsWith(words[2], "HTTP/1.")) {
    return Render({400, "not an HTTP/1 request\n"}, true);
  }
  const bool head = words[0] == "HEAD";
  if (words[0] != "GET" && !head) return Render({405, "only GET and HEAD\n"}, true);
  const auto handler = handlers.find(words[1].substr(0, words[1].find('?')));
  return Render(handler == handlers.end() ? HttpReply{404, "no such page\n"} : handler->second(),
                !head);
}

struct HttpServer::Connection {
  int fd;
  steady_clock::time_point deadline;
  std::string in;
  std::string out;  // empty until the request is complete
  size_t sent = 0;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HostPort& address,
                                                              HttpHandlers handlers) {
  auto listener = ListenSocket::Open(address);
  if (!listener.ok()) return listener.status();
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) {
    return absl::UnavailableError(absl::StrCat("eventfd: ", std::strerror(errno)));
  }
  return std::unique_ptr<HttpServer>(
      new HttpServer(*std::move(listener), wake, std::move(handlers)));
}

HttpServer::HttpServer(ListenSocket listener, int wake, HttpHandlers handlers)
    : listener_(std::move(listener)),
      wake_(wake),
      handlers_(std::move(handlers)),
      thread_([this] { Run(); }) {}

HttpServer::~HttpServer() {
  eventfd_write(wake_, 1);
  thread_.join();
  close(wake_);
}

void HttpServer::Run() {
  std::vector<Connection> connections;
  std::vector<pollfd> polled;
  while (true) {
    polled = {{wake_, POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
    for (const Connection& c : connections) {
      polled.push_back({c.fd, static_cast<int16_t>(c.out.empty() ? POLLIN : POLLOUT), 0});
    }
    // Once a second is soon enough to drop who stays silent.
    poll(polled.data(), polled.size(), connections.empty() ? -1 : 1000);
    if (polled[0].revents != 0) break;

    const auto now = steady_clock::now();
    std::vector<Connection> open;
    for (size_t i = 0; i < connections.size(); ++i) {
      Connection& c = connections[i];
      if (now < c.deadline && (polled[i + 2].revents == 0 || Advance(&c))) {
        open.push_back(std::move(c));
      } else {
        close(c.fd);
      }
    }
    connections = std::move(open);
    if (polled[1].revents != 0) Accept(&connections);
  }
  for (const Connection& c : connections) close(c.fd);
}

void HttpServer::Accept(std::vector<Connection>* connections) {
  const std::optional<Accepted> accepted = AcceptClient(listener_);
  if (!accepted) {
    if (IsShortage(errno)) poll(nullptr, 0, 100);
    return;
  }
  if (connections->size() == kMaxConnections) {
    close(connections->front().fd);  // the oldest had the most time
    connections->erase(connections->begin());
  }
  connections->push_back(
      {.fd = accepted->fd, .deadline = steady_clock::now() + kPatience, .in = {}, .out = {}});
}

bool HttpServer::Advance(Connection* c) {
  if (c->out.empty()) {
    char buffer[4096];
    const ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    c->in.append(buffer, static_cast<size_t>(got));
    if (absl::StrContains(c->in, "\r\n\r\n")) {
      c->out = AnswerHttp(c->in, handlers_);
    } else if (c->in.size() > kMaxRequest) {
      c->out = Render({400, "the request is too long\n"}, true);
    } else {
      return true;
    }
  }
  const ssize_t sent = send(c->fd, c->out.data() + c->sent, c->out.size() - c->sent, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  c->sent += static_cast<size_t>(sent);
  return c->sent < c->out.size();
}

}  // namespace openelb

#include "api/base/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/base/ip.h"

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

// A socket address of either family.
struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Endpoint EndpointOf(const IpAddress& address, uint16_t port) {
  Endpoint out;
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address.bytes().data(), 4);
    out.size = sizeof(sockaddr_in);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, address.bytes().data(), 16);
    out.size = sizeof(sockaddr_in6);
  }
  return out;
}

// A listening socket, or -1 with errno set. `dual`: an IPv6 socket also takes IPv4.
int Listen(const IpAddress& address, uint16_t port, bool dual) {
  const int fd =
      socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int only_v6 = dual ? 0 : 1;
  const Endpoint endpoint = EndpointOf(address, port);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.is_v6()) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
  if (bind(fd, endpoint.get(), endpoint.size) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

uint16_t BoundPort(int fd) {
  Endpoint bound;
  bound.size = sizeof bound.storage;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.size);
  return ntohs(bound.storage.ss_family == AF_INET
                   ? reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port
                   : reinterpret_cast<const sockaddr_in6*>(&bound.storage)->sin6_port);
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
  int listener = -1;
  if (address.host.empty()) {
    listener = Listen(IpAddress::FromOrdinal(Family::kV6, 0), address.port, /*dual=*/true);
    // A kernel without IPv6.
    if (listener < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
      listener = Listen(IpAddress(), address.port, /*dual=*/false);
    }
  } else {
    const absl::StatusOr<IpAddress> parsed =
        IpAddress::Parse(address.host == "localhost" ? "127.0.0.1" : address.host);
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("cannot listen on ", address.ToString(),
                                                     ": the host must be an IP address or empty"));
    }
    listener = Listen(*parsed, address.port, /*dual=*/false);
  }
  if (listener < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address.ToString(), ": ", std::strerror(errno)));
  }
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) {
    close(listener);
    return absl::UnavailableError(absl::StrCat("eventfd: ", std::strerror(errno)));
  }
  return std::unique_ptr<HttpServer>(
      new HttpServer(listener, wake, BoundPort(listener), std::move(handlers)));
}

HttpServer::HttpServer(int listener, int wake, uint16_t port, HttpHandlers handlers)
    : listener_(listener),
      wake_(wake),
      port_(port),
      handlers_(std::move(handlers)),
      thread_([this] { Run(); }) {}

HttpServer::~HttpServer() {
  eventfd_write(wake_, 1);
  thread_.join();
  close(listener_);
  close(wake_);
}

void HttpServer::Run() {
  std::vector<Connection> connections;
  std::vector<pollfd> polled;
  while (true) {
    polled = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
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
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    // Out of descriptors: the client waits in the backlog; asking again at once would spin.
    if (errno == EMFILE || errno == ENFILE) poll(nullptr, 0, 100);
    return;
  }
  if (connections->size() == kMaxConnections) {
    close(connections->front().fd);  // the oldest had the most time
    connections->erase(connections->begin());
  }
  connections->push_back(
      {.fd = fd, .deadline = steady_clock::now() + kPatience, .in = {}, .out = {}});
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

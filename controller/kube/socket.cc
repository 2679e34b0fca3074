#include "controller/kube/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "api/base/ip.h"

namespace openelb::kube {
namespace {

constexpr int kKeepIdleSeconds = 5;
constexpr int kKeepIntervalSeconds = 2;
constexpr int kKeepProbes = 3;
constexpr int kUserTimeoutMs = 8000;

void Set(int fd, int level, int option, int value) {
  // A kernel without the option finds dead peers later, by our own timeouts.
  setsockopt(fd, level, option, &value, sizeof(value));
}

}  // namespace

int FamilyOf(const std::string& host) {
  if (const auto ip = IpAddress::Parse(host); ip.ok()) return ip->is_v6() ? AF_INET6 : AF_INET;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return AF_UNSPEC;
  const int family = found->ai_family;
  freeaddrinfo(found);
  return family;
}

void DetectDeadPeer(int fd) {
  Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleSeconds);
  Set(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalSeconds);
  Set(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepProbes);
  Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
}

bool IsStale(int fd) {
  char byte = 0;
  const ssize_t n = recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

}  // namespace openelb::kube

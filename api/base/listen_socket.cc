#include "api/base/listen_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

// A socket address of either family.
struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr_in* v4() const { return reinterpret_cast<const sockaddr_in*>(&storage); }
  const sockaddr_in6* v6() const { return reinterpret_cast<const sockaddr_in6*>(&storage); }
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

uint16_t PortOf(const Endpoint& endpoint) {
  return ntohs(endpoint.storage.ss_family == AF_INET ? endpoint.v4()->sin_port
                                                     : endpoint.v6()->sin6_port);
}

IpAddress AddressOf(const Endpoint& endpoint) {
  if (endpoint.storage.ss_family == AF_INET) {
    return IpAddress::FromOrdinal(Family::kV4, ntohl(endpoint.v4()->sin_addr.s_addr));
  }
  const in6_addr& raw = endpoint.v6()->sin6_addr;
  absl::uint128 ordinal = 0;
  for (const uint8_t octet : raw.s6_addr) ordinal = ordinal << 8 | octet;
  const Family family = IN6_IS_ADDR_V4MAPPED(&raw) ? Family::kV4 : Family::kV6;
  if (family == Family::kV4) ordinal = absl::Uint128Low64(ordinal) & 0xffffffff;
  return IpAddress::FromOrdinal(family, ordinal);
}

// A listening socket, or -1 with errno set. `dual`: an IPv6 socket also takes IPv4.
int Listen(const IpAddress& address, uint16_t port, bool dual) {
  const int fd =
      socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int only_v6 = dual ? 0 : 1;
  Endpoint endpoint = EndpointOf(address, port);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.is_v6()) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
  if (bind(fd, endpoint.get(), endpoint.size) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

absl::StatusOr<ListenSocket> ListenSocket::Open(const HostPort& address) {
  int fd = -1;
  if (address.host.empty()) {
    fd = Listen(IpAddress::FromOrdinal(Family::kV6, 0), address.port, /*dual=*/true);
    // A kernel without IPv6.
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
      fd = Listen(IpAddress(), address.port, /*dual=*/false);
    }
  } else {
    const absl::StatusOr<IpAddress> parsed =
        IpAddress::Parse(address.host == "localhost" ? "127.0.0.1" : address.host);
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("cannot listen on ", address.ToString(),
                                                     ": the host must be an IP address or empty"));
    }
    fd = Listen(*parsed, address.port, /*dual=*/false);
  }
  if (fd < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address.ToString(), ": ", std::strerror(errno)));
  }
  Endpoint bound;
  getsockname(fd, bound.get(), &bound.size);
  return ListenSocket(fd, PortOf(bound));
}

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), port_(other.port_) {}

ListenSocket::~ListenSocket() {
  if (fd_ >= 0) close(fd_);
}

std::optional<Accepted> AcceptClient(const ListenSocket& listener) {
  Endpoint peer;
  const int fd = accept4(listener.fd(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return std::nullopt;
  return Accepted{.fd = fd, .address = AddressOf(peer), .port = PortOf(peer)};
}

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace openelb

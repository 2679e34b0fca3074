#include "api/base/listen_socket.h"

#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/base/socket_address.h"

namespace openelb {
namespace {

// A socket for both families shows who comes by IPv4 as ::ffff:a.b.c.d.
IpAddress Unmapped(const IpAddress& address) {
  const bool mapped = address.is_v6() && (address.Ordinal() >> 32) == 0xffff;
  return mapped ? IpAddress::FromV4(static_cast<uint32_t>(absl::Uint128Low64(address.Ordinal())))
                : address;
}

// A listening socket, or -1 with errno set. `dual`: an IPv6 socket also takes IPv4.
int Listen(const IpAddress& address, uint16_t port, bool dual) {
  const int fd =
      socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int only_v6 = dual ? 0 : 1;
  SocketAddress endpoint = ToSocketAddress(address, port);
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
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  getsockname(fd, bound.get(), &bound.size);
  return ListenSocket(fd, PortOf(bound.storage));
}

ListenSocket::ListenSocket(ListenSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), port_(other.port_) {}

ListenSocket::~ListenSocket() {
  if (fd_ >= 0) close(fd_);
}

std::optional<Accepted> AcceptClient(const ListenSocket& listener) {
  SocketAddress peer;
  peer.size = sizeof peer.storage;
  const int fd = accept4(listener.fd(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return std::nullopt;
  return Accepted{
      .fd = fd, .address = Unmapped(FromSocketAddress(peer.storage)), .port = PortOf(peer.storage)};
}

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace openelb

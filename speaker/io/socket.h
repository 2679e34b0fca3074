#pragma once
// TCP sockets as the epoll loop needs them. Every error names the address and the system's reason.

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/ip.h"
#include "speaker/io/io.h"

namespace openelb::io {

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// `what: strerror(error)` with the status code that fits the errno.
absl::Status ErrnoStatus(int error, absl::string_view what);

// A non-blocking socket that is connecting to `options.remote`.
absl::StatusOr<UniqueFd> StartConnect(const DialOptions& options);
// A non-blocking listening socket. IPv6 ones take no IPv4 connections.
absl::StatusOr<UniqueFd> StartListen(const ListenOptions& options);
// What every connection gets, dialled or accepted: no Nagle delay, and network-control marking.
void SetConnectionOptions(int fd, Family family);

// Whether the kernel takes it, for a listener as for connections.
absl::Status CheckAuth(const IpAddress& peer, const TcpAuth& auth);
// Makes what a listener asks of `peer` another. Error: it has nothing of either for it now.
absl::Status ChangeListenerAuth(int fd, const IpAddress& peer, const TcpAuth& before,
                                const TcpAuth& after);
absl::Status SetTtl(int fd, Family family, int ttl);
// Segments received with a smaller TTL or hop limit are dropped (RFC 5082); 0: none are.
absl::Status SetMinTtl(int fd, Family family, int min_ttl);
// 0 or the errno of a connection attempt or connection.
int PendingError(int fd);
IpAddress LocalAddress(int fd);
// The interface of a connection with a link-local peer; empty: it is none.
std::string InterfaceOf(int fd);
// Octets that were written and are not acknowledged by the peer.
uint64_t Unacknowledged(int fd);

struct Accepted {
  UniqueFd fd;
  IpAddress local;
  IpAddress remote;
};
// The next connection of a listener. NotFound: none is waiting. ResourceExhausted: no descriptor.
absl::StatusOr<Accepted> AcceptNext(int listener);

}  // namespace openelb::io

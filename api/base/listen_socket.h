#pragma once
// A TCP socket that listens where a flag says.

#include <sys/socket.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "api/base/host_port.h"
#include "api/base/ip.h"

namespace openelb {

class ListenSocket {
 public:
  // `address.host` is an IP address, "localhost", or empty for every address of both families; port
  // 0 takes a free one. Never blocks. Error: InvalidArgument or Unavailable with the address and
  // the system's reason.
  static absl::StatusOr<ListenSocket> Open(const HostPort& address);

  ListenSocket(ListenSocket&& other) noexcept;
  ListenSocket& operator=(ListenSocket&&) = delete;
  ~ListenSocket();

  int fd() const { return fd_; }
  uint16_t port() const { return port_; }  // never 0

 private:
  ListenSocket(int fd, uint16_t port) : fd_(fd), port_(port) {}

  int fd_;
  uint16_t port_;
};

// A connection, and whose.
struct Accepted {
  int fd;  // never blocks; the caller's to close
  IpAddress address;
  uint16_t port;
};

// The next client that waits; nullopt with errno set when there is none, or none can be taken. An
// IPv4 client of a socket for both families is shown as one of IPv4.
std::optional<Accepted> AcceptClient(const ListenSocket& listener);

// Whether `error`, an errno of AcceptClient, says that this process or system lacks descriptors or
// memory: the client waits in the backlog, and asking again at once would spin.
bool IsShortage(int error);

}  // namespace openelb

#pragma once
// The speaker's seam to TCP: connections and listeners, and the node's interface
// addresses. The real one is an epoll loop and netlink; tests and simulation put a simulated
// network behind it.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/ip.h"
#include "api/base/tcp_ao.h"

namespace openelb::io {

using ConnId = uint64_t;  // never reused within a process

// What protects the connections with one peer: one of the two, or neither. Segments that are not
// signed with it are dropped without an answer.
struct TcpAuth {
  std::string md5_password{};  // TCP MD5 (RFC 2385), at most 80 octets; empty: none
  TcpAoKeys ao_keys{};         // TCP-AO (RFC 5925); the first is the one in use
  bool empty() const { return md5_password.empty() && ao_keys.empty(); }
  bool operator==(const TcpAuth&) const = default;
};

struct DialOptions {
  IpAddress remote;
  uint16_t port = 0;
  TcpAuth auth{};
  int ttl = 0;      // IP TTL or hop limit of packets sent, 1..255; 0: the system's
  int min_ttl = 0;  // packets received with a smaller one are dropped (RFC 5082); 0: none
  std::optional<IpAddress> source{};  // of `remote`'s family; nullopt: as the route there has it
  std::string interface{};            // over which a link-local `remote` is reached
};

struct ListenOptions {
  IpAddress address;
  uint16_t port = 0;
  bool operator==(const ListenOptions&) const = default;
};

// Called on the owner thread, never from within a call to Io.
class IoHandler {
 public:
  virtual ~IoHandler() = default;
  virtual void OnConnected(ConnId conn, const IpAddress& local) = 0;
  virtual void OnAccepted(ConnId conn, const IpAddress& local, const IpAddress& remote) = 0;
  virtual void OnData(ConnId conn, std::span<const uint8_t> data) = 0;
  // Write takes bytes again after it took fewer than offered.
  virtual void OnWritable(ConnId conn) = 0;
  // The connection is gone or could not be made; the id is dead. OK: the peer closed in order.
  virtual void OnClosed(ConnId conn, const absl::Status& why) = 0;
  // InterfaceAddresses() changed.
  virtual void OnInterfacesChanged() = 0;
};

class Io {
 public:
  virtual ~Io() = default;
  // To be called before anything else.
  virtual void SetHandler(IoHandler* handler) = 0;
  // Starts a TCP connection with TCP_NODELAY; OnConnected or OnClosed follows.
  virtual ConnId Dial(const DialOptions& options) = 0;
  // Listens until Unlisten. Errors name address and port.
  virtual absl::Status Listen(const ListenOptions& options) = 0;
  virtual void Unlisten(const ListenOptions& options) = 0;
  // OK: the kernel has TCP-AO. Error: it has not, and says what it lacks.
  virtual absl::Status TcpAoSupport() = 0;
  // What protects connections accepted from `peer` from now on; empty: nothing does. Applies to all
  // listeners. Error: they may ask for what they did before, or for nothing.
  virtual absl::Status SetListenerAuth(const IpAddress& peer, const TcpAuth& auth) = 0;
  // Gives a connection that has TCP-AO keys these in their place, where TcpAoRollsOver says that it
  // can go on so, and makes it ask its peer for the first. Error: it has no TCP-AO, or keeps some
  // of the former ones.
  virtual absl::Status SetAoKeys(ConnId conn, const TcpAoKeys& keys) = 0;
  // As DialOptions has them.
  virtual absl::Status SetTtl(ConnId conn, int ttl, int min_ttl) = 0;
  // Takes as many octets as the socket buffer holds and returns their number; OnWritable follows
  // when it is less than offered. Unknown ids take nothing.
  virtual size_t Write(ConnId conn, std::span<const uint8_t> data) = 0;
  // The interface over which a connection from a link-local address came; else empty.
  virtual std::string InterfaceOf(ConnId conn) = 0;
  // How many of the octets taken by Write the peer's TCP has acknowledged.
  virtual uint64_t Acknowledged(ConnId conn) = 0;
  // Closes after what Write took has been handed to TCP. No OnClosed follows.
  virtual void Close(ConnId conn) = 0;
  // Unicast addresses of interfaces that are up, sorted; loopback and link-local ones excluded.
  virtual std::vector<InterfaceAddress> InterfaceAddresses() = 0;
  // The same in the kernel's order, with those that the loopback has besides 127.0.0.0/8 and ::1,
  // and without those that we put there. OnInterfacesChanged tells of their changes as well.
  virtual std::vector<InterfaceAddress> OwnAddresses() = 0;
  // The interface over which what no other route leads to is reached, of the families that have
  // such a route. OnInterfacesChanged tells of changes, from the first call on.
  virtual std::map<Family, std::string> DefaultRoutes() = 0;
};

}  // namespace openelb::io

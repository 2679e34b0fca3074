#pragma once
// The seam to UDP on one link: datagrams that come and go over a named interface, never routed.
// What is sent carries IP TTL (hop limit) 255 and the mark of network control (DSCP CS6), so that a
// receiver can tell that it comes from the link itself (RFC 5082).

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/base/ip.h"

namespace openelb::io {

using UdpId = uint64_t;  // never reused within a process

struct UdpOptions {
  std::string interface;
  IpAddress local;  // unspecified: any address of its family
  uint16_t port = 0;
};

struct Datagram {
  UdpId socket = 0;
  std::string interface;
  IpAddress local;
  IpAddress remote;
  uint16_t remote_port = 0;
  int ttl = 0;  // as received, 1..255; 0: not known
  std::span<const uint8_t> data;
};

class UdpHandler {
 public:
  virtual ~UdpHandler() = default;
  // Called on the owner thread, never from within a call to Udp.
  virtual void OnDatagram(const Datagram& datagram) = 0;
};

class Udp {
 public:
  virtual ~Udp() = default;
  // To be called before anything else.
  virtual void SetHandler(UdpHandler* handler) = 0;
  // Errors name interface, address and port: no such interface, an address that is not (or not yet)
  // ours, a port that is taken. A socket does not survive its interface: after a Send that failed
  // it is to be closed and opened again. Only where the error is ResourceExhausted nothing is wrong
  // with it: there is no room for the moment.
  virtual absl::StatusOr<UdpId> Open(const UdpOptions& options) = 0;
  virtual absl::Status Send(UdpId socket, const IpAddress& remote, uint16_t port,
                            std::span<const uint8_t> data) = 0;
  // Whether it can still receive: not once its interface is gone, though another one may have taken
  // the name. Only then need it be opened again when interfaces change; what waits to be read in a
  // socket that is closed is lost.
  virtual bool Lives(UdpId socket) const = 0;
  virtual void Close(UdpId socket) = 0;
};

}  // namespace openelb::io

#pragma once
// The seam to ICMPv6 router discovery on chosen links (RFC 4861 6): solicitations and
// advertisements that come and go over a named interface. The real one uses raw sockets.

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "api/base/ip.h"

namespace openelb::io {

struct RouterPacket {
  std::string interface;
  IpAddress source;
  int hop_limit = 0;                 // as received; 0: not known
  std::span<const uint8_t> message;  // from the ICMPv6 type on; its checksum is right
};

class RouterHandler {
 public:
  virtual ~RouterHandler() = default;
  // Called on the owner thread, never from within a call to RouterIo.
  virtual void OnRouterPacket(const RouterPacket& packet) = 0;
};

class RouterIo {
 public:
  virtual ~RouterIo() = default;
  // To be called before anything else.
  virtual void SetHandler(RouterHandler* handler) = 0;
  // Sends one ICMPv6 message, whose checksum is filled in, with hop limit 255 from the interface's
  // link-local address to a group of the link. The first call for an interface starts receiving
  // there, also as a router. Errors name the interface: it is not there or has no address yet; the
  // same call tries again.
  virtual absl::Status Send(const std::string& interface, const IpAddress& group,
                            std::span<const uint8_t> message) = 0;
  // Stops receiving.
  virtual void Close(const std::string& interface) = 0;
};

}  // namespace openelb::io

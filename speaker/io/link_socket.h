#pragma once
// What sockets that speak on one link alone have in common.

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <span>

#include "api/base/ip.h"
#include "speaker/io/socket_address.h"

namespace openelb::io {

// False: see errno.
bool SetInt(int fd, int level, int name, int value);

// What is sent to one address carries TTL or hop limit 255 and the mark of network control (DSCP
// CS6); what comes in tells destination and TTL. False: see errno.
bool SetLinkOptions(int fd, Family family);

// With the scope that a link-local IPv6 address needs.
SocketAddress ToLinkAddress(const IpAddress& address, uint16_t port, unsigned interface_index);

// A packet that came in.
struct ReceivedPacket {
  SocketAddress from;
  IpAddress destination;
  int ttl = 0;  // or hop limit; 0: not known
  std::span<const uint8_t> octets;
};
// Takes one that waits at `fd` into `buffer`; what does not fit is cut off. nullopt: none waits.
std::optional<ReceivedPacket> ReceivePacket(int fd, std::span<uint8_t> buffer);

}  // namespace openelb::io

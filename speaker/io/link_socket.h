#pragma once
// What sockets that speak on one link alone have in common.

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/base/socket_address.h"

namespace openelb::io {

// False: see errno.
bool SetInt(int fd, int level, int name, int value);

// How much may wait in the kernel to be read, or to leave, in octets: beyond the system's limit
// where the process may do that, else as much as the limit allows. Less is no reason to fail.
void SetReceiveBuffer(int fd, int octets);
void SetSendBuffer(int fd, int octets);

// Of a send that failed: as ErrnoStatus, and ResourceExhausted where there was no room for the
// moment.
absl::Status SendStatus(int error, absl::string_view what);

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

#pragma once
// Our addresses as the kernel's socket calls take them.

#include <sys/socket.h>

#include <cstdint>

#include "api/base/ip.h"

namespace openelb {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress ToSocketAddress(const IpAddress& address, uint16_t port);
IpAddress FromSocketAddress(const sockaddr_storage& storage);
uint16_t PortOf(const sockaddr_storage& storage);

}  // namespace openelb

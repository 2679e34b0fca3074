#include "api/base/socket_address.h"

#include <netinet/in.h>

#include <algorithm>

namespace openelb {

SocketAddress ToSocketAddress(const IpAddress& address, uint16_t port) {
  SocketAddress result;
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::copy_n(address.bytes().data(), 4, reinterpret_cast<uint8_t*>(&v4->sin_addr));
    result.size = sizeof(sockaddr_in);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::copy_n(address.bytes().data(), 16, v6->sin6_addr.s6_addr);
    result.size = sizeof(sockaddr_in6);
  }
  return result;
}

IpAddress FromSocketAddress(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    return IpAddress::FromBytes({v6.sin6_addr.s6_addr, 16});
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
  return IpAddress::FromBytes({reinterpret_cast<const uint8_t*>(&v4.sin_addr), 4});
}

uint16_t PortOf(const sockaddr_storage& storage) {
  return ntohs(storage.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

}  // namespace openelb

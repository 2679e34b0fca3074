#include "speaker/io/link_socket.h"

#include <netinet/in.h>
#include <netinet/ip.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "speaker/io/socket.h"

namespace openelb::io {
namespace {

constexpr int kTtl = 255;
// The highest that needs no capability; CS6 alone would mean less to a queueing discipline.
constexpr int kPriority = 6;

template <typename T>
T ControlValue(const cmsghdr* header) {
  T value;
  std::memcpy(&value, CMSG_DATA(header), sizeof(value));
  return value;
}

}  // namespace

bool SetInt(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

void SetReceiveBuffer(int fd, int octets) {
  if (!SetInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, octets)) SetInt(fd, SOL_SOCKET, SO_RCVBUF, octets);
}

void SetSendBuffer(int fd, int octets) {
  if (!SetInt(fd, SOL_SOCKET, SO_SNDBUFFORCE, octets)) SetInt(fd, SOL_SOCKET, SO_SNDBUF, octets);
}

absl::Status SendStatus(int error, absl::string_view what) {
  return ErrnoStatus(error == EAGAIN ? ENOBUFS : error, what);
}

bool SetLinkOptions(int fd, Family family) {
  bool done = false;
  if (family == Family::kV4) {
    done = SetInt(fd, IPPROTO_IP, IP_TTL, kTtl) &&
           SetInt(fd, IPPROTO_IP, IP_TOS, IPTOS_CLASS_CS6) &&
           SetInt(fd, IPPROTO_IP, IP_RECVTTL, 1) && SetInt(fd, IPPROTO_IP, IP_PKTINFO, 1);
  } else {
    done = SetInt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, kTtl) &&
           SetInt(fd, IPPROTO_IPV6, IPV6_TCLASS, IPTOS_CLASS_CS6) &&
           SetInt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
           SetInt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  }
  // After the precedence, which sets a priority of its own.
  return done && SetInt(fd, SOL_SOCKET, SO_PRIORITY, kPriority);
}

SocketAddress ToLinkAddress(const IpAddress& address, uint16_t port, unsigned interface_index) {
  SocketAddress result = ToSocketAddress(address, port);
  if (address.is_v6() && (address.IsLinkLocal() || address.IsMulticast())) {
    reinterpret_cast<sockaddr_in6*>(&result.storage)->sin6_scope_id = interface_index;
  }
  return result;
}

std::optional<ReceivedPacket> ReceivePacket(int fd, std::span<uint8_t> buffer) {
  ReceivedPacket result;
  alignas(cmsghdr) std::array<char, 256> control;
  iovec vector{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = result.from.get();
  message.msg_namelen = sizeof(result.from.storage);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = recvmsg(fd, &message, 0);
  if (size < 0) return std::nullopt;
  result.octets = buffer.first(static_cast<size_t>(size));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if ((header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TTL) ||
        (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_HOPLIMIT)) {
      result.ttl = ControlValue<int>(header);
    } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      const auto info = ControlValue<in_pktinfo>(header);
      result.destination =
          IpAddress::FromBytes({reinterpret_cast<const uint8_t*>(&info.ipi_addr), 4});
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      const auto info = ControlValue<in6_pktinfo>(header);
      result.destination = IpAddress::FromBytes({info.ipi6_addr.s6_addr, 16});
    }
  }
  return result;
}

}  // namespace openelb::io

#include "speaker/io/epoll_router.h"

#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "speaker/io/link_socket.h"

namespace openelb::io {
namespace {

constexpr size_t kMaxMessage = 2048;
// Messages read of one socket before others get their turn.
constexpr int kMaxBatch = 16;
constexpr int kHopLimit = 255;

// Router solicitations are for all routers (ff02::2); every node is in the group of all nodes.
bool JoinAllRouters(int fd, unsigned index) {
  ipv6_mreq group{};
  group.ipv6mr_multiaddr.s6_addr[0] = 0xff;
  group.ipv6mr_multiaddr.s6_addr[1] = 0x02;
  group.ipv6mr_multiaddr.s6_addr[15] = 0x02;
  group.ipv6mr_interface = index;
  return setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof(group)) == 0;
}

bool TakeRouterMessagesAlone(int fd) {
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &filter);
  ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
  return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) == 0;
}

bool SetOptions(int fd, const std::string& interface, unsigned index) {
  return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                    static_cast<socklen_t>(interface.size())) == 0 &&
         TakeRouterMessagesAlone(fd) && SetLinkOptions(fd, Family::kV6) &&
         SetInt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kHopLimit) &&
         SetInt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) && JoinAllRouters(fd, index);
}

}  // namespace

EpollRouter::~EpollRouter() {
  while (!sockets_.empty()) Close(std::string(sockets_.begin()->first));
}

absl::StatusOr<EpollRouter::Socket> EpollRouter::Open(const std::string& interface) {
  const std::string what = absl::StrCat("router discovery on ", interface);
  Socket opened;
  opened.index = if_nametoindex(interface.c_str());
  if (opened.index == 0) return ErrnoStatus(errno, what);
  opened.fd = UniqueFd(socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6));
  if (!opened.fd.valid() || !SetOptions(opened.fd.get(), interface, opened.index)) {
    return ErrnoStatus(errno, what);
  }
  const absl::Status watched =
      loop_->Watch(opened.fd.get(), [this, interface] { Read(interface); });
  if (!watched.ok()) return watched;
  return opened;
}

absl::Status EpollRouter::Send(const std::string& interface, const IpAddress& group,
                               std::span<const uint8_t> message) {
  auto socket = sockets_.find(interface);
  // One that went away and came back is another interface.
  if (socket != sockets_.end() && socket->second.index != if_nametoindex(interface.c_str())) {
    Close(interface);
    socket = sockets_.end();
  }
  if (socket == sockets_.end()) {
    absl::StatusOr<Socket> opened = Open(interface);
    if (!opened.ok()) return opened.status();
    socket = sockets_.emplace(interface, *std::move(opened)).first;
  }
  SocketAddress to = ToLinkAddress(group, 0, socket->second.index);
  if (sendto(socket->second.fd.get(), message.data(), message.size(), 0, to.get(), to.size) < 0) {
    return ErrnoStatus(errno, absl::StrCat("router discovery on ", interface));
  }
  return absl::OkStatus();
}

void EpollRouter::Close(const std::string& interface) {
  const auto socket = sockets_.find(interface);
  if (socket == sockets_.end()) return;
  loop_->Unwatch(socket->second.fd.get());
  sockets_.erase(socket);
}

void EpollRouter::Read(const std::string& interface) {
  for (int i = 0; i < kMaxBatch; ++i) {
    const auto socket = sockets_.find(interface);
    if (socket == sockets_.end()) return;  // closed by the handler
    std::array<uint8_t, kMaxMessage> buffer;
    const auto received = ReceivePacket(socket->second.fd.get(), buffer);
    if (!received) return;
    handler_->OnRouterPacket({.interface = interface,
                              .source = FromSocketAddress(received->from.storage),
                              .hop_limit = received->ttl,
                              .message = received->octets});
  }
}

}  // namespace openelb::io

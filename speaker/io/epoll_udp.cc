#include "speaker/io/epoll_udp.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "speaker/io/link_socket.h"

namespace openelb::io {
namespace {

constexpr size_t kMaxDatagram = 2048;
// Datagrams read of one socket before others get their turn.
constexpr int kMaxBatch = 64;
// Neighbours that come back say at once what they own: some 1,800 datagrams of 1,200 octets wait,
// which is 78,000 IPv6 addresses; by default there is room for under 100.
constexpr int kBuffer = 2 << 20;

bool SetOptions(int fd, Family family) {
  return (family == Family::kV4 || SetInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
         SetLinkOptions(fd, family);
}

}  // namespace

EpollUdp::~EpollUdp() {
  while (!sockets_.empty()) Close(sockets_.begin()->first);
}

absl::StatusOr<UdpId> EpollUdp::Open(const UdpOptions& options) {
  const std::string what = absl::StrCat("UDP socket on ", options.interface, ", ",
                                        options.local.ToString(), " port ", options.port);
  Socket opened;
  opened.options = options;
  opened.interface_index = if_nametoindex(options.interface.c_str());
  if (opened.interface_index == 0) return ErrnoStatus(errno, what);
  const int domain = options.local.is_v4() ? AF_INET : AF_INET6;
  opened.fd = UniqueFd(socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int fd = opened.fd.get();
  SocketAddress local = ToLinkAddress(options.local, options.port, opened.interface_index);
  if (!opened.fd.valid() ||
      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options.interface.c_str(),
                 static_cast<socklen_t>(options.interface.size())) != 0 ||
      !SetOptions(fd, options.local.family()) || bind(fd, local.get(), local.size) != 0) {
    return ErrnoStatus(errno, what);
  }
  SetReceiveBuffer(fd, kBuffer);
  SetSendBuffer(fd, kBuffer);
  const UdpId id = next_id_++;
  absl::Status status = loop_->Watch(fd, [this, id] { Read(id); });
  if (!status.ok()) return status;
  sockets_[id] = std::move(opened);
  return id;
}

absl::Status EpollUdp::Send(UdpId socket, const IpAddress& remote, uint16_t port,
                            std::span<const uint8_t> data) {
  auto it = sockets_.find(socket);
  if (it == sockets_.end()) return absl::NotFoundError("no such socket");
  SocketAddress to = ToLinkAddress(remote, port, it->second.interface_index);
  if (sendto(it->second.fd.get(), data.data(), data.size(), 0, to.get(), to.size) < 0) {
    return SendStatus(errno, absl::StrCat("send to ", remote.ToString(), " port ", port, " on ",
                                          it->second.options.interface));
  }
  return absl::OkStatus();
}

bool EpollUdp::Lives(UdpId socket) const {
  const auto it = sockets_.find(socket);
  if (it == sockets_.end()) return false;
  // The name of the interface that it is bound to, whichever has the name that we opened it with.
  std::array<char, IFNAMSIZ> name{};
  socklen_t size = name.size();
  return getsockopt(it->second.fd.get(), SOL_SOCKET, SO_BINDTODEVICE, name.data(), &size) == 0 &&
         it->second.options.interface == name.data();
}

void EpollUdp::Close(UdpId socket) {
  auto it = sockets_.find(socket);
  if (it == sockets_.end()) return;
  loop_->Unwatch(it->second.fd.get());
  sockets_.erase(it);
}

void EpollUdp::Read(UdpId id) {
  for (int i = 0; i < kMaxBatch; ++i) {
    auto it = sockets_.find(id);
    if (it == sockets_.end()) return;  // closed by the handler
    std::array<uint8_t, kMaxDatagram> data;
    const auto received = ReceivePacket(it->second.fd.get(), data);
    if (!received) return;
    Datagram datagram;
    datagram.socket = id;
    datagram.interface = it->second.options.interface;
    datagram.remote = FromSocketAddress(received->from.storage);
    datagram.remote_port = PortOf(received->from.storage);
    datagram.local = received->destination;
    datagram.ttl = received->ttl;
    datagram.data = received->octets;
    handler_->OnDatagram(datagram);
  }
}

}  // namespace openelb::io

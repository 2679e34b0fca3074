#include "speaker/io/epoll_vrrp.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "speaker/io/link_socket.h"

namespace openelb::io {
namespace {

constexpr int kProtocol = 112;
constexpr int kTtl = 255;
// 255 IPv6 addresses with their header.
constexpr size_t kMaxPacket = 8192;
// Packets read of one socket before others get their turn.
constexpr int kMaxBatch = 64;
constexpr size_t kLeastIpHeader = 20;

bool Join4(int fd, int interface) {
  ip_mreqn group{};
  group.imr_multiaddr.s_addr = htonl(0xe0000012);
  group.imr_ifindex = interface;
  return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) == 0 &&
         setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)) == 0 &&
         SetInt(fd, IPPROTO_IP, IP_MULTICAST_TTL, kTtl) &&
         SetInt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
}

bool Join6(int fd, int interface) {
  ipv6_mreq group{};
  const uint8_t address[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12};
  std::copy(std::begin(address), std::end(address), group.ipv6mr_multiaddr.s6_addr);
  group.ipv6mr_interface = static_cast<unsigned>(interface);
  return setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group)) == 0 &&
         SetInt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, interface) &&
         SetInt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kTtl) &&
         SetInt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
}

bool Prepare(int fd, int interface, const std::string& name, Family family) {
  return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.c_str(),
                    static_cast<socklen_t>(name.size())) == 0 &&
         SetLinkOptions(fd, family) &&
         (family == Family::kV4 ? Join4(fd, interface) : Join6(fd, interface));
}

// The source address of what is sent, and the interface, as a control message.
size_t PutSource(const IpAddress& source, int interface, msghdr* message) {
  cmsghdr* header = CMSG_FIRSTHDR(message);
  const auto put = [&](int level, int type, const auto& info) {
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof(info));
    std::memcpy(CMSG_DATA(header), &info, sizeof(info));
    return CMSG_SPACE(sizeof(info));
  };
  if (source.is_v4()) {
    in_pktinfo info{};
    info.ipi_ifindex = interface;
    std::memcpy(&info.ipi_spec_dst, source.bytes().data(), source.bytes().size());
    return put(IPPROTO_IP, IP_PKTINFO, info);
  }
  in6_pktinfo info{};
  info.ipi6_ifindex = static_cast<unsigned>(interface);
  std::memcpy(&info.ipi6_addr, source.bytes().data(), source.bytes().size());
  return put(IPPROTO_IPV6, IPV6_PKTINFO, info);
}

// A raw IPv4 socket hands out the IP header too.
std::span<const uint8_t> WithoutIpHeader(std::span<const uint8_t> packet) {
  if (packet.size() < kLeastIpHeader) return {};
  const size_t header = size_t{packet[0] & 0xfU} * 4;
  return header < packet.size() ? packet.subspan(header) : std::span<const uint8_t>();
}

bool Contains(const HeldAddresses& all, int interface, const IpAddress& address) {
  auto it = all.find(interface);
  return it != all.end() && it->second.contains(address);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpollVrrp>> EpollVrrp::Create(EpollIo* loop, HeldMarks marks) {
  absl::StatusOr<AddressWriter> writer = AddressWriter::Create(marks);
  if (!writer.ok()) return writer.status();
  return std::unique_ptr<EpollVrrp>(new EpollVrrp(loop, std::move(*writer)));
}

EpollVrrp::EpollVrrp(EpollIo* loop, AddressWriter writer)
    : loop_(loop), writer_(std::move(writer)), held_(loop->Held()) {
  watch_ = loop_->WatchInterfaces([this] { OnInterfaces(); });
}

EpollVrrp::~EpollVrrp() {
  loop_->UnwatchInterfaces(watch_);
  while (!sockets_.empty()) Close(sockets_.begin()->first.first, sockets_.begin()->first.second);
}

void EpollVrrp::OnInterfaces() {
  held_ = loop_->Held();
  for (const auto& [interface, addresses] : std::exchange(put_, {})) {
    for (const IpAddress& address : addresses) {
      const bool there = Contains(held_, interface, address) || IsThere(interface, address);
      if (!there) continue;
      held_[interface].insert(address);
      put_[interface].insert(address);
    }
  }
  if (handler_ != nullptr) handler_->OnInterfacesChanged();
}

bool EpollVrrp::IsThere(int interface, const IpAddress& address) const {
  for (const Interface& known : loop_->Interfaces()) {
    if (known.index != interface) continue;
    return std::any_of(known.addresses.begin(), known.addresses.end(), [&](const auto& each) {
      return each.address == address && each.length == FamilyBits(address.family());
    });
  }
  return false;
}

std::string EpollVrrp::NameOf(int interface) const {
  for (const Interface& known : loop_->Interfaces()) {
    if (known.index == interface) return known.name;
  }
  return "";
}

// ---- packets ----

absl::Status EpollVrrp::Open(int interface, Family family) {
  const std::string name = NameOf(interface);
  if (name.empty()) return absl::NotFoundError(absl::StrCat("no interface ", interface));
  const Key key{interface, family};
  const int domain = family == Family::kV4 ? AF_INET : AF_INET6;
  UniqueFd fd(socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, kProtocol));
  if (!fd.valid() || !Prepare(fd.get(), interface, name, family)) {
    return ErrnoStatus(errno, absl::StrCat("VRRP socket on ", name, ", ", FamilyName(family)));
  }
  absl::Status status = loop_->Watch(fd.get(), [this, key] { Read(key); });
  if (!status.ok()) return status;
  sockets_[key] = std::move(fd);
  return absl::OkStatus();
}

void EpollVrrp::Close(int interface, Family family) {
  auto it = sockets_.find({interface, family});
  if (it == sockets_.end()) return;
  loop_->Unwatch(it->second.get());
  sockets_.erase(it);
}

absl::Status EpollVrrp::Send(int interface, const IpAddress& source, const IpAddress& destination,
                             std::span<const uint8_t> payload) {
  auto it = sockets_.find({interface, source.family()});
  if (it == sockets_.end()) {
    return absl::FailedPreconditionError(absl::StrCat("interface ", interface, " is not open"));
  }
  alignas(cmsghdr) std::array<char, 64> control{};
  SocketAddress to = ToLinkAddress(destination, 0, static_cast<unsigned>(interface));
  iovec vector{const_cast<uint8_t*>(payload.data()), payload.size()};
  msghdr message{};
  message.msg_name = to.get();
  message.msg_namelen = to.size;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  message.msg_controllen = PutSource(source, interface, &message);
  if (sendmsg(it->second.get(), &message, 0) < 0) {
    return ErrnoStatus(errno, absl::StrCat("send VRRP to ", destination.ToString(), " from ",
                                           source.ToString(), " on ", NameOf(interface)));
  }
  return absl::OkStatus();
}

void EpollVrrp::Read(const Key& key) {
  for (int i = 0; i < kMaxBatch; ++i) {
    auto it = sockets_.find(key);
    if (it == sockets_.end()) return;  // closed by the handler
    std::array<uint8_t, kMaxPacket> data;
    const auto received = ReceivePacket(it->second.get(), data);
    if (!received) return;
    handler_->OnVrrpPacket(
        {key.first, FromSocketAddress(received->from.storage), received->destination, received->ttl,
         key.second == Family::kV4 ? WithoutIpHeader(received->octets) : received->octets});
  }
}

void EpollVrrp::Deliver() {
  std::vector<Key> keys;  // the handler may close some
  for (const auto& [key, fd] : sockets_) keys.push_back(key);
  for (const Key& key : keys) Read(key);
}

// ---- addresses ----

absl::Status EpollVrrp::Hold(const HeldAddresses& addresses) {
  absl::Status result;
  for (const auto& [interface, present] : HeldAddresses(held_)) {
    for (const IpAddress& address : present) {
      if (Contains(addresses, interface, address)) continue;
      const absl::Status removed = writer_.Remove(interface, NameOf(interface), address);
      result.Update(removed);
      if (!removed.ok()) continue;
      held_[interface].erase(address);
      put_[interface].erase(address);
    }
  }
  for (const auto& [interface, wanted] : addresses) {
    const std::string name = NameOf(interface);
    if (name.empty()) continue;  // it went away, and they with it
    for (const IpAddress& address : wanted) {
      if (Contains(held_, interface, address)) continue;
      const absl::Status added = writer_.Add(interface, name, address);
      result.Update(added);
      if (!added.ok()) continue;
      held_[interface].insert(address);
      put_[interface].insert(address);
    }
  }
  return result;
}

}  // namespace openelb::io

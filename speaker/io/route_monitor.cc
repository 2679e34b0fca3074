#include "speaker/io/route_monitor.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace openelb::io {
namespace {

// The IPv4 dummy address (RFC 7600), and one of 2000::/3 that no subnet has.
constexpr const char* kNobody[] = {"192.0.0.8", "2000::1"};

constexpr uint16_t Order(uint16_t type) {
  return static_cast<uint16_t>(type >> 8 | type << 8);  // a filter reads as from a network
}
constexpr uint32_t kType = offsetof(nlmsghdr, nlmsg_type);
constexpr uint32_t kLength = NLMSG_HDRLEN + offsetof(rtmsg, rtm_dst_len);
// Jumps count instructions from the next one; drops changes of routes but default ones.
constexpr std::array<sock_filter, 7> kFilter = {{
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, kType},
    {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, Order(RTM_NEWROUTE)},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 2, Order(RTM_DELROUTE)},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, kLength},
    {BPF_JMP | BPF_JGT | BPF_K, 1, 0, 3},  // 2000::/3 is all there is, too
    {BPF_RET | BPF_K, 0, 0, 0xffffffff},
    {BPF_RET | BPF_K, 0, 0, 0},
}};

// The index of the interface over which packets to `address` leave; 0: there is no way.
absl::StatusOr<int> LookUp(int fd, const IpAddress& address) {
  struct {
    nlmsghdr header;
    rtmsg body;
    rtattr attribute;
    std::array<uint8_t, 16> address;
  } request{};
  const auto bytes = address.bytes();
  request.header.nlmsg_len =
      static_cast<uint32_t>(offsetof(decltype(request), address) + bytes.size());
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.body.rtm_family = address.is_v4() ? AF_INET : AF_INET6;
  request.body.rtm_dst_len = static_cast<uint8_t>(bytes.size() * 8);
  request.attribute.rta_type = RTA_DST;
  request.attribute.rta_len = static_cast<uint16_t>(RTA_LENGTH(bytes.size()));
  std::memcpy(request.address.data(), bytes.data(), bytes.size());
  if (send(fd, &request, request.header.nlmsg_len, 0) < 0)
    return ErrnoStatus(errno, "ask rtnetlink for a route");
  alignas(nlmsghdr) std::array<uint8_t, 4096> answer;
  // The kernel writes the answer while it is asked, so this does not wait.
  const ssize_t size = recv(fd, answer.data(), answer.size(), 0);
  if (size < 0) return ErrnoStatus(errno, "read a route from rtnetlink");
  nlmsghdr header;
  if (static_cast<size_t>(size) < sizeof(header)) return 0;
  std::memcpy(&header, answer.data(), sizeof(header));
  if (header.nlmsg_type != RTM_NEWROUTE) return 0;  // an error: unreachable, prohibited
  size_t at = NLMSG_SPACE(sizeof(rtmsg));
  rtattr attribute;
  while (at + sizeof(attribute) <= static_cast<size_t>(size)) {
    std::memcpy(&attribute, &answer.at(at), sizeof(attribute));
    if (attribute.rta_len < sizeof(attribute)) return 0;
    int index = 0;
    if (attribute.rta_type == RTA_OIF && attribute.rta_len >= RTA_LENGTH(sizeof(index)) &&
        at + RTA_LENGTH(sizeof(index)) <= static_cast<size_t>(size)) {
      std::memcpy(&index, &answer.at(at + RTA_LENGTH(0)), sizeof(index));
      return index;
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
  return 0;
}

absl::StatusOr<std::map<Family, std::string>> Ask() {
  const UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return ErrnoStatus(errno, "open rtnetlink");
  std::map<Family, std::string> routes;
  for (const char* nobody : kNobody) {
    const IpAddress address = IpAddress::Parse(nobody).value();
    const absl::StatusOr<int> index = LookUp(fd.get(), address);
    if (!index.ok()) return index.status();
    std::array<char, IF_NAMESIZE> name{};
    if (*index == 0 || if_indextoname(static_cast<unsigned>(*index), name.data()) == nullptr)
      continue;
    routes[address.family()] = name.data();
  }
  return routes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RouteMonitor>> RouteMonitor::Create() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return ErrnoStatus(errno, "open rtnetlink");
  sock_fprog program{};
  program.len = static_cast<uint16_t>(kFilter.size());
  program.filter = const_cast<sock_filter*>(kFilter.data());
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  // With a link or its addresses routes go without a word.
  local.nl_groups =
      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0 ||
      bind(fd.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0) {
    return ErrnoStatus(errno, "subscribe to rtnetlink");
  }
  auto monitor = std::unique_ptr<RouteMonitor>(new RouteMonitor(std::move(fd)));
  const absl::StatusOr<bool> changed = monitor->Refresh();
  if (!changed.ok()) return changed.status();
  return monitor;
}

absl::StatusOr<bool> RouteMonitor::Refresh() {
  std::array<uint8_t, 4096> dropped;
  ssize_t size = 0;
  do {
    size = recv(fd_.get(), dropped.data(), dropped.size(), 0);
  } while (size >= 0 || errno == ENOBUFS);
  absl::StatusOr<std::map<Family, std::string>> routes = Ask();
  if (!routes.ok()) return routes.status();
  if (*routes == routes_) return false;
  routes_ = *std::move(routes);
  return true;
}

}  // namespace openelb::io

#include "speaker/io/address_monitor.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace openelb::io {
namespace {

// The kernel fills datagrams of a dump up to 32 kB.
constexpr size_t kDatagram = size_t{32} * 1024;
constexpr int kReadings = 5;

// A fixed header copied out of `bytes` (which need not be aligned), or nothing when it is too
// short.
template <typename Header>
std::optional<Header> TakeHeader(std::span<const uint8_t>* bytes) {
  if (bytes->size() < sizeof(Header)) return std::nullopt;
  Header header;
  std::memcpy(&header, bytes->data(), sizeof(header));
  *bytes = bytes->subspan(std::min<size_t>(NLMSG_ALIGN(sizeof(Header)), bytes->size()));
  return header;
}

using Attributes = std::map<uint16_t, std::span<const uint8_t>>;

std::optional<Attributes> ParseAttributes(std::span<const uint8_t> bytes) {
  Attributes attributes;
  while (bytes.size() >= sizeof(rtattr)) {
    rtattr header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    if (header.rta_len < sizeof(header) || header.rta_len > bytes.size()) return std::nullopt;
    attributes[header.rta_type & NLA_TYPE_MASK] =
        bytes.subspan(sizeof(header), header.rta_len - sizeof(header));
    bytes = bytes.subspan(std::min<size_t>(RTA_ALIGN(header.rta_len), bytes.size()));
  }
  return attributes;
}

// The host-order number at the start of an attribute; 0 when it is too short.
int NumberOf(std::span<const uint8_t> value) {
  int32_t number = 0;
  if (value.size() >= sizeof(number)) std::memcpy(&number, value.data(), sizeof(number));
  return number;
}

// Out of IFLA_AF_SPEC, where the kernel's IPv6 settings of a link are an array.
bool ForwardsIpv6(std::span<const uint8_t> value) {
  static_assert(DEVCONF_FORWARDING == 0);
  for (const uint16_t type : {uint16_t{AF_INET6}, uint16_t{IFLA_INET6_CONF}}) {
    const std::optional<Attributes> attributes = ParseAttributes(value);
    if (!attributes.has_value() || !attributes->contains(type)) return false;
    value = attributes->at(type);
  }
  return NumberOf(value) != 0;
}

bool ParseLink(std::span<const uint8_t> body, LinkTable* table) {
  const std::optional<ifinfomsg> link = TakeHeader<ifinfomsg>(&body);
  if (!link.has_value()) return false;
  const std::optional<Attributes> attributes = ParseAttributes(body);
  if (!attributes.has_value()) return false;
  auto name = attributes->find(IFLA_IFNAME);
  if (name == attributes->end()) return false;
  const auto* text = reinterpret_cast<const char*>(name->second.data());
  std::string link_name(text, strnlen(text, name->second.size()));
  if ((link->ifi_flags & IFF_LOOPBACK) != 0) {
    if ((link->ifi_flags & IFF_UP) != 0) table->loopbacks[link->ifi_index] = std::move(link_name);
    return true;
  }
  Interface& interface = table->links[link->ifi_index];
  interface.index = link->ifi_index;
  interface.name = std::move(link_name);
  interface.up = (link->ifi_flags & IFF_UP) != 0;
  interface.carrier = interface.up && (link->ifi_flags & IFF_RUNNING) != 0;
  if (auto mac = attributes->find(IFLA_ADDRESS); mac != attributes->end()) {
    interface.mac = MacAddress::FromBytes(mac->second).value_or(MacAddress());
  }
  if (auto mtu = attributes->find(IFLA_MTU); mtu != attributes->end()) {
    interface.mtu = NumberOf(mtu->second);
  }
  if (auto spec = attributes->find(IFLA_AF_SPEC); spec != attributes->end()) {
    interface.ipv6_router = ForwardsIpv6(spec->second);
  }
  return true;
}

// An address for itself alone (/32 or /128) with one of our marks.
bool IsOurs(const Attributes& address) {
  if (auto protocol = address.find(IFA_PROTO); protocol != address.end()) {
    return protocol->second.size() == 1 && protocol->second[0] == kHeldProtocol;
  }
  if (auto metric = address.find(IFA_RT_PRIORITY); metric != address.end()) {
    return static_cast<uint32_t>(NumberOf(metric->second)) == kHeldMetric;
  }
  auto label = address.find(IFA_LABEL);
  if (label == address.end()) return false;
  const auto* text = reinterpret_cast<const char*>(label->second.data());
  return absl::EndsWith({text, strnlen(text, label->second.size())}, kHeldLabelSuffix);
}

bool ParseAddress(std::span<const uint8_t> body, LinkTable* table) {
  const std::optional<ifaddrmsg> header = TakeHeader<ifaddrmsg>(&body);
  if (!header.has_value()) return false;
  const size_t size = header->ifa_family == AF_INET ? 4 : header->ifa_family == AF_INET6 ? 16 : 0;
  if (size == 0) return true;
  const std::optional<Attributes> attributes = ParseAttributes(body);
  if (!attributes.has_value()) return false;
  uint32_t flags = header->ifa_flags;
  if (auto wide = attributes->find(IFA_FLAGS);
      wide != attributes->end() && wide->second.size() == sizeof(flags)) {
    std::memcpy(&flags, wide->second.data(), sizeof(flags));
  }
  // On a point-to-point link IFA_ADDRESS is the other end.
  auto address = attributes->find(IFA_LOCAL);
  if (address == attributes->end()) address = attributes->find(IFA_ADDRESS);
  if (address == attributes->end() || address->second.size() != size ||
      header->ifa_prefixlen > size * 8) {
    return false;
  }
  const int index = static_cast<int>(header->ifa_index);
  if (header->ifa_prefixlen == size * 8 && IsOurs(*attributes)) {
    table->held[index].insert(IpAddress::FromBytes(address->second));
    return true;
  }
  const bool unusable = (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0;
  if (!unusable) {
    const LinkTable::Address usable{IpAddress::FromBytes(address->second), header->ifa_prefixlen,
                                    header->ifa_scope >= RT_SCOPE_LINK};
    table->addresses[index].insert(usable);
    table->in_order.emplace_back(index, usable);
  }
  return true;
}

absl::Status Malformed() { return absl::InternalError("rtnetlink: malformed answer"); }

// Asks for one table and reads the whole answer.
absl::Status Dump(int fd, uint16_t type, LinkTable* table) {
  struct {
    nlmsghdr header;
    rtgenmsg body;
  } request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.body));
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  if (send(fd, &request, request.header.nlmsg_len, 0) < 0) {
    return ErrnoStatus(errno, "ask rtnetlink");
  }
  std::array<uint8_t, kDatagram> datagram;
  while (true) {
    // The kernel writes an answer while it is asked or read, so this does not wait.
    const ssize_t size = recv(fd, datagram.data(), datagram.size(), 0);
    if (size < 0) return ErrnoStatus(errno, "read rtnetlink");
    const absl::StatusOr<bool> complete =
        ParseDump({datagram.data(), static_cast<size_t>(size)}, table);
    if (!complete.ok()) return complete.status();
    if (*complete) return absl::OkStatus();
  }
}

absl::StatusOr<LinkTable> ReadTables() {
  absl::Status failure;
  for (int reading = 0; reading < kReadings; ++reading) {
    const UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!fd.valid()) return ErrnoStatus(errno, "open rtnetlink");
    LinkTable table;
    failure = Dump(fd.get(), RTM_GETLINK, &table);
    if (failure.ok()) failure = Dump(fd.get(), RTM_GETADDR, &table);
    if (failure.ok()) return table;
  }
  return failure;
}

}  // namespace

std::vector<Interface> LinkTable::Interfaces() const {
  std::vector<Interface> result;
  for (const auto& [index, link] : links) {
    Interface& interface = result.emplace_back(link);
    auto it = addresses.find(index);
    if (it == addresses.end()) continue;
    for (const Address& entry : it->second) {
      interface.addresses.push_back({link.name, entry.address, entry.length});
    }
  }
  return result;
}

std::vector<InterfaceAddress> LinkTable::Addresses() const {
  std::vector<InterfaceAddress> result;
  for (const auto& [index, link] : links) {
    auto it = addresses.find(index);
    // The carrier does not count: a cable that is pulled changes no plan.
    if (!link.up || it == addresses.end()) continue;
    for (const Address& entry : it->second) {
      if (!entry.link_scope) result.push_back({link.name, entry.address, entry.length});
    }
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<InterfaceAddress> LinkTable::OwnAddresses() const {
  std::vector<InterfaceAddress> result;
  for (const auto& [index, entry] : in_order) {
    if (entry.address.IsLoopback()) continue;
    const auto link = links.find(index);
    const auto loopback = loopbacks.find(index);
    // What is given to a loopback by hand may have host scope.
    const bool usable = loopback != loopbacks.end() ||
                        (link != links.end() && link->second.up && !entry.link_scope);
    if (!usable) continue;
    const std::string& name = loopback != loopbacks.end() ? loopback->second : link->second.name;
    result.push_back({name, entry.address, entry.length});
  }
  return result;
}

absl::StatusOr<bool> ParseDump(std::span<const uint8_t> datagram, LinkTable* table) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, datagram.data(), sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > datagram.size()) return Malformed();
    const std::span<const uint8_t> body =
        datagram.subspan(sizeof(header), header.nlmsg_len - sizeof(header));
    datagram = datagram.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
    if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) {
      return absl::AbortedError("rtnetlink: the table changed while it was read");
    }
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) return absl::InternalError("rtnetlink: refused");
    if (header.nlmsg_type == RTM_NEWLINK && !ParseLink(body, table)) return Malformed();
    if (header.nlmsg_type == RTM_NEWADDR && !ParseAddress(body, table)) return Malformed();
  }
  return false;
}

absl::StatusOr<std::unique_ptr<AddressMonitor>> AddressMonitor::Create() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return ErrnoStatus(errno, "open rtnetlink");
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                    1U << (RTNLGRP_IPV6_NETCONF - 1);  // whether a link forwards
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0) {
    return ErrnoStatus(errno, "subscribe to rtnetlink");
  }
  absl::StatusOr<LinkTable> table = ReadTables();
  if (!table.ok()) return table.status();
  auto monitor = std::unique_ptr<AddressMonitor>(new AddressMonitor(std::move(fd)));
  monitor->Take(*table);
  return monitor;
}

void AddressMonitor::Take(const LinkTable& table) {
  interfaces_ = table.Interfaces();
  addresses_ = table.Addresses();
  own_addresses_ = table.OwnAddresses();
  held_ = table.held;
}

absl::StatusOr<bool> AddressMonitor::Refresh() {
  std::array<uint8_t, kDatagram> dropped;
  ssize_t size = 0;
  do {
    size = recv(fd_.get(), dropped.data(), dropped.size(), 0);
  } while (size >= 0 || errno == ENOBUFS);
  const absl::StatusOr<LinkTable> table = ReadTables();
  if (!table.ok()) return table.status();
  // Addresses are part of their interfaces, but for their scope, which never changes, and for those
  // of loopbacks.
  if (table->Interfaces() == interfaces_ && table->OwnAddresses() == own_addresses_ &&
      table->held == held_) {
    return false;
  }
  Take(*table);
  return true;
}

}  // namespace openelb::io

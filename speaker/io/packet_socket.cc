#include "speaker/io/packet_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "absl/strings/str_cat.h"
#include "speaker/io/link_socket.h"

namespace openelb::io {
namespace {

constexpr uint32_t kAncillary = static_cast<uint32_t>(SKF_AD_OFF);
constexpr uint32_t kWholeFrame = 0xffff;
// Some 5,000 questions, which is half a second of a client that scans; by default there is room for
// under 300, and whoever asks waits a second before it asks again.
constexpr int kReceiveBuffer = 4 << 20;
// Some 2,500 announcements, which is an eighth of a second at the rate at which they are sent.
constexpr int kSendBuffer = 1 << 20;

constexpr sock_filter Load(uint16_t size, uint32_t offset) {
  return {static_cast<uint16_t>(BPF_LD | size | BPF_ABS), 0, 0, offset};
}
constexpr sock_filter JumpIfEqual(uint32_t value, uint8_t yes, uint8_t no) {
  return {BPF_JMP | BPF_JEQ | BPF_K, yes, no, value};
}
constexpr sock_filter Return(uint32_t octets) { return {BPF_RET | BPF_K, 0, 0, octets}; }

// Jumps count instructions from the next one; the last instruction drops the frame.
constexpr std::array kArpFilter = {
    Load(BPF_W, kAncillary + SKF_AD_PKTTYPE),
    JumpIfEqual(PACKET_OTHERHOST, 4, 0),
    JumpIfEqual(PACKET_OUTGOING, 3, 0),
    Load(BPF_W, kAncillary + SKF_AD_VLAN_TAG_PRESENT),
    JumpIfEqual(0, 0, 1),
    Return(kWholeFrame),
    Return(0),
};
constexpr uint32_t kNextHeader = 20;
constexpr uint32_t kIcmpType = 54;
constexpr std::array kNdpFilter = {
    Load(BPF_B, kNextHeader),  // most frames end here
    JumpIfEqual(IPPROTO_ICMPV6, 0, 9),
    Load(BPF_B, kIcmpType),
    JumpIfEqual(135, 1, 0),
    JumpIfEqual(136, 0, 6),
    Load(BPF_W, kAncillary + SKF_AD_PKTTYPE),
    JumpIfEqual(PACKET_OTHERHOST, 4, 0),
    JumpIfEqual(PACKET_OUTGOING, 3, 0),
    Load(BPF_W, kAncillary + SKF_AD_VLAN_TAG_PRESENT),
    JumpIfEqual(0, 0, 1),
    Return(kWholeFrame),
    Return(0),
};

absl::Status Error(const Interface& interface, absl::string_view what) {
  return ErrnoStatus(errno, absl::StrCat(what, " on ", interface.name));
}

// A packet socket that hears nothing until it is bound.
absl::StatusOr<UniqueFd> OpenPacketSocket(const Interface& interface) {
  UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Error(interface, "open a packet socket");
  return fd;
}

absl::StatusOr<UniqueFd> OpenFiltered(const Interface& interface, uint16_t ether_type,
                                      std::span<const sock_filter> filter) {
  absl::StatusOr<UniqueFd> fd = OpenPacketSocket(interface);
  if (!fd.ok()) return fd;
  sock_fprog program{};
  program.len = static_cast<uint16_t>(filter.size());
  program.filter = const_cast<sock_filter*>(filter.data());
  if (setsockopt(fd->get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0) {
    return Error(interface, "attach a packet filter");
  }
  SetReceiveBuffer(fd->get(), kReceiveBuffer);
  SetSendBuffer(fd->get(), kSendBuffer);
  sockaddr_ll local{};
  local.sll_family = AF_PACKET;
  local.sll_protocol = htons(ether_type);
  local.sll_ifindex = interface.index;
  if (bind(fd->get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0) {
    return Error(interface, "bind a packet socket");
  }
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenArpSocket(const Interface& interface) {
  return OpenFiltered(interface, ETH_P_ARP, kArpFilter);
}

absl::StatusOr<UniqueFd> OpenNdpSocket(const Interface& interface) {
  return OpenFiltered(interface, ETH_P_IPV6, kNdpFilter);
}

absl::Status GroupMemberships::Join(const IpAddress& group) {
  if (joined_.contains(group) || not_joined_.contains(group)) return absl::OkStatus();
  absl::Status status = absl::ResourceExhaustedError("no socket yet");
  if (!sockets_.empty()) status = JoinOn(sockets_.back().get(), group);
  if (!status.ok()) {
    UniqueFd fresh(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    status = fresh.valid() ? JoinOn(fresh.get(), group) : Error(interface_, "open a socket");
    if (status.ok()) sockets_.push_back(std::move(fresh));
  }
  if (status.ok()) {
    joined_[group] = sockets_.size() - 1;
    return status;
  }
  if (!HearAll().ok()) return status;
  not_joined_.insert(group);
  return absl::OkStatus();
}

absl::Status GroupMemberships::JoinOn(int fd, const IpAddress& group) {
  ipv6_mreq request{};
  std::memcpy(&request.ipv6mr_multiaddr, group.bytes().data(), sizeof(request.ipv6mr_multiaddr));
  request.ipv6mr_interface = static_cast<unsigned>(interface_.index);
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request)) != 0) {
    return Error(interface_, absl::StrCat("join ", group.ToString()));
  }
  return absl::OkStatus();
}

absl::Status GroupMemberships::HearAll() {
  if (hears_all()) return absl::OkStatus();
  absl::StatusOr<UniqueFd> fd = OpenPacketSocket(interface_);
  if (!fd.ok()) return fd.status();
  packet_mreq request{};
  request.mr_ifindex = interface_.index;
  request.mr_type = PACKET_MR_ALLMULTI;
  if (setsockopt(fd->get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) != 0) {
    return Error(interface_, "hear all groups");
  }
  all_ = std::move(*fd);
  return absl::OkStatus();
}

void GroupMemberships::Leave(const IpAddress& group) {
  if (auto joined = joined_.extract(group); !joined.empty()) {
    ipv6_mreq request{};
    std::memcpy(&request.ipv6mr_multiaddr, group.bytes().data(), sizeof(request.ipv6mr_multiaddr));
    request.ipv6mr_interface = static_cast<unsigned>(interface_.index);
    setsockopt(sockets_[joined.mapped()].get(), IPPROTO_IPV6, IPV6_LEAVE_GROUP, &request,
               sizeof(request));
  }
  not_joined_.erase(group);
  if (not_joined_.empty()) all_ = UniqueFd();
}

}  // namespace openelb::io

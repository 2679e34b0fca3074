#include "speaker/io/epoll_packet.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "speaker/io/link_socket.h"

namespace openelb::io {
namespace {

// More than any frame of ARP or neighbour discovery has use for; a longer one is cut and then found
// malformed.
constexpr size_t kFrame = 2048;
// Then others get their turn.
constexpr int kFramesPerTurn = 64;

absl::Status NotOpen(int interface) {
  return absl::FailedPreconditionError(absl::StrCat("interface ", interface, " is not open"));
}

}  // namespace

EpollPacket::EpollPacket(EpollIo* loop)
    : loop_(loop), interface_watch_(loop->WatchInterfaces([this] {
        if (handler_ != nullptr) handler_->OnInterfacesChanged();
      })) {}

EpollPacket::~EpollPacket() {
  while (!ports_.empty()) Close(ports_.begin()->first);
  loop_->UnwatchInterfaces(interface_watch_);
}

absl::Status EpollPacket::Open(int interface) {
  for (const Interface& each : loop_->Interfaces()) {
    if (each.index != interface) continue;
    if (ports_.contains(interface)) return absl::OkStatus();
    absl::StatusOr<UniqueFd> arp = OpenArpSocket(each);
    if (!arp.ok()) return arp.status();
    absl::StatusOr<UniqueFd> ndp = OpenNdpSocket(each);
    if (!ndp.ok()) return ndp.status();
    absl::Status status =
        loop_->Watch(arp->get(), [this, interface] { Read(interface, &Port::arp); });
    if (!status.ok()) return status;
    status = loop_->Watch(ndp->get(), [this, interface] { Read(interface, &Port::ndp); });
    if (!status.ok()) {
      loop_->Unwatch(arp->get());
      return status;
    }
    ports_.emplace(interface,
                   Port{each.name, std::move(*arp), std::move(*ndp), GroupMemberships(each)});
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("no interface ", interface));
}

void EpollPacket::Close(int interface) {
  auto it = ports_.find(interface);
  if (it == ports_.end()) return;
  loop_->Unwatch(it->second.arp.get());
  loop_->Unwatch(it->second.ndp.get());
  ports_.erase(it);
}

absl::Status EpollPacket::Send(int interface, std::span<const uint8_t> frame) {
  auto it = ports_.find(interface);
  if (it == ports_.end()) return NotOpen(interface);
  const Port& port = it->second;
  const bool ipv6 = frame.size() > 13 && frame[12] == 0x86 && frame[13] == 0xdd;
  const int fd = ipv6 ? port.ndp.get() : port.arp.get();
  if (send(fd, frame.data(), frame.size(), MSG_DONTWAIT) < 0) {
    return SendStatus(errno, absl::StrCat("send on ", port.name));
  }
  return absl::OkStatus();
}

absl::Status EpollPacket::JoinGroup(int interface, const IpAddress& group) {
  auto it = ports_.find(interface);
  return it == ports_.end() ? NotOpen(interface) : it->second.groups.Join(group);
}

void EpollPacket::LeaveGroup(int interface, const IpAddress& group) {
  auto it = ports_.find(interface);
  if (it != ports_.end()) it->second.groups.Leave(group);
}

void EpollPacket::Read(int interface, UniqueFd Port::* socket) {
  std::array<uint8_t, kFrame> frame;
  for (int i = 0; i < kFramesPerTurn; ++i) {
    auto it = ports_.find(interface);
    if (it == ports_.end()) return;  // closed by the handler
    const ssize_t size = recv((it->second.*socket).get(), frame.data(), frame.size(), MSG_DONTWAIT);
    // An interface that went down says so once, as an error; then the socket waits for its return.
    if (size < 0) return;
    handler_->OnFrame(interface, {frame.data(), static_cast<size_t>(size)});
  }
}

}  // namespace openelb::io

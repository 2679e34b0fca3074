#pragma once
// The real PacketIo: packet sockets under the loop of an EpollIo.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "speaker/io/epoll_io.h"
#include "speaker/io/packet_io.h"
#include "speaker/io/packet_socket.h"
#include "speaker/io/socket.h"

namespace openelb::io {

class EpollPacket final : public PacketIo {
 public:
  // `loop` must outlive it, and its RunOnce calls the handler. One owner thread, the loop's.
  explicit EpollPacket(EpollIo* loop);
  ~EpollPacket() override;

  void SetHandler(PacketHandler* handler) override { handler_ = handler; }
  std::vector<Interface> Interfaces() override { return loop_->Interfaces(); }
  absl::Status Open(int interface) override;
  void Close(int interface) override;
  absl::Status Send(int interface, std::span<const uint8_t> frame) override;
  absl::Status JoinGroup(int interface, const IpAddress& group) override;
  void LeaveGroup(int interface, const IpAddress& group) override;

 private:
  struct Port {
    std::string name;
    UniqueFd arp;
    UniqueFd ndp;
    GroupMemberships groups;
  };

  // Hands over the frames that wait at one of the port's sockets.
  void Read(int interface, UniqueFd Port::* socket);

  EpollIo* loop_;
  const uint64_t interface_watch_;
  PacketHandler* handler_ = nullptr;
  std::map<int, Port> ports_;  // by interface
};

}  // namespace openelb::io

#pragma once
// The real Udp: non-blocking sockets, each bound to an interface, under the loop of an EpollIo.

#include <cstdint>
#include <map>
#include <string>

#include "speaker/io/epoll_io.h"
#include "speaker/io/socket.h"
#include "speaker/io/udp.h"

namespace openelb::io {

class EpollUdp final : public Udp {
 public:
  // `loop` must outlive it, and its RunOnce calls the handler. One owner thread, the loop's.
  explicit EpollUdp(EpollIo* loop) : loop_(loop) {}
  ~EpollUdp() override;

  void SetHandler(UdpHandler* handler) override { handler_ = handler; }
  absl::StatusOr<UdpId> Open(const UdpOptions& options) override;
  absl::Status Send(UdpId socket, const IpAddress& remote, uint16_t port,
                    std::span<const uint8_t> data) override;
  bool Lives(UdpId socket) const override;
  void Close(UdpId socket) override;

 private:
  struct Socket {
    UniqueFd fd;
    UdpOptions options;
    unsigned interface_index = 0;
  };

  void Read(UdpId id);

  EpollIo* loop_;
  UdpHandler* handler_ = nullptr;
  UdpId next_id_ = 1;
  std::map<UdpId, Socket> sockets_;
};

}  // namespace openelb::io

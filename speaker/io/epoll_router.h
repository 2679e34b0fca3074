#pragma once
// The real RouterIo: a raw ICMPv6 socket for each interface, under the loop of an EpollIo.

#include <map>
#include <string>

#include "speaker/io/epoll_io.h"
#include "speaker/io/router_io.h"
#include "speaker/io/socket.h"

namespace openelb::io {

// Needs CAP_NET_RAW.
class EpollRouter final : public RouterIo {
 public:
  // `loop` must outlive it, and its RunOnce calls the handler. One owner thread, the loop's.
  explicit EpollRouter(EpollIo* loop) : loop_(loop) {}
  ~EpollRouter() override;

  void SetHandler(RouterHandler* handler) override { handler_ = handler; }
  absl::Status Send(const std::string& interface, const IpAddress& group,
                    std::span<const uint8_t> message) override;
  void Close(const std::string& interface) override;

 private:
  struct Socket {
    UniqueFd fd;
    unsigned index = 0;  // of the interface
  };

  absl::StatusOr<Socket> Open(const std::string& interface);
  void Read(const std::string& interface);

  EpollIo* loop_;
  RouterHandler* handler_ = nullptr;
  std::map<std::string, Socket> sockets_;
};

}  // namespace openelb::io

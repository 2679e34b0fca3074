#pragma once
// The real Io: non-blocking sockets under one epoll, owned by one thread, and a mailbox through
// which other threads hand it work.
//
// Life of a connection: Dial or a listener makes it; its data goes to the handler as it comes in;
// Close sends what Write took, then the end of the stream, and keeps reading (into nothing) until
// the peer has closed too, so that unread input never turns the close into a reset that would
// overtake our last message. That lingering is bounded in time and number.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/mutex.h"
#include "speaker/io/address_monitor.h"
#include "speaker/io/ao_socket.h"
#include "speaker/io/io.h"
#include "speaker/io/route_monitor.h"
#include "speaker/io/socket.h"

namespace openelb::io {

class EpollIo final : public Io {
 public:
  // How long a closed connection may wait for its peer, and how many may at once.
  static constexpr absl::Duration kLinger = absl::Seconds(5);
  static constexpr size_t kMaxLingering = 64;

  // `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<EpollIo>> Create(const Clock* clock);

  // Waits until something happens, at most `timeout`, and handles it. Owner thread only, like
  // everything here but Post.
  void RunOnce(absl::Duration timeout);
  // Runs `task` on the owner thread within RunOnce, in the order of the calls. Any thread.
  void Post(std::function<void()> task);
  // Calls `readable` within RunOnce while `fd` is readable. `fd` is closed only after Unwatch, or
  // outlives this.
  absl::Status Watch(int fd, std::function<void()> readable);
  // Also from within `readable`.
  void Unwatch(int fd);
  // All interfaces but the loopback, sorted by index.
  const std::vector<Interface>& Interfaces() const { return monitor_->interfaces(); }
  // Addresses on interfaces that carry our mark.
  const HeldAddresses& Held() const { return monitor_->held(); }
  // Calls `changed` within RunOnce whenever one of both changed, until UnwatchInterfaces.
  uint64_t WatchInterfaces(std::function<void()> changed);
  void UnwatchInterfaces(uint64_t id) { interface_watchers_.erase(id); }
  // Whether closed connections still wait for their peers.
  bool lingering() const { return !lingering_.empty(); }
  // Octets that all connections have taken so far.
  uint64_t written() const { return written_; }

  void SetHandler(IoHandler* handler) override { handler_ = handler; }
  ConnId Dial(const DialOptions& options) override;
  absl::Status Listen(const ListenOptions& options) override;
  void Unlisten(const ListenOptions& options) override;
  absl::Status TcpAoSupport() override { return tcp_ao_; }
  absl::Status SetListenerAuth(const IpAddress& peer, const TcpAuth& auth) override;
  absl::Status SetAoKeys(ConnId conn, const TcpAoKeys& keys) override;
  absl::Status SetTtl(ConnId conn, int ttl, int min_ttl) override;
  size_t Write(ConnId conn, std::span<const uint8_t> data) override;
  std::string InterfaceOf(ConnId conn) override;
  uint64_t Acknowledged(ConnId conn) override;
  void Close(ConnId conn) override;
  std::vector<InterfaceAddress> InterfaceAddresses() override { return monitor_->addresses(); }
  std::vector<InterfaceAddress> OwnAddresses() override { return monitor_->own_addresses(); }
  std::map<Family, std::string> DefaultRoutes() override;

 private:
  struct Connection {
    UniqueFd fd;
    IpAddress remote;
    bool connected = false;
    TcpAoKeys ao_keys;   // that the socket has
    uint64_t taken = 0;  // octets that Write took
    uint32_t interest = 0;
  };
  struct Listener {
    UniqueFd fd;
    ListenOptions options;
  };
  struct Lingering {
    UniqueFd fd;
    absl::Duration until;
  };

  struct Watched {
    int fd;
    std::function<void()> readable;
  };

  explicit EpollIo(const Clock* clock) : clock_(clock), tcp_ao_(io::TcpAoSupport()) {}
  absl::Status Add(int fd, uint64_t id, uint32_t interest);
  void SetInterest(ConnId conn, Connection* connection, uint32_t interest);
  void OnEvent(uint64_t id, uint32_t events);
  void OnListener(const Listener& listener);
  // The next connection that waits at a listener, and whose it is. NotFound: there is none.
  absl::StatusOr<Accepted> Next(const Listener& listener);
  std::optional<ConnId> Take(Accepted accepted);
  // Closes what waits to be accepted from `peer`, and takes the rest.
  void TurnAway(const Listener& listener, const IpAddress& peer);
  void OnConnection(ConnId conn, uint32_t events);
  void OnConnecting(ConnId conn, Connection* connection);
  void Read(ConnId conn);
  void Drop(ConnId conn, const absl::Status& why);
  void RunMailbox();
  void OnInterfaces();
  void OnRoutes();

  const Clock* clock_;
  const absl::Status tcp_ao_;
  IoHandler* handler_ = nullptr;
  UniqueFd epoll_;
  UniqueFd wakeup_;   // eventfd of the mailbox
  UniqueFd reserve_;  // given up for a moment to turn a connection away when descriptors run out
  std::unique_ptr<AddressMonitor> monitor_;
  std::unique_ptr<RouteMonitor> routes_;                  // once somebody asks
  absl::Duration refresh_at_ = absl::InfiniteDuration();  // of the monitor, after it failed

  // Ids come from one counter and are what epoll reports, so an event of something closed earlier
  // in the same batch finds nothing.
  uint64_t next_id_ = 1;
  uint64_t written_ = 0;
  std::map<ConnId, Connection> connections_;
  std::map<uint64_t, Listener> listeners_;
  std::map<uint64_t, Lingering> lingering_;
  std::map<uint64_t, Watched> watched_;
  std::map<uint64_t, std::function<void()>> interface_watchers_;
  std::map<IpAddress, TcpAuth> auth_;         // that the listeners ask of peers
  std::vector<std::function<void()>> later_;  // calls to the handler that Io calls led to

  Mutex mutex_;
  std::vector<std::function<void()>> mailbox_ GUARDED_BY(mutex_);
};

}  // namespace openelb::io

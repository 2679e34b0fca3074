#pragma once
// Takes the connections that gRPC serves. Its own listener takes any number of them, and the first
// time that the process has no descriptor left it stops for good, without a word (1.51).

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "api/base/listen_socket.h"
#include "api/base/mutex.h"
#include "controller/push/connection_table.h"

namespace openelb::push {

struct ListenerCounters : ConnectionCounters {
  uint64_t shortages = 0;  // times a connection had to wait for want of descriptors or memory
};

class Listener {
 public:
  // `serve` is called on the listener's own thread and takes the descriptor over.
  Listener(ListenSocket socket, ConnectionTable::Limits limits, std::function<void(int fd)> serve);
  ~Listener();  // Stop()

  void Start();
  // Takes no more and waits for `serve`; what it serves goes on.
  void Stop();

  // What gRPC calls a call's peer, such as "ipv4:10.0.0.1:1234": a stream of it has shown a token
  // that counts; has ended. Any thread.
  void OnKnown(absl::string_view peer);
  void OnEnded(absl::string_view peer);

  // Any thread.
  ListenerCounters counters();

 private:
  void Run();
  void Take(const Accepted& accepted);

  const ListenSocket socket_;
  const std::function<void(int fd)> serve_;
  Mutex mutex_;
  ConnectionTable table_ GUARDED_BY(mutex_);
  uint64_t shortages_ GUARDED_BY(mutex_) = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

// The address of what gRPC calls a call's peer, without its port; empty: it is no address.
std::string HostOfPeer(absl::string_view peer);

}  // namespace openelb::push

#pragma once
// Who may be connected. Until a connection has shown a token that counts, it is one of a limited
// number, and of fewer from one host: descriptors and memory are the controller's, and whoever
// reaches the port can ask for them. Pure.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace openelb::push {

// Since the start, but for `strangers`.
struct ConnectionCounters {
  uint64_t taken = 0;
  uint64_t refused = 0;  // more strangers than are allowed
  size_t strangers = 0;  // open now, as was last found, and without a stream that is known
};

class ConnectionTable {
 public:
  struct Limits {
    size_t strangers = 512;
    size_t strangers_of_host = 32;
  };
  // Whether what `handle` stands for is still open.
  using IsOpen = std::function<bool(uint64_t handle)>;

  ConnectionTable(Limits limits, IsOpen is_open) : limits_(limits), is_open_(std::move(is_open)) {}

  // A connection from `host`, told from its others by `peer`, asks to be taken. Where that decides,
  // looks first for strangers that have ended.
  bool Take(const std::string& peer, const std::string& host, uint64_t handle);
  // A stream of `peer` has shown a token that counts; has ended. Unknown peers are ignored.
  void OnKnown(absl::string_view peer);
  void OnEnded(absl::string_view peer);

  const ConnectionCounters& counters() const { return counters_; }

 private:
  struct Connection {
    std::string host;
    uint64_t handle;
    int streams = 0;  // that are known
  };
  using Connections = std::map<std::string, Connection, std::less<>>;

  void Sweep();
  bool Full(const std::string& host) const;
  void Count(const Connection& connection, int change);
  Connections::iterator Forget(Connections::iterator it);

  const Limits limits_;
  const IsOpen is_open_;
  Connections connections_;
  std::map<std::string, size_t> strangers_;  // by host, none of them 0
  ConnectionCounters counters_;
};

}  // namespace openelb::push

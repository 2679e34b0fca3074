#pragma once
// An IoHandler for tests: writes down what it is told.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "speaker/io/io.h"

namespace openelb::io {

class RecordingHandler final : public IoHandler {
 public:
  struct Accepted {
    ConnId conn;
    IpAddress local;
    IpAddress remote;
  };

  void OnConnected(ConnId conn, const IpAddress& local) override { connected[conn] = local; }
  void OnAccepted(ConnId conn, const IpAddress& local, const IpAddress& remote) override {
    accepted.push_back({conn, local, remote});
  }
  void OnData(ConnId conn, std::span<const uint8_t> data) override {
    received[conn].append(data.begin(), data.end());
  }
  void OnWritable(ConnId conn) override { ++writable[conn]; }
  void OnClosed(ConnId conn, const absl::Status& why) override { closed.emplace(conn, why); }
  void OnInterfacesChanged() override { ++interface_changes; }

  std::map<ConnId, IpAddress> connected;
  std::vector<Accepted> accepted;
  std::map<ConnId, std::string> received;
  std::map<ConnId, int> writable;
  std::map<ConnId, absl::Status> closed;
  int interface_changes = 0;
};

// The octets of a text, as Write takes them.
inline std::span<const uint8_t> AsOctets(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace openelb::io

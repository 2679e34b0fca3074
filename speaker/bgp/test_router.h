#pragma once
// A router for tests and simulation: it waits for BGP sessions, takes routes with their path ids
// into a table per neighbour, and writes down every change. It sends nothing of its own but what
// keeps sessions up.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/ip.h"
#include "speaker/bgp/message.h"
#include "speaker/bgp/open.h"
#include "speaker/bgp/outbox.h"
#include "speaker/bgp/update.h"
#include "speaker/io/io.h"

namespace openelb::bgp {

class TestRouter final : public io::IoHandler {
 public:
  struct Options {
    uint32_t as = 0;
    uint32_t router_id = 0;
    IpAddress listen;  // one address; unspecified: all of its family
    uint16_t port = 179;
    uint16_t hold_time = 9;
    bool add_path_receive = true;
    bool four_octet_as = true;
    std::vector<Family> families = {Family::kV4, Family::kV6};
    bool silent = false;  // accepts connections and says nothing
  };
  struct Route {
    IpAddress next_hop;
    std::map<uint8_t, Bytes> attributes;  // by type, MP attributes excluded
    bool operator==(const Route&) const = default;
  };
  struct Change {
    enum class Kind { kAnnounced, kWithdrawn, kSessionUp, kSessionDown };
    absl::Duration time;
    IpAddress neighbor;
    Kind kind;
    IpPrefix prefix;
    uint32_t path_id = 0;
    IpAddress next_hop;
    bool operator==(const Change&) const = default;
  };
  using Table = std::map<IpPrefix, std::map<uint32_t, Route>>;

  // Sets itself as handler of `io` and listens. Both outlive it.
  TestRouter(io::Io* io, const Clock* clock, Options options);

  // Sends what is due; `NextWakeup` says when.
  void Tick();
  absl::Duration NextWakeup() const;

  bool Established(const IpAddress& neighbor) const;
  // Of the neighbour's paths for `prefix`, in the order of addresses.
  std::vector<IpAddress> NextHops(const IpAddress& neighbor, const IpPrefix& prefix) const;
  // The same over all neighbours, each once.
  std::vector<IpAddress> NextHops(const IpPrefix& prefix) const;
  const Table& table(const IpAddress& neighbor) const;
  const std::vector<Change>& changes() const { return changes_; }
  uint64_t updates() const { return updates_; }
  uint64_t withdrawals() const { return withdrawals_; }
  // NOTIFICATIONs received, as text.
  const std::vector<std::string>& notifications() const { return notifications_; }
  // What the router itself found wrong with messages.
  const std::vector<std::string>& errors() const { return errors_; }
  // The OPEN that a neighbour sent last.
  const OpenMessage& open(const IpAddress& neighbor) const { return neighbors_.at(neighbor).open; }

  // Asks a neighbour to send its routes again (RFC 2918).
  void RequestRefresh(const IpAddress& neighbor, Family family);
  // Sends octets as they are.
  void SendRaw(const IpAddress& neighbor, const Bytes& octets);
  void CloseSession(const IpAddress& neighbor);

  void OnConnected(io::ConnId, const IpAddress&) override {}
  void OnAccepted(io::ConnId conn, const IpAddress& local, const IpAddress& remote) override;
  void OnData(io::ConnId conn, std::span<const uint8_t> data) override;
  void OnWritable(io::ConnId conn) override;
  void OnClosed(io::ConnId conn, const absl::Status& why) override;
  void OnInterfacesChanged() override {}

 private:
  struct Neighbor {
    io::ConnId conn = 0;
    bool connected = false;
    bool established = false;
    Framer framer;
    Outbox outbox;
    OpenMessage open;
    UpdateFormat format;
    absl::Duration hold;
    absl::Duration hold_deadline = absl::InfiniteDuration();
    absl::Duration keepalive_at = absl::InfiniteDuration();
    Table table;
  };
  class TableVisitor;

  IpAddress* AddressOf(io::ConnId conn);
  void Handle(const IpAddress& address, Neighbor* neighbor, const Message& message);
  void Flush(Neighbor* neighbor);
  void Down(const IpAddress& address, Neighbor* neighbor);

  io::Io* io_;
  const Clock* clock_;
  const Options options_;
  std::map<IpAddress, Neighbor> neighbors_;
  std::map<io::ConnId, IpAddress> conns_;
  std::vector<Change> changes_;
  std::vector<std::string> notifications_;
  std::vector<std::string> errors_;
  uint64_t updates_ = 0;
  uint64_t withdrawals_ = 0;
};

}  // namespace openelb::bgp

#pragma once
// A network in memory and virtual time: hosts, TCP with bounded buffers, and the faults that real
// networks have. Each process on a host sees it through the same Io as it sees the kernel.
//
// Life of an octet: Write puts it into the sender's buffer; segments leave as far as the receiver's
// buffer has room, arrive after the link's delay, wait in the receiver's buffer while its process
// does not read, and are acknowledged one delay later. A cut loses what is under way, silently;
// when it heals, what was not acknowledged is sent again. Segment sizes come from the seed.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/random.h"
#include "api/base/scheduler.h"
#include "speaker/io/io.h"
#include "speaker/io/sim_auth.h"

namespace openelb::io {

class SimNetwork {
 public:
  // Send buffer and receive buffer of each connection, in octets.
  static constexpr size_t kBuffer = size_t{64} * 1024;

  SimNetwork(Scheduler* scheduler, uint64_t seed) : scheduler_(scheduler), random_(seed) {}
  // Every process must be gone before.
  ~SimNetwork();

  // `name` must be new. Any host reaches any address of any other, unless the pair is cut.
  void AddHost(const std::string& name, std::vector<InterfaceAddress> addresses);
  void SetAddresses(absl::string_view host, std::vector<InterfaceAddress> addresses);
  // None to begin with.
  void SetDefaultRoutes(absl::string_view host, std::map<Family, std::string> routes);

  // A new process on `host`. Its end is the end of the returned object: the kernel closes its
  // connections in order and its listeners are gone.
  std::unique_ptr<Io> Start(absl::string_view host);

  // One-way delay between two hosts; 1 ms where not set. Applies to segments sent from now on.
  void SetDelay(absl::string_view a, absl::string_view b, absl::Duration delay);
  // Loses all segments between two hosts, both ways and silently, until Heal.
  void Cut(absl::string_view a, absl::string_view b);
  void Heal(absl::string_view a, absl::string_view b);
  bool IsCut(absl::string_view a, absl::string_view b) const;
  // Both ends of every connection between two hosts see a reset.
  void Reset(absl::string_view a, absl::string_view b);
  // Connections and listeners of the host vanish without a word; its processes hear nothing any
  // more and are to be ended. A peer that sends into such a connection gets a reset.
  void PowerOff(absl::string_view host);
  // Whether the host's kernel has TCP-AO; to begin with it has.
  void SetTcpAo(absl::string_view host, bool there);
  // While stuck, processes on the host read nothing: buffers fill up to their senders.
  void SetStuck(absl::string_view host, bool stuck);

 private:
  class Process;
  struct Listener {
    Process* process;
    ListenOptions options;
  };
  struct Host {
    std::vector<InterfaceAddress> addresses;
    std::map<Family, std::string> default_routes;
    std::vector<Process*> processes;
    std::vector<Listener> listeners;
    bool off = false;
    bool stuck = false;
    bool tcp_ao = true;
  };
  // One end of a connection. It outlives its process for as long as it has something to send.
  struct End {
    Process* process = nullptr;  // nullptr: closed by its process
    std::string host;
    std::string peer_host;
    std::string interface;  // it was accepted on
    ConnId peer = 0;        // 0: the peer has not answered yet
    bool told = false;      // the process knows of the connection
    AoEnd ao;
    std::string outbox;  // taken by Write, not acknowledged
    size_t in_flight = 0;
    uint64_t acknowledged = 0;
    uint64_t received = 0;
    std::string inbox;  // received, not read
    bool write_refused = false;
    bool fin_sent = false;
    bool fin_received = false;
    absl::Duration last_arrival;  // segments never overtake each other
  };
  using Pair = std::pair<std::string, std::string>;  // of hosts, sorted
  using Event = Scheduler::Event;

  static Pair MakePair(absl::string_view a, absl::string_view b);
  Host& HostNamed(absl::string_view name);
  const std::string* HostOf(const IpAddress& address) const;
  const Listener* FindListener(const Host& host, const DialOptions& options) const;
  End* Find(ConnId conn);
  absl::Duration Arrival(const std::string& from, const std::string& to) const;
  // Runs `event` at `arrival` unless the segment is lost on the way.
  void Carry(const std::string& from, const std::string& to, absl::Duration arrival, Event event);
  // The same from one end of a connection to the other.
  void CarryInOrder(End* from, Event event);
  void SendSyn(ConnId conn, const DialOptions& options, const IpAddress& local, int attempt);
  void OnSyn(ConnId from, const DialOptions& options, const IpAddress& local);
  void OnSynAck(ConnId conn, ConnId from, const IpAddress& remote, const IpAddress& local);
  void Accept(ConnId conn, const IpAddress& local, const IpAddress& remote);
  void Transmit(ConnId conn);
  // Sends again what was not acknowledged.
  void Retransmit(ConnId conn, End* end);
  void OnSegment(ConnId conn, ConnId from, uint64_t offset, const std::string& data);
  void OnAcknowledged(ConnId conn, uint64_t total);
  void OnFin(ConnId conn, uint64_t offset);
  void Read(ConnId conn);
  void Close(ConnId conn);
  void Drop(ConnId conn, const absl::Status& why);
  void SendReset(const std::string& from, const std::string& to, ConnId conn);

  Scheduler* scheduler_;
  SeededRandom random_;
  std::map<std::string, Host, std::less<>> hosts_;
  std::map<ConnId, End> ends_;
  ConnId next_id_ = 1;
  std::map<Pair, absl::Duration> delays_;
  std::set<Pair> cuts_;
  std::map<Pair, uint64_t> cut_counts_;  // a segment is lost if this changes while it is under way
};

}  // namespace openelb::io

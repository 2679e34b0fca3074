#pragma once
// UDP over links in memory and virtual time: hosts with interfaces, and the faults of real links.
//
// Life of a datagram: Send finds the host that has the address, draws whether the datagram is lost,
// and delivers it one delay later to the sockets of that address, interface and port, unless a cut
// has come up meanwhile. It may overtake others when the delay shrinks.

#include <functional>
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
#include "speaker/io/udp.h"

namespace openelb::io {

class SimUdp {
 public:
  // Sees every datagram as it is sent, with the hosts it goes from and to.
  using Tap = std::function<void(absl::string_view from, absl::string_view to, const Datagram&)>;

  SimUdp(Scheduler* scheduler, uint64_t seed) : scheduler_(scheduler), random_(seed) {}
  // Every process must be gone before.
  ~SimUdp();

  // Any host reaches any address of any other, unless the pair is cut.
  void SetAddresses(const std::string& host, std::vector<InterfaceAddress> addresses);
  // A new process on a host that has been named. Its sockets go with the returned object.
  std::unique_ptr<Udp> Start(absl::string_view host);

  // One-way delay between two hosts; 1 ms where not set.
  void SetDelay(absl::string_view a, absl::string_view b, absl::Duration delay);
  // The part of the datagrams between two hosts that is lost: 0 .. 1.
  void SetLoss(absl::string_view a, absl::string_view b, double part);
  // Loses all that goes from one host to another, also what is on its way.
  void CutOneWay(absl::string_view from, absl::string_view to);
  void Cut(absl::string_view a, absl::string_view b);
  // Loses all that goes to a port from now on.
  void LosePort(uint16_t port) { lost_ports_.insert(port); }
  void Heal(absl::string_view a, absl::string_view b);
  // A host reads a datagram a millisecond after it came, and so many of one port wait until then;
  // more are lost. Else there is no bound.
  void SetReceiveQueue(const std::string& host, size_t datagrams) { queues_[host] = datagrams; }
  // Sockets so far, of all hosts.
  uint64_t opened() const { return next_id_ - 1; }
  void SetTap(Tap tap) { tap_ = std::move(tap); }
  // Delivers a datagram to a host as if it came from its `remote`, with its `ttl`, to its `local`,
  // now.
  void Inject(absl::string_view host, const Datagram& datagram, uint16_t port);

 private:
  class Process;
  struct Host {
    std::vector<InterfaceAddress> addresses;
    std::vector<Process*> processes;
  };
  using Way = std::pair<std::string, std::string>;

  Host& HostNamed(absl::string_view name) { return hosts_.find(name)->second; }
  static Way Unordered(absl::string_view a, absl::string_view b);
  void Carry(const std::string& from, Datagram datagram, const IpAddress& remote, uint16_t port);
  void Arrive(const std::string& to, const Datagram& datagram, uint16_t port);
  void Deliver(const std::string& to, const Datagram& datagram, uint16_t port);

  Scheduler* scheduler_;
  SeededRandom random_;
  Tap tap_;
  std::map<std::string, Host, std::less<>> hosts_;
  UdpId next_id_ = 1;
  std::map<Way, absl::Duration> delays_;
  std::map<Way, double> losses_;
  std::set<Way> cuts_;  // directed, unlike the others
  std::set<uint16_t> lost_ports_;
  std::map<std::string, size_t> queues_;  // how many may wait
  std::map<std::pair<std::string, uint16_t>, size_t> waiting_;
};

}  // namespace openelb::io

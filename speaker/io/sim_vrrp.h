#pragma once
// One Ethernet segment in memory and virtual time, as far as VRRP sees it: hosts with one NIC each,
// packets that take a while, and the faults that real segments have. Each process on a host sees it
// through the same VrrpIo as it sees the kernel.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/scheduler.h"
#include "speaker/io/vrrp_io.h"

namespace openelb::io {

class SimVrrpSegment {
 public:
  // Of the one interface each host has.
  static constexpr int kIndex = 2;
  static constexpr char kName[] = "eth0";

  explicit SimVrrpSegment(Scheduler* scheduler) : scheduler_(scheduler) {}

  // `name` must be new. The addresses are those of its NIC.
  void AddHost(const std::string& name, std::vector<InterfaceAddress> addresses);
  // A new process on `host`, one at a time. Its end is the returned object's: what it held stays on
  // the NIC, as after a crash.
  std::unique_ptr<VrrpIo> Start(absl::string_view host);

  // One-way delay of every packet sent from now on; 1 ms at first.
  void SetDelay(absl::Duration delay) { delay_ = delay; }
  // Loses everything between two hosts, both ways and silently, until Heal.
  void Cut(absl::string_view a, absl::string_view b);
  void Heal(absl::string_view a, absl::string_view b);
  // The cable is pulled: packets are lost and the host notices.
  void SetCarrier(absl::string_view host, bool carrier);
  // While false, Hold on the host fails and changes nothing.
  void SetHoldWorks(absl::string_view host, bool works);
  // While slow, packets wait at the host until its process asks for them (Deliver).
  void SetSlow(absl::string_view host, bool slow) { HostNamed(host).slow = slow; }
  // What is on the NIC beyond the host's own addresses.
  const std::set<IpAddress>& Held(absl::string_view host) const;
  // Names of the hosts that hold an address, sorted.
  std::vector<std::string> Holders(const IpAddress& address) const;

 private:
  class Process;
  struct Host {
    Interface interface;
    std::set<IpAddress> held;
    Process* process = nullptr;
    bool hold_works = true;
    bool slow = false;
    std::vector<std::function<void()>> waiting;  // calls that hand packets over
  };

  Host& HostNamed(absl::string_view name);
  void Send(const std::string& from, const IpAddress& source, const IpAddress& destination,
            std::span<const uint8_t> payload);

  Scheduler* scheduler_;
  absl::Duration delay_ = absl::Milliseconds(1);
  std::map<std::string, Host, std::less<>> hosts_;
  std::set<std::pair<std::string, std::string>> cuts_;  // both orders
};

}  // namespace openelb::io

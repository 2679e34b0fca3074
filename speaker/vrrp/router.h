#pragma once
// One virtual router: the state machine of RFC 9568 section 6 (version 3) and RFC 3768 section 6
// (version 2), without sockets or a clock. Time, packets and the state of the link come in; packets
// to send, addresses to hold and to announce come out.
//
//   state       leaves it when                                                   to
//   INITIALIZE  it is started and the link is up                                 BACKUP
//   BACKUP      no ADVERTISEMENT for Active_Down_Interval, or for Skew_Time      ACTIVE
//               after the Active released the addresses (priority 0)
//   ACTIVE      an ADVERTISEMENT has a higher priority, or the same and a        BACKUP
//               higher source address
//   BACKUP, ACTIVE  it is stopped (an Active says so with priority 0) or the     INITIALIZE
//               link goes down
//
// While ACTIVE, its addresses are on the NIC: Accept_Mode is always true, since what answers for a
// Service is the node itself. Its own addresses are never the virtual ones, so priority 255 and the
// way it has into ACTIVE are left out.
//
// Skew_Time = (256 - priority) / 256 of the interval and Active_Down_Interval = 3 intervals +
// Skew_Time: the best Backup is the first to notice. In version 3 the interval is the one that the
// Active advertises; in version 2 it is our own (the skew: of one second), and an Active with
// another is not heard.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/ip.h"
#include "speaker/vrrp/counters.h"
#include "speaker/vrrp/packet.h"

namespace openelb::vrrp {

struct RouterConfig {
  // Who it is. The link knows it by these three; they never change.
  std::string interface;
  Family family = Family::kV4;
  uint8_t vrid = 0;

  // What may change while it runs, without leaving ACTIVE.
  std::string name;  // for people
  int version = 3;
  uint8_t priority = 100;                      // 1..254
  absl::Duration interval = absl::Seconds(1);  // version 3: 10 ms..40.95 s in steps of 10 ms;
                                               // version 2: 1 s..255 s in steps of 1 s
  bool preempt = false;                        // take over from an Active of lower priority
  // At least one, none twice; packets list as many as fit. A router of IPv6 has VirtualLinkLocal as
  // well, as its first.
  std::vector<IpAddress> addresses;
  std::vector<IpAddress> unicast_peers;  // speak with these; empty: with the multicast group
  bool operator==(const RouterConfig&) const = default;
};
// InvalidArgument naming router, field and value.
absl::Status CheckRouterConfig(const RouterConfig& config);
// fe80::6f65:6c62:0:VRID, the VRID in hex: the link-local address of a virtual router of ours. RFC
// 9568 5.2.9 wants one first in every ADVERTISEMENT of IPv6; that of a Service is none. It is not
// made of the virtual MAC address (7.3): other implementations do that, and their hosts may have it
// as their default router, which is not ours to answer for where two routers meet with one VRID.
IpAddress VirtualLinkLocal(uint8_t vrid);
bool IsVirtualLinkLocal(const IpAddress& address);
// "VRRP router NAME (VRID 51, IPv4, eth0): what"
std::string SentenceOf(const RouterConfig& config, absl::string_view what);

enum class RouterState : uint8_t { kInitialize, kBackup, kActive };
absl::string_view RouterStateName(RouterState state);  // "ACTIVE"

// Why a router changed its state.
enum class Reason : uint8_t {
  kStarted,
  kActiveSilent,
  kActiveReleased,
  kHigherPriority,
  kHigherAddress,
  kLinkDown,
  kStopped,
};
absl::string_view ReasonName(Reason reason);  // "active_silent"

// What a router wants of its shell, in this order. What it wants on the NIC is held().
struct RouterOutput {
  struct Transmission {
    IpAddress source;
    IpAddress destination;
    Bytes payload;
  };
  struct Transition {
    RouterState from;
    RouterState to;
    Reason reason;
    std::string text;  // one sentence that names the router
  };
  std::vector<Transition> transitions;
  std::vector<Transmission> send;
  bool held_changed = false;
  // Addresses whose neighbours are to be told (again) that they are here: a burst of gratuitous ARP
  // or unsolicited neighbour advertisements, and its repeats for as long as they are held.
  std::vector<IpAddress> announce;
  bool empty() const {
    return transitions.empty() && send.empty() && !held_changed && announce.empty();
  }
};

class Router {
 public:
  // Rivals are answered with new announcements at most this often, the last of them too.
  static constexpr absl::Duration kAnnounceAgain = absl::Seconds(1);

  // `config` is good. `counters` are shared by all routers of a speaker. Starts in INITIALIZE, with
  // the link down.
  Router(RouterConfig config, Counters* counters);

  // ---- events ----
  void Start(absl::Duration now);
  void Stop();
  // The address that our packets come from (IPv6: link-local), and so up; nothing: the link is down
  // or has no such address.
  void SetLink(const std::optional<IpAddress>& primary, absl::Duration now);
  // `config` is good and of the same interface, family and VRID.
  void Configure(const RouterConfig& config, absl::Duration now);
  // A packet of this router's interface, family and VRID.
  void Receive(const PacketHeader& header, const Advertisement& message, absl::Duration now);
  // Runs the timer that is due. What has been received goes first: late is not silent.
  void Tick(absl::Duration now);
  absl::Duration NextWakeup() const;

  // ---- output ----
  RouterOutput TakeOutput();

  // ---- view ----
  const RouterConfig& config() const { return config_; }
  RouterState state() const { return state_; }
  // What is to be on the NIC now.
  std::span<const IpAddress> held() const;
  // Whom we take for the Active: ourselves, or who was heard last and is not overdue.
  std::optional<IpAddress> active() const;
  uint8_t active_priority() const;  // 0: none is known
  absl::Duration SkewTime() const;
  absl::Duration ActiveDownInterval() const;

 private:
  struct Heard {
    IpAddress source;
    uint8_t priority = 0;
  };

  void StartOrStop(absl::Duration now);
  void ReceiveInBackup(const Heard& heard, absl::Duration interval, absl::Duration now);
  void ReceiveInActive(const Heard& heard, absl::Duration interval, absl::Duration now);
  void FollowActive(const Heard& heard, absl::Duration interval, absl::Duration now);
  void BecomeActive(absl::Duration now);
  void BecomeBackup(Reason reason, absl::string_view what);
  void BecomeInitialize(Reason reason, absl::string_view what);
  void SetState(RouterState state, Reason reason, absl::string_view what);
  void Send(uint8_t priority);
  void SendAndWait(absl::Duration now);
  void Announce(absl::Duration now);
  void AnnounceIfContested(absl::Duration now);
  void Drop(absl::string_view reason) { ++counters_->dropped[std::string(reason)]; }
  // Of the Active as we know it: learned from it or, before that and in version 2, our own.
  absl::Duration ActiveInterval() const;

  RouterConfig config_;
  std::vector<IpAddress> all_addresses_;  // of the virtual router, in the order of its packets
  Counters* counters_;
  bool running_ = false;
  std::optional<IpAddress> primary_;  // while the link is up
  RouterState state_ = RouterState::kInitialize;

  // BACKUP: since when nothing has been heard, of whom and how often it was.
  absl::Duration silent_since_;
  std::optional<Heard> heard_;
  std::optional<absl::Duration> learned_interval_;
  bool released_ = false;

  // ACTIVE.
  absl::Duration send_at_;
  absl::Duration announce_again_at_;
  bool contested_ = false;  // a rival was heard since the last announcement

  RouterOutput output_;
};

}  // namespace openelb::vrrp

#pragma once
// The owner of addresses on one interface: answers ARP requests (RFC 826) and neighbour
// solicitations (RFC 4861 7.2) for them, announces them, and hears who else claims them (RFC 5227
// 2.4, RFC 4862 5.4). Who owns an address is decided elsewhere; nothing is configured on the
// interface. No socket and no clock inside: frames and time come in, frames and wishes come out.
//
//   an address is  because of                       and leaves that when
//   probed         Probe                            another station has it or wants it, or none
//                                                   answered in time (both end in `probed`); Own;
//                                                   Stop
//   owned          Own                              Stop
//
// Life of an owned address: it is announced at once and some more times within seconds, because the
// first frames may meet a switch that is still learning, then once in a while for caches that
// missed all of that. The first announcement is the one frame that nearly everybody heeds. From the
// second time on, a gratuitous ARP reply follows for the others, and a question for the address:
// another station that has it answers us, although it may never have reason to broadcast.
// Announcements and probes of thousands of addresses leave at a bounded rate, first announcements
// before the repetitions of others; answers are never held back.

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/time/time.h"
#include "api/base/ip.h"
#include "api/base/mac.h"
#include "api/base/random.h"
#include "api/base/wire.h"
#include "speaker/io/interface.h"
#include "speaker/layer2/counters.h"

namespace openelb::layer2 {

struct Timing {
  // When an address is announced, counted from the take-over; ascending.
  std::vector<absl::Duration> announce_after = {absl::ZeroDuration(), absl::Milliseconds(100),
                                                absl::Milliseconds(500), absl::Seconds(1),
                                                absl::Seconds(3)};
  // And then once in about this time (a quarter more or less); InfiniteDuration: never again.
  absl::Duration announce_every = absl::Seconds(60);
  // So many announcements and probes, or a few more, leave within one tick: 20,000 frames/s. A tick
  // that comes late, as on a busy machine, makes up for up to `late_ticks`.
  int frames_per_tick = 100;
  int late_ticks = 4;
  absl::Duration tick = absl::Milliseconds(5);
  // An address is free when so many probes found nobody. RFC 5227 waits ten times as long, for
  // hosts that come up together after a power failure; here a node waits to serve.
  int probes = 3;
  absl::Duration probe_interval = absl::Milliseconds(200);
  // A conflict that goes on is reported so often, and is over when nothing was heard for so long.
  absl::Duration conflict_interval = absl::Seconds(1);
  absl::Duration conflict_over = absl::Minutes(3);
};

// Who answers questions for owned addresses.
enum class Answering : uint8_t {
  kHere,
  kByKernel,  // it has the addresses on the interface; here they are announced and watched
};

enum class ProbeOutcome : uint8_t {
  kFree,
  kTaken,      // another station has the address
  kContended,  // another station probes for it, too
};

struct ProbeResult {
  IpAddress address;
  ProbeOutcome outcome = ProbeOutcome::kFree;
  MacAddress mac;  // the other station's
  bool operator==(const ProbeResult&) const = default;
};

enum class ConflictPhase : uint8_t { kBegun, kGoesOn, kOver };

// Another station claims an owned address.
struct Conflict {
  IpAddress address;
  MacAddress mac;  // the other station's
  ConflictPhase phase = ConflictPhase::kBegun;
  bool operator==(const Conflict&) const = default;
};

// An IPv6 multicast group that addresses need from now on, or no longer.
struct GroupChange {
  IpAddress group;
  bool join = false;
  bool operator==(const GroupChange&) const = default;
};

// What a responder wants of its shell.
struct ResponderOutput {
  std::vector<GroupChange> groups;
  std::vector<Bytes> frames;
  std::vector<ProbeResult> probed;
  std::vector<Conflict> conflicts;
  bool empty() const {
    return groups.empty() && frames.empty() && probed.empty() && conflicts.empty();
  }
};

class Responder {
 public:
  // Other stations per address that are told apart; those beyond are counted only.
  static constexpr size_t kMaxRivals = 8;

  // `random` and `counters` outlive it. The interface is down until SetInterface says otherwise.
  Responder(Timing timing, Random* random, Counters* counters,
            Answering answering = Answering::kHere)
      : timing_(std::move(timing)), answering_(answering), random_(random), counters_(counters) {}

  // When frames pass again, or another MAC is in use, probes start over and owned addresses are
  // announced as if just taken. An owner that may have been replaced meanwhile is to be stopped
  // before.
  void SetInterface(const io::Interface& interface, absl::Duration now);

  // `address` is a unicast one everywhere. Each call is without effect on an address that is in
  // the state it asks for.
  void Own(const IpAddress& address, absl::Duration now);
  // Asks who has the address and answers nobody; `probed` says what came of it, once. Without
  // effect on an owned address. While no frames pass, there is no result.
  void Probe(const IpAddress& address, absl::Duration now);
  // Announces an owned address as if just taken: to be used against a rival that has to give way.
  void Announce(const IpAddress& address, absl::Duration now);
  // Announces an owned address once more at `due`, in a single frame, so that whoever else owns it
  // is met; without effect if it is to be announced before.
  void Remind(const IpAddress& address, absl::Duration due);
  // Announcements and probes of the last output that did not leave: they are due again a tick
  // later, unless the address is no longer owned or probed then.
  void TakeBack(std::span<const Bytes> frames, absl::Duration now);
  // At once and without a word; conflicts about the address are forgotten.
  void Stop(const IpAddress& address);

  // A frame that the interface received.
  void OnFrame(std::span<const uint8_t> frame, absl::Duration now);
  void Tick(absl::Duration now);
  absl::Duration NextWakeup() const;
  ResponderOutput TakeOutput() { return std::exchange(output_, {}); }
  bool has_output() const { return !output_.empty(); }
  // The frames alone: answers, when called after OnFrame.
  std::vector<Bytes> TakeFrames() { return std::exchange(output_.frames, {}); }

  bool Owns(const IpAddress& address) const;
  std::vector<IpAddress> Owned() const;  // sorted
  // Adds what was done for each owned address.
  void AddCounts(std::map<IpAddress, AddressCounts>* counts) const;
  // All groups joined and not left, for an interface that has to be set up anew.
  std::vector<IpAddress> Groups() const;
  // Nothing is owned or probed.
  bool idle() const { return addresses_.empty(); }

 private:
  struct Rival {
    absl::Duration heard_at;
    absl::Duration reported_at;
  };
  struct Address {
    bool owned = false;     // else it is probed
    bool reminder = false;  // the next announcement is a single frame, and beyond those counted
    size_t sent = 0;        // announcements since it was taken, or probes
    AddressCounts counts;
    absl::Duration since;
    absl::Duration due;  // of the next of these; its place in `due_`
    std::map<MacAddress, Rival> rivals;
    absl::Duration rivals_due;  // its place in `rivals_due_`, while there are any
  };
  using Addresses = absl::btree_map<IpAddress, Address>;
  using Timers = absl::btree_set<std::pair<absl::Duration, IpAddress>>;

  void Add(const IpAddress& address, bool owned, absl::Duration now);
  void Remove(Addresses::iterator it);
  void Restart(Addresses::iterator it, absl::Duration now);
  void Schedule(Addresses::iterator it, absl::Duration due);
  void SendDue(Addresses::iterator it, absl::Duration now);
  void SendAnnouncement(Addresses::iterator it, bool brief);
  void SendProbe(const IpAddress& address);
  void SendQuestion(const IpAddress& address);
  absl::Duration NextAnnouncement(const Address& address, absl::Duration now);
  void StartTick(absl::Duration now);

  void OnArp(const arp::Packet& packet, absl::Duration now);
  void OnNdp(const ndp::Packet& packet, absl::Duration now);
  bool IsForUs(const MacAddress& destination) const;
  // Another station says that it has `address`.
  void OnClaim(const IpAddress& address, const MacAddress& mac, absl::Duration now);
  void EndProbe(Addresses::iterator it, ProbeOutcome outcome, const MacAddress& mac);
  void ForgetRivals(Addresses::iterator it, absl::Duration now);

  const Timing timing_;
  const Answering answering_;
  Random* random_;
  Counters* counters_;
  io::Interface interface_;

  Addresses addresses_;
  std::map<IpAddress, int> groups_;  // how many addresses need each
  Timers due_;
  Timers rivals_due_;  // when a conflict may be over, for each address with rivals
  absl::Duration tick_end_;
  int tick_frames_ = 0;  // sent in this tick; negative: that many may go beyond the rate
  ResponderOutput output_;
};

}  // namespace openelb::layer2

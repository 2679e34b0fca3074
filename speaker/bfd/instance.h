#pragma once
// The BFD sessions of a node over UDP (RFC 5881): which sessions there are, which of them a packet
// is for, and their sockets.
//
// A session is named by the peer's address and the interface. A packet is for the session whose
// discriminator it carries, or, while its sender does not know that yet, for the session of its
// source address and interface. All sessions of one interface and family receive on one socket of
// port 3784; each sends from a port of its own.
//
// A session that is no longer configured goes on for a while, unless it is down: its peer is told
// of the change by the same plan, a little earlier or later, and must not take it for a failure.
// Then it ends with AdminDown.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/bfd/counters.h"
#include "speaker/bfd/session.h"
#include "speaker/io/udp.h"

namespace openelb::bfd {

struct SessionKey {
  IpAddress peer;
  std::string interface;
  std::string ToString() const;  // "10.0.0.2 on eth0"
  friend auto operator<=>(const SessionKey&, const SessionKey&) = default;
};

struct PeerConfig {
  SessionKey key;
  IpAddress local;  // our address on the interface, of the peer's family
  SessionConfig session{};
  bool operator==(const PeerConfig&) const = default;
};

// What is known of one configured session.
struct SessionView {
  SessionKey key;
  State state = State::kDown;
  State remote_state = State::kDown;
  Diagnostic diagnostic = Diagnostic::kNone;
  Diagnostic remote_diagnostic = Diagnostic::kNone;
  absl::Time since;  // of `state`
  absl::Duration detection_time;
  absl::Duration transmit_interval;
  std::string problem;  // why it cannot send or receive; empty: it can
};

// Told at the end of the call that changed something. May read from the Instance, must not change
// it.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnSessionChanged(const SessionKey& key, const Transition& transition) = 0;
};

// Not thread-safe: one owner thread, the one that calls the handler of `udp`. The owner calls Tick
// at the time NextWakeup names, or earlier, and after the datagrams that wait: those are not late.
// All pointers outlive the instance.
class Instance final : public io::UdpHandler {
 public:
  static constexpr uint16_t kPort = 3784;
  // How long a session goes on that is no longer configured.
  static constexpr absl::Duration kLinger = absl::Seconds(10);

  Instance(io::Udp* udp, const Clock* clock, Random* random, Logger* logger, Observer* observer);
  // Ends without a word; Stop says goodbye.
  ~Instance() override;

  // These are the sessions from now on: new ones start, changed ones take the change without going
  // down, the others end. Returns a sentence for each that cannot be taken as it is: it stays as it
  // was before, if it was.
  std::vector<std::string> Apply(const std::vector<PeerConfig>& peers);
  // The node's interfaces or their addresses changed.
  void OnInterfacesChanged();
  void Tick();
  // In the clock's monotonic time; infinite: not before something happens.
  absl::Duration NextWakeup() const;
  // Tells every peer AdminDown and forgets all sessions.
  void Stop();

  // Sorted by key.
  std::vector<SessionView> Sessions() const;
  const Counters& counters() const { return counters_; }

  void OnDatagram(const io::Datagram& datagram) override;

 private:
  struct Peer {
    Peer(PeerConfig peer, uint32_t discriminator, Random* random, absl::Time now)
        : config(std::move(peer)), session(config.session, discriminator, random), since(now) {}

    PeerConfig config;
    Session session;
    absl::Time since;
    std::optional<io::UdpId> socket;  // that it sends from
    std::string problem;
    absl::Duration ends_at = absl::InfiniteDuration();  // finite: no longer configured
  };
  using Link = std::pair<std::string, Family>;
  struct Listener {
    std::optional<io::UdpId> socket;
    std::string problem;
  };

  static Link LinkOf(const PeerConfig& config);
  uint32_t NewDiscriminator();
  std::optional<Drop> Dispatch(const io::Datagram& datagram);
  // The session that a packet is for; nullptr: `drop` says why there is none.
  Peer* Find(const io::Datagram& datagram, const Packet& packet, Drop* drop);
  // Carries out what a session asks for.
  void Pump(Peer* peer);
  void End(Peer* peer);
  void RemoveEnded();
  void OpenSockets();
  void OpenListener(const Link& link, Listener* listener);
  void OpenSender(Peer* peer);
  void CloseSender(Peer* peer);
  void Notify();
  absl::Duration now() const { return clock_->Monotonic(); }

  io::Udp* udp_;
  const Clock* clock_;
  Random* random_;
  Logger* logger_;
  Observer* observer_;
  Counters counters_;
  std::map<SessionKey, Peer> peers_;
  std::map<uint32_t, Peer*> by_discriminator_;
  std::map<Link, Listener> listeners_;
  absl::Duration retry_at_ = absl::InfiniteDuration();      // while a socket is missing
  std::vector<std::pair<SessionKey, Transition>> changes_;  // to tell the observer of
};

}  // namespace openelb::bfd

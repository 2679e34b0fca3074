#pragma once
// The BGP speaker of one node: it keeps one session per peer of the plan, listens for those peers,
// and carries octets between the sessions and the kernel. All protocol lives in Session; this is
// the shell around it.
//
// Life of a plan: Apply compares it with what runs. Listeners open and close without touching a
// session; a peer's change goes to its session alone, at once when it can act live, and as a reset
// of that session, one session at a time, when its OPEN must change. Routes go to every session's
// Adj-RIB-Out, whose UPDATEs leave as fast as the peer reads them.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "api/plan/v1/plan.pb.h"
#include "speaker/bgp/counters.h"
#include "speaker/bgp/listeners.h"
#include "speaker/bgp/route_index.h"
#include "speaker/bgp/session.h"
#include "speaker/io/io.h"
#include "speaker/link/plan_state.h"

namespace openelb::bgp {

// Told at the end of the call that changed something. May read from the Instance, must not change
// it.
class Observer {
 public:
  virtual ~Observer() = default;
  // The session with `peer` changed its state, or why it is down.
  virtual void OnSessionChanged(const Neighbor& peer) = 0;
  // The peer's TCP has acknowledged the UPDATEs of a newer plan: PeerObserved.on_wire moved on.
  virtual void OnWireAdvanced(const Neighbor& peer) { (void)peer; }
};

// Not thread-safe: one owner thread. The owner forwards every Io event to it (connections it does
// not know are ignored), and calls Tick at the time NextWakeup names or earlier. All pointers
// outlive the instance.
class Instance final : public io::IoHandler {
 public:
  Instance(io::Io* io, const Clock* clock, Random* random, Logger* logger, Observer* observer);
  ~Instance() override;

  // `plan` is what the speaker now holds and `changes` what differs from the last call; the first
  // call names everything. It is the same object in every call: UPDATEs are built from it as
  // sockets drain, so it stays alive and changes only right before the next call.
  void Apply(const link::PlanState& plan, const link::PlanChanges& changes);
  // Whether sessions may be reset now: the controller lets one speaker of a rack at a time. Without
  // a turn for kTurnPatience they are reset all the same.
  void SetResetTurn(bool turn);
  // Whether traffic went on while this process was away; before the first Apply. Peers that keep
  // routes over a restart drop them otherwise (RFC 4724 4.2).
  void SetForwardingKept(bool kept) { forwarding_kept_ = kept; }
  // Runs the timers that are due.
  void Tick();
  // When Tick is needed next, in the clock's monotonic time; infinite: not before something
  // happens.
  absl::Duration NextWakeup() const;
  // A router has been seen on the link of this interface: an unnumbered peer that is not
  // ESTABLISHED is there.
  void OnRouter(const std::string& interface, const IpAddress& router);
  // Asks every peer to move to other paths (GRACEFUL_SHUTDOWN, RFC 8326), for before Stop(kGood);
  // no Apply may follow until then. Whether some peer is there to hear it.
  bool Drain();
  // Ends every session in order (NOTIFICATION Cease, Administrative Shutdown) and stops listening.
  // Before a restart, peers that keep the routes for so long are told nothing (RFC 4724). Apply
  // starts anew.
  enum class StopFor { kRestart, kGood };
  void Stop(StopFor what);

  // All peers of the plan by address, and the problems of the instance itself.
  plan::v1::Observed Observed() const;
  const Counters& counters() const { return counters_; }

  void OnConnected(io::ConnId conn, const IpAddress& local) override;
  void OnAccepted(io::ConnId conn, const IpAddress& local, const IpAddress& remote) override;
  void OnData(io::ConnId conn, std::span<const uint8_t> data) override;
  void OnWritable(io::ConnId conn) override;
  void OnClosed(io::ConnId conn, const absl::Status& why) override;
  // An interface that came up may lead to a peer: sessions that wait to dial again do it now.
  void OnInterfacesChanged() override;

 private:
  // A session with its shell's bookkeeping.
  struct Peer {
    Peer(SessionConfig config, const link::PlanState* plan, Random* random, Counters* counters);
    const Neighbor& neighbor() const { return session.config().peer.neighbor; }
    // Nothing while it is not known where an unnumbered peer is.
    std::optional<IpAddress> address() const {
      return neighbor().unnumbered() ? router : neighbor().address;
    }

    Session session;
    std::optional<IpAddress> router;  // whom an unnumbered peer was last found to be
    std::optional<absl::Time> up_since;
    std::optional<absl::Time> down_since;
  };

  void ApplyPeer(const Neighbor& neighbor);
  void RemovePeer(const Neighbor& neighbor);
  // What the listeners ask of a peer; empty: nothing.
  void SetAuth(const IpAddress& address, const io::TcpAuth& auth);
  // Gives the connections of a session, which had the keys `before`, those that it has now.
  void RollOver(Peer* peer, const TcpAoKeys& before);
  // Why a connection from `remote` lacks what protects the session; empty: it has it.
  std::string Unprotected(io::ConnId conn, const IpAddress& remote, const link::BgpPeer& config);
  // One session reset at a time: the next when the last is ESTABLISHED again or took too long.
  void AdvanceResets();
  void Reject(io::ConnId conn, const IpAddress& remote, uint8_t cease_subcode,
              absl::string_view why);
  // Carries out what a session asks for until it asks for nothing more.
  void Pump(Peer* peer);
  void Dial(Peer* peer);
  // Whose connection that is; nullptr: nobody's.
  Peer* FindCaller(io::ConnId conn, const IpAddress& remote);
  // An unnumbered peer has this address from now on.
  void Meet(Peer* peer, const IpAddress& router);
  // As UpdateSource.
  absl::StatusOr<std::optional<IpAddress>> Source(const link::BgpPeer& config) const;
  // Why a connection to `local` is not the session's; empty: it may be.
  std::string WrongEnd(const IpAddress& local, const link::BgpPeer& config) const;
  void Flush(Peer* peer);
  void Report(Peer* peer, const SessionOutput& output);
  Peer* Find(io::ConnId conn);
  void Notify();
  absl::Duration now() const { return clock_->Monotonic(); }

  io::Io* io_;
  const Clock* clock_;
  Random* random_;
  Logger* logger_;
  Observer* observer_;
  const link::PlanState* plan_ = nullptr;
  Counters counters_;
  Listeners listeners_;
  RouteIndex index_;
  std::map<Neighbor, std::unique_ptr<Peer>> peers_;
  std::map<io::ConnId, Neighbor> conns_;
  struct Auth {
    io::TcpAuth auth;
    std::string problem;  // why the listeners did not take it
  };
  std::map<IpAddress, Auth> auth_;
  std::deque<Neighbor> resets_;  // waiting for their turn
  struct Resetting {
    Neighbor peer;
    absl::Duration deadline;
  };
  std::optional<Resetting> resetting_;
  bool reset_turn_ = false;
  bool forwarding_kept_ = true;
  absl::Duration turn_deadline_ = absl::InfiniteDuration();  // while resets_ waits for a turn
  std::set<Neighbor> changed_;                               // sessions to tell the observer of
  std::set<Neighbor> advanced_;                              // the same for what is on the wire
};

}  // namespace openelb::bgp

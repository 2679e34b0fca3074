#pragma once
// What speakers that watch each other say about addresses: who owns which. A datagram goes to one
// neighbour and is not acknowledged; whoever needs to be heard says it again. Two processes that do
// not know each other yet lose their first one, which is asked for once more (claim.h).

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/random.h"
#include "speaker/bfd/key_roll.h"
#include "speaker/io/udp.h"
#include "speaker/layer2/claim.h"
#include "speaker/link/plan_state.h"

namespace openelb::layer2 {

class ClaimsObserver {
 public:
  virtual ~ClaimsObserver() = default;
  // One authentic datagram of a neighbour. May call Send.
  virtual void OnClaims(const link::BfdName& from, std::span<const Claim> claims) = 0;
  // The neighbour could not take what it was told, and asks for all of it. May call Send.
  virtual void OnAsked(const link::BfdName& from) = 0;
};

// Datagrams, of all neighbours since the start.
struct ClaimCounters {
  uint64_t sent = 0;
  uint64_t send_errors = 0;                     // that did not leave
  uint64_t received = 0;                        // accepted ones only
  std::array<uint64_t, kClaimDrops> dropped{};  // by ClaimDrop

  uint64_t DroppedFor(ClaimDrop reason) const { return dropped[static_cast<size_t>(reason)]; }
};

// Owner thread only, the one that calls the handler of `udp`. All pointers outlive it.
class Claims final : public io::UdpHandler {
 public:
  static constexpr uint16_t kPort = 50054;
  // How long a secret is accepted after the plan has replaced it.
  static constexpr absl::Duration kAcceptOld = absl::Seconds(30);
  // How often at most a neighbour is asked to say everything again.
  static constexpr absl::Duration kAskEvery = absl::Milliseconds(100);

  // Becomes the handler of `udp`.
  Claims(io::Udp* udp, const Clock* clock, Random* random, Logger* logger,
         ClaimsObserver* observer);
  ~Claims() override;

  // These may speak with us from now on, and are heard. A secret that changes is rolled as KeyRoll
  // says.
  void Apply(const std::map<link::BfdName, link::BfdSession>& peers);
  // In as many datagrams as it takes. How many of the first claims need not be said again: all of
  // them, also those to a neighbour that is not (or no longer) in the plan or where no socket is,
  // unless a datagram could not leave.
  size_t Send(const link::BfdName& to, std::span<const Claim> claims);
  // The node's interfaces or their addresses changed.
  void OnInterfacesChanged();
  // To be called at NextWakeup: sockets that could not be opened are tried again after a second.
  void Tick();
  absl::Duration NextWakeup() const { return retry_at_; }
  const ClaimCounters& counters() const { return counters_; }

  void OnDatagram(const io::Datagram& datagram) override;

 private:
  using Local = std::pair<std::string, IpAddress>;  // interface and our address on it
  struct Peer {
    Local local;
    bfd::KeyRoll secrets;
    uint64_t question;    // that a process that is not known yet must answer
    uint64_t life = 0;    // of the process that is known; 0: none
    uint64_t number = 0;  // of its last datagram
    uint64_t asked = 0;   // its last question
    absl::Duration ask_at = -absl::InfiniteDuration();  // not before
  };

  std::optional<ClaimDrop> Accept(const io::Datagram& datagram, ClaimMessage* message);
  // False: a socket that is there could not send it.
  bool SendOne(const link::BfdName& to, const Peer& peer, std::span<const Claim> claims,
               uint64_t answer);
  // Of a datagram that is authentic, but may be an old one.
  std::optional<ClaimDrop> CheckStamp(const link::BfdName& from, const ClaimStamp& stamp,
                                      Peer* peer);
  // Not 0, and nobody can guess it.
  uint64_t RandomNumber() { return random_->Next64() | 1; }
  void OpenSockets();
  void CloseSocket(std::optional<io::UdpId>* socket);
  absl::Duration now() const { return clock_->Monotonic(); }

  io::Udp* const udp_;
  const Clock* const clock_;
  Random* const random_;
  Logger* const logger_;
  ClaimsObserver* const observer_;
  ClaimCounters counters_;
  const uint64_t life_;
  uint64_t number_ = 0;  // of the last datagram sent
  std::map<link::BfdName, Peer> peers_;
  std::map<Local, std::optional<io::UdpId>> sockets_;
  absl::Duration retry_at_ = absl::InfiniteDuration();  // while one is missing
};

}  // namespace openelb::layer2

#pragma once
// What speakers that watch each other say about addresses: who owns which. A datagram goes to one
// neighbour and is not acknowledged; whoever needs to be heard says it again.

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

  // Becomes the handler of `udp`.
  Claims(io::Udp* udp, const Clock* clock, Logger* logger, ClaimsObserver* observer);
  ~Claims() override;

  // These may speak with us from now on, and are heard. A secret that changes is rolled as KeyRoll
  // says.
  void Apply(const std::map<link::BfdName, link::BfdSession>& peers);
  // In as many datagrams as it takes. A neighbour that is not (or no longer) in the plan is
  // ignored.
  void Send(const link::BfdName& to, std::span<const Claim> claims);
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
    uint64_t heard = 0;  // the last stamp
  };

  std::optional<ClaimDrop> Accept(const io::Datagram& datagram, ClaimMessage* message);
  void SendOne(const link::BfdName& to, const Peer& peer, std::span<const Claim> claims);
  void OpenSockets();
  void CloseSocket(std::optional<io::UdpId>* socket);
  absl::Duration now() const { return clock_->Monotonic(); }

  io::Udp* const udp_;
  const Clock* const clock_;
  Logger* const logger_;
  ClaimsObserver* const observer_;
  ClaimCounters counters_;
  uint64_t stamp_ = 0;  // of the last datagram sent
  std::map<link::BfdName, Peer> peers_;
  std::map<Local, std::optional<io::UdpId>> sockets_;
  absl::Duration retry_at_ = absl::InfiniteDuration();  // while one is missing
};

}  // namespace openelb::layer2

#pragma once
// One BFD session: the state machine of RFC 5880 section 6.2 in asynchronous mode, without sockets
// or a clock. Time and packets come in; packets to send and changes of state come out.
//
//   state      a packet says    to      otherwise
//   Down       Down             Init
//              Init             Up
//   Init       Init, Up         Up      detection time expires: Down
//   Up         Down             Down    detection time expires: Down
//   Init, Up   AdminDown        Down    not a failure: the neighbour hands over
//   all        (ignored)        -       configured down: AdminDown; AdminDown and no longer so:
//   Down
//
// Times (6.8.2, 6.8.3, 6.8.7). We send every max(our transmit interval, what the neighbour can
// receive), less a jitter; while not Up no faster than once a second; and at once when the state
// changed. The neighbour is given up when its multiplier times max(its transmit interval, what we
// can receive) has passed in silence. A change of our intervals is told by a Poll Sequence; what
// would make either end wait too little meanwhile (sending less often, expecting more often) waits
// for its end. A neighbour in demand mode gets periodic packets only during a Poll Sequence (6.6).
//
// We take the active role, offer neither echo nor demand mode, and never say that BFD survives the
// control plane (C bit).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/random.h"
#include "speaker/bfd/authentication.h"
#include "speaker/bfd/packet.h"

namespace openelb::bfd {

struct SessionConfig {
  // How often we want to send, and how often we are ready to receive: 10 ms .. 60 s.
  absl::Duration desired_min_tx = absl::Milliseconds(100);
  absl::Duration required_min_rx = absl::Milliseconds(100);
  uint8_t detect_mult = 3;  // 1..255: how many of our packets may be lost in a row, plus one
  Authentication authentication{};
  bool admin_down = false;
  bool operator==(const SessionConfig&) const = default;
};
// InvalidArgument that names field and value.
absl::Status CheckSessionConfig(const SessionConfig& config);

// Why a session changed its state.
enum class Reason : uint8_t {
  kHandshake,             // the neighbour answers
  kDetectionTimeExpired,  // the neighbour has been silent
  kNeighborSignaledDown,  // the neighbour no longer hears us, or started anew
  kNeighborAdminDown,     // the neighbour hands over
  kAdminDown,             // configured
  kEnabled,               // no longer configured down
};
absl::string_view ReasonName(Reason reason);  // "detection_time_expired"

struct Transition {
  State from = State::kDown;
  State to = State::kDown;
  Reason reason = Reason::kHandshake;
  bool operator==(const Transition&) const = default;
};

// What a session wants of its shell.
struct SessionOutput {
  std::vector<Bytes> packets;  // in the order to send
  std::vector<Transition> transitions;
};

class Session {
 public:
  // `discriminator` is not 0 and no other session's. `config` passes CheckSessionConfig, here and
  // below. Tick starts it.
  Session(SessionConfig config, uint32_t discriminator, Random* random);

  // Takes a new configuration without losing the session. (New keys: authentication.h says how.)
  void Configure(const SessionConfig& config, absl::Duration now);
  // `packet` and `octets` as DecodePacket gave them, found to be for this session. Why it was
  // dropped, if it was; it then changed nothing.
  std::optional<Drop> OnPacket(const Packet& packet, std::span<const uint8_t> octets,
                               absl::Duration now);
  void Tick(absl::Duration now);
  // When Tick is needed next, in the time that the other calls were given.
  absl::Duration NextWakeup() const;
  SessionOutput TakeOutput();

  const SessionConfig& config() const { return config_; }
  uint32_t discriminator() const { return discriminator_; }
  State state() const { return state_; }
  Diagnostic diagnostic() const { return diagnostic_; }
  // As the neighbour last said; Down before it said anything.
  State remote_state() const { return remote_.state; }
  Diagnostic remote_diagnostic() const { return remote_.diagnostic; }
  // 0: the neighbour is not heard.
  uint32_t remote_discriminator() const { return remote_.my_discriminator; }
  // How long the neighbour may be silent, and the longest time between our own packets; as
  // negotiated so far.
  absl::Duration DetectionTime() const;
  absl::Duration TransmitInterval() const;

 private:
  void Enter(State state, Reason reason, Diagnostic diagnostic);
  std::optional<Transition> AnswerTo(State remote) const;
  void StartPoll();
  void EndPoll();
  // What our packets say of our transmit interval.
  absl::Duration DesiredMinTx() const;
  absl::Duration NextTransmit() const;
  void Send(bool final, absl::Duration now);

  SessionConfig config_;
  const uint32_t discriminator_;
  Random* const random_;
  SessionOutput output_;

  State state_ = State::kDown;
  Diagnostic diagnostic_ = Diagnostic::kNone;
  Packet remote_;  // what the neighbour's last packet said
  absl::Duration last_received_ = -absl::InfiniteDuration();
  std::optional<uint32_t> last_sequence_;  // of the neighbour's packets
  uint32_t sequence_;                      // of our last packet

  absl::Duration last_sent_ = -absl::InfiniteDuration();
  double jitter_ = 1;  // of the time until the next periodic packet
  // Our intervals as they act now: they follow the configuration at the end of a Poll Sequence
  // where they must.
  absl::Duration tx_in_use_;
  absl::Duration rx_in_use_;
  bool poll_ = false;        // a Poll Sequence is under way
  bool poll_again_ = false;  // and the values have changed since it began
};

}  // namespace openelb::bfd

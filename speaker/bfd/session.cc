#include "speaker/bfd/session.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::bfd {
namespace {

// RFC 5880 6.8.3: while a session is not Up.
constexpr absl::Duration kSlow = absl::Seconds(1);
constexpr absl::Duration kShortest = absl::Milliseconds(10);
constexpr absl::Duration kLongest = absl::Seconds(60);

absl::Status CheckInterval(absl::string_view field, absl::Duration interval) {
  if (interval >= kShortest && interval <= kLongest) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " ", absl::FormatDuration(interval),
                                                 " is not within ", absl::FormatDuration(kShortest),
                                                 "..", absl::FormatDuration(kLongest)));
}

}  // namespace

absl::Status CheckSessionConfig(const SessionConfig& config) {
  absl::Status status = CheckInterval("transmit interval", config.desired_min_tx);
  status.Update(CheckInterval("receive interval", config.required_min_rx));
  if (config.detect_mult == 0) {
    status.Update(absl::InvalidArgumentError("detect multiplier 0 is not within 1..255"));
  }
  status.Update(CheckAuthentication(config.authentication));
  return status;
}

absl::string_view ReasonName(Reason reason) {
  static constexpr absl::string_view kNames[] = {
      "handshake",
      "detection_time_expired",
      "neighbor_signaled_down",
      "neighbor_admin_down",
      "admin_down",
      "enabled",
  };
  static_assert(std::size(kNames) == static_cast<size_t>(Reason::kEnabled) + 1);
  return kNames[static_cast<size_t>(reason)];
}

Session::Session(SessionConfig config, uint32_t discriminator, Random* random)
    : config_(std::move(config)),
      discriminator_(discriminator),
      random_(random),
      sequence_(static_cast<uint32_t>(random->Next64())) {
  // RFC 5880 6.8.1: what the neighbour is taken to say before it says anything.
  remote_.required_min_rx = absl::Microseconds(1);
  if (config_.admin_down) {
    state_ = State::kAdminDown;
    diagnostic_ = Diagnostic::kAdminDown;
  }
  tx_in_use_ = DesiredMinTx();
  rx_in_use_ = config_.required_min_rx;
}

// ---- events ----

void Session::Configure(const SessionConfig& config, absl::Duration now) {
  const SessionConfig old = std::exchange(config_, config);
  if (config_.authentication.type != old.authentication.type) last_sequence_.reset();
  if (config_.admin_down != old.admin_down) {
    if (config_.admin_down) {
      Enter(State::kAdminDown, Reason::kAdminDown, Diagnostic::kAdminDown);
    } else {
      Enter(State::kDown, Reason::kEnabled, Diagnostic::kNone);
    }
    Send(/*final=*/false, now);
  }
  if (config_.desired_min_tx == old.desired_min_tx &&
      config_.required_min_rx == old.required_min_rx) {
    return;
  }
  const bool up = state_ == State::kUp;
  tx_in_use_ = up ? std::min(tx_in_use_, DesiredMinTx()) : DesiredMinTx();
  rx_in_use_ = up ? std::max(rx_in_use_, config_.required_min_rx) : config_.required_min_rx;
  StartPoll();
}

std::optional<Drop> Session::OnPacket(const Packet& packet, std::span<const uint8_t> octets,
                                      absl::Duration now) {
  const std::optional<Drop> drop =
      Authenticate(config_.authentication, packet, octets, &last_sequence_);
  if (drop.has_value()) return drop;
  remote_ = packet;
  last_received_ = now;
  if (packet.final) EndPoll();
  if (state_ == State::kAdminDown) return std::nullopt;
  const std::optional<Transition> transition = AnswerTo(packet.state);
  if (transition.has_value()) {
    Enter(transition->to, transition->reason,
          transition->to == State::kDown ? Diagnostic::kNeighborSignaledDown : Diagnostic::kNone);
  }
  // The answer to a poll tells the new state as well.
  if (packet.poll || transition.has_value()) Send(/*final=*/packet.poll, now);
  return std::nullopt;
}

// RFC 5880 6.8.6: what the neighbour's state makes of ours.
std::optional<Transition> Session::AnswerTo(State remote) const {
  const auto to = [this](State state, Reason reason) { return Transition{state_, state, reason}; };
  if (remote == State::kAdminDown) {
    if (state_ == State::kDown) return std::nullopt;
    return to(State::kDown, Reason::kNeighborAdminDown);
  }
  switch (state_) {
    case State::kAdminDown:
      return std::nullopt;
    case State::kDown:
      if (remote == State::kDown) return to(State::kInit, Reason::kHandshake);
      if (remote == State::kInit) return to(State::kUp, Reason::kHandshake);
      return std::nullopt;
    case State::kInit:
      if (remote == State::kDown) return std::nullopt;
      return to(State::kUp, Reason::kHandshake);
    case State::kUp:
      if (remote == State::kDown) return to(State::kDown, Reason::kNeighborSignaledDown);
      return std::nullopt;
  }
  return std::nullopt;
}

void Session::Tick(absl::Duration now) {
  const absl::Duration silence = now - last_received_;
  if (remote_.my_discriminator != 0 && silence >= DetectionTime()) {
    remote_.my_discriminator = 0;
    poll_ = poll_again_ = false;
    if (state_ == State::kInit || state_ == State::kUp) {
      Enter(State::kDown, Reason::kDetectionTimeExpired, Diagnostic::kDetectionTimeExpired);
      Send(/*final=*/false, now);
    }
  }
  if (last_sequence_.has_value() && silence >= 2 * DetectionTime()) last_sequence_.reset();
  if (now >= NextTransmit()) Send(/*final=*/false, now);
}

absl::Duration Session::NextWakeup() const {
  absl::Duration next = NextTransmit();
  if (remote_.my_discriminator != 0) next = std::min(next, last_received_ + DetectionTime());
  if (last_sequence_.has_value()) next = std::min(next, last_received_ + 2 * DetectionTime());
  return next;
}

SessionOutput Session::TakeOutput() { return std::exchange(output_, {}); }

// ---- state ----

void Session::Enter(State state, Reason reason, Diagnostic diagnostic) {
  output_.transitions.push_back({state_, state, reason});
  const absl::Duration told = DesiredMinTx();
  state_ = state;
  diagnostic_ = diagnostic;
  tx_in_use_ = DesiredMinTx();
  rx_in_use_ = config_.required_min_rx;
  if (DesiredMinTx() != told) StartPoll();
}

// ---- times ----

void Session::StartPoll() {
  if (remote_.my_discriminator == 0) return;
  poll_again_ = poll_;
  poll_ = true;
}

void Session::EndPoll() {
  if (!poll_) return;
  poll_ = std::exchange(poll_again_, false);
  if (poll_) return;
  tx_in_use_ = DesiredMinTx();
  rx_in_use_ = config_.required_min_rx;
}

absl::Duration Session::DesiredMinTx() const {
  return state_ == State::kUp ? config_.desired_min_tx : std::max(kSlow, config_.desired_min_tx);
}

absl::Duration Session::DetectionTime() const {
  return remote_.detect_mult * std::max(rx_in_use_, remote_.desired_min_tx);
}

absl::Duration Session::TransmitInterval() const {
  return std::max(tx_in_use_, remote_.required_min_rx);
}

absl::Duration Session::NextTransmit() const {
  const bool demanded = remote_.demand && state_ == State::kUp && remote_.state == State::kUp;
  if (remote_.required_min_rx == absl::ZeroDuration() || (demanded && !poll_)) {
    return absl::InfiniteDuration();
  }
  return last_sent_ + TransmitInterval() * jitter_;
}

void Session::Send(bool final, absl::Duration now) {
  const Packet packet{.diagnostic = diagnostic_,
                      .state = state_,
                      .poll = poll_ && !final,
                      .final = final,
                      .authenticated = config_.authentication.type != AuthenticationType::kNone,
                      .detect_mult = config_.detect_mult,
                      .my_discriminator = discriminator_,
                      .your_discriminator = remote_.my_discriminator,
                      .desired_min_tx = DesiredMinTx(),
                      .required_min_rx = config_.required_min_rx};
  Bytes octets = EncodePacket(packet);
  if (packet.authenticated) Sign(config_.authentication, ++sequence_, &octets);
  output_.packets.push_back(std::move(octets));
  if (final) return;
  last_sent_ = now;
  // RFC 5880 6.8.7. With a multiplier of 1 the neighbour waits for a single packet.
  jitter_ = 0.75 + (config_.detect_mult == 1 ? 0.15 : 0.25) * random_->Uniform();
}

}  // namespace openelb::bfd

// Any course of a session: packets well and badly formed, signed and not, time, and changes of
// configuration. It never wants to run without end, and what it sends is always in order.
#include <algorithm>
#include <cstdlib>

#include "speaker/bfd/session.h"

namespace openelb::bfd {
namespace {

constexpr uint32_t kOurs = 7;

void Check(bool holds) {
  if (!holds) std::abort();
}

// The input as a source of choices; zeros once it is used up.
class Choices {
 public:
  explicit Choices(std::span<const uint8_t> data) : reader_(data) {}
  bool empty() const { return reader_.empty(); }
  uint8_t Next() {
    uint8_t value = 0;
    reader_.U8(&value);
    return value;
  }
  std::span<const uint8_t> Some() {
    std::span<const uint8_t> bytes;
    reader_.Take(std::min<size_t>(Next(), reader_.remaining()), &bytes);
    return bytes;
  }

 private:
  Reader reader_;
};

Authentication KeysOf(uint8_t choice) {
  const auto type =
      choice % 2 == 0 ? AuthenticationType::kMeticulousKeyedSha1 : AuthenticationType::kKeyedSha1;
  if (choice % 3 == 0) return {};
  return {type, {{choice, "k"}, {static_cast<uint8_t>(choice + 1), "l"}}};
}

SessionConfig ConfigOf(Choices* choices) {
  SessionConfig config;
  config.desired_min_tx = absl::Milliseconds(10 + 20 * choices->Next());
  config.required_min_rx = absl::Milliseconds(10 + 20 * choices->Next());
  config.detect_mult = std::max<uint8_t>(1, choices->Next());
  config.authentication = KeysOf(choices->Next() % 4);
  config.admin_down = choices->Next() % 5 == 0;
  return config;
}

// A packet of the neighbour that passes the decoder, signed as the session wants it.
Bytes PacketOf(Choices* choices, const Authentication& keys, uint32_t sequence) {
  const uint8_t flags = choices->Next();
  Packet packet{.diagnostic = static_cast<Diagnostic>(choices->Next() % 32),
                .state = static_cast<State>(flags >> 6),
                .poll = (flags & 1) != 0,
                .final = (flags & 2) != 0,
                .authenticated = keys.type != AuthenticationType::kNone,
                .demand = (flags & 4) != 0,
                .detect_mult = std::max<uint8_t>(1, choices->Next()),
                .my_discriminator = 1U + choices->Next(),
                .your_discriminator = kOurs,
                .desired_min_tx = absl::Milliseconds(10 * choices->Next()),
                .required_min_rx = absl::Milliseconds(10 * choices->Next())};
  Bytes octets = EncodePacket(packet);
  if (packet.authenticated) Sign(keys, sequence, &octets);
  return octets;
}

void CheckOutput(Session* session) {
  const SessionOutput output = session->TakeOutput();
  for (const Bytes& octets : output.packets) {
    Packet packet;
    std::span<const uint8_t> delimited;
    Check(!DecodePacket(octets, &packet, &delimited).has_value());
    Check(delimited.size() == octets.size());
    Check(!(packet.poll && packet.final));
    Check(packet.state == State::kUp || packet.desired_min_tx >= absl::Seconds(1));
    Check(packet.my_discriminator == kOurs);
  }
  for (const Transition& transition : output.transitions) Check(transition.from != transition.to);
  Check(session->state() != State::kUp || session->remote_discriminator() != 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Choices choices({data, size});
  SeededRandom random(1);
  Session session(ConfigOf(&choices), kOurs, &random);
  absl::Duration now;
  uint32_t sequence = 0;
  while (!choices.empty()) {
    switch (choices.Next() % 4) {
      case 0:
        now = std::max(
            now, std::min(session.NextWakeup(), now + absl::Milliseconds(10 * choices.Next())));
        session.Tick(now);
        Check(session.NextWakeup() > now);
        break;
      case 1: {
        const Bytes octets = PacketOf(&choices, session.config().authentication, ++sequence);
        Packet packet;
        std::span<const uint8_t> delimited;
        Check(!DecodePacket(octets, &packet, &delimited).has_value());
        session.OnPacket(packet, delimited, now);
        break;
      }
      case 2: {
        Packet packet;
        std::span<const uint8_t> delimited;
        if (!DecodePacket(choices.Some(), &packet, &delimited).has_value()) {
          session.OnPacket(packet, delimited, now);
        }
        break;
      }
      default: {
        const SessionConfig config = ConfigOf(&choices);
        Check(CheckSessionConfig(config).ok());
        session.Configure(config, now);
        break;
      }
    }
    CheckOutput(&session);
  }
  return 0;
}

}  // namespace openelb::bfd

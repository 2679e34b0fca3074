// Any sequence of packets, links, changes and time into one router: it stays consistent, what it
// sends can be read, and left alone it always becomes Active. The first octet chooses its
// configuration, then each octet an event.
#include <algorithm>
#include <cstdlib>

#include "speaker/vrrp/router.h"

namespace openelb::vrrp {
namespace {

void Expect(bool condition) {
  if (!condition) std::abort();
}

IpAddress Host(uint32_t last) { return IpAddress::FromV4(0xc0000200 + last); }

class World {
 public:
  explicit World(uint8_t choice) : config_(Config(choice)), router_(config_, &counters_) {
    Expect(CheckRouterConfig(config_).ok());
  }

  void SetLink(bool up) {
    primary_ = up ? std::optional(Host(5)) : std::nullopt;
    router_.SetLink(primary_, now_);
    Check();
  }
  void Start() {
    router_.Start(now_);
    Check();
  }
  void Stop() {
    router_.Stop();
    Expect(router_.state() == RouterState::kInitialize);
    Check();
  }
  void Configure(uint8_t choice) {
    config_ = Config(choice);
    const RouterState before = router_.state();
    router_.Configure(config_, now_);
    Expect(router_.state() == before);
    Check();
  }
  // As many timers as come due in up to so many tenths of the interval.
  void Pass(int tenths) {
    const absl::Duration end = now_ + config_.interval * tenths / 10;
    for (int i = 0; i < 20 && router_.NextWakeup() <= end; ++i) {
      now_ = std::max(now_, router_.NextWakeup());
      router_.Tick(now_);
      Expect(router_.NextWakeup() > now_ || router_.state() == RouterState::kBackup);
      Check();
    }
    now_ = std::max(now_, end);
    router_.Tick(now_);
    Check();
  }
  void Receive(uint8_t source, uint8_t priority, uint8_t interval) {
    const Advertisement message{
        interval % 5 == 0 ? 5 - config_.version : config_.version,
        51,
        priority,
        interval % 2 == 0 ? config_.interval : absl::Milliseconds(10) * (interval + 1),
        {Host(100)}};
    router_.Receive({Host(source % 8), MulticastGroup(Family::kV4), kTtl}, message, now_);
    Check();
  }
  // Whatever happened, silence ends as it should.
  void Recover() {
    SetLink(true);
    Start();
    const absl::Duration limit = now_ + router_.ActiveDownInterval();
    for (int i = 0; i < 10 && router_.state() != RouterState::kActive; ++i) {
      now_ = std::max(now_, router_.NextWakeup());
      router_.Tick(now_);
      Check();
    }
    Expect(router_.state() == RouterState::kActive && now_ <= limit);
  }

 private:
  static RouterConfig Config(uint8_t choice) {
    RouterConfig config;
    config.interface = "eth0";
    config.name = "vip";
    config.vrid = 51;
    config.version = (choice & 1) != 0 ? 2 : 3;
    config.preempt = (choice & 2) != 0;
    if ((choice & 4) != 0) config.unicast_peers = {Host(1), Host(7)};
    config.addresses = {Host(100)};
    if ((choice & 8) != 0) config.addresses.push_back(Host(101));
    config.priority = static_cast<uint8_t>(1 + (choice >> 4) * 16);
    config.interval = config.version == 2 ? absl::Seconds(1) : absl::Milliseconds(100);
    return config;
  }

  void Check() {
    const RouterOutput output = router_.TakeOutput();
    const bool active = router_.state() == RouterState::kActive;
    for (const auto& transition : output.transitions) {
      Expect(transition.from != transition.to && !transition.text.empty());
      Expect(transition.to != RouterState::kActive || output.held_changed);
    }
    for (const auto& send : output.send) {
      Expect(send.source == primary_);
      Advertisement message;
      Expect(!ParseAdvertisement({send.source, send.destination, kTtl}, send.payload, &message));
      Expect(message.vrid == 51 && message.addresses == config_.addresses);
    }
    Expect(output.announce.empty() || active);
    Expect(router_.held().size() == (active ? config_.addresses.size() : 0));
    Expect((router_.NextWakeup() == absl::InfiniteDuration()) ==
           (router_.state() == RouterState::kInitialize));
    Expect(primary_.has_value() || router_.state() == RouterState::kInitialize);
    Expect(router_.active().has_value() == (router_.active_priority() != 0));
  }

  Counters counters_;
  absl::Duration now_ = absl::Seconds(1);
  std::optional<IpAddress> primary_;
  RouterConfig config_;
  Router router_;
};

}  // namespace
}  // namespace openelb::vrrp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  openelb::vrrp::World world(data[0]);
  for (size_t i = 1; i < size; ++i) {
    const uint8_t event = data[i] & 7;
    const uint8_t value = data[i] >> 3;
    const auto next = [&] { return i + 1 < size ? data[++i] : uint8_t{0}; };
    switch (event) {
      case 0:
        world.SetLink(value % 2 != 0);
        break;
      case 1:
        world.Start();
        break;
      case 2:
        world.Stop();
        break;
      case 3:
        world.Configure(next());
        break;
      case 4:
      case 5:
        world.Pass(1 + value * 2);
        break;
      default:
        world.Receive(value, next(), next());
    }
  }
  world.Recover();
  return 0;
}

#pragma once
// Speakers on a simulated segment in virtual time, for tests: who holds the address, for how long
// nobody did, and for how long several did.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/base/log.h"
#include "api/base/scheduler.h"
#include "speaker/io/sim_vrrp.h"
#include "speaker/vrrp/instance.h"

namespace openelb::vrrp {

// The process of one node.
class TestNode final : public Observer {
 public:
  TestNode(io::SimVrrpSegment* segment, const std::string& host, const Clock* clock)
      : clock_(clock),
        logger_(&sink_, clock),
        io_(segment->Start(host)),
        instance(io_.get(), clock, &logger_, this) {}

  void OnRouterChanged(const RouterKey&) override { ++router_changes; }
  void OnHeardChanged() override { ++heard_changes; }
  void Announce(int, const std::vector<IpAddress>& addresses) override {
    announced.insert(announced.end(), addresses.begin(), addresses.end());
    announced_at = clock_->Monotonic();
  }
  void Release(int, const std::vector<IpAddress>& addresses) override {
    released.insert(released.end(), addresses.begin(), addresses.end());
  }

 private:
  const Clock* clock_;
  NullLogSink sink_;
  Logger logger_;
  std::unique_ptr<io::VrrpIo> io_;

 public:
  Instance instance;
  std::vector<IpAddress> announced;
  std::vector<IpAddress> released;
  absl::Duration announced_at;  // last
  int router_changes = 0;
  int heard_changes = 0;
};

class TestSegment {
 public:
  TestSegment() : segment(&clock) {
    for (int i = 1; i <= 3; ++i) {
      segment.AddHost(Name(i), {{"eth0", IpAddress::FromV4(0xc0a83200 + i), 24},
                                {"eth0", IpAddress::Parse(absl::StrCat("fe80::", i)).value(), 64}});
    }
  }
  // "n1" (192.168.50.1, fe80::1) to "n3".
  static std::string Name(int i) { return absl::StrCat("n", i); }

  // A router of VRID 51 for `address`, 100 ms.
  RouterConfig Config(uint8_t priority) const {
    RouterConfig config;
    config.interface = "eth0";
    config.name = "vip";
    config.family = address.family();
    config.vrid = 51;
    config.priority = priority;
    config.interval = absl::Milliseconds(100);
    config.addresses = {address};
    return config;
  }
  TestNode& Start(const std::string& name, const RouterConfig& config) {
    TestNode& node = StartIdle(name);
    node.instance.Apply({config}, {});
    return node;
  }
  TestNode& StartIdle(const std::string& name) {
    nodes.erase(name);  // before there is another
    nodes[name] = std::make_unique<TestNode>(&segment, name, &clock);
    return *nodes[name];
  }
  // The process is gone without a word.
  void Kill(const std::string& name) { nodes.erase(name); }

  // Counts for how long nobody or several held `address`.
  void RunFor(absl::Duration time) {
    const absl::Duration end = clock.Monotonic() + time;
    while (true) {
      absl::Duration next = clock.Next();
      for (const auto& [name, node] : nodes) next = std::min(next, node->instance.NextWakeup());
      next = std::min(std::max(next, clock.Monotonic()), end);
      const absl::Duration passed = next - clock.Monotonic();
      const size_t holders = segment.Holders(address).size();
      if (holders == 0) nobody += passed;
      if (holders > 1) several += passed;
      clock.RunUntil(next);
      bool ticked = false;
      for (const auto& [name, node] : nodes) {
        if (node->instance.NextWakeup() > next) continue;
        node->instance.Tick();
        ticked = true;
      }
      if (next == end && !ticked) return;
    }
  }
  void ResetCounts() { nobody = several = absl::ZeroDuration(); }
  // Names of those that hold the address, such as "n1 n2".
  std::string Holders() const { return absl::StrJoin(segment.Holders(address), " "); }
  RouterState StateOf(const std::string& name) const {
    return nodes.at(name)->instance.Routers().at(0).state;
  }

  IpAddress address = IpAddress::FromV4(0xc0a83264);  // 192.168.50.100
  Scheduler clock;
  io::SimVrrpSegment segment;
  std::map<std::string, std::unique_ptr<TestNode>> nodes;
  absl::Duration nobody;
  absl::Duration several;
};

}  // namespace openelb::vrrp

// Two whole speakers that dial each other at nearly the same moment over a simulated network: one
// connection stays, and none comes up in vain.
#include <gmock/gmock.h>

#include "api/base/scheduler.h"
#include "speaker/bgp/instance.h"
#include "speaker/bgp/test_route.h"
#include "speaker/io/sim_network.h"

namespace openelb::bgp {
namespace {

IpAddress Ip(absl::string_view text) { return IpAddress::Parse(text).value(); }

class SilentObserver final : public Observer {
 public:
  void OnSessionChanged(const Neighbor&) override {}
};

// One end: a node with its plan and its speaker.
struct End {
  End(io::SimNetwork* network, Scheduler* scheduler, Random* random, Logger* logger,
      const std::string& address, uint32_t as, uint32_t router_id, const std::string& peer,
      uint32_t peer_as)
      : io(network->Start(address)), speaker(io.get(), scheduler, random, logger, &observer) {
    plan.instance = link::BgpInstance{.local_as = as,
                                      .router_id = router_id,
                                      .listen_port = 179,
                                      .listen_addresses = {Ip("0.0.0.0")}};
    plan.peers[Ip(peer)] = {.neighbor = Ip(peer),
                            .name = peer,
                            .remote_as = peer_as,
                            .local_as = as,
                            .connect_retry_s = 120,
                            .families = {{Family::kV4, true, 0}},
                            .scope = "s"};
    plan.groups["g"] = {{.node = "a", .address = Ip(address)}};
    plan.routes[IpPrefix::Host(Ip(address))] = RouteTo("g");
    plan.generation = {1, 1};
    io->SetHandler(&speaker);
  }
  void Start() { speaker.Apply(plan, {.instance = true}); }
  std::string State() const { return speaker.Observed().peers(0).session_state(); }
  // How often the session fell back from a connection that had come up.
  uint64_t Failures() const {
    uint64_t failures = 0;
    for (const auto& [key, count] : speaker.counters().transitions) {
      if (key.first == "ACTIVE" && key.second != "started") failures += count;
    }
    return failures;
  }

  std::unique_ptr<io::Io> io;
  SilentObserver observer;
  link::PlanState plan;
  Instance speaker;
};

TEST(TwoSpeakersTest, SimultaneousConnectionsLeaveOne) {
  NullLogSink sink;
  uint64_t collisions = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Scheduler scheduler;
    Logger logger(&sink, &scheduler);
    SeededRandom random(seed);
    io::SimNetwork network(&scheduler, seed);
    for (const char* host : {"10.0.0.1", "10.0.0.2"}) {
      network.AddHost(host, {*InterfaceAddress::Parse(absl::StrCat(host, "/24"))});
    }
    const auto pick = [&](uint64_t most) { return static_cast<int>(random.Next64() % most); };
    for (int ms = 0; ms < 400; ++ms) {
      scheduler.At(absl::Milliseconds(ms), [&network, delay = 1 + pick(40)] {
        network.SetDelay("10.0.0.1", "10.0.0.2", absl::Milliseconds(delay));
      });
    }
    End a(&network, &scheduler, &random, &logger, "10.0.0.1", 65001, seed % 2 == 0 ? 9 : 1,
          "10.0.0.2", 65002);
    End b(&network, &scheduler, &random, &logger, "10.0.0.2", 65002, 5, "10.0.0.1", 65001);
    // Both listen from the start and dial soon after.
    for (End* end : {&a, &b}) {
      end->plan.peers.begin()->second.passive = true;
      end->Start();
      scheduler.At(absl::Milliseconds(100 + pick(40)), [end] {
        link::BgpPeer& peer = end->plan.peers.begin()->second;
        peer.passive = false;
        end->speaker.Apply(end->plan, {.peers = {peer.neighbor}});
      });
    }
    while (scheduler.Monotonic() < absl::Seconds(1)) {
      const absl::Duration next =
          std::min({absl::Seconds(1), a.speaker.NextWakeup(), b.speaker.NextWakeup()});
      if (!scheduler.Step(next)) scheduler.RunUntil(next);
      for (End* end : {&a, &b}) {
        if (end->speaker.NextWakeup() <= scheduler.Monotonic()) end->speaker.Tick();
      }
    }
    for (End* end : {&a, &b}) {
      ASSERT_EQ(end->State(), "ESTABLISHED");
      ASSERT_EQ(end->Failures(), 0u);
      ASSERT_EQ(end->speaker.Observed().peers(0).on_wire().counter(), 1u);
      for (const auto& [name, count] : end->speaker.counters().notifications_sent) {
        ASSERT_EQ(name, "Cease/Connection Collision Resolution");
        collisions += count;
      }
    }
  }
  EXPECT_GT(collisions, 100u);
}

}  // namespace
}  // namespace openelb::bgp

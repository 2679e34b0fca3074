// What 5,000 addresses cost a node that is to answer for them: taking the plan, with the first
// claims to its standby.
#include <benchmark/benchmark.h>

#include <memory>

#include "api/base/scheduler.h"
#include "speaker/bfd/watch.h"
#include "speaker/io/sim_segment.h"
#include "speaker/io/sim_udp.h"
#include "speaker/layer2/owner.h"
#include "speaker/layer2/test_frames.h"

namespace openelb::layer2 {
namespace {

constexpr uint32_t kAddresses = 5000;
const IpAddress kOurs = Ip("10.0.0.1");
const IpAddress kStandby = Ip("10.0.0.2");

link::PlanState Plan() {
  link::PlanState plan;
  plan.bfd[{"eth0", kStandby}] = {.local = kOurs,
                                  .node = "n2",
                                  .desired_min_tx = absl::Milliseconds(100),
                                  .required_min_rx = absl::Milliseconds(100),
                                  .detect_mult = 3,
                                  .secret = "secret"};
  for (uint32_t i = 0; i < kAddresses; ++i) {
    link::Layer2Address& address = plan.layer2[IpAddress::FromV4(0x0a010000 + i)];
    address.interface = "eth0";
    address.turn = 1;
    address.ranks = {{.node = "n1", .bfd_peer = {}}, {.node = "n2", .bfd_peer = kStandby}};
  }
  return plan;
}

void BM_TakePlan(benchmark::State& state) {
  const link::PlanState plan = Plan();
  link::PlanChanges changes;
  changes.bfd = true;
  for (const auto& [address, planned] : plan.layer2) changes.layer2.insert(address);
  size_t owned = 0;
  for (auto _ : state) {
    state.PauseTiming();
    Scheduler scheduler;
    SeededRandom random(1);
    NullLogSink sink;
    Logger log(&sink, &scheduler);
    io::SimSegment segment(&scheduler);
    io::SimUdp udp(&scheduler, 1);
    const InterfaceAddress address{"eth0", kOurs, 8};
    segment.AddStation("n1", Mac(1), {address});
    udp.SetAddresses("n1", {address});
    const auto packets = segment.Start("n1");
    const auto claims = udp.Start("n1");
    const auto bfd = udp.Start("n1");
    auto owner =
        std::make_unique<Owner>(OwnerOptions{.node = "n1"}, Owner::Seams{.packets = packets.get(),
                                                                         .claims = claims.get(),
                                                                         .bfd = bfd.get(),
                                                                         .clock = &scheduler,
                                                                         .random = &random,
                                                                         .log = &log});
    owner->Apply({}, {}, /*confirmed=*/true);  // not its start
    state.ResumeTiming();
    owner->Apply(plan, changes, /*confirmed=*/true);
    for (uint32_t taken = 0; taken < plan.layer2.size(); taken += Owner::kSlice) owner->Tick();
    state.PauseTiming();
    owned = owner->owned().size();
    owner.reset();
    state.ResumeTiming();
  }
  state.counters["owned"] = static_cast<double>(owned);
}
BENCHMARK(BM_TakePlan)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace openelb::layer2

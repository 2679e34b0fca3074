// What the Adj-RIB-Out costs: the first table, one change in a large table, and a change of the
// group that all routes share. Counters: UPDATEs per burst, and octets of memory per path where the
// table is built.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include "speaker/bgp/adj_rib_out.h"
#include "speaker/bgp/message.h"
#include "speaker/bgp/route_index.h"
#include "speaker/bgp/test_route.h"
#include "speaker/bgp/update.h"

namespace openelb::bgp {
namespace {

IpPrefix Host(int64_t i) {
  return IpPrefix::Host(IpAddress::FromV4(0x0a000000 + static_cast<uint32_t>(i)));
}

// A plan of `routes` host routes that share one group of `next_hops`.
struct World {
  World(int64_t routes, int64_t next_hops) {
    SetGroup(next_hops);
    const link::RouteRef route = RouteTo("g");
    for (int64_t i = 0; i < routes; ++i) {
      SetRoute(Host(i), route, &plan, &changes);
    }
    Touch();
  }
  void SetGroup(int64_t next_hops) {
    std::vector<link::NextHop>& group = plan.groups["g"];
    group.clear();
    for (int64_t i = 0; i < next_hops; ++i) {
      group.push_back({.node = std::to_string(i),
                       .address = IpAddress::FromV4(0x0b000000 + static_cast<uint32_t>(i))});
    }
    changes.groups = {"g"};
  }
  void Touch() {
    const std::vector<IpPrefix> prefixes = index.Update(plan, changes);
    if (rib) rib->Touch(changes, prefixes);
    changes = {};
  }
  void Start(bool add_path) {
    Negotiated negotiated;
    negotiated.v4 = {true, add_path};
    AdjRibOut::Policy policy;
    policy.scope = "s";
    rib = std::make_unique<AdjRibOut>(&plan, AttributeContext{}, negotiated, policy, kMaxMessage);
  }
  // As the socket takes it: bursts of 64 KiB.
  size_t Drain() {
    size_t octets = 0;
    while (!rib->idle()) {
      out.clear();
      rib->Fill(64 * 1024, &out);
      octets += out.size();
    }
    return octets;
  }

  link::PlanState plan;
  link::PlanChanges changes;
  RouteIndex index;
  std::unique_ptr<AdjRibOut> rib;
  Bytes out;
};

size_t Allocated() { return mallinfo2().uordblks; }

void BM_FirstTable(benchmark::State& state) {
  World world(state.range(0), state.range(1));
  size_t octets = 0;
  size_t memory = 0;
  for (auto _ : state) {
    state.PauseTiming();
    world.rib.reset();
    const size_t before = Allocated();
    state.ResumeTiming();
    world.Start(state.range(1) > 1);
    octets = world.Drain();
    state.PauseTiming();
    memory = Allocated() - before;
    state.ResumeTiming();
  }
  state.counters["updates"] = static_cast<double>(world.rib->updates());
  state.counters["octets"] = static_cast<double>(octets);
  state.counters["memory/path"] =
      static_cast<double>(memory) / static_cast<double>(world.rib->paths());
}
BENCHMARK(BM_FirstTable)
    ->Args({1000, 1})
    ->Args({10000, 1})
    ->Args({10000, 4})
    ->Args({100000, 1})
    ->Args({100000, 4})
    ->Unit(benchmark::kMicrosecond);

void BM_OneRouteOfMany(benchmark::State& state) {
  World world(state.range(0), 2);
  world.Start(true);
  world.Drain();
  const IpPrefix prefix = Host(state.range(0) / 2);
  uint32_t med = 0;
  for (auto _ : state) {
    SetRoute(prefix, RouteTo("g", {.med = ++med}), &world.plan, &world.changes);
    world.Touch();
    benchmark::DoNotOptimize(world.Drain());
  }
}
BENCHMARK(BM_OneRouteOfMany)->Arg(10)->Arg(10000)->Arg(100000)->Unit(benchmark::kMicrosecond);

// One next hop of the shared group leaves and comes back.
void BM_GroupChange(benchmark::State& state) {
  World world(state.range(0), 4);
  world.Start(true);
  world.Drain();
  const uint64_t before = world.rib->updates();
  int64_t next_hops = 4;
  for (auto _ : state) {
    next_hops = 7 - next_hops;
    world.SetGroup(next_hops);
    world.Touch();
    benchmark::DoNotOptimize(world.Drain());
  }
  state.counters["updates"] =
      static_cast<double>(world.rib->updates() - before) / static_cast<double>(state.iterations());
}
BENCHMARK(BM_GroupChange)->Arg(10000)->Arg(100000)->Unit(benchmark::kMicrosecond);

void BM_WithdrawAll(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    World world(state.range(0), 1);
    world.Start(false);
    world.Drain();
    for (const auto& [prefix, route] : world.plan.routes) world.changes.routes.Add(prefix, route);
    world.plan.routes.clear();
    state.ResumeTiming();
    world.Touch();
    benchmark::DoNotOptimize(world.Drain());
  }
}
BENCHMARK(BM_WithdrawAll)->Arg(10000)->Arg(100000)->Unit(benchmark::kMicrosecond);

// A leaf sends its own table; all of it is checked and dropped.
void BM_CheckUpdate(benchmark::State& state) {
  World world(1000, 1);
  world.Start(false);
  world.Drain();
  Framer framer;
  framer.Append(world.out);
  std::optional<MessageError> error;
  const Message message = *framer.Next(&error);
  for (auto _ : state) benchmark::DoNotOptimize(CheckUpdate(message.body, {}));
}
BENCHMARK(BM_CheckUpdate)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace openelb::bgp

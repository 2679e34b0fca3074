// What allocation costs at the size of a large cluster. `visited` counts the Services looked at per
// iteration.

#include <benchmark/benchmark.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/ipam/ipam_testing.h"

namespace openelb::ipam {
namespace {

constexpr int kServices = 10000;

std::vector<kube::Service> MakeServices(int count) {
  std::vector<kube::Service> services;
  for (int i = 0; i < count; ++i)
    services.push_back(MakeService(absl::StrCat("ns", i % 100, "/service-", i), i));
  return services;
}

// Ten thousand Services at once, as after a start.
void AllocateAtOnce(benchmark::State& state, const char* address) {
  const std::vector<kube::Service> services = MakeServices(kServices);
  for (auto _ : state) {
    Ipam ipam;
    ipam.Start();
    ipam.Upsert(Default(MakeEip("p", address)));
    for (const kube::Service& service : services) ipam.Upsert(service);
    benchmark::DoNotOptimize(ipam.TakeChanges());
  }
  state.SetItemsProcessed(state.iterations() * kServices);
}
BENCHMARK_CAPTURE(AllocateAtOnce, v4_16, "10.0.0.0/16")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(AllocateAtOnce, v6_64, "2001:db8::/64")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(AllocateAtOnce, v6_1, "::/1")->Unit(benchmark::kMillisecond);

// One Service comes and goes beside ten thousand that stay.
void AllocateOneMore(benchmark::State& state, const char* address) {
  Ipam ipam;
  ipam.Start();
  ipam.Upsert(Default(MakeEip("p", address)));
  for (const kube::Service& service : MakeServices(kServices)) ipam.Upsert(service);
  ipam.TakeChanges();
  const kube::Service service = MakeService("ns/one-more", kServices);
  const uint64_t visited = ipam.counters().visited;
  for (auto _ : state) {
    ipam.Upsert(service);
    benchmark::DoNotOptimize(ipam.TakeChanges());
    ipam.Remove(ServiceKey("ns/one-more"));
    benchmark::DoNotOptimize(ipam.TakeChanges());
  }
  state.counters["visited"] = benchmark::Counter(
      static_cast<double>(ipam.counters().visited - visited), benchmark::Counter::kAvgIterations);
}
BENCHMARK_CAPTURE(AllocateOneMore, v4_16, "10.0.0.0/16")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(AllocateOneMore, v6_64, "2001:db8::/64")->Unit(benchmark::kMicrosecond);

// A full Eip with as many waiting as holding: each deletion serves the oldest that waits, each
// creation waits.
void ReleaseAtFullPool(benchmark::State& state) {
  constexpr int kSize = 8192;
  std::vector<kube::Service> services = MakeServices(2 * kSize);
  Ipam ipam;
  ipam.Start();
  ipam.Upsert(Default(MakeEip("p", "10.0.0.0/19")));
  for (const kube::Service& service : services) ipam.Upsert(service);
  ipam.TakeChanges();
  const uint64_t visited = ipam.counters().visited;
  size_t next = 0;
  int created = 2 * kSize;
  for (auto _ : state) {
    kube::Service& service = services[next++ % services.size()];  // the oldest holds
    ipam.Remove({kube::Service::kKind, service.meta.namespace_, service.meta.name});
    benchmark::DoNotOptimize(ipam.TakeChanges());
    service.meta.creation_timestamp = absl::FromUnixSeconds(++created);
    ipam.Upsert(service);
    benchmark::DoNotOptimize(ipam.TakeChanges());
  }
  if (!ipam.PoolStatus("p")->occupied) state.SkipWithError("the Eip is not full");
  state.counters["visited"] = benchmark::Counter(
      static_cast<double>(ipam.counters().visited - visited), benchmark::Counter::kAvgIterations);
}
BENCHMARK(ReleaseAtFullPool)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace openelb::ipam

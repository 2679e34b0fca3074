// What planning costs at 10,000 Services, 1,000 nodes and 50 racks: the first plan, then one change
// at a time. Every node runs a speaker; each rack has its own subnet and leaf; each Service has
// three endpoints. And Layer 2, see below. The argument is the share of Services with
// externalTrafficPolicy Local, percent.

#include <malloc.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "controller/plan/planner.h"
#include "controller/plan/test_world.h"

namespace openelb::plan {
namespace {

constexpr int kRacks = 50;
constexpr int kNodesPerRack = 20;
constexpr int kNodes = kRacks * kNodesPerRack;
constexpr int kServices = 10000;

std::string NodeName(int i) { return absl::StrCat("node-", i); }

kube::Node BenchNode(int i, bool ready = true) {
  const int rack = i / kNodesPerRack;
  kube::Node node = MakeNode(NodeName(i), absl::StrCat("10.1.", rack, ".", i % kNodesPerRack + 1),
                             {{"openelb.kubesphere.io/rack", absl::StrCat("leaf", rack)}});
  node.ready = ready ? kube::ConditionStatus::kTrue : kube::ConditionStatus::kFalse;
  return node;
}

// Three endpoints on nodes that `turn` moves.
kube::EndpointSlice BenchSlice(int i, int turn = 0) {
  return MakeSlice(absl::StrCat("s", i),
                   {NodeName((i * 7 + turn) % kNodes), NodeName((i * 13 + 331) % kNodes),
                    NodeName((i * 29 + 677) % kNodes)});
}

std::unique_ptr<Planner> Fill(int local_percent) {
  auto planner = std::make_unique<Planner>();
  planner->Upsert(MakeConf(65000));
  for (int rack = 0; rack < kRacks; ++rack) {
    const std::string name = absl::StrCat("leaf", rack);
    planner->Upsert(MakePeer(name, absl::StrCat("10.1.", rack, ".254"), 65001,
                             {{"openelb.kubesphere.io/rack", name}}));
  }
  for (int i = 0; i < kNodes; ++i) {
    planner->Upsert(BenchNode(i));
    planner->SetFact(MakeSpeaker(NodeName(i)));
    planner->SetFact(MakePrefixes(NodeName(i), {absl::StrCat("eth0 10.1.", i / kNodesPerRack, ".",
                                                             i % kNodesPerRack + 1, "/24")}));
  }
  for (int i = 0; i < kServices; ++i) {
    planner->Upsert(MakeService(absl::StrCat("s", i), i % 100 < local_percent
                                                          ? kube::TrafficPolicy::kLocal
                                                          : kube::TrafficPolicy::kCluster));
    planner->Upsert(BenchSlice(i));
    planner->SetAddresses(
        absl::StrCat("default/s", i),
        {IpAddress::FromV4((172u << 24) + (22u << 16) + static_cast<uint32_t>(i))});
  }
  return planner;
}

// Memory in use by objects of this process, MiB.
double UsedMib() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd) / (1 << 20);
}

// What one of the iterations touched.
void Report(benchmark::State& state, const Visits& before, const Visits& after) {
  const auto n = static_cast<double>(state.iterations());
  state.counters["nodes"] = static_cast<double>(after.nodes - before.nodes) / n;
  state.counters["speakers"] = static_cast<double>(after.speakers - before.speakers) / n;
  state.counters["services"] = static_cast<double>(after.services - before.services) / n;
  state.counters["addresses"] = static_cast<double>(after.addresses - before.addresses) / n;
  state.counters["groups"] = static_cast<double>(after.groups - before.groups) / n;
}

void FirstPlan(benchmark::State& state) {
  Visits visits;
  double input = 0;
  double plan = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const double start = UsedMib();
    std::unique_ptr<Planner> planner = Fill(static_cast<int>(state.range(0)));
    input = UsedMib() - start;
    state.ResumeTiming();
    planner->Step();
    state.PauseTiming();
    plan = UsedMib() - start - input;
    visits = planner->visits();
    planner.reset();
    state.ResumeTiming();
  }
  state.counters["input_MiB"] = input;
  state.counters["plan_MiB"] = plan;
  state.counters["groups"] = static_cast<double>(visits.groups);
}
BENCHMARK(FirstPlan)->Arg(0)->Arg(50)->Arg(100)->Unit(benchmark::kMillisecond);

void OneEndpointChange(benchmark::State& state) {
  std::unique_ptr<Planner> planner = Fill(static_cast<int>(state.range(0)));
  planner->Step();
  const Visits before = planner->visits();
  int turn = 0;
  for (auto _ : state) {
    ++turn;
    planner->Upsert(BenchSlice(turn % kServices, turn + turn / kServices));
    benchmark::DoNotOptimize(planner->Step());
  }
  Report(state, before, planner->visits());
}
BENCHMARK(OneEndpointChange)->Arg(0)->Arg(50)->Arg(100)->Unit(benchmark::kMicrosecond);

void OneNodeChange(benchmark::State& state) {
  std::unique_ptr<Planner> planner = Fill(static_cast<int>(state.range(0)));
  planner->Step();
  const Visits before = planner->visits();
  int turn = 0;
  for (auto _ : state) {
    planner->Upsert(BenchNode(turn / 2 % kNodes, turn % 2 == 1));
    benchmark::DoNotOptimize(planner->Step());
    ++turn;
  }
  Report(state, before, planner->visits());
}
BENCHMARK(OneNodeChange)->Arg(0)->Arg(50)->Arg(100)->Unit(benchmark::kMicrosecond);

void OneBgpConfChange(benchmark::State& state) {
  std::unique_ptr<Planner> planner = Fill(50);
  planner->Step();
  const Visits before = planner->visits();
  network::BgpConf conf = MakeConf(65000);
  for (auto _ : state) {
    conf.listen_port = conf.listen_port == 179 ? 1790 : 179;
    planner->Upsert(conf);
    benchmark::DoNotOptimize(planner->Step());
  }
  Report(state, before, planner->visits());
}
BENCHMARK(OneBgpConfChange)->Unit(benchmark::kMicrosecond);

// 5,000 Layer 2 addresses on one segment of 200 nodes. A Service has an endpoint on each of three
// nodes.
constexpr int kSegmentNodes = 200;
constexpr int kLayer2Addresses = 5000;

kube::Node SegmentNode(int i, bool ready = true) {
  kube::Node node = MakeNode(NodeName(i), absl::StrCat("10.2.0.", i + 1));
  node.ready = ready ? kube::ConditionStatus::kTrue : kube::ConditionStatus::kFalse;
  return node;
}

std::unique_ptr<Planner> FillSegment(int local_percent) {
  auto planner = std::make_unique<Planner>();
  planner->SetWatchSecret("secret");
  network::Eip eip;
  eip.meta.name = "pool";
  eip.interface = "eth0";
  planner->Upsert(eip);
  for (int i = 0; i < kSegmentNodes; ++i) {
    planner->Upsert(SegmentNode(i));
    planner->SetFact(MakeSpeaker(NodeName(i)));
    planner->SetFact(MakePrefixes(NodeName(i), {absl::StrCat("eth0 10.2.0.", i + 1, "/16")}));
    planner->SetFact({NodeName(i), kModesFact, {kLayer2Mode}, absl::FromUnixSeconds(1)});
  }
  for (int i = 0; i < kLayer2Addresses; ++i) {
    const std::string service = absl::StrCat("s", i);
    planner->Upsert(MakeService(service, i % 100 < local_percent ? kube::TrafficPolicy::kLocal
                                                                 : kube::TrafficPolicy::kCluster));
    planner->Upsert(MakeSlice(
        service, {NodeName(i * 7 % kSegmentNodes), NodeName((i * 13 + 31) % kSegmentNodes),
                  NodeName((i * 29 + 77) % kSegmentNodes)}));
    planner->SetLayer2(
        absl::StrCat("default/", service), "pool",
        {IpAddress::FromV4((10u << 24) + (2u << 16) + 4096 + static_cast<uint32_t>(i))});
  }
  return planner;
}

void FirstLayer2Plan(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    std::unique_ptr<Planner> planner = FillSegment(static_cast<int>(state.range(0)));
    state.ResumeTiming();
    benchmark::DoNotOptimize(planner->Step());
    state.PauseTiming();
    planner.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(FirstLayer2Plan)->Arg(0)->Arg(100)->Unit(benchmark::kMillisecond);

// Lost and back, one node after the other.
void OneLayer2NodeChange(benchmark::State& state) {
  std::unique_ptr<Planner> planner = FillSegment(static_cast<int>(state.range(0)));
  planner->Step();
  const Visits before = planner->visits();
  int turn = 0;
  for (auto _ : state) {
    planner->Upsert(SegmentNode(turn / 2 % kSegmentNodes, turn % 2 == 1));
    benchmark::DoNotOptimize(planner->Step());
    ++turn;
  }
  Report(state, before, planner->visits());
}
BENCHMARK(OneLayer2NodeChange)->Arg(0)->Arg(100)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace openelb::plan

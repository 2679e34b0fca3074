// What a plan of many routes costs a speaker before its protocols see it: as one delta, as a
// snapshot that changes nothing, and taken back. The argument is the number of routes. Counter:
// octets of memory that the store holds for each.
#include <malloc.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "speaker/link/plan_store.h"

namespace openelb::link {
namespace {

constexpr uint32_t kFirst = 0xac160000;  // 172.22.0.0

plan::v1::Resource RouteOf(uint32_t number) {
  const std::string prefix = IpPrefix::Host(IpAddress::FromV4(kFirst + number)).ToString();
  plan::v1::ResourceBody body;
  body.mutable_route()->set_prefix(prefix);
  body.mutable_route()->add_targets()->set_group("g");
  body.mutable_route()->add_services(absl::StrCat("default/s", number));
  plan::v1::Resource resource;
  resource.set_key("route/" + prefix);
  resource.set_body(body.SerializeAsString());
  return resource;
}

// The plans as a controller sends them, by key.
struct Plans {
  explicit Plans(int64_t routes) {
    std::map<std::string, std::string> all;
    for (uint32_t i = 0; i < routes; ++i) {
      const plan::v1::Resource route = RouteOf(i);
      all[route.key()] = route.body();
    }
    SetGeneration(1, &nothing[0]);
    nothing[0].mutable_snapshot_begin()->set_resource_count(0);
    SetGeneration(1, &nothing[1]);
    nothing[1].mutable_snapshot_end()->set_hash(0);

    uint64_t hash = 0;
    for (const auto& [key, body] : all) {
      hash += plan::ResourceHash(key, body);
      plan::v1::Resource* resource = announce.mutable_delta()->add_upserts();
      resource->set_key(key);
      resource->set_body(body);
      withdraw.mutable_delta()->add_removals(key);
    }
    SetGeneration(2, &announce);
    announce.mutable_delta()->mutable_base()->set_epoch(1);
    announce.mutable_delta()->mutable_base()->set_counter(1);
    announce.mutable_delta()->set_hash(hash);
    SetGeneration(3, &withdraw);
    withdraw.mutable_delta()->mutable_base()->set_epoch(1);
    withdraw.mutable_delta()->mutable_base()->set_counter(2);

    again.resize(3);
    for (plan::v1::Plan& plan : again) SetGeneration(3, &plan);
    again[0].mutable_snapshot_begin()->set_resource_count(all.size());
    *again[1].mutable_chunk()->mutable_resources() = announce.delta().upserts();
    again[2].mutable_snapshot_end()->set_hash(hash);
  }
  static void SetGeneration(uint64_t counter, plan::v1::Plan* plan) {
    plan->mutable_generation()->set_epoch(1);
    plan->mutable_generation()->set_counter(counter);
  }
  // A store that holds an empty plan, or all routes.
  void Fill(PlanStore* store, bool routes) const {
    for (const plan::v1::Plan& plan : nothing) store->Apply(plan);
    if (routes) store->Apply(announce);
  }

  std::vector<plan::v1::Plan> nothing{2};
  plan::v1::Plan announce;
  plan::v1::Plan withdraw;
  std::vector<plan::v1::Plan> again;
};

// What `delta` costs a store that holds no route, or all of them.
void Apply(const Plans& plans, bool holds_routes, const plan::v1::Plan& delta,
           benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto store = std::make_unique<PlanStore>();
    plans.Fill(store.get(), holds_routes);
    const size_t before = mallinfo2().uordblks;
    state.ResumeTiming();
    auto outcome = store->Apply(delta);
    if (outcome.changes.routes.size() != static_cast<size_t>(state.range(0))) std::abort();
    state.PauseTiming();
    outcome = {};
    const auto held = static_cast<double>(mallinfo2().uordblks) - static_cast<double>(before);
    state.counters["memory/route"] = held / static_cast<double>(state.range(0));
    store.reset();
    state.ResumeTiming();
  }
}

void BM_AnnounceAll(benchmark::State& state) {
  const Plans plans(state.range(0));
  Apply(plans, false, plans.announce, state);
}
BENCHMARK(BM_AnnounceAll)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond);

void BM_WithdrawAll(benchmark::State& state) {
  const Plans plans(state.range(0));
  Apply(plans, true, plans.withdraw, state);
}
BENCHMARK(BM_WithdrawAll)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond);

void BM_SameSnapshot(benchmark::State& state) {
  const Plans plans(state.range(0));
  PlanStore store;
  plans.Fill(&store, true);
  for (auto _ : state) {
    for (const plan::v1::Plan& plan : plans.again) {
      if (!store.Apply(plan).changes.empty()) std::abort();
    }
  }
}
BENCHMARK(BM_SameSnapshot)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace openelb::link

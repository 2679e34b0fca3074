// What 5,000 owned addresses cost: one answer, one question for somebody else, and the first
// announcement of all of them.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "speaker/layer2/responder.h"
#include "speaker/layer2/test_frames.h"

namespace openelb::layer2 {
namespace {

constexpr uint32_t kAddresses = 5000;

IpAddress Address(Family family, uint32_t i) {
  return family == Family::kV4
             ? IpAddress::FromV4(0x0a000000 + i)
             : IpAddress::FromOrdinal(Family::kV6, Ip("2001:db8::").Ordinal() + i);
}

Bytes Question(const IpAddress& target) {
  return target.is_v4() ? ArpRequest(target, Mac(0x0c), Ip("10.1.0.1"))
                        : Solicitation(target, Mac(0x0c), Ip("2001:db8::c"), true);
}

struct World {
  explicit World(Family family) {
    responder.SetInterface({.index = 2,
                            .name = "eth0",
                            .mac = Mac(0x0a),
                            .up = true,
                            .carrier = true,
                            .addresses = {{"eth0", Ip("fe80::a"), 64}}},
                           now);
    for (uint32_t i = 0; i < kAddresses; ++i) responder.Own(Address(family, i), now);
  }

  SeededRandom random{1};
  Counters counters;
  absl::Duration now = absl::Seconds(1);
  Responder responder{Timing{}, &random, &counters};
};

void Answer(benchmark::State& state, Family family, uint32_t beyond) {
  World world(family);
  std::vector<Bytes> questions;
  for (uint32_t i = 0; i < 1024; ++i) {
    questions.push_back(Question(Address(family, (i * 4099) % kAddresses + beyond)));
  }
  size_t answers = 0;
  size_t next = 0;
  for (auto _ : state) {
    world.responder.OnFrame(questions[next++ % questions.size()], world.now);
    answers += world.responder.TakeFrames().size();
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["answers"] =
      static_cast<double>(answers) / static_cast<double>(state.iterations());
}
void BM_AnswerArp(benchmark::State& state) { Answer(state, Family::kV4, 0); }
void BM_AnswerNdp(benchmark::State& state) { Answer(state, Family::kV6, 0); }
void BM_IgnoreArp(benchmark::State& state) { Answer(state, Family::kV4, kAddresses); }
BENCHMARK(BM_AnswerArp);
BENCHMARK(BM_AnswerNdp);
BENCHMARK(BM_IgnoreArp);

// CPU, and the virtual time that pacing takes.
void BM_AnnounceAll(benchmark::State& state) {
  const Family family = state.range(0) == 4 ? Family::kV4 : Family::kV6;
  size_t frames = 0;
  absl::Duration took;
  for (auto _ : state) {
    state.PauseTiming();
    World world(family);
    const absl::Duration start = world.now;
    frames = 0;
    state.ResumeTiming();
    while (frames < kAddresses) {
      world.now = std::max(world.now, world.responder.NextWakeup());
      world.responder.Tick(world.now);
      frames += world.responder.TakeFrames().size();
    }
    took = world.now - start;
  }
  state.counters["frames"] = static_cast<double>(frames);
  state.counters["paced_ms"] = absl::ToDoubleMilliseconds(took);
}
BENCHMARK(BM_AnnounceAll)->Arg(4)->Arg(6)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace openelb::layer2

// What watching costs: a second of a node with the most sessions a plan gives it, packets in and
// out, without the kernel's part.
#include <benchmark/benchmark.h>

#include <vector>

#include "speaker/bfd/test_node.h"

namespace openelb::bfd {
namespace {

// One node of a star: range(0) sessions at 3 x 100 ms; range(1): with Meticulous Keyed SHA1. The
// other ends and the simulated network are part of what is measured, so the node itself costs less
// than half.
void BM_OneSecond(benchmark::State& state) {
  const auto sessions = static_cast<int>(state.range(0));
  SessionConfig config;
  if (state.range(1) != 0) {
    config.authentication = {AuthenticationType::kMeticulousKeyedSha1, {{1, "secret"}}};
  }
  TestSegment segment(sessions + 1);
  std::vector<PeerConfig> peers;
  for (int peer = 2; peer <= sessions + 1; ++peer) {
    peers.push_back(segment[1].Watching(peer, config));
    segment[peer].instance().Apply({segment[peer].Watching(1, config)});
  }
  segment[1].instance().Apply(peers);
  segment.Run(absl::Seconds(2));
  for (auto unused : state) segment.Run(absl::Seconds(1));
  if (segment[1].StateOf(2) != State::kUp) state.SkipWithError("the sessions are not up");
}
BENCHMARK(BM_OneSecond)
    ->ArgNames({"sessions", "signed"})
    ->Args({8, 0})
    ->Args({8, 1})
    ->Args({32, 0})
    ->Args({32, 1})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace openelb::bfd

// From the write of a manifest to its event, and what reading a large folder costs.

#include <benchmark/benchmark.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "api/base/temp_folder.h"
#include "controller/manifests/manifest_source.h"

namespace openelb::manifests {
namespace {

namespace fs = std::filesystem;

std::string Service(int number, int port) {
  return absl::StrCat("---\napiVersion: v1\nkind: Service\nmetadata:\n  name: s", number,
                      "\n  annotations:\n    lb.kubesphere.io/v1alpha1: openelb\nspec:\n"
                      "  type: LoadBalancer\n  selector:\n    app: a\n  ports:\n  - name: http\n"
                      "    port: ",
                      port, "\n    targetPort: 8080\n");
}

class Counter final : public EventSource::Handler {
 public:
  void OnEvents(std::vector<ObjectEvent> events) override { Add(events.size()); }
  void OnSynced() override { Add(1); }
  void OnAway(std::string) override {}
  void OnBack() override {}
  void WaitFor(size_t count) {
    for (size_t seen = count_; seen < count; seen = count_) count_.wait(seen);
  }

 private:
  void Add(size_t n) {
    count_ += n;
    count_.notify_all();
  }
  std::atomic<size_t> count_ = 0;
};

void BM_RenameToEvent(benchmark::State& state) {
  const TempFolder temp;
  const fs::path base = temp.path();
  fs::create_directory(base / "dir");
  SystemClock clock;
  NullLogSink log;
  FileDisk disk(base / "status");
  DiskWriter writer(&disk, &clock, &log);
  Counter counter;
  {
    ManifestSourceOptions options;
    options.folder = base / "dir";
    options.status_folder = base / "status";
    ManifestSource source(options, &disk, &writer, &clock, &log);
    source.Start(&counter);
    size_t expected = 1;
    counter.WaitFor(expected);
    int port = 0;
    for (auto _ : state) {
      state.PauseTiming();
      std::ofstream(base / "new") << Service(1, 1 + port++ % 60000);
      state.ResumeTiming();
      fs::rename(base / "new", base / "dir" / "s.yaml");
      counter.WaitFor(++expected);
    }
  }
  writer.Stop();
}
BENCHMARK(BM_RenameToEvent)->UseRealTime();

void BM_ReadServices(benchmark::State& state) {
  std::string text;
  for (int i = 0; i < state.range(0); ++i) text += Service(i, 80);
  for (auto _ : state) {
    ManifestSet set({}, {});
    set.SetFile("services.yaml", text);
    benchmark::DoNotOptimize(set.TakeChanges());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_ReadServices)->Arg(1)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace openelb::manifests

// A restart where nothing has changed: every Service is shown and wanted as it is, and no call may
// come of it.

#include <benchmark/benchmark.h>

#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "api/network/v1alpha2/names.h"
#include "controller/kube/json.h"
#include "controller/kube/kube_sink.h"

namespace openelb::kube {
namespace {

class CountingTransport final : public Transport {
 public:
  RequestId Start(HttpRequest, std::shared_ptr<ResponseSink>) override { return ++requests; }
  void Cancel(RequestId) override {}
  RequestId requests = 0;
};

class CountingHandler final : public StatusHandler {
 public:
  void OnServiceAnswered(const ObjectKey&, const std::vector<std::string>&) override { ++answers; }
  int answers = 0;
};

ObjectKey KeyOfService(int i) { return {Service::kKind, "default", absl::StrCat("service-", i)}; }
std::string IpOfService(int i) { return absl::StrCat("10.0.", i / 250, ".", i % 250); }

codec::Value ShownService(int i) {
  return *ParseJson(absl::StrCat(
      R"({"metadata": {"name": "service-)", i, R"(", "namespace": "default", "uid": "uid-)", i,
      R"(", "resourceVersion": ")", 1000 + i, R"(", "labels": {")", network::kEipName.openelb,
      R"(": "pool"}, "finalizers": [")", network::kServiceFinalizer,
      R"("]}, "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": ")",
      IpOfService(i), R"(", "ipMode": "VIP"}]}}})"));
}

void BM_UnchangedRestart(benchmark::State& state) {
  const int services = static_cast<int>(state.range(0));
  std::vector<codec::Value> shown;
  for (int i = 0; i < services; ++i) shown.push_back(ShownService(i));
  for (auto _ : state) {
    Scheduler scheduler;
    CountingTransport transport;
    CountingHandler handler;
    Client client(&transport, &scheduler);
    NullLogSink null;
    Logger log(&null, &scheduler);
    KubeSink sink("controller-0", {&client, &scheduler, &log, &handler});
    for (int i = 0; i < services; ++i) sink.Seen(KeyOfService(i), shown[i]);
    for (int i = 0; i < services; ++i) {
      sink.WriteService(
          KeyOfService(i),
          {.ips = {IpOfService(i)}, .pool = "pool", .ours = true, .uid = absl::StrCat("uid-", i)});
    }
    sink.SetActive(true);
    sink.Turn();
    if (transport.requests != 0) state.SkipWithError("unchanged Services were written");
    if (handler.answers != services) state.SkipWithError("not every Service was answered");
  }
  state.SetItemsProcessed(state.iterations() * services);
}
BENCHMARK(BM_UnchangedRestart)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace openelb::kube

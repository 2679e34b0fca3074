// What reading 10,000 Services costs: from bytes to events, and in memory, from a watch that brings
// all, from pages, and when all is listed anew and nothing has changed. And what EndpointSlices of
// Services that are not ours cost, with all that planning keeps of them.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "api/base/scheduler.h"
#include "controller/kube/kube_source.h"
#include "controller/plan/planner.h"

namespace openelb::kube {
namespace {

constexpr int kPage = 500;
constexpr size_t kPiece = 16384;

// As a real server sends it: 2.4 kB, of which two thirds are managedFields.
std::string ServiceJson(int number) {
  std::string fields;
  for (const char* manager : {"kubectl-client-side-apply", "openelb-controller"}) {
    absl::StrAppend(
        &fields, fields.empty() ? "" : ",", R"({"manager":")", manager,
        R"(","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z",)",
        R"("fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},)",
        R"("f:lb.kubesphere.io/v1alpha1":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}},)",
        R"("f:labels":{".":{},"f:app":{},"f:tier":{}}},"f:spec":{"f:allocateLoadBalancerNodePorts":{},)",
        R"("f:externalTrafficPolicy":{},"f:internalTrafficPolicy":{},"f:ports":{".":{},)",
        R"("k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{},)",
        R"("f:targetPort":{}}},"f:selector":{},"f:sessionAffinity":{},"f:type":{}}}})");
  }
  return absl::StrCat(
      R"({"metadata":{"name":"service-)", number,
      R"(","namespace":"default","uid":"7a1c9a52-6f3e-4a4c-9d1e-)", 100000000000 + number,
      R"(","resourceVersion":")", 1000 + number,
      R"(","creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"service-)", number,
      R"(","tier":"web"},"annotations":{"lb.kubesphere.io/v1alpha1":"openelb",)",
      R"("eip.openelb.kubesphere.io/v1alpha2":"pool","kubectl.kubernetes.io/last-applied-configuration":)",
      R"("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"annotations\":{},\"name\":\"web\"}}"},)",
      R"("managedFields":[)", fields,
      R"(]},"spec":{"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080,"nodePort":)",
      30000 + number % 2768, R"(}],"selector":{"app":"service-)", number,
      R"("},"clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1"],"type":"LoadBalancer",)",
      R"("sessionAffinity":"None","externalTrafficPolicy":"Cluster","ipFamilies":["IPv4"],)",
      R"("ipFamilyPolicy":"SingleStack","allocateLoadBalancerNodePorts":true,)",
      R"("internalTrafficPolicy":"Cluster"},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1",)",
      R"("ipMode":"VIP"}]}}})");
}

// Three Pods, as the controller manager writes them: 1.3 kB.
std::string SliceJson(int number, int version = 1000, bool ready = true) {
  std::string endpoints;
  for (int pod = 0; pod < 3; ++pod) {
    const int node = (number + pod) % 100;
    absl::StrAppend(
        &endpoints, endpoints.empty() ? "" : ",", R"({"addresses":["10.)", number / 256, ".",
        number % 256, ".", pod + 10, R"("],"conditions":{"ready":)",
        ready || pod > 0 ? "true" : "false", R"(,)",
        R"("serving":true,"terminating":false},"nodeName":"worker-)", node,
        R"(.example.com","targetRef":{"kind":"Pod","namespace":"default","name":"foreign-)", number,
        "-", pod, R"(","uid":"7a1c9a52-6f3e-4a4c-9d1e-)", 200000000000 + number * 3 + pod,
        R"("}})");
  }
  return absl::StrCat(
      R"({"metadata":{"name":"foreign-)", number,
      R"(-abcde","namespace":"default","uid":"7a1c9a52-6f3e-4a4c-9d1e-)", 300000000000 + number,
      R"(","resourceVersion":")", version,
      R"(","generation":7,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{)",
      R"("endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io",)",
      R"("kubernetes.io/service-name":"foreign-)", number,
      R"("},"annotations":{"endpoints.kubernetes.io/last-change-trigger-time":)",
      R"("2026-01-01T00:00:00Z"}},"addressType":"IPv4","endpoints":[)", endpoints,
      R"(],"ports":[{"name":"http","protocol":"TCP","port":8080}]})");
}

// Answers from prepared texts.
class Replay final : public Transport {
 public:
  Replay(int services, bool streams) : streams_(streams) {
    for (int i = 0; i < services; ++i) {
      if (streams) {
        absl::StrAppend(&stream_, R"({"type":"ADDED","object":)", ServiceJson(i), "}\n");
        continue;
      }
      if (i % kPage == 0) pages_.emplace_back();
      absl::StrAppend(&pages_.back(), pages_.back().empty() ? "" : ",", ServiceJson(i));
    }
  }

  // EndpointSlices alone, by a watch.
  explicit Replay(int slices) : streams_(true) {
    for (int i = 0; i < slices; ++i)
      absl::StrAppend(&slices_, R"({"type":"ADDED","object":)", SliceJson(i), "}\n");
  }

  RequestId Start(HttpRequest request, std::shared_ptr<ResponseSink> sink) override {
    waiting_.emplace_back(std::move(request.path), std::move(sink));
    return 0;
  }
  void Cancel(RequestId) override {}

  void SendSliceEvent(const std::string& line) { slice_watch_->OnData(line); }

  void AnswerAll() {
    while (!waiting_.empty()) {
      const auto [path, sink] = std::move(waiting_.front());
      waiting_.pop_front();
      Answer(path, sink);
    }
  }

 private:
  void Answer(const std::string& path, const std::shared_ptr<ResponseSink>& kept) {
    ResponseSink* sink = kept.get();
    const bool services = absl::StartsWith(path, "/api/v1/services?");
    if (absl::StrContains(path, "sendInitialEvents")) {
      if (!streams_) {
        sink->OnHead(422, {});
        return sink->OnDone(absl::OkStatus());
      }
      sink->OnHead(200, {});
      if (services) Send(stream_, sink);
      if (absl::StrContains(path, "/endpointslices?")) {
        Send(slices_, sink);
        slice_watch_ = kept;
      }
      sink->OnData(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"99999",)"
                   R"("annotations":{"k8s.io/initial-events-end":"true"}}}})"
                   "\n");
    } else if (absl::StrContains(path, "watch=1")) {
      sink->OnHead(200, {});
    } else {
      SendPage(path, services, sink);
    }
  }
  void SendPage(const std::string& path, bool services, ResponseSink* sink) {
    size_t page = 0;
    if (const size_t at = path.find("continue="); at != std::string::npos) {
      page = std::stoul(path.substr(at + 9));
    }
    sink->OnHead(200, {});
    const bool more = services && page + 1 < pages_.size();
    Send(absl::StrCat(R"({"metadata":{"resourceVersion":"99999","continue":")",
                      more ? absl::StrCat(page + 1) : "", R"("},"items":[)",
                      services ? pages_[page] : "", "]}"),
         sink);
    sink->OnDone(absl::OkStatus());
  }
  void Send(absl::string_view text, ResponseSink* sink) {
    for (size_t at = 0; at < text.size(); at += kPiece) sink->OnData(text.substr(at, kPiece));
  }

  const bool streams_;
  std::string stream_;
  std::string slices_;
  std::shared_ptr<ResponseSink> slice_watch_;
  std::vector<std::string> pages_;
  std::deque<std::pair<std::string, std::shared_ptr<ResponseSink>>> waiting_;
};

class Counter final : public EventSource::Handler {
 public:
  void OnEvents(std::vector<ObjectEvent> batch) override { events += batch.size(); }
  void OnSynced() override { ++synced; }
  void OnAway(std::string) override {}
  void OnBack() override {}

  size_t events = 0;
  int synced = 0;
};

// As the controller hands it on.
class Planning final : public EventSource::Handler {
 public:
  void OnEvents(std::vector<ObjectEvent> batch) override {
    events += batch.size();
    for (const ObjectEvent& event : batch) {
      if (event.object) planner.Upsert(*event.object);
    }
    planner.Step();
  }
  void OnSynced() override {}
  void OnAway(std::string) override {}
  void OnBack() override {}

  plan::Planner planner;
  size_t events = 0;
};

struct Rig {
  explicit Rig(Transport* transport, EventSource::Handler* handler = nullptr) {
    source = std::make_unique<KubeSource>(
        KubeSourceOptions{},
        KubeSource::Seams{
            .transport = transport, .clock = &scheduler, .random = &random, .log = &log});
    source->Start(handler == nullptr ? &told : handler);
  }
  Scheduler scheduler;
  SeededRandom random{1};
  NullLogSink log;
  Counter told;
  std::unique_ptr<KubeSource> source;
};

size_t InUse() { return mallinfo2().uordblks; }

void Read(benchmark::State& state, bool streams) {
  const int services = static_cast<int>(state.range(0));
  Replay replay(services, streams);
  size_t kept = 0;
  for (auto _ : state) {
    const size_t before = InUse();
    Rig rig(&replay);
    rig.source->Turn();
    replay.AnswerAll();
    if (rig.told.synced != 1) state.SkipWithError("not synced");
    kept = InUse() - before;
  }
  state.SetItemsProcessed(state.iterations() * services);
  state.counters["kept_per_service"] = static_cast<double>(kept) / std::max(services, 1);
}

void BM_ReadByWatch(benchmark::State& state) { Read(state, true); }
BENCHMARK(BM_ReadByWatch)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

void BM_ReadByPages(benchmark::State& state) { Read(state, false); }
BENCHMARK(BM_ReadByPages)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

void BM_ReadAnewUnchanged(benchmark::State& state) {
  const int services = static_cast<int>(state.range(0));
  Replay replay(services, false);
  Rig rig(&replay);
  rig.source->Turn();
  replay.AnswerAll();
  const size_t events = rig.told.events;
  for (auto _ : state) {
    rig.source->RequestFresh([] {});
    rig.source->Turn();
    replay.AnswerAll();
  }
  if (rig.told.events != events) state.SkipWithError("sent what had not changed");
  state.SetItemsProcessed(state.iterations() * services);
}
BENCHMARK(BM_ReadAnewUnchanged)->Arg(10000)->Unit(benchmark::kMillisecond);

void BM_ForeignSlices(benchmark::State& state) {
  const int slices = static_cast<int>(state.range(0));
  Replay replay(slices);
  size_t kept = 0;
  for (auto _ : state) {
    const size_t before = InUse();
    Planning planning;
    Rig rig(&replay, &planning);
    rig.source->Turn();
    replay.AnswerAll();
    kept = InUse() - before;
    state.counters["events"] = static_cast<double>(planning.events);
  }
  state.SetItemsProcessed(state.iterations() * slices);
  state.counters["kept_per_slice"] = static_cast<double>(kept) / slices;
}
BENCHMARK(BM_ForeignSlices)->Arg(10000)->Unit(benchmark::kMillisecond);

void BM_ForeignPodTurnsUnready(benchmark::State& state) {
  const int slices = static_cast<int>(state.range(0));
  Replay replay(slices);
  Planning planning;
  Rig rig(&replay, &planning);
  rig.source->Turn();
  replay.AnswerAll();
  const size_t events = planning.events;
  int version = 100000;
  for (auto _ : state) {
    state.PauseTiming();
    ++version;
    const std::string line = absl::StrCat(R"({"type":"MODIFIED","object":)",
                                          SliceJson(7, version, version % 2 == 0), "}\n");
    state.ResumeTiming();
    replay.SendSliceEvent(line);
  }
  state.counters["events"] = static_cast<double>(planning.events - events);
}
BENCHMARK(BM_ForeignPodTurnsUnready)->Arg(10000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace openelb::kube

// What a first list costs: 10,000 Services in pages of 500, each with the managedFields of two
// managers, as an API server sends them.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controller/kube/json.h"

namespace openelb::kube {
namespace {

constexpr int kServices = 10000;
constexpr int kPage = 500;

std::string Service(int i) {
  return absl::StrCat(
      R"({"metadata":{"name":"service-)", i, R"(","namespace":"default","uid":"0b0d8f4c-7a35-4b)",
      10000000 + i, R"(","resourceVersion":")", 5000 + i,
      R"(","creationTimestamp":"2026-01-02T03:04:05Z","labels":{"app":"web-)", i % 50,
      R"(","app.kubernetes.io/managed-by":"Helm"},"annotations":)"
      R"({"lb.kubesphere.io/v1alpha1":"openelb","eip.openelb.kubesphere.io/v1alpha2":"pool"},)"
      R"("finalizers":["service.kubernetes.io/load-balancer-cleanup"],"managedFields":[)"
      R"({"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"v1",)"
      R"("time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":)"
      R"({"f:annotations":{".":{},"f:lb.kubesphere.io/v1alpha1":{},)"
      R"("f:eip.openelb.kubesphere.io/v1alpha2":{}},"f:labels":{".":{},"f:app":{},)"
      R"("f:app.kubernetes.io/managed-by":{}}},"f:spec":{"f:allocateLoadBalancerNodePorts":{},)"
      R"("f:externalTrafficPolicy":{},"f:internalTrafficPolicy":{},"f:ports":{".":{},)"
      R"("k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{},)"
      R"("f:targetPort":{}}},"f:selector":{},"f:sessionAffinity":{},"f:type":{}}}},)"
      R"({"manager":"openelb-controller","operation":"Update","apiVersion":"v1",)"
      R"("time":"2026-01-02T03:04:06Z","fieldsType":"FieldsV1","fieldsV1":{"f:status":)"
      R"({"f:loadBalancer":{"f:ingress":{}}}},"subresource":"status"}]},)"
      R"("spec":{"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080,"nodePort":)",
      30000 + i % 2768, R"(}],"selector":{"app":"web-)", i % 50, R"("},"clusterIP":"10.96.)",
      i / 250, ".", i % 250, R"(","clusterIPs":["10.96.)", i / 250, ".", i % 250,
      R"("],"type":"LoadBalancer","sessionAffinity":"None","externalTrafficPolicy":"Local",)"
      R"("healthCheckNodePort":32000,"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack",)"
      R"("allocateLoadBalancerNodePorts":true,"internalTrafficPolicy":"Cluster"},)"
      R"("status":{"loadBalancer":{"ingress":[{"ip":"172.22.)",
      i / 250, ".", i % 250, R"(","ipMode":"VIP"}]}}})");
}

void BM_ParsePages(benchmark::State& state) {
  std::vector<std::string> pages;
  size_t bytes = 0;
  for (int first = 0; first < kServices; first += kPage) {
    std::string page = R"({"kind":"ServiceList","apiVersion":"v1","metadata":{},"items":[)";
    for (int i = first; i < first + kPage; ++i) {
      absl::StrAppend(&page, i == first ? "" : ",", Service(i));
    }
    page += "]}";
    bytes += page.size();
    pages.push_back(std::move(page));
  }
  for (const auto _ : state) {
    for (const std::string& page : pages) {
      const absl::StatusOr<codec::Value> value = ParseJson(page);
      if (!value.ok()) state.SkipWithError(std::string(value.status().message()).c_str());
      benchmark::DoNotOptimize(value);
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes * state.iterations()));
  state.SetItemsProcessed(static_cast<int64_t>(kServices * state.iterations()));
}
BENCHMARK(BM_ParsePages)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace openelb::kube

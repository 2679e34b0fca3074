#include "controller/observe/legacy_metrics.h"

namespace openelb::observe {
namespace {

using enum MetricType;

constexpr MetricDef kAddresses{"addresses_total", kGauge, "Addresses of an Eip.", "eipName"};
constexpr MetricDef kInUse{"addresses_in_use_total", kGauge,
                           "Addresses of an Eip that Services hold.", "eipName"};
constexpr MetricDef kServices{"services_allocated_total", kGauge,
                              "Services that hold addresses of an Eip.", "eipName"};
constexpr MetricDef kTable[] = {kAddresses, kInUse, kServices};

}  // namespace

std::span<const MetricDef> LegacyControllerMetricsTable() { return kTable; }

LegacyMetrics::LegacyMetrics(Metrics* metrics) : metrics_(metrics) { metrics_->Declare(kTable); }

void LegacyMetrics::Update(const std::vector<PoolUse>& pools) {
  std::vector<Metrics::Sample> size;
  std::vector<Metrics::Sample> used;
  std::vector<Metrics::Sample> services;
  for (const PoolUse& pool : pools) {
    size.push_back({{pool.eip}, pool.size});
    used.push_back({{pool.eip}, pool.used});
    services.push_back({{pool.eip}, pool.services});
  }
  metrics_->Replace(kAddresses, size);
  metrics_->Replace(kInUse, used);
  metrics_->Replace(kServices, services);
}

}  // namespace openelb::observe

#pragma once
// Metrics under the names that OpenELB 0.6 has for them, beside our own (--legacy-metrics).

#include <span>
#include <string>
#include <vector>

#include "api/base/metrics.h"

namespace openelb::observe {

// How much of an Eip is used.
struct PoolUse {
  std::string eip;
  double size = 0;      // addresses
  double used = 0;      // of these
  double services = 0;  // that hold these: several may share one
};

// controller/README.md explains each.
std::span<const MetricDef> LegacyControllerMetricsTable();

class LegacyMetrics {
 public:
  // Adds the table to `metrics`, which outlives it.
  explicit LegacyMetrics(Metrics* metrics);

  void Update(const std::vector<PoolUse>& pools);

 private:
  Metrics* const metrics_;
};

}  // namespace openelb::observe

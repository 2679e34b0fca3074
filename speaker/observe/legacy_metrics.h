#pragma once
// Metrics under the names that OpenELB 0.6 has for them, beside our own (--legacy-metrics).

#include <map>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "api/base/metrics.h"
#include "api/plan/v1/plan.pb.h"
#include "speaker/layer2/counters.h"

namespace openelb {

// speaker/README.md explains each.
std::span<const MetricDef> LegacySpeakerMetricTable();

class LegacyMetrics {
 public:
  // Adds the table to `metrics`, which outlives it. `node`: whose speaker this is.
  LegacyMetrics(absl::string_view node, Metrics* metrics);

  void ExportSessions(const plan::v1::Observed& observed);
  // Of Layer 2.
  void ExportAddresses(const std::map<IpAddress, layer2::AddressCounts>& counts);

 private:
  const std::string node_;
  Metrics* const metrics_;
};

}  // namespace openelb

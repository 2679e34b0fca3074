#pragma once
// The controller's metrics: one table, and what fills it.

#include <set>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "api/base/metrics.h"
#include "controller/controller.h"

namespace openelb::observe {

// What the source of cluster state counts, totals since the start.
struct SourceCounters {
  uint64_t objects = 0;  // read without an error
  uint64_t object_errors =
      0;  // objects and files that could not be read; their last good state stays
  uint64_t status_writes = 0;
  uint64_t status_write_errors = 0;
};

// Every metric of openelb-controller; controller/README.md explains each.
std::span<const MetricDef> ControllerMetricsTable();

// Measures one controller. Owner thread; Metrics::Expose may run on others.
class ControllerMetrics final : public ControllerObserver {
 public:
  ControllerMetrics(Metrics* metrics, absl::string_view version);

  void OnPlanned(absl::Duration since_change) override;
  void OnAcked(absl::Duration since_change) override;
  // Brings totals and states up to date.
  void Update(const Controller& controller, const SourceCounters& source);

 private:
  void Total(const MetricDef& def, Metrics::LabelValues labels, uint64_t total);
  void UpdatePools(const Controller& controller);
  void UpdateSpeakers(const Controller& controller);

  Metrics* metrics_;
  Histogram planned_;
  Histogram acked_;
  std::set<std::string> pools_;
  std::set<std::string> nodes_;
};

}  // namespace openelb::observe

#pragma once
// The controller's metrics: one table, and what fills it.

#include <set>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "api/base/metrics.h"
#include "controller/controller.h"
#include "controller/manifests/disk_writer.h"
#include "controller/manifests/manifest_source.h"

namespace openelb::observe {

// What surrounds the controller counts, totals since the start.
struct SourceCounters {
  manifests::ManifestSourceCounters source;
  manifests::DiskWriterCounters writer;
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

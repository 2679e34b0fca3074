#pragma once
// The controller's metrics: one table, and what fills it.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "api/base/metrics.h"
#include "api/http/scraper_guard.h"
#include "controller/admission/webhooks.h"
#include "controller/controller.h"
#include "controller/kube/kube_sink.h"
#include "controller/kube/kube_source.h"
#include "controller/kube/leader_election.h"
#include "controller/kube/saved_files.h"
#include "controller/kube/token_review_authenticator.h"
#include "controller/manifests/disk_writer.h"
#include "controller/manifests/manifest_source.h"
#include "controller/observe/legacy_metrics.h"
#include "controller/observe/session_board.h"
#include "controller/plan/model.h"
#include "controller/push/listener.h"

namespace openelb::observe {

// What the API side of a controller in a cluster counts, totals since the start.
struct ApiCounters {
  bool leads = false;
  kube::ClientCounters client;
  std::vector<kube::ResourceCounters> resources;
  kube::KubeSinkCounters sink;
  kube::SavedFilesCounters saved;
  kube::ElectionCounters election;
  kube::TokenReviewCounters reviews;
};

// Every metric of openelb-controller; controller/README.md explains each.
std::span<const MetricDef> ControllerMetricsTable();

// Measures one controller. Owner thread; Metrics::Expose may run on others.
class ControllerMetrics final : public ControllerObserver {
 public:
  ControllerMetrics(Metrics* metrics, absl::string_view version);
  // From now on also under the names that OpenELB has.
  void AddLegacy() { legacy_.emplace(metrics_); }

  void OnPlanned(absl::Duration since_change) override;
  void OnAcked(absl::Duration since_change) override;
  // Brings totals and states up to date.
  void Update(const Controller& controller);
  // The same for where its cluster state comes from.
  void UpdateManifests(const manifests::ManifestSourceCounters& source,
                       const manifests::DiskWriterCounters& writer);
  void UpdateApi(const ApiCounters& api);
  void UpdateConnections(const push::ListenerCounters& connections);
  void UpdateWebhooks(const admission::WebhookCounters& webhooks);
  void UpdateScrapes(const http::ScrapeCounters& scrapes);
  // Parts of Update: what is said of pools and their Services, of owners, of racks.
  void UpdatePools(const ipam::Ipam& ipam, const std::vector<std::string>& eips);
  void UpdateOwners(const Statuses& statuses);
  void UpdateRacks(const plan::Model& model, const SessionBoard& sessions);

 private:
  void Total(const MetricDef& def, Metrics::LabelValues labels, uint64_t total);
  void UpdateSpeakers(const Controller& controller);

  Metrics* metrics_;
  Histogram planned_;
  Histogram acked_;
  std::optional<LegacyMetrics> legacy_;
};

}  // namespace openelb::observe

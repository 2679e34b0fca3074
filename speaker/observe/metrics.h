#pragma once
// What a speaker tells Prometheus: the table of its metrics and their values. speaker/README.md
// explains each; a test holds the two together.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/metrics.h"
#include "api/http/scraper_guard.h"
#include "speaker/bfd/instance.h"
#include "speaker/lan/local_lan.h"
#include "speaker/layer2/address_problem.h"
#include "speaker/layer2/claims.h"
#include "speaker/observe/legacy_metrics.h"
#include "speaker/speaker.h"

namespace openelb {

// Copies a speaker's counters into series. Owner thread only, but for what ExportLan needs, which
// belongs to where the LAN lives; what Metrics::Expose returns may be read anywhere.
class SpeakerMetrics final : public SpeakerObserver {
 public:
  SpeakerMetrics(absl::string_view version, Metrics* metrics);

  // From now on also under the names that OpenELB has. `node`: whose speaker this is.
  void AddLegacy(absl::string_view node);

  // Brings every series up to date.
  void Export(const Speaker& speaker);
  void ExportScrapes(const http::ScrapeCounters& scrapes);
  // Those of one part.
  void ExportSessions(const plan::v1::Observed& observed);
  void ExportBfd(const std::vector<bfd::SessionView>& sessions, const bfd::Counters& counters);
  void ExportClaims(const layer2::ClaimCounters& counters);
  // Frames of Layer 2 and of VIP mode. Each has sockets of its own, so that both count a frame that
  // comes in where both have addresses.
  void ExportLayer2Wire(const layer2::Layer2& wire);
  void ExportVipWire(const layer2::Layer2& wire);

  void OnPlanApplied(absl::Duration took) override;

 private:
  void ExportPlan(const Speaker& speaker);
  void ExportLink(const link::LinkCounters& counters, bool connected);
  void ExportBgp(const bgp::Counters& counters);
  void ExportLan(const lan::LocalLan& lan);
  void ExportLayer2(const layer2::Owner& owner);
  void ExportVip(const vip::Vip& vip);
  void ExportProblems(const MetricDef& def, const layer2::AddressProblems& problems);
  void ExportFrameErrors(const MetricDef& errors, const layer2::Counters& counters);

  Metrics* const metrics_;
  std::optional<LegacyMetrics> legacy_;
};

// 0 IDLE, 1 CONNECT, 2 ACTIVE, 3 OPENSENT, 4 OPENCONFIRM, 5 ESTABLISHED; 0 of any other word.
double SessionStateNumber(absl::string_view state);

// The table, for the README's test.
std::span<const MetricDef> SpeakerMetricTable();

}  // namespace openelb

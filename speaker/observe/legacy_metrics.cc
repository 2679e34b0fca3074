#include "speaker/observe/legacy_metrics.h"

#include <vector>

#include "speaker/observe/metrics.h"

namespace openelb {
namespace {

using enum MetricType;

constexpr MetricDef kSessionUp = {
    "session_up", kGauge, "0 IDLE, 1 CONNECT, 2 ACTIVE, 3 OPENSENT, 4 OPENCONFIRM, 5 ESTABLISHED.",
    "peerIP,nodeName"};
constexpr MetricDef kUpdates = {"updates_total", kGauge, "UPDATEs received.", "peerIP,nodeName"};
constexpr MetricDef kAnnounced = {"announced_prefixes_total", kGauge,
                                  "Prefixes that the peer holds from this speaker.",
                                  "peerIP,nodeName"};
constexpr MetricDef kPending = {"pending_prefixes_total", kGauge,
                                "Prefixes withdrawn from the peer so far.", "peerIP,nodeName"};
constexpr MetricDef kRequests = {"requests_received", kCounter, "Questions for an owned address.",
                                 "ip"};
constexpr MetricDef kResponses = {"responses_sent", kCounter, "Answers about an owned address.",
                                  "ip"};
constexpr MetricDef kGratuitous = {"gratuitous_sent", kCounter,
                                   "Frames that announced an owned address.", "ip"};

constexpr MetricDef kTable[] = {kSessionUp, kUpdates,   kAnnounced, kPending,
                                kRequests,  kResponses, kGratuitous};

}  // namespace

std::span<const MetricDef> LegacySpeakerMetricTable() { return kTable; }

LegacyMetrics::LegacyMetrics(absl::string_view node, Metrics* metrics)
    : node_(node), metrics_(metrics) {
  metrics_->Declare(kTable);
}

void LegacyMetrics::ExportSessions(const plan::v1::Observed& observed) {
  std::vector<Metrics::Sample> up;
  std::vector<Metrics::Sample> updates;
  std::vector<Metrics::Sample> announced;
  std::vector<Metrics::Sample> pending;
  for (const plan::v1::PeerObserved& peer : observed.peers()) {
    const std::vector<std::string> labels = {peer.address(), node_};
    up.emplace_back(labels, SessionStateNumber(peer.session_state()));
    updates.emplace_back(labels, static_cast<double>(peer.received().update()));
    announced.emplace_back(labels, static_cast<double>(peer.announced_prefixes()));
    pending.emplace_back(labels, static_cast<double>(peer.sent().withdrawn_prefixes()));
  }
  metrics_->Replace(kSessionUp, up);
  metrics_->Replace(kUpdates, updates);
  metrics_->Replace(kAnnounced, announced);
  metrics_->Replace(kPending, pending);
}

// Every question is answered.
void LegacyMetrics::ExportAddresses(const std::map<IpAddress, layer2::AddressCounts>& counts) {
  std::vector<Metrics::Sample> answers;
  std::vector<Metrics::Sample> announcements;
  for (const auto& [address, count] : counts) {
    answers.push_back({{address.ToString()}, static_cast<double>(count.answers)});
    announcements.push_back({{address.ToString()}, static_cast<double>(count.announcements)});
  }
  metrics_->Replace(kRequests, answers);
  metrics_->Replace(kResponses, answers);
  metrics_->Replace(kGratuitous, announcements);
}

}  // namespace openelb

#include "speaker/observe/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <map>
#include <vector>

namespace openelb {
namespace {

constexpr MetricType kCounter = MetricType::kCounter;
constexpr MetricType kGauge = MetricType::kGauge;

constexpr MetricDef kBuildInfo = {"openelb_speaker_build_info", kGauge, "Always 1.", "version"};
constexpr MetricDef kResidentMemory = {"openelb_speaker_resident_memory_bytes", kGauge,
                                       "Memory of the process that is in RAM.", ""};

constexpr MetricDef kPlanEpoch = {"openelb_speaker_plan_epoch", kGauge,
                                  "Epoch of the plan in force.", ""};
constexpr MetricDef kPlanGeneration = {"openelb_speaker_plan_generation", kGauge,
                                       "Counter of the plan in force, within its epoch.", ""};
constexpr MetricDef kPlanRoutes = {"openelb_speaker_plan_routes", kGauge,
                                   "Prefixes of the plan in force.", ""};
constexpr MetricDef kPlanWaiting = {
    "openelb_speaker_plan_waiting", kGauge,
    "1 while a saved plan is too old to be announced before a controller confirms it.", ""};
constexpr MetricDef kPlansApplied = {"openelb_speaker_plans_applied_total", kCounter,
                                     "Plans put in force.", "kind"};
constexpr MetricDef kPlanErrors = {"openelb_speaker_plan_errors_total", kCounter,
                                   "Plans refused as a whole.", "reason"};
constexpr MetricDef kResourceErrors = {"openelb_speaker_resource_errors_total", kCounter,
                                       "Resources of plans that could not be applied.", ""};
constexpr MetricDef kResourcesRefused = {
    "openelb_speaker_resources_refused", kGauge,
    "Resources of the plan in force that cannot be applied now.", ""};
constexpr MetricDef kPlanApplySeconds = {"openelb_speaker_plan_apply_seconds",
                                         MetricType::kHistogram, "Time to put a plan in force.",
                                         ""};
constexpr MetricDef kPlanFileSaves = {"openelb_speaker_plan_file_saves_total", kCounter,
                                      "Plans saved to disk.", ""};
constexpr MetricDef kPlanFileErrors = {"openelb_speaker_plan_file_errors_total", kCounter,
                                       "Failures of the saved plan.", "operation"};

constexpr MetricDef kAttached = {"openelb_speaker_attached", kGauge,
                                 "1 while a controller is connected.", ""};
constexpr MetricDef kStreams = {"openelb_speaker_controller_streams_total", kCounter,
                                "Controllers heard from; all but the first are reconnects.", ""};
constexpr MetricDef kDials = {"openelb_speaker_controller_dials_total", kCounter,
                              "Attempts to reach a controller.", ""};
constexpr MetricDef kStreamErrors = {"openelb_speaker_controller_errors_total", kCounter,
                                     "Streams to controllers that failed.", "reason"};

constexpr MetricDef kSessionState = {
    "openelb_speaker_bgp_session_state", kGauge,
    "0 IDLE, 1 CONNECT, 2 ACTIVE, 3 OPENSENT, 4 OPENCONFIRM, 5 ESTABLISHED.", "peer,name"};
constexpr MetricDef kSessionWanted = {
    "openelb_speaker_bgp_session_wanted", kGauge,
    "1 where the session is to be established, 0 where its BgpPeer is shut down.", "peer,name"};
constexpr MetricDef kEstablishedSince = {
    "openelb_speaker_bgp_session_established_timestamp_seconds", kGauge,
    "When the session was established, in Unix time; only of those that are.", "peer,name"};
constexpr MetricDef kAnnouncedPrefixes = {"openelb_speaker_bgp_announced_prefixes", kGauge,
                                          "Prefixes that the peer holds from this speaker.",
                                          "peer,name"};
constexpr MetricDef kAnnouncedPaths = {"openelb_speaker_bgp_announced_paths", kGauge,
                                       "Paths that the peer holds from this speaker.", "peer,name"};
constexpr MetricDef kOnWire = {
    "openelb_speaker_bgp_on_wire_generation", kGauge,
    "Counter of the newest plan that the peer's TCP has acknowledged in full.", "peer,name"};
constexpr MetricDef kProblems = {"openelb_speaker_bgp_problems", kGauge,
                                 "Problems of the BGP instance, such as a listen port that is "
                                 "taken.",
                                 ""};
constexpr MetricDef kTransitions = {"openelb_speaker_bgp_session_transitions_total", kCounter,
                                    "Changes of session state, by the state entered and why.",
                                    "state,reason"};
constexpr MetricDef kMessages = {"openelb_speaker_bgp_messages_total", kCounter, "BGP messages.",
                                 "direction,type"};
constexpr MetricDef kWithdrawn = {"openelb_speaker_bgp_withdrawn_prefixes_total", kCounter,
                                  "Prefixes withdrawn.", "direction"};
constexpr MetricDef kNotifications = {"openelb_speaker_bgp_notifications_total", kCounter,
                                      "NOTIFICATIONs by their meaning.", "direction,meaning"};
constexpr MetricDef kUpdateErrors = {
    "openelb_speaker_bgp_update_errors_total", kCounter,
    "Malformed UPDATEs received, by what they cost (RFC 7606) and what was wrong.",
    "approach,error"};
constexpr MetricDef kRefreshes = {"openelb_speaker_bgp_route_refreshes_total", kCounter,
                                  "ROUTE-REFRESHes received, by what they led to.", "outcome"};
constexpr MetricDef kRejectedConnections = {
    "openelb_speaker_bgp_rejected_connections_total", kCounter,
    "Inbound connections closed at once: no peer's, or a peer that must stay down.", ""};

constexpr MetricDef kLayer2Owned = {"openelb_speaker_layer2_owned", kGauge,
                                    "Layer 2 addresses that this node answers for.", ""};
constexpr MetricDef kLayer2Problems = {
    "openelb_speaker_layer2_problems", kGauge,
    "Layer 2 addresses of this node that are not answered (unanswered), or by another station "
    "(duplicate).",
    "kind"};
constexpr MetricDef kLayer2Answers = {"openelb_speaker_layer2_answers_total", kCounter,
                                      "Questions for owned addresses that were answered.",
                                      "protocol"};
constexpr MetricDef kLayer2Announcements = {"openelb_speaker_layer2_announcements_total", kCounter,
                                            "Frames that announced owned addresses.", ""};
constexpr MetricDef kLayer2Conflicts = {"openelb_speaker_layer2_conflicts_total", kCounter,
                                        "Frames by which other stations claimed owned addresses.",
                                        ""};
constexpr MetricDef kLayer2Errors = {"openelb_speaker_layer2_errors_total", kCounter,
                                     "Malformed frames that were dropped.", "protocol,reason"};
constexpr MetricDef kLayer2SendErrors = {"openelb_speaker_layer2_send_errors_total", kCounter,
                                         "Frames that could not be sent.", ""};
constexpr MetricDef kLayer2GroupErrors = {"openelb_speaker_layer2_group_errors_total", kCounter,
                                          "Multicast groups that could not be joined.", ""};

constexpr MetricDef kClaims = {"openelb_speaker_layer2_claims_datagrams_total", kCounter,
                               "Datagrams about who owns which address.", "direction"};
constexpr MetricDef kClaimsErrors = {"openelb_speaker_layer2_claims_dropped_total", kCounter,
                                     "Datagrams of claims that were dropped.", "reason"};
constexpr MetricDef kClaimsSendErrors = {"openelb_speaker_layer2_claims_send_errors_total",
                                         kCounter, "Datagrams of claims that could not be sent.",
                                         ""};

constexpr MetricDef kBfdSessions = {"openelb_speaker_bfd_sessions", kGauge,
                                    "BFD sessions of the plan in force.", "state"};
constexpr MetricDef kBfdTransitions = {"openelb_speaker_bfd_session_transitions_total", kCounter,
                                       "Changes of BFD state, by the state entered and why.",
                                       "state,reason"};
constexpr MetricDef kBfdPackets = {"openelb_speaker_bfd_packets_total", kCounter,
                                   "BFD Control packets.", "direction"};
constexpr MetricDef kBfdErrors = {"openelb_speaker_bfd_dropped_total", kCounter,
                                  "BFD Control packets that were dropped.", "reason"};
constexpr MetricDef kBfdSendErrors = {"openelb_speaker_bfd_send_errors_total", kCounter,
                                      "BFD Control packets that could not be sent.", ""};

constexpr MetricDef kVrrpState = {"openelb_speaker_vrrp_router_state", kGauge,
                                  "0 INITIALIZE, 1 BACKUP, 2 ACTIVE.", "router,name"};
constexpr MetricDef kVrrpHeld = {"openelb_speaker_vrrp_addresses", kGauge,
                                 "VIP addresses that are on this node's interfaces.", ""};
constexpr MetricDef kVrrpProblems = {
    "openelb_speaker_vrrp_problems", kGauge,
    "VIP addresses that cannot be held here (unanswered), or that another station claims "
    "(duplicate).",
    "kind"};
constexpr MetricDef kVrrpHeard = {"openelb_speaker_vrrp_others", kGauge,
                                  "Virtual routers of others that are heard.", ""};
constexpr MetricDef kVrrpTransitions = {"openelb_speaker_vrrp_transitions_total", kCounter,
                                        "Changes of virtual routers, by the state entered and why.",
                                        "state,reason"};
constexpr MetricDef kVrrpPackets = {"openelb_speaker_vrrp_packets_total", kCounter,
                                    "ADVERTISEMENTs sent and taken.", "direction"};
constexpr MetricDef kVrrpDropped = {"openelb_speaker_vrrp_dropped_total", kCounter,
                                    "VRRP packets that were dropped.", "reason"};
constexpr MetricDef kVrrpRivals = {"openelb_speaker_vrrp_rivals_total", kCounter,
                                   "ADVERTISEMENTs of another Active that has to give way.", ""};
constexpr MetricDef kVrrpMismatches = {"openelb_speaker_vrrp_address_mismatches_total", kCounter,
                                       "ADVERTISEMENTs taken that do not list just our addresses.",
                                       ""};
constexpr MetricDef kVrrpErrors = {"openelb_speaker_vrrp_errors_total", kCounter,
                                   "System calls of VIP mode that failed.", "operation"};
constexpr MetricDef kVrrpAnnouncements = {"openelb_speaker_vrrp_announcements_total", kCounter,
                                          "Frames that announced held addresses.", ""};
constexpr MetricDef kVrrpConflicts = {"openelb_speaker_vrrp_conflicts_total", kCounter,
                                      "Frames by which other stations claimed held addresses.", ""};
constexpr MetricDef kVrrpFrameErrors = {"openelb_speaker_vrrp_frame_errors_total", kCounter,
                                        "Malformed frames that were dropped where addresses are "
                                        "held.",
                                        "protocol,reason"};

constexpr MetricDef kScrapes = {"openelb_speaker_scrapes_total", kCounter,
                                "Requests for metrics where --metrics-secure asks who it is.",
                                "outcome"};

constexpr MetricDef kTable[] = {
    kBuildInfo,
    kResidentMemory,
    kPlanEpoch,
    kPlanGeneration,
    kPlanRoutes,
    kPlanWaiting,
    kPlansApplied,
    kPlanErrors,
    kResourceErrors,
    kResourcesRefused,
    kPlanApplySeconds,
    kPlanFileSaves,
    kPlanFileErrors,
    kAttached,
    kStreams,
    kDials,
    kStreamErrors,
    kSessionState,
    kSessionWanted,
    kEstablishedSince,
    kAnnouncedPrefixes,
    kAnnouncedPaths,
    kOnWire,
    kProblems,
    kTransitions,
    kMessages,
    kWithdrawn,
    kNotifications,
    kUpdateErrors,
    kRefreshes,
    kRejectedConnections,
    kLayer2Owned,
    kLayer2Problems,
    kLayer2Answers,
    kLayer2Announcements,
    kLayer2Conflicts,
    kLayer2Errors,
    kLayer2SendErrors,
    kLayer2GroupErrors,
    kClaims,
    kClaimsErrors,
    kClaimsSendErrors,
    kBfdSessions,
    kBfdTransitions,
    kBfdPackets,
    kBfdErrors,
    kBfdSendErrors,
    kVrrpState,
    kVrrpHeld,
    kVrrpProblems,
    kVrrpHeard,
    kVrrpTransitions,
    kVrrpPackets,
    kVrrpDropped,
    kVrrpRivals,
    kVrrpMismatches,
    kVrrpErrors,
    kVrrpAnnouncements,
    kVrrpConflicts,
    kVrrpFrameErrors,
    kScrapes,
};

// Series only grow by increments; the speaker's counters are totals.
void Advance(Counter counter, uint64_t total) {
  counter.Increment(static_cast<double>(total) - counter.Value());
}

constexpr absl::string_view kEstablished = "ESTABLISHED";

double ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long size = 0;
  unsigned long resident = 0;
  const int fields = std::fscanf(file, "%lu %lu", &size, &resident);
  std::fclose(file);
  return fields == 2 ? static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE))
                     : 0;
}

}  // namespace

std::span<const MetricDef> SpeakerMetricTable() { return kTable; }

double SessionStateNumber(absl::string_view state) {
  constexpr absl::string_view kStates[] = {"IDLE",     "CONNECT",     "ACTIVE",
                                           "OPENSENT", "OPENCONFIRM", kEstablished};
  for (size_t i = 0; i < std::size(kStates); ++i) {
    if (state == kStates[i]) return static_cast<double>(i);
  }
  return 0;
}

SpeakerMetrics::SpeakerMetrics(absl::string_view version, Metrics* metrics) : metrics_(metrics) {
  metrics_->GaugeOf(kBuildInfo, {version}).Set(1);
  metrics_->HistogramOf(kPlanApplySeconds);
}

void SpeakerMetrics::AddLegacy(absl::string_view node) { legacy_.emplace(node, metrics_); }

void SpeakerMetrics::OnPlanApplied(absl::Duration took) {
  metrics_->HistogramOf(kPlanApplySeconds).Observe(absl::ToDoubleSeconds(took));
}

void SpeakerMetrics::Export(const Speaker& speaker) {
  metrics_->GaugeOf(kResidentMemory).Set(ResidentBytes());
  ExportPlan(speaker);
  ExportLink(speaker.link().counters(), speaker.link().connected());
  ExportSessions(speaker.bgp().Observed());
  ExportBgp(speaker.bgp().counters());
  // One that does not answer leaves the last values.
  if (speaker.lan() != nullptr)
    speaker.lan()->Read([this](const lan::LocalLan& lan) { ExportLan(lan); });
}

void SpeakerMetrics::ExportScrapes(const http::ScrapeCounters& scrapes) {
  for (const auto& [outcome, total] :
       {std::pair{"allowed", scrapes.allowed},
        std::pair{"unauthenticated", scrapes.unauthenticated},
        std::pair{"forbidden", scrapes.forbidden}, std::pair{"unavailable", scrapes.unavailable}}) {
    Advance(metrics_->CounterOf(kScrapes, {outcome}), total);
  }
}

void SpeakerMetrics::ExportLan(const lan::LocalLan& lan) {
  if (lan.routers()) ExportVip(*lan.routers());
  if (!lan.owner()) return;
  ExportLayer2(*lan.owner());
  ExportBfd(lan.owner()->watch().Sessions(), lan.owner()->watch().counters());
  ExportClaims(lan.owner()->claims().counters());
}

void SpeakerMetrics::ExportLayer2(const layer2::Owner& owner) {
  metrics_->GaugeOf(kLayer2Owned).Set(static_cast<double>(owner.owned().size()));
  ExportProblems(kLayer2Problems, owner.problems());
  ExportLayer2Wire(owner.wire());
}

void SpeakerMetrics::ExportProblems(const MetricDef& def, const layer2::AddressProblems& problems) {
  const auto duplicates = std::count_if(problems.begin(), problems.end(),
                                        [](const auto& entry) { return entry.second.duplicate; });
  const auto all = static_cast<std::ptrdiff_t>(problems.size());
  metrics_->GaugeOf(def, {"duplicate"}).Set(static_cast<double>(duplicates));
  metrics_->GaugeOf(def, {"unanswered"}).Set(static_cast<double>(all - duplicates));
}

void SpeakerMetrics::ExportLayer2Wire(const layer2::Layer2& wire) {
  const layer2::Counters& counters = wire.counters();
  Advance(metrics_->CounterOf(kLayer2Answers, {"arp"}), counters.arp_answers);
  Advance(metrics_->CounterOf(kLayer2Answers, {"ndp"}), counters.ndp_answers);
  Advance(metrics_->CounterOf(kLayer2Announcements), counters.announcements);
  Advance(metrics_->CounterOf(kLayer2Conflicts), counters.conflicts);
  Advance(metrics_->CounterOf(kLayer2SendErrors), wire.send_errors());
  Advance(metrics_->CounterOf(kLayer2GroupErrors), wire.group_errors());
  ExportFrameErrors(kLayer2Errors, counters);
  if (legacy_) legacy_->ExportAddresses(wire.CountsByAddress());
}

void SpeakerMetrics::ExportFrameErrors(const MetricDef& errors, const layer2::Counters& counters) {
  for (size_t i = 0; i < counters.arp_errors.size(); ++i) {
    const auto reason = arp::PacketErrorName(static_cast<arp::PacketError>(i));
    Advance(metrics_->CounterOf(errors, {"arp", reason}), counters.arp_errors[i]);
  }
  for (size_t i = 0; i < counters.ndp_errors.size(); ++i) {
    const auto reason = ndp::PacketErrorName(static_cast<ndp::PacketError>(i));
    Advance(metrics_->CounterOf(errors, {"ndp", reason}), counters.ndp_errors[i]);
  }
}

void SpeakerMetrics::ExportClaims(const layer2::ClaimCounters& counters) {
  Advance(metrics_->CounterOf(kClaims, {"sent"}), counters.sent);
  Advance(metrics_->CounterOf(kClaims, {"received"}), counters.received);
  Advance(metrics_->CounterOf(kClaimsSendErrors), counters.send_errors);
  for (size_t i = 0; i < counters.dropped.size(); ++i) {
    const auto reason = layer2::ClaimDropName(static_cast<layer2::ClaimDrop>(i));
    Advance(metrics_->CounterOf(kClaimsErrors, {reason}), counters.dropped[i]);
  }
}

void SpeakerMetrics::ExportBfd(const std::vector<bfd::SessionView>& sessions,
                               const bfd::Counters& counters) {
  std::map<bfd::State, int> by_state = {{bfd::State::kAdminDown, 0},
                                        {bfd::State::kDown, 0},
                                        {bfd::State::kInit, 0},
                                        {bfd::State::kUp, 0}};
  for (const bfd::SessionView& session : sessions) ++by_state[session.state];
  for (const auto& [state, count] : by_state) {
    metrics_->GaugeOf(kBfdSessions, {bfd::StateName(state)}).Set(count);
  }
  Advance(metrics_->CounterOf(kBfdPackets, {"sent"}), counters.sent);
  Advance(metrics_->CounterOf(kBfdPackets, {"received"}), counters.received);
  Advance(metrics_->CounterOf(kBfdSendErrors), counters.send_errors);
  for (const auto& [entered, count] : counters.transitions) {
    Advance(metrics_->CounterOf(kBfdTransitions, {entered.first, entered.second}), count);
  }
  for (size_t i = 0; i < counters.dropped.size(); ++i) {
    const auto reason = bfd::DropName(static_cast<bfd::Drop>(i));
    Advance(metrics_->CounterOf(kBfdErrors, {reason}), counters.dropped[i]);
  }
}

void SpeakerMetrics::ExportVip(const vip::Vip& vip) {
  std::vector<Metrics::Sample> routers;
  for (const vrrp::RouterView& view : vip.routers().Routers()) {
    const std::string router = absl::StrCat(view.key.interface, "/",
                                            static_cast<int>(view.key.family), "/", view.key.vrid);
    routers.push_back({{router, view.name}, static_cast<double>(view.state)});
  }
  metrics_->Replace(kVrrpState, routers);
  metrics_->GaugeOf(kVrrpHeld).Set(static_cast<double>(vip.held()));
  ExportProblems(kVrrpProblems, vip.problems());
  metrics_->GaugeOf(kVrrpHeard).Set(static_cast<double>(vip.heard().size()));

  const vrrp::Counters& counters = vip.routers().counters();
  for (const auto& [entered, count] : counters.transitions) {
    Advance(metrics_->CounterOf(kVrrpTransitions, {entered.first, entered.second}), count);
  }
  Advance(metrics_->CounterOf(kVrrpPackets, {"sent"}), counters.sent);
  Advance(metrics_->CounterOf(kVrrpPackets, {"received"}), counters.received);
  for (const auto& [reason, count] : counters.dropped) {
    Advance(metrics_->CounterOf(kVrrpDropped, {reason}), count);
  }
  Advance(metrics_->CounterOf(kVrrpRivals), counters.rivals);
  Advance(metrics_->CounterOf(kVrrpMismatches), counters.address_mismatches);
  Advance(metrics_->CounterOf(kVrrpErrors, {"send"}), counters.send_errors);
  Advance(metrics_->CounterOf(kVrrpErrors, {"hold"}), counters.hold_errors);
  ExportVipWire(vip.wire());
}

void SpeakerMetrics::ExportVipWire(const layer2::Layer2& wire) {
  Advance(metrics_->CounterOf(kVrrpErrors, {"announce"}), wire.send_errors());
  Advance(metrics_->CounterOf(kVrrpErrors, {"group"}), wire.group_errors());
  Advance(metrics_->CounterOf(kVrrpAnnouncements), wire.counters().announcements);
  Advance(metrics_->CounterOf(kVrrpConflicts), wire.counters().conflicts);
  ExportFrameErrors(kVrrpFrameErrors, wire.counters());
}

void SpeakerMetrics::ExportPlan(const Speaker& speaker) {
  const link::PlanStore& store = speaker.store();
  metrics_->GaugeOf(kPlanEpoch).Set(static_cast<double>(store.state().generation.epoch));
  metrics_->GaugeOf(kPlanGeneration).Set(static_cast<double>(store.state().generation.counter));
  metrics_->GaugeOf(kPlanRoutes).Set(static_cast<double>(store.state().routes.size()));
  metrics_->GaugeOf(kPlanWaiting).Set(speaker.waiting() ? 1 : 0);
  metrics_->GaugeOf(kResourcesRefused).Set(static_cast<double>(store.errors().size()));
  const link::PlanStoreCounters& counters = store.counters();
  Advance(metrics_->CounterOf(kPlansApplied, {"snapshot"}), counters.snapshots);
  Advance(metrics_->CounterOf(kPlansApplied, {"delta"}), counters.deltas);
  Advance(metrics_->CounterOf(kPlanErrors, {"epoch"}), counters.epoch_refusals);
  Advance(metrics_->CounterOf(kPlanErrors, {"content"}),
          counters.plan_errors - counters.epoch_refusals);
  Advance(metrics_->CounterOf(kResourceErrors), counters.resource_errors);
  const link::PlanFile::Counters& file = speaker.plan_file().counters();
  Advance(metrics_->CounterOf(kPlanFileSaves), file.saves);
  Advance(metrics_->CounterOf(kPlanFileErrors, {"save"}), file.save_errors);
  Advance(metrics_->CounterOf(kPlanFileErrors, {"load"}), file.damaged);
}

void SpeakerMetrics::ExportLink(const link::LinkCounters& counters, bool connected) {
  metrics_->GaugeOf(kAttached).Set(connected ? 1 : 0);
  Advance(metrics_->CounterOf(kStreams), counters.streams);
  Advance(metrics_->CounterOf(kDials), counters.dials);
  Advance(metrics_->CounterOf(kStreamErrors, {"dial"}), counters.dial_failures);
  Advance(metrics_->CounterOf(kStreamErrors, {"silent"}), counters.dead_controllers);
  Advance(metrics_->CounterOf(kStreamErrors, {"deposed"}), counters.deposed);
}

void SpeakerMetrics::ExportSessions(const plan::v1::Observed& observed) {
  metrics_->GaugeOf(kProblems).Set(observed.problems_size());
  std::map<const MetricDef*, std::vector<Metrics::Sample>> samples = {
      {&kSessionState, {}},      {&kSessionWanted, {}},  {&kEstablishedSince, {}},
      {&kAnnouncedPrefixes, {}}, {&kAnnouncedPaths, {}}, {&kOnWire, {}}};
  for (const plan::v1::PeerObserved& peer : observed.peers()) {
    const auto add = [&](const MetricDef& def, double value) {
      samples[&def].push_back({{peer.address(), peer.name()}, value});
    };
    add(kSessionState, SessionStateNumber(peer.session_state()));
    add(kSessionWanted, peer.admin_down() ? 0 : 1);
    if (peer.session_state() == kEstablished && peer.has_up_since()) {
      add(kEstablishedSince, static_cast<double>(peer.up_since().seconds()) +
                                 static_cast<double>(peer.up_since().nanos()) * 1e-9);
    }
    add(kAnnouncedPrefixes, static_cast<double>(peer.announced_prefixes()));
    add(kAnnouncedPaths, static_cast<double>(peer.announced_paths()));
    add(kOnWire, static_cast<double>(peer.on_wire().counter()));
  }
  for (const auto& [def, values] : samples) metrics_->Replace(*def, values);
  if (legacy_) legacy_->ExportSessions(observed);
}

void SpeakerMetrics::ExportBgp(const bgp::Counters& counters) {
  for (const auto& [entered, count] : counters.transitions) {
    Advance(metrics_->CounterOf(kTransitions, {entered.first, entered.second}), count);
  }
  const std::pair<absl::string_view, const bgp::MessageCounts*> directions[] = {
      {"sent", &counters.sent}, {"received", &counters.received}};
  for (const auto& [direction, counts] : directions) {
    Advance(metrics_->CounterOf(kMessages, {direction, "open"}), counts->open);
    Advance(metrics_->CounterOf(kMessages, {direction, "update"}), counts->update);
    Advance(metrics_->CounterOf(kMessages, {direction, "notification"}), counts->notification);
    Advance(metrics_->CounterOf(kMessages, {direction, "keepalive"}), counts->keepalive);
    Advance(metrics_->CounterOf(kMessages, {direction, "refresh"}), counts->refresh);
    Advance(metrics_->CounterOf(kWithdrawn, {direction}), counts->withdrawn_prefixes);
  }
  for (const auto& [meaning, count] : counters.notifications_sent) {
    Advance(metrics_->CounterOf(kNotifications, {"sent", meaning}), count);
  }
  for (const auto& [meaning, count] : counters.notifications_received) {
    Advance(metrics_->CounterOf(kNotifications, {"received", meaning}), count);
  }
  for (const auto& [what, count] : counters.update_errors) {
    Advance(metrics_->CounterOf(kUpdateErrors, {what.first, what.second}), count);
  }
  for (const auto& [outcome, count] : counters.refreshes) {
    Advance(metrics_->CounterOf(kRefreshes, {outcome}), count);
  }
  Advance(metrics_->CounterOf(kRejectedConnections), counters.rejected_connections);
}

}  // namespace openelb

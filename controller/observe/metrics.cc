#include "controller/observe/metrics.h"

#include <algorithm>
#include <array>

#include "absl/numeric/int128.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "controller/observe/rack_table.h"
#include "controller/plan/hop_counts.h"

namespace openelb::observe {
namespace {

using enum MetricType;

constexpr MetricDef kBuildInfo{"openelb_build_info", kGauge,
                               "Always 1; the label names the version.", "version"};
constexpr MetricDef kSourceUp{"openelb_source_up", kGauge,
                              "1 while the source of cluster state can be read.", ""};
constexpr MetricDef kObjectEvents{"openelb_object_events_total", kCounter,
                                  "Changes of cluster objects taken from the source.", ""};
constexpr MetricDef kFiles{
    "openelb_manifest_files_total", kCounter,
    "Files of manifests, by outcome: read, refused (their last good state stays).", "outcome"};
constexpr MetricDef kManifests{"openelb_manifest_objects_total", kCounter,
                               "Objects in manifests, by outcome: read, refused (the last good "
                               "state stays), skipped (kinds not read here), "
                               "duplicate.",
                               "outcome"};
constexpr MetricDef kStatusWrites{
    "openelb_status_writes_total", kCounter,
    "Writes of what users see on their objects (in a cluster patches, else files), by outcome: "
    "written, conflict, refused, failed (all but the first are tried again).",
    "outcome"};
constexpr MetricDef kLeader{"openelb_leader", kGauge,
                            "1 while this controller leads; only in a cluster.", ""};
constexpr MetricDef kLapses{"openelb_leader_lapses_total", kCounter,
                            "Times the leadership could not be renewed in time.", ""};
constexpr MetricDef kApiCalls{
    "openelb_api_calls_total", kCounter,
    "Single calls to the API server, by outcome: sent (all), throttled (429), failed.", "outcome"};
constexpr MetricDef kApiObjects{"openelb_api_objects", kGauge,
                                "Objects known of what is read from the API server.", "resource"};
constexpr MetricDef kApiReads{
    "openelb_api_reads_total", kCounter,
    "How cluster state is read from the API server: list (complete ones), watch, event, silent "
    "(watches given up because nothing came), resumed (watches after a long absence of the server, "
    "without a list), failure, refused (objects that cannot be decoded; their last good state "
    "stays).",
    "resource,what"};
constexpr MetricDef kEventWrites{
    "openelb_api_event_writes_total", kCounter,
    "Kubernetes Events, by outcome: sent, dropped (too many), refused, failed (tried again).",
    "outcome"};
constexpr MetricDef kTokenReviews{
    "openelb_token_reviews_total", kCounter,
    "Speakers' tokens, by outcome: asked (of the API server), refused, unavailable (no answer, not "
    "known), believed (no answer, accepted before).",
    "outcome"};
constexpr MetricDef kClusterEvents{"openelb_cluster_events_total", kCounter,
                                   "Events recorded for users.", ""};
constexpr MetricDef kProblems{"openelb_problems", kGauge,
                              "Things users should mend, as their objects' conditions name them.",
                              ""};
constexpr MetricDef kPoolSize{"openelb_eip_addresses", kGauge, "Addresses of an Eip.", "eip"};
constexpr MetricDef kPoolUsed{"openelb_eip_addresses_used", kGauge,
                              "Addresses of an Eip that Services hold.", "eip"};
constexpr MetricDef kOwners{
    "openelb_layer2_addresses", kGauge,
    "Addresses of Layer 2 and VIP Eips, by who answers: as_planned, elsewhere, nobody, several.",
    "state"};
constexpr MetricDef kOwnerChanges{
    "openelb_layer2_owner_changes_total", kCounter,
    "Times addresses of a Layer 2 or VIP Eip went from one node to another.", "eip"};
constexpr MetricDef kDuplicates{
    "openelb_layer2_duplicate_addresses", kGauge,
    "Addresses of a Layer 2 or VIP Eip that another station answers for now.", "eip"};
constexpr MetricDef kServiceInfo{"openelb_service_info", kGauge,
                                 "Always 1; the labels name a Service and an address it has.",
                                 "service_namespace,service_name,eip,address"};
constexpr MetricDef kServiceInfoOmitted{
    "openelb_service_info_omitted", kGauge,
    "Addresses of Services that openelb_service_info leaves out, because there are too many.", ""};
constexpr MetricDef kRackSpeakers{
    "openelb_rack_speakers", kGauge,
    "Speakers of each rack that is in use, by state: ready, no_session, silent, leaving.",
    "rack,state"};
constexpr MetricDef kRackNextHops{"openelb_rack_next_hops", kGauge,
                                  "Nodes that are next hops for the routers of a rack.", "rack"};
constexpr MetricDef kWithoutNextHop{
    "openelb_addresses_without_next_hop", kGauge,
    "Addresses that BGP is to announce and that have no next hop in any rack.", ""};
constexpr MetricDef kPoolsRefused{"openelb_eips_refused_total", kCounter,
                                  "Times an Eip's address was unreadable or overlapped another's.",
                                  ""};
constexpr MetricDef kAllocations{"openelb_allocations_total", kCounter,
                                 "What allocation did, by outcome: assigned, released, failed.",
                                 "outcome"};
constexpr MetricDef kWaiting{"openelb_services_waiting", kGauge,
                             "Services without the address they ask for.", ""};
constexpr MetricDef kPlanSteps{"openelb_plan_steps_total", kCounter, "Rounds of planning.", ""};
constexpr MetricDef kPlanVisits{"openelb_plan_objects_visited_total", kCounter,
                                "Objects that planning derived anew, by kind.", "kind"};
constexpr MetricDef kPlanEpoch{"openelb_plan_epoch", kGauge, "Epoch of the plans that are served.",
                               ""};
constexpr MetricDef kPlanGeneration{
    "openelb_plan_generation", kGauge,
    "Counter of a speaker's plan generation, by stage: planned, acked, on_wire.", "node,stage"};
constexpr MetricDef kChangeToPlan{"openelb_change_to_plan_seconds", kHistogram,
                                  "From the arrival of a change to the new plan.", ""};
constexpr MetricDef kPlanToAck{"openelb_plan_to_ack_seconds", kHistogram,
                               "From a new plan to a speaker's acknowledgement.", ""};
constexpr MetricDef kSpeakerAttached{"openelb_speaker_attached", kGauge,
                                     "1 while the speaker of a node has a stream.", "node"};
constexpr MetricDef kStreams{
    "openelb_plan_streams_total", kCounter,
    "Speakers that attached, by outcome: accepted, resumed, refused, second (of these, of a node "
    "that has one already), dead, unacknowledged, invalid, ended.",
    "outcome"};
constexpr MetricDef kConnections{
    "openelb_plan_connections_total", kCounter,
    "Connections to --plan-addr, by outcome: taken, refused (too many have shown no token that "
    "counts), waited (for want of descriptors or memory).",
    "outcome"};
constexpr MetricDef kStrangers{
    "openelb_plan_connections_unidentified", kGauge,
    "Open connections to --plan-addr that have no stream whose token counts.", ""};
constexpr MetricDef kPlanMessages{"openelb_plan_messages_total", kCounter,
                                  "Messages sent to speakers: snapshot, delta, heartbeat.", "kind"};
constexpr MetricDef kPlanRefusals{"openelb_plan_refusals_total", kCounter,
                                  "What speakers refused: resource, plan, epoch.", "what"};
constexpr MetricDef kSaveFailures{"openelb_save_failures_total", kCounter,
                                  "Times facts and assignments could not be saved.", ""};
constexpr MetricDef kAdmissions{
    "openelb_admission_reviews_total", kCounter,
    "What the API server asked webhooks, by verdict: allowed, changed, refused, unanswered.",
    "kind,operation,verdict"};
constexpr MetricDef kBadRequests{
    "openelb_admission_bad_requests_total", kCounter,
    "Connections with webhooks that brought no review: no_tls, no_http, too_large, too_slow, "
    "crowded, no_path, no_review.",
    "what"};

constexpr MetricDef kScrapes{"openelb_scrapes_total", kCounter,
                             "Requests for metrics where --metrics-secure asks who it is: allowed, "
                             "unauthenticated, forbidden, unavailable.",
                             "outcome"};

// Series of kServiceInfo: each costs whoever collects them as much as an Eip's do.
constexpr size_t kMostServiceInfos = 2000;

constexpr std::array kTable = {
    kBuildInfo,       kSourceUp,
    kObjectEvents,    kFiles,
    kManifests,       kStatusWrites,
    kLeader,          kLapses,
    kApiCalls,        kApiObjects,
    kApiReads,        kEventWrites,
    kTokenReviews,    kClusterEvents,
    kProblems,        kPoolSize,
    kPoolUsed,        kOwners,
    kOwnerChanges,    kDuplicates,
    kServiceInfo,     kServiceInfoOmitted,
    kRackSpeakers,    kRackNextHops,
    kWithoutNextHop,  kPoolsRefused,
    kAllocations,     kWaiting,
    kPlanSteps,       kPlanVisits,
    kPlanEpoch,       kPlanGeneration,
    kChangeToPlan,    kPlanToAck,
    kSpeakerAttached, kStreams,
    kConnections,     kStrangers,
    kPlanMessages,    kPlanRefusals,
    kSaveFailures,    kAdmissions,
    kBadRequests,     kScrapes,
};

}  // namespace

std::span<const MetricDef> ControllerMetricsTable() { return kTable; }

ControllerMetrics::ControllerMetrics(Metrics* metrics, absl::string_view version)
    : metrics_(metrics),
      planned_(metrics->HistogramOf(kChangeToPlan)),
      acked_(metrics->HistogramOf(kPlanToAck)) {
  metrics_->GaugeOf(kBuildInfo, {version}).Set(1);
}

void ControllerMetrics::OnPlanned(absl::Duration since_change) {
  planned_.Observe(absl::ToDoubleSeconds(since_change));
}

void ControllerMetrics::OnAcked(absl::Duration since_change) {
  acked_.Observe(absl::ToDoubleSeconds(since_change));
}

void ControllerMetrics::Total(const MetricDef& def, Metrics::LabelValues labels, uint64_t total) {
  Counter counter = metrics_->CounterOf(def, labels);
  const double difference = static_cast<double>(total) - counter.Value();
  if (difference > 0) counter.Increment(difference);
}

void ControllerMetrics::UpdateManifests(const manifests::ManifestSourceCounters& source,
                                        const manifests::DiskWriterCounters& writer) {
  const manifests::ManifestCounters& manifests = source.manifests;
  Total(kManifests, {"read"}, manifests.objects_read);
  Total(kManifests, {"refused"}, manifests.objects_refused);
  Total(kManifests, {"skipped"}, manifests.objects_skipped);
  Total(kManifests, {"duplicate"}, manifests.duplicates);
  Total(kFiles, {"read"}, manifests.files_read);
  Total(kFiles, {"refused"}, manifests.files_refused);
  Total(kStatusWrites, {"written"}, writer.writes);
  Total(kStatusWrites, {"failed"}, writer.failures);
}

void ControllerMetrics::UpdateApi(const ApiCounters& api) {
  metrics_->GaugeOf(kLeader).Set(api.leads ? 1 : 0);
  Total(kLapses, {}, api.election.lapses);
  Total(kApiCalls, {"sent"}, api.client.calls);
  Total(kApiCalls, {"throttled"}, api.client.throttled);
  Total(kApiCalls, {"failed"}, api.client.errors);
  for (const kube::ResourceCounters& resource : api.resources) {
    const std::string& name = resource.resource;
    metrics_->GaugeOf(kApiObjects, {name}).Set(static_cast<double>(resource.objects));
    Total(kApiReads, {name, "list"}, resource.reflector.lists);
    Total(kApiReads, {name, "watch"}, resource.reflector.watches);
    Total(kApiReads, {name, "event"}, resource.reflector.events);
    Total(kApiReads, {name, "silent"}, resource.reflector.silent);
    Total(kApiReads, {name, "resumed"}, resource.reflector.resumed);
    Total(kApiReads, {name, "refused"}, resource.informer.refused);
    uint64_t failures = 0;
    for (const auto& [code, count] : resource.reflector.failures) failures += count;
    Total(kApiReads, {name, "failure"}, failures);
  }
  const kube::WriteCounters& services = api.sink.services;
  const kube::WriteCounters& objects = api.sink.objects;
  Total(kStatusWrites, {"written"}, services.written + objects.written);
  Total(kStatusWrites, {"conflict"}, services.conflicts + objects.conflicts);
  Total(kStatusWrites, {"refused"}, services.refused + objects.refused);
  Total(kStatusWrites, {"failed"}, services.failed + objects.failed);
  Total(kEventWrites, {"sent"}, api.sink.events.sent);
  Total(kEventWrites, {"dropped"}, api.sink.events.spam + api.sink.events.full);
  Total(kEventWrites, {"refused"}, api.sink.events.refused);
  Total(kEventWrites, {"failed"}, api.sink.events.failed);
  Total(kTokenReviews, {"asked"}, api.reviews.reviews);
  Total(kTokenReviews, {"refused"}, api.reviews.refused);
  Total(kTokenReviews, {"unavailable"}, api.reviews.unavailable);
  Total(kTokenReviews, {"believed"}, api.reviews.believed);
  Total(kSaveFailures, {}, api.saved.failures);
}

void ControllerMetrics::UpdateConnections(const push::ListenerCounters& connections) {
  Total(kConnections, {"taken"}, connections.taken);
  Total(kConnections, {"refused"}, connections.refused);
  Total(kConnections, {"waited"}, connections.shortages);
  metrics_->GaugeOf(kStrangers).Set(static_cast<double>(connections.strangers));
}

void ControllerMetrics::UpdateWebhooks(const admission::WebhookCounters& webhooks) {
  for (const auto& [what, count] : webhooks.reviews.reviews) {
    const auto& [kind, operation, verdict] = what;
    Total(kAdmissions, {kind, operation, verdict}, count);
  }
  const http::ServerCounters& server = webhooks.server;
  Total(kBadRequests, {"no_tls"}, server.no_tls);
  Total(kBadRequests, {"no_http"}, server.no_http - server.too_large);
  Total(kBadRequests, {"too_large"}, server.too_large);
  Total(kBadRequests, {"too_slow"}, server.too_slow);
  Total(kBadRequests, {"crowded"}, server.crowded);
  Total(kBadRequests, {"no_path"}, webhooks.reviews.no_path);
  Total(kBadRequests, {"no_review"}, webhooks.reviews.no_review);
}

void ControllerMetrics::UpdateScrapes(const http::ScrapeCounters& scrapes) {
  Total(kScrapes, {"allowed"}, scrapes.allowed);
  Total(kScrapes, {"unauthenticated"}, scrapes.unauthenticated);
  Total(kScrapes, {"forbidden"}, scrapes.forbidden);
  Total(kScrapes, {"unavailable"}, scrapes.unavailable);
}

void ControllerMetrics::Update(const Controller& controller) {
  metrics_->GaugeOf(kSourceUp).Set(controller.synced() && !controller.away() ? 1 : 0);
  Total(kObjectEvents, {}, controller.counters().events);
  Total(kClusterEvents, {}, controller.statuses().events_recorded());
  metrics_->GaugeOf(kProblems).Set(static_cast<double>(controller.statuses().problem_count()));
  Total(kPlanSteps, {}, controller.counters().steps);
  Total(kSaveFailures, {}, controller.counters().save_failures);

  const ipam::Counters& allocations = controller.ipam().counters();
  Total(kAllocations, {"assigned"}, allocations.assigned);
  Total(kAllocations, {"released"}, allocations.released);
  Total(kAllocations, {"failed"}, allocations.failed);
  Total(kPoolsRefused, {}, allocations.refused);
  metrics_->GaugeOf(kWaiting).Set(static_cast<double>(controller.ipam().WaitingCount()));

  const plan::Visits& visits = controller.planner().visits();
  for (const auto& [kind, count] :
       {std::pair{"node", visits.nodes}, std::pair{"rack", visits.racks},
        std::pair{"speaker", visits.speakers}, std::pair{"service", visits.services},
        std::pair{"address", visits.addresses}, std::pair{"group", visits.groups},
        std::pair{"place", visits.places}}) {
    Total(kPlanVisits, {kind}, count);
  }
  const push::DistributorCounters& streams = controller.distributor().counters();
  for (const auto& [outcome, count] :
       {std::pair{"accepted", streams.attached}, std::pair{"resumed", streams.resumed},
        std::pair{"refused", streams.refused}, std::pair{"second", streams.second},
        std::pair{"dead", streams.dead_peers}, std::pair{"unacknowledged", streams.unacknowledged},
        std::pair{"invalid", streams.invalid_reports}, std::pair{"ended", streams.ended}}) {
    Total(kStreams, {outcome}, count);
  }
  Total(kPlanMessages, {"snapshot"}, streams.snapshots);
  Total(kPlanMessages, {"delta"}, streams.deltas);
  Total(kPlanMessages, {"heartbeat"}, streams.heartbeats);
  Total(kPlanRefusals, {"resource"}, streams.resource_nacks);
  Total(kPlanRefusals, {"plan"}, streams.plan_errors);
  Total(kPlanRefusals, {"epoch"}, streams.epoch_refusals);
  UpdatePools(controller.ipam(), controller.statuses().Eips());
  UpdateOwners(controller.statuses());
  UpdateSpeakers(controller);
  UpdateRacks(controller.planner().model(), controller.sessions());
}

void ControllerMetrics::UpdatePools(const ipam::Ipam& ipam, const std::vector<std::string>& eips) {
  std::vector<PoolUse> pools;
  std::vector<Metrics::Sample> info;
  size_t omitted = 0;
  for (const std::string& name : eips) {
    const network::EipStatus* status = ipam.PoolStatus(name);
    if (status == nullptr) continue;
    PoolUse& pool = pools.emplace_back(PoolUse{.eip = name});
    if (!absl::SimpleAtod(status->pool_size, &pool.size)) pool.size = 0;
    pool.used = static_cast<double>(status->usage);
    for (const auto& [address, holders] : status->used) {
      for (const absl::string_view service : absl::StrSplit(holders, ';')) {
        ++pool.services;
        if (info.size() == kMostServiceInfos) {
          ++omitted;
          continue;
        }
        const std::pair<std::string, std::string> key =
            absl::StrSplit(service, absl::MaxSplits('/', 1));
        info.push_back({{key.first, key.second, name, address}, 1});
      }
    }
  }
  std::vector<Metrics::Sample> size;
  std::vector<Metrics::Sample> used;
  for (const PoolUse& pool : pools) {
    size.push_back({{pool.eip}, pool.size});
    used.push_back({{pool.eip}, pool.used});
  }
  metrics_->Replace(kPoolSize, size);
  metrics_->Replace(kPoolUsed, used);
  metrics_->Replace(kServiceInfo, info);
  metrics_->GaugeOf(kServiceInfoOmitted).Set(static_cast<double>(omitted));
  if (legacy_) legacy_->Update(pools);
}

void ControllerMetrics::UpdateOwners(const Statuses& statuses) {
  const OwnerCounts owners = statuses.CountOwners();
  for (const auto& [state, count] :
       {std::pair{"as_planned", owners.as_planned}, std::pair{"elsewhere", owners.elsewhere},
        std::pair{"nobody", owners.nobody}, std::pair{"several", owners.several}}) {
    metrics_->GaugeOf(kOwners, {state}).Set(static_cast<double>(count));
  }
  std::vector<Metrics::Sample> changes;
  for (const auto& [eip, count] : statuses.OwnerChanges())
    changes.push_back({{eip}, static_cast<double>(count)});
  metrics_->Replace(kOwnerChanges, changes);
  std::vector<Metrics::Sample> duplicates;
  for (const auto& [eip, count] : statuses.CountDuplicates())
    duplicates.push_back({{eip}, static_cast<double>(count)});
  metrics_->Replace(kDuplicates, duplicates);
}

void ControllerMetrics::UpdateSpeakers(const Controller& controller) {
  metrics_->GaugeOf(kPlanEpoch)
      .Set(static_cast<double>(controller.distributor().generation().epoch));
  std::vector<Metrics::Sample> attached;
  std::vector<Metrics::Sample> generations;
  for (const auto& [node, speaker] : controller.distributor().Speakers()) {
    attached.push_back({{node}, speaker.attached ? 1.0 : 0.0});
    const uint64_t on_wire = controller.sessions().OnWire(node, speaker.acked.epoch);
    for (const auto& [stage, counter] :
         {std::pair{"planned", speaker.planned.counter}, std::pair{"acked", speaker.acked.counter},
          std::pair{"on_wire", on_wire}}) {
      generations.push_back({{node, stage}, static_cast<double>(counter)});
    }
  }
  metrics_->Replace(kSpeakerAttached, attached);
  metrics_->Replace(kPlanGeneration, generations);
}

void ControllerMetrics::UpdateRacks(const plan::Model& model, const SessionBoard& sessions) {
  std::vector<Metrics::Sample> speakers;
  for (const auto& [rack, states] : RacksOf(model, sessions).racks) {
    for (const SpeakerState state : kSpeakerStates) {
      const auto count = std::count_if(states.begin(), states.end(),
                                       [&](const auto& entry) { return entry.second == state; });
      speakers.push_back(
          {{rack, std::string(SpeakerStateName(state))}, static_cast<double>(count)});
    }
  }
  metrics_->Replace(kRackSpeakers, speakers);
  const plan::HopCounts hops = plan::CountHops(model);
  std::vector<Metrics::Sample> nodes;
  for (const auto& [rack, count] : hops.nodes)
    nodes.push_back({{rack}, static_cast<double>(count)});
  metrics_->Replace(kRackNextHops, nodes);
  metrics_->GaugeOf(kWithoutNextHop).Set(static_cast<double>(hops.addresses_without));
}

}  // namespace openelb::observe

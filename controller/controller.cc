#include "controller/controller.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/plan/referral.h"
#include "controller/plan/model.h"
#include "controller/saved_state.h"

namespace openelb {
namespace {

// Speakers that attach within this time share out VIP addresses that are new.
constexpr absl::Duration kGather = absl::Seconds(2);

// How long host routes and aggregates stand side by side when one replaces the other: routers that
// pass routes on have announced the new one by then.
constexpr absl::Duration kExchange = absl::Seconds(5);

// Facts and assignments are saved at most this often.
constexpr absl::Duration kSaveInterval = absl::Seconds(1);

std::string NamespacedName(const ObjectKey& key) {
  return absl::StrCat(key.namespace_, "/", key.name);
}

std::vector<IpAddress> ShownAddresses(const kube::Service& service) {
  std::vector<IpAddress> addresses;
  for (const kube::LoadBalancerIngress& ingress : service.ingress) {
    if (const auto address = IpAddress::Parse(ingress.ip); address.ok())
      addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace

Controller::Controller(ControllerOptions options, Seams seams)
    : options_(std::move(options)),
      seams_(std::move(seams)),
      planner_(options_.plan),
      link_(seams_.open_link(this)),
      distributor_(&planner_, link_.get(), this, seams_.log),
      statuses_(&ipam_, &planner_, &board_, &owners_, seams_.status, seams_.clock, seams_.log),
      status_first_(seams_.status->Answers()),
      endpoint_grace_(options_.endpoint_grace),
      drain_timer_(options_.drain_time),
      recovery_(options_.settle) {
  TakeLead();
}

Controller::~Controller() = default;

// What an earlier leader saved is read at the last moment: while this controller stood by, that
// leader went on saving.
void Controller::TakeLead() {
  if (!leads_ && seams_.epoch->leads().ok()) {
    leads_ = true;
    first_epoch_ = seams_.epoch->current();
    planner_.SetEpoch(first_epoch_);
    LoadSaved();
  }
  if (leads_ && synced_ && !std::exchange(started_, true)) BeginRecovery();
}

void Controller::LoadSaved() {
  const auto text = seams_.disk->Read(kSavedStateFile);
  const auto saved = text.ok() ? ParseSavedState(*text) : absl::StatusOr<SavedState>(text.status());
  if (!saved.ok()) {
    facts_missing_ = true;
    if (!absl::IsNotFound(saved.status())) {
      seams_.log->Error("saved facts cannot be read; speakers will report them again",
                        {{"error", saved.status().message()}});
    }
    return;
  }
  for (const plan::Fact& fact : saved->facts) {
    planner_.SetFact(fact);
    last_stamp_ = std::max(last_stamp_, fact.observed_at);
  }
  planner_.LoadAssignments(saved->assignments);
  saved_text_ = *text;
}

void Controller::OnEvents(std::vector<ObjectEvent> events) {
  if (!change_since_) change_since_ = seams_.clock->Monotonic();
  counters_.events += events.size();
  for (const ObjectEvent& event : events) Apply(event);
}

void Controller::Apply(const ObjectEvent& event) {
  if (event.refusal) {
    statuses_.OnRefused(event.key, *event.refusal);
    return;
  }
  if (!event.object) {
    ipam_.Remove(event.key, event.missing);
    planner_.Remove(event.key);
    if (event.key.kind == kube::Service::kKind) status_first_.Know(NamespacedName(event.key), {});
    if (event.key.kind == kube::EndpointSlice::kKind)
      endpoint_grace_.Forget(NamespacedName(event.key));
    statuses_.OnDeleted(event.key);
    if (event.key.kind == kube::Node::kKind) {
      board_.Forget(event.key.name);
      owners_.Forget(event.key.name);
    }
    return;
  }
  std::visit(
      [this](const auto& object) {
        if constexpr (requires { ipam_.Upsert(object); }) ipam_.Upsert(object);
      },
      *event.object);
  if (const auto* service = std::get_if<kube::Service>(&*event.object))
    status_first_.Know(service->Key(), ShownAddresses(*service));
  if (const auto* slice = std::get_if<kube::EndpointSlice>(&*event.object)) {
    See(*slice);
  } else {
    if (const auto* node = std::get_if<kube::Node>(&*event.object)) NoteReturn(*node);
    planner_.Upsert(*event.object);
  }
  statuses_.OnObject(*event.object);
}

void Controller::See(const kube::EndpointSlice& slice) {
  const std::vector<kube::Endpoint>* before =
      planner_.FindEndpoints(absl::StrCat(slice.meta.namespace_, "/", slice.meta.name));
  planner_.Upsert(endpoint_grace_.See(before, slice, seams_.clock->Monotonic()));
}

// A node that was silent is Ready before its Pods are.
void Controller::NoteReturn(const kube::Node& node) {
  const auto& nodes = planner_.model().nodes;
  const auto planned = nodes.find(node.meta.name);
  const bool was_silent =
      planned != nodes.end() && planned->second.health == plan::Health::kUnknown;
  if (!was_silent || node.ready != kube::ConditionStatus::kTrue) return;
  planner_.SetReturning(node.meta.name, true);
  returning_[node.meta.name] = seams_.clock->Monotonic() + options_.settle;
}

void Controller::EndReturns(absl::Duration now) {
  std::erase_if(returning_, [&](const auto& entry) {
    if (entry.second > now) return false;
    planner_.SetReturning(entry.first, false);
    return true;
  });
}

void Controller::OnSynced() {
  if (std::exchange(synced_, true)) return;
  seams_.log->Info("cluster state is complete");
}

void Controller::BeginRecovery() {
  std::optional<std::set<std::string>> known;
  if (!facts_missing_) {
    known.emplace();
    for (const plan::Fact& fact : planner_.facts()) {
      if (planner_.ExpectsSpeaker(fact.subject)) known->insert(fact.subject);
    }
  }
  if (seams_.epoch->after_long_lapse()) {
    seams_.log->Info("nobody led for long; asking speakers what they announce first");
    recovery_.DistrustStore();
  }
  const absl::Duration now = seams_.clock->Monotonic();
  recovery_.Begin(std::move(known), now);
  if (recovery_.IsDone(now)) return;
  seams_.log->Info("waiting to hear from speakers before plans are served",
                   {{"at_most", absl::FormatDuration(recovery_.deadline() - now)}});
}

void Controller::OnAway(std::string reason) {
  away_ = true;
  settle_until_.reset();
  // From now on what the source says may lag behind the world.
  planner_.Hold(true);
  seams_.log->Warning("the source of cluster state is away; everything stays as it is",
                      {{"error", reason}});
}

void Controller::OnBack() {
  away_ = false;
  settle_until_ = seams_.clock->Monotonic() + options_.settle;
  seams_.log->Info("the source of cluster state is back",
                   {{"settle", absl::FormatDuration(options_.settle)}});
}

void Controller::OnAttached(push::StreamId stream, const push::Origin& origin) {
  distributor_.OnAttached(stream, origin, seams_.clock->Monotonic());
}

void Controller::OnReport(push::StreamId stream, const plan::v1::Report& report) {
  distributor_.OnReport(stream, report, seams_.clock->Monotonic());
}

void Controller::OnWritable(push::StreamId stream) {
  distributor_.OnWritable(stream, seams_.clock->Monotonic());
}

void Controller::OnDetached(push::StreamId stream, const absl::Status& why) {
  distributor_.OnDetached(stream, why, seams_.clock->Monotonic());
}

void Controller::OnServiceAnswered(const ObjectKey& key, const std::vector<std::string>& ips) {
  std::vector<IpAddress> addresses;
  for (const std::string& ip : ips) {
    if (const auto address = IpAddress::Parse(ip); address.ok()) addresses.push_back(*address);
  }
  status_first_.OnAnswered(NamespacedName(key), addresses);
}

void Controller::OnSpeakerUp(const std::string& node, const plan::v1::Hello& hello) {
  seams_.log->Info("speaker attached", {{"node", node}, {"version", hello.version()}});
  if (gate_open_) return;
  recovery_.OnSpeakerUp(node, hello, first_epoch_);
  if (hello.largest_epoch() >= first_epoch_) OnLargerEpoch(node, hello.largest_epoch());
}

void Controller::OnSpeakerDown(const std::string& node, const absl::Status& why) {
  seams_.log->Info("speaker detached; its plan stays in force",
                   {{"node", node}, {"why", why.ToString()}});
  reset_turns_.OnDetached(node);
  board_.OnSilent(node);
  owners_.OnSilent(node);
}

void Controller::OnSecondSpeaker(const std::string& node, const std::string& host) {
  statuses_.OnSecondSpeaker(node, host);
}

void Controller::OnScraperToken(push::StreamId stream, const std::string& token, uint64_t id) {
  const auto done = [this, stream, id](const absl::Status& verdict) {
    distributor_.SendVerdict(stream, id, verdict, seams_.clock->Monotonic());
  };
  if (!seams_.review_scraper)
    return done(absl::UnavailableError("this controller has no API server that reviews tokens"));
  seams_.review_scraper(token, done);
}

void Controller::OnSpeakerReport(const std::string& node, const plan::v1::Report& report) {
  switch (report.body_case()) {
    case plan::v1::Report::kFacts:
      for (const plan::v1::Fact& fact : report.facts().facts()) {
        if (fact.subject() == node) {
          SetFact({.subject = node,
                   .kind = fact.kind(),
                   .values = {fact.values().begin(), fact.values().end()}});
        } else {
          seams_.log->Damped(
              absl::StrCat("fact ", node), "a speaker may only report about its own node",
              absl::StrCat("facts.subject: \"", fact.subject(), "\""), {{"node", node}});
        }
      }
      break;
    case plan::v1::Report::kObserved:
      reset_turns_.OnPending(node, RackOf(node), report.observed().pending_resets());
      for (const observe::SessionChange& change :
           board_.Update(node, report.observed(), seams_.clock->Monotonic())) {
        statuses_.OnSession(change);
      }
      planner_.SetSessionsDown(node, board_.SessionsDown(node));
      owners_.Update(node, report.observed());
      break;
    case plan::v1::Report::kLayer2Owned:
      owners_.Update(node, report.layer2_owned());
      break;
    case plan::v1::Report::kGoodbye: {
      std::vector<std::string> values;
      if (!report.goodbye().leaving()) values.push_back(plan::kSpeakerStopped);
      SetFact({.subject = node, .kind = plan::kSpeakerFact, .values = std::move(values)});
      owners_.OnStopped(node);
      planner_.SetSessionsDown(node, {});
      break;
    }
    case plan::v1::Report::kAnnounced:
      if (!gate_open_) recovery_.OnAnnounced(node, report.announced());
      break;
    default:
      break;
  }
}

std::string Controller::RackOf(const std::string& node) const {
  const auto view = planner_.model().nodes.find(node);
  return view == planner_.model().nodes.end() ? plan::NoRackName(node) : view->second.rack;
}

// Facts are ordered by arrival, not by their speakers' clocks, which may step.
void Controller::SetFact(plan::Fact fact) {
  last_stamp_ = std::max(seams_.clock->Wall(), last_stamp_ + absl::Nanoseconds(1));
  fact.observed_at = last_stamp_;
  GatherVipNodes(fact);
  planner_.SetFact(fact);
  save_due_ = true;
}

// The first one to be there would lead them all, and what it has it keeps.
void Controller::GatherVipNodes(const plan::Fact& fact) {
  if (fact.kind != plan::kModesFact || gather_until_) return;
  if (std::find(fact.values.begin(), fact.values.end(), plan::kVipMode) == fact.values.end())
    return;
  const auto& nodes = planner_.model().nodes;
  if (const auto node = nodes.find(fact.subject); node != nodes.end() && node->second.vip) return;
  gather_until_ = seams_.clock->Monotonic() + kGather;
  planner_.GatherVipNodes(true);
}

void Controller::OnAcked(const std::string&, plan::Generation,
                         std::optional<absl::Duration> since_change) {
  if (since_change && seams_.observer != nullptr) seams_.observer->OnAcked(*since_change);
}

void Controller::OnLargerEpoch(const std::string& node, uint64_t epoch) {
  if (epoch < seams_.epoch->current()) return;
  planner_.SetEpoch(epoch + 1);
  seams_.log->Warning("a speaker has seen a larger epoch; raising ours",
                      {{"node", node}, {"theirs", epoch}, {"ours", seams_.epoch->current()}});
  if (absl::Status status = seams_.epoch->RaiseAbove(epoch); !status.ok()) {
    seams_.log->Damped("epoch", "the epoch cannot be raised", status.message());
  }
}

void Controller::SetEndpoints(std::vector<std::string> endpoints) {
  distributor_.SetEndpoints(std::move(endpoints), seams_.clock->Monotonic());
}

void Controller::SendSpeakersAway(const absl::Status& why) {
  distributor_.SendAway(plan::WithReferral(why, {}));
}

// What speakers announce comes before what the store says, where the store forgot.
bool Controller::OpenGateWhenSafe() {
  const absl::Duration now = seams_.clock->Monotonic();
  if (gate_open_) return true;
  if (recovery_.Asks()) distributor_.AskAnnounced(now);
  if (!recovery_.IsDone(now)) return false;
  for (const auto& [service, address] : recovery_.announced()) {
    ipam_.SetAnnounced(service, address);
    status_first_.Know(service, {address});  // it carries traffic, so it has been shown
  }
  for (const auto& [node, choice] : recovery_.TakeChoices()) planner_.LoadAnnounced(node, choice);
  ipam_.Start();
  gate_open_ = true;
  seams_.log->Info("serving plans", {{"epoch", seams_.epoch->current()}});
  return true;
}

// The addresses of missing Services go back to their Eips.
void Controller::EndRests(absl::Duration now) {
  while (!rests_.empty() && rests_.front().first <= now) {
    ipam_.EndRest(rests_.front().second);
    rests_.pop_front();
  }
}

void Controller::Turn() {
  const absl::Duration now = seams_.clock->Monotonic();
  if (settle_until_ && *settle_until_ <= now) {
    settle_until_.reset();
    planner_.Hold(false);
  }
  if (gather_until_ && *gather_until_ <= now) {
    gather_until_.reset();
    planner_.GatherVipNodes(false);
  }
  for (const kube::EndpointSlice& slice : endpoint_grace_.TakeDue(now)) See(slice);
  EndReturns(now);
  for (; !exchanges_.empty() && exchanges_.front().first <= now; exchanges_.pop_front())
    planner_.FinishExchanges(exchanges_.front().second);
  TakeLead();
  distributor_.SetRefusal(seams_.epoch->leads());
  EndRests(now);
  if (OpenGateWhenSafe()) {
    // The status comes first, so that forwarding on the nodes can know an address before traffic
    // reaches them.
    Allocate();
    Plan();
    if (Drain(now)) Plan();
    distributor_.SetEpoch(seams_.epoch->current(), now);
    statuses_.WriteDue(now);
  }
  distributor_.SetResetTurns(reset_turns_.Holders(now));
  distributor_.Tick(now);
  if (gate_open_ && save_due_ && next_save_ <= now) Save();
}

void Controller::Allocate() {
  const absl::Duration now = seams_.clock->Monotonic();
  const ipam::Changes changes = ipam_.TakeChanges();
  for (const std::string& service : changes.services) {
    const ipam::ServiceState* state = ipam_.Find(service);
    const bool held = state != nullptr && state->allocation.has_value();
    status_first_.Hold(service, held ? state->allocation->addresses : std::vector<IpAddress>{});
    statuses_.WriteService(ServiceKeyOf(service));
  }
  for (auto& [service, addresses] : status_first_.Take()) {
    const ipam::ServiceState* state = ipam_.Find(service);
    const bool held = state != nullptr && state->allocation.has_value();
    const auto protocol = held ? state->allocation->protocol : network::Protocol::kBgp;
    const std::string pool = held ? state->allocation->pool : "";
    const auto of = [&, &addresses = addresses](network::Protocol wanted) {
      return protocol == wanted ? addresses : std::vector<IpAddress>{};
    };
    planner_.SetAddresses(service, of(network::Protocol::kBgp), pool);
    planner_.SetLayer2(service, pool, of(network::Protocol::kLayer2));
    planner_.SetVip(service, pool, of(network::Protocol::kVip));
  }
  for (const std::string& pool : changes.pools) statuses_.WriteEip(pool);
  if (!changes.pools.empty()) planner_.SetPoolProblems(ipam_.Problems());
  for (const ClusterEvent& event : changes.events) statuses_.Record(event);
  for (const IpAddress& address : changes.rested) rests_.emplace_back(now + options_.rest, address);
}

void Controller::Plan() {
  ++counters_.steps;
  const plan::PlanChange change = planner_.Step();
  const absl::Duration now = seams_.clock->Monotonic();
  if (!change.empty()) {
    distributor_.OnPlanChange(change, now);
    statuses_.OnSpeakersPlanned();
    save_due_ = true;
    if (seams_.observer != nullptr && change_since_)
      seams_.observer->OnPlanned(now - *change_since_);
  }
  if (change.problems) statuses_.OnProblems(now);
  if (change.racks) statuses_.OnRacks(now);
  if (change.exchange != 0) exchanges_.emplace_back(now + kExchange, change.exchange);
  change_since_.reset();
}

// That a node is drained is saved with the facts: a controller that begins later does not announce
// it anew.
bool Controller::Drain(absl::Duration now) {
  std::set<std::string> draining;
  for (const std::string& node : planner_.model().drains.nodes) {
    if (planner_.model().nodes.at(node).drain == plan::Drain::kDraining) draining.insert(node);
  }
  const std::string time = absl::FormatDuration(options_.drain_time);
  const auto tell = [&](const std::string& node, absl::string_view reason, std::string message) {
    seams_.log->Info(absl::StrCat("node ", reason), {{"node", node}});
    statuses_.Record({.about = {kube::Node::kKind, "", node},
                      .reason = std::string(reason),
                      .message = std::move(message)});
  };
  const DrainTimer::Turn turn = drain_timer_.Follow(draining, now);
  for (const std::string& node : turn.begun) {
    tell(node, "Draining",
         absl::StrCat("routers are asked to move off the node (GRACEFUL_SHUTDOWN); they have ",
                      time));
  }
  for (const std::string& node : turn.over) {
    SetFact({.subject = node, .kind = plan::kDrainedFact, .values = {"true"}});
    tell(node, "Drained",
         absl::StrCat("routers had ", time,
                      " to move off the node; it is a next hop only of addresses that would have "
                      "none without it"));
  }
  return !turn.over.empty();
}

void Controller::Save() {
  save_due_ = false;
  next_save_ = seams_.clock->Monotonic() + kSaveInterval;
  std::string text =
      FormatSavedState({.facts = planner_.facts(), .assignments = planner_.assignments()});
  if (text == saved_text_) return;
  if (absl::Status status = seams_.disk->Write(kSavedStateFile, text); !status.ok()) {
    ++counters_.save_failures;
    save_due_ = true;
    seams_.log->Damped("save", "facts cannot be saved; trying again", status.message());
    return;
  }
  seams_.log->Recovered("save", "facts are saved again");
  saved_text_ = std::move(text);
}

absl::Duration Controller::NextWakeup() const {
  absl::Duration next = std::min(distributor_.NextWakeup(), reset_turns_.NextDue());
  if (settle_until_) next = std::min(next, *settle_until_);
  if (gather_until_) next = std::min(next, *gather_until_);
  next = std::min({next, endpoint_grace_.NextDue(), drain_timer_.NextDue()});
  for (const auto& [node, until] : returning_) next = std::min(next, until);
  if (!gate_open_) next = std::min(next, recovery_.deadline());
  if (!rests_.empty()) next = std::min(next, rests_.front().first);
  if (!exchanges_.empty()) next = std::min(next, exchanges_.front().first);
  if (gate_open_ && save_due_) next = std::min(next, next_save_);
  if (gate_open_) next = std::min(next, statuses_.NextDue());
  return next;
}

void Controller::Stop() {
  if (gate_open_) Save();
}

}  // namespace openelb

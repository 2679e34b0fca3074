#include "speaker/speaker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

// Changes that name all of a plan.
link::PlanChanges Everything(const link::PlanState& plan) {
  link::PlanChanges changes;
  changes.instance = plan.instance.has_value();
  for (const auto& [neighbor, peer] : plan.peers) changes.peers.insert(neighbor);
  for (const auto& [id, members] : plan.groups) changes.groups.insert(id);
  for (const auto& [prefix, route] : plan.routes) changes.routes.Add(prefix, link::RouteRef());
  for (const auto& [group, node] : plan.places) changes.places.insert(group);
  for (const auto& [address, held] : plan.layer2) changes.layer2.insert(address);
  changes.bfd = !plan.bfd.empty();
  changes.vrrp = !plan.vrrp.empty();
  return changes;
}

google::protobuf::Timestamp MakeTimestamp(absl::Time time) {
  const timespec parts = absl::ToTimespec(time);
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(parts.tv_sec);
  timestamp.set_nanos(static_cast<int32_t>(parts.tv_nsec));
  return timestamp;
}

plan::v1::Fact MakeFact(const std::string& node, absl::string_view kind,
                        const std::vector<std::string>& values, absl::Time observed_at) {
  plan::v1::Fact fact;
  fact.set_subject(node);
  fact.set_kind(std::string(kind));
  for (const std::string& value : values) fact.add_values(value);
  *fact.mutable_observed_at() = MakeTimestamp(observed_at);
  return fact;
}

void AddProblems(const layer2::AddressProblems& problems, plan::v1::Observed* observed) {
  for (const auto& [address, problem] : problems) {
    plan::v1::Layer2Problem* out = observed->add_layer2_problems();
    out->set_address(address.ToString());
    out->set_message(problem.sentence);
    out->set_duplicate(problem.duplicate);
  }
}

void AddRouters(const std::vector<vrrp::RouterView>& routers, plan::v1::Observed* observed) {
  for (const vrrp::RouterView& view : routers) {
    plan::v1::VrrpObserved* router = observed->add_vrrp();
    router->set_interface(view.key.interface);
    router->set_family(static_cast<uint32_t>(view.key.family));
    router->set_vrid(view.key.vrid);
    router->set_state(std::string(vrrp::RouterStateName(view.state)));
    *router->mutable_since() = MakeTimestamp(view.since);
    if (view.active) router->set_active(view.active->ToString());
    router->set_active_priority(view.active_priority);
    router->set_problem(view.problem);
  }
}

}  // namespace

Speaker::Speaker(SpeakerOptions options, Seams seams)
    : options_(std::move(options)),
      seams_(std::move(seams)),
      plan_file_(
          seams_.disk, seams_.save, &store_, seams_.log,
          {.kernel_boot_id = options_.link.kernel_boot_id, .max_age = options_.plan_max_age}),
      transport_(seams_.open_link(this)),
      link_(transport_.get(), &store_, seams_.random, seams_.log, options_.link),
      bgp_(seams_.io, seams_.clock, seams_.random, seams_.log, this) {
  seams_.io->SetHandler(this);
  if (seams_.lan != nullptr) seams_.lan->SetObserver(this);
  if (seams_.routers != nullptr) {
    routers_.emplace(seams_.routers, seams_.clock, seams_.random, seams_.log,
                     [this](const std::string& interface, const IpAddress& router) {
                       bgp_.OnRouter(interface, router);
                     });
  }
}

Speaker::~Speaker() {
  link_.Hangup();
  if (seams_.lan != nullptr) seams_.lan->SetObserver(nullptr);
}

void Speaker::Start() {
  link::PlanFile::Loaded saved = plan_file_.Load(Now(), seams_.clock->Wall());
  if (saved.use != link::SavedPlanUse::kNone) {
    store_.Restore(std::move(saved.plan));
    bgp_.SetForwardingKept(saved.use == link::SavedPlanUse::kAtOnce);
    waiting_ = saved.use == link::SavedPlanUse::kWaitBgp;
    Announce({});
  }
  // Virtual routers ask before they take anything: a plan of any age will do, and none to listen.
  if (seams_.lan != nullptr) seams_.lan->ApplyVip(store_.state());
  ReportFacts();
  ReportOwned();
  link_.Start(Now());
  ReportBy(Now() + options_.report_every);
}

void Speaker::Turn() {
  if (drained_at_ <= Now()) return EndSessions();
  link_.Tick(Now());
  if (waiting_) Announce({});
  bgp_.Tick();
  if (routers_) routers_->Tick();
  if (seams_.lan != nullptr) {
    if (link_.confirmed() && announced_) seams_.lan->Confirm();
    seams_.lan->Tick();
  }
  plan_file_.Tick(Now(), seams_.clock->Wall(), link_.confirmed());
  if (report_at_ <= Now()) Report();
}

absl::Duration Speaker::NextWakeup() const {
  return std::min({link_.NextWakeup(), bgp_.NextWakeup(), drained_at_,
                   routers_ ? routers_->NextWakeup() : absl::InfiniteDuration(),
                   plan_file_.NextWakeup(), report_at_,
                   seams_.lan != nullptr ? seams_.lan->NextWakeup() : absl::InfiniteDuration()});
}

void Speaker::Linger() {
  if (seams_.lan != nullptr) seams_.lan->Tick();
}

bool Speaker::Leaves() const {
  const link::PlanState& plan = store_.state();
  return plan.instance.has_value() && plan.instance->leave_on_stop;
}

void Speaker::Stop() {
  if (stop_ != Stopping::kNo) return;
  stop_ = Stopping::kDraining;
  link_.Stop(Leaves(), Now());
  if (seams_.lan != nullptr) seams_.lan->Stop();
  const bool waits = Leaves() && options_.drain_time > absl::ZeroDuration() && bgp_.Drain();
  if (!waits) return EndSessions();
  drained_at_ = Now() + options_.drain_time;
  seams_.log->Info("the speaker leaves; routers are asked to move to other paths (RFC 8326)",
                   {{"drain_time", absl::FormatDuration(options_.drain_time)}});
}

void Speaker::EndSessions() {
  stop_ = Stopping::kDone;
  drained_at_ = absl::InfiniteDuration();
  bgp_.Stop(Leaves() ? bgp::Instance::StopFor::kGood : bgp::Instance::StopFor::kRestart);
  if (routers_) routers_->Configure({});
  plan_file_.Flush(Now(), seams_.clock->Wall());
}

// The one place that decides what is announced: the plan in force, unless a start with one that is
// too old still waits for a controller's word.
void Speaker::Announce(const link::PlanChanges& changes) {
  const link::PlanState& plan = store_.state();
  if (stop_ != Stopping::kNo || !store_.has_plan()) return;
  if (waiting_ && !link_.confirmed()) return;
  waiting_ = false;
  const link::PlanChanges first = announced_ ? link::PlanChanges() : Everything(plan);
  const link::PlanChanges& due = announced_ ? changes : first;
  bgp_.Apply(plan, due);
  SeekRouters();
  if (seams_.lan != nullptr) {
    seams_.lan->ApplyLayer2(plan, due, link_.confirmed());
    if (changes.vrrp || !announced_) seams_.lan->ApplyVip(plan);
  }
  announced_ = plan.generation;
  ReportSoon();
}

void Speaker::SeekRouters() {
  if (!routers_) return;
  const link::PlanState& plan = store_.state();
  std::set<std::string> interfaces;
  for (const auto& [neighbor, peer] : plan.peers) {
    const bool runs = plan.instance.has_value() && !peer.admin_down && peer.held_down.empty();
    if (neighbor.unnumbered() && runs) interfaces.insert(neighbor.interface);
  }
  routers_->Configure(interfaces);
}

// ---- from the controller ----

void Speaker::OnUp(const std::string& endpoint) { link_.OnUp(endpoint, Now()); }

void Speaker::OnPlan(const plan::v1::Plan& plan) {
  // What it announces to the end is what it announced when it said goodbye.
  if (stop_ != Stopping::kNo) return;
  const absl::Duration start = Now();
  const link::PlanStore::Outcome outcome = link_.OnPlan(plan, start);
  bgp_.SetResetTurn(plan.reset_turn());
  if (outcome.save) plan_file_.MarkDirty(start);
  if (store_.state().generation == announced_ && outcome.changes.empty()) return;
  LogApplied(outcome.changes);
  Announce(outcome.changes);
  if (seams_.observer != nullptr) seams_.observer->OnPlanApplied(Now() - start);
}

void Speaker::LogApplied(const link::PlanChanges& changes) {
  const link::PlanState& plan = store_.state();
  // Routes and next hops change all day; sessions do not.
  const bool sessions = changes.instance || !changes.peers.empty();
  seams_.log->Log(sessions ? LogLevel::kInfo : LogLevel::kDebug, "plan applied",
                  {{"epoch", plan.generation.epoch},
                   {"counter", plan.generation.counter},
                   {"peers", plan.peers.size()},
                   {"routes", plan.routes.size()},
                   {"layer2", plan.layer2.size()},
                   {"changed_peers", changes.peers.size()},
                   {"changed_routes", changes.routes.size()},
                   {"changed_groups", changes.groups.size()}});
}

void Speaker::OnDown(const absl::Status& why) { link_.OnDown(why, Now()); }

// ---- to the controller ----

void Speaker::ReportFacts() {
  const absl::Time now = seams_.clock->Wall();
  const std::string& node = options_.link.node;
  std::vector<std::string> prefixes;
  for (const InterfaceAddress& address : seams_.io->InterfaceAddresses()) {
    prefixes.push_back(absl::StrCat(address.interface, " ", address.ToString()));
  }
  plan::v1::Facts facts;
  const auto add = [&](absl::string_view kind, const std::vector<std::string>& values) {
    *facts.add_facts() = MakeFact(node, kind, values, now);
  };
  std::vector<std::string> modes;
  if (layer2()) modes.emplace_back("layer2");
  if (vip()) modes.emplace_back("vip");
  modes.emplace_back(seams_.io->TcpAoSupport().ok() ? "tcp-ao" : "no-tcp-ao");
  add("prefixes", prefixes);
  add("modes", modes);
  // Of a mode that is off as well: what an earlier process said of it is over.
  if (seams_.lan != nullptr) {
    std::vector<std::string> routes;
    for (const auto& [family, interface] : seams_.io->DefaultRoutes())
      routes.push_back(absl::StrCat(interface, " ", static_cast<int>(family)));
    const lan::LanState& state = seams_.lan->state();
    std::vector<std::string> sources;
    for (const auto& [interface, source] : state.vrrp_sources)
      sources.push_back(absl::StrCat(interface, " ", source.ToString()));
    std::vector<std::string> taken;
    for (const IpAddress& address : state.taken_over) taken.push_back(address.ToString());
    add("default-routes", routes);
    add("vrrp-heard", {state.heard.begin(), state.heard.end()});
    add("vrrp-sources", sources);
    add("no-carrier", {state.no_carrier.begin(), state.no_carrier.end()});
    add("taken-over", taken);
  }
  add("speaker", {options_.link.version});
  link_.SendFacts(std::move(facts), Now());
}

void Speaker::ReportOwned() {
  if (!layer2()) return;
  plan::v1::Layer2Owned owned;
  for (const auto& [address, since] : seams_.lan->state().owned) {
    plan::v1::OwnedAddress* entry = owned.add_addresses();
    entry->set_address(address.ToString());
    *entry->mutable_since() = MakeTimestamp(since);
  }
  link_.SendLayer2Owned(std::move(owned), Now());
}

void Speaker::Report() {
  plan::v1::Observed observed = bgp_.Observed();
  if (seams_.lan != nullptr) {
    AddProblems(seams_.lan->state().problems, &observed);
    AddRouters(seams_.lan->state().routers, &observed);
  }
  const std::set<std::string> problems(observed.problems().begin(), observed.problems().end());
  for (const std::string& problem : problems) {
    if (!problems_.contains(problem)) seams_.log->Warning("BGP problem", {{"error", problem}});
  }
  for (const std::string& problem : problems_) {
    if (!problems.contains(problem)) seams_.log->Info("BGP problem is over", {{"error", problem}});
  }
  problems_ = problems;
  link_.SendObserved(std::move(observed), Now());
  reported_at_ = Now();
  report_at_ = reported_at_ + options_.report_every;
}

void Speaker::ReportBy(absl::Duration when) { report_at_ = std::min(report_at_, when); }

void Speaker::OnSessionChanged(const Neighbor&) { ReportBy(Now()); }

void Speaker::OnWireAdvanced(const Neighbor&) { ReportSoon(); }

void Speaker::ReportSoon() { ReportBy(std::max(Now(), reported_at_ + options_.wire_report_every)); }

// ---- from the LANs ----

void Speaker::OnLanChanged(const lan::LanState& before, const lan::LanState& now) {
  if (stop_ != Stopping::kNo) return;
  ReportSoon();
  if (now.owned != before.owned) ReportOwned();
  if (now.owned != before.owned || now.problems != before.problems) ReportBy(Now());
  if (now.taken_over != before.taken_over || now.no_carrier != before.no_carrier ||
      now.heard != before.heard || now.vrrp_sources != before.vrrp_sources) {
    ReportFacts();
  }
}

// ---- from the kernel ----

void Speaker::OnConnected(io::ConnId conn, const IpAddress& local) {
  bgp_.OnConnected(conn, local);
}
void Speaker::OnAccepted(io::ConnId conn, const IpAddress& local, const IpAddress& remote) {
  bgp_.OnAccepted(conn, local, remote);
}
void Speaker::OnData(io::ConnId conn, std::span<const uint8_t> data) { bgp_.OnData(conn, data); }
void Speaker::OnWritable(io::ConnId conn) { bgp_.OnWritable(conn); }
void Speaker::OnClosed(io::ConnId conn, const absl::Status& why) { bgp_.OnClosed(conn, why); }
void Speaker::OnInterfacesChanged() {
  ReportFacts();
  bgp_.OnInterfacesChanged();
  if (routers_) routers_->OnInterfacesChanged();
}

}  // namespace openelb

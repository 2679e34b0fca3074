#include "controller/push/distributor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::push {
namespace {

// Of one speaker at once: what scrapers show it costs the API server calls.
constexpr int kMostScrapers = 16;

plan::v1::ScraperVerdict::Result ResultOf(const absl::Status& verdict) {
  switch (verdict.code()) {
    case absl::StatusCode::kOk:
      return plan::v1::ScraperVerdict::ALLOWED;
    case absl::StatusCode::kUnauthenticated:
      return plan::v1::ScraperVerdict::UNAUTHENTICATED;
    case absl::StatusCode::kPermissionDenied:
      return plan::v1::ScraperVerdict::FORBIDDEN;
    default:
      return plan::v1::ScraperVerdict::UNAVAILABLE;
  }
}

}  // namespace

Distributor::Distributor(const plan::PlanView* view, PlanLink* link, Owner* owner, Logger* log,
                         DistributorOptions options)
    : view_(view), link_(link), owner_(owner), log_(log), options_(options) {}

void Distributor::SetEpoch(uint64_t epoch, absl::Duration now) {
  if (epoch == epoch_) return;
  epoch_ = epoch;
  for (auto& [id, stream] : streams_) stream.transfer.Restart();
  for (auto& [id, stream] : streams_) Pump(id, stream, now);
}

void Distributor::SetRefusal(absl::Status refusal) {
  if (refusal == refusal_) return;
  refusal_ = std::move(refusal);
  if (!refusal_.ok()) SendAway(refusal_);
}

void Distributor::SendAway(const absl::Status& why) {
  std::vector<StreamId> all;
  for (const auto& [id, stream] : streams_) all.push_back(id);
  for (const StreamId id : all) Drop(id, why);
}

void Distributor::SetEndpoints(std::vector<std::string> endpoints, absl::Duration now) {
  if (endpoints == endpoints_) return;
  endpoints_ = std::move(endpoints);
  for (auto& [id, stream] : streams_) {
    stream.endpoints_due = true;
    if (!Pump(id, stream, now)) Heartbeat(id, stream, now);
  }
}

void Distributor::AskAnnounced(absl::Duration now) {
  if (std::exchange(ask_announced_, true)) return;
  for (auto& [id, stream] : streams_) Heartbeat(id, stream, now);
}

void Distributor::OnPlanChange(const plan::PlanChange& change, absl::Duration now) {
  if (change.empty()) return;
  ++counter_;
  std::set<std::string> touched;
  for (const std::string& name : change.speakers) {
    const auto it = nodes_.find(name);
    if (it == nodes_.end() || !ReadSets(name, it->second)) continue;
    if (it->second.stream) streams_.at(*it->second.stream).transfer.MarkAll(now);
    touched.insert(name);
  }
  for (const auto& [set, keys] : change.keys) {
    const auto readers = readers_.find(set);
    if (readers == readers_.end()) continue;
    for (const std::string& name : readers->second) {
      const Node& node = nodes_.at(name);
      if (node.stream) {
        const size_t plan_size = SpeakerPlan(view_, node.sets).size();
        streams_.at(*node.stream).transfer.Mark(keys, plan_size, now);
      }
      touched.insert(name);
    }
  }
  for (const std::string& name : touched) {
    Node& node = nodes_.at(name);
    node.changed = counter_;
    if (node.stream) Pump(*node.stream, streams_.at(*node.stream), now);
    ForgetIfUnused(name);
  }
}

void Distributor::OnAttached(StreamId id, const Origin& origin, absl::Duration now) {
  if (!refusal_.ok()) {
    ++counters_.refused;
    link_->Close(id, refusal_);
    return;
  }
  Stream stream{.node = origin.node,
                .host = origin.host,
                .endpoints_due = !endpoints_.empty(),
                .last_heard = now,
                .last_sent = now,
                .transfer = Transfer(&options_, &counters_)};
  streams_.emplace(id, std::move(stream));
}

void Distributor::OnWritable(StreamId id, absl::Duration now) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  stream.writable = true;
  if (!Pump(id, stream, now) && HasNews(stream)) Heartbeat(id, stream, now);
}

bool Distributor::HasNews(const Stream& stream) const {
  return stream.endpoints_due || !stream.verdicts.empty();
}

void Distributor::OnDetached(StreamId id, const absl::Status& why, absl::Duration) {
  if (streams_.contains(id)) ++counters_.ended;
  Forget(id, why);
}

void Distributor::OnReport(StreamId id, const plan::v1::Report& report, absl::Duration now) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  stream.last_heard = now;
  if (report.has_hello() == stream.accepted) {
    ++counters_.invalid_reports;
    Drop(id, absl::FailedPreconditionError(stream.accepted ? "report: a second hello"
                                                           : "report: the first is not a hello"));
    return;
  }
  if (report.has_hello()) {
    OnHello(id, stream, report.hello(), now);
    return;
  }
  nodes_.at(stream.node).last_heard = now;
  switch (report.body_case()) {
    case plan::v1::Report::kAck:
      OnAck(id, stream, report.ack(), now);
      break;
    case plan::v1::Report::kFacts:
    case plan::v1::Report::kObserved:
    case plan::v1::Report::kGoodbye:
    case plan::v1::Report::kAnnounced:
    case plan::v1::Report::kLayer2Owned:
      owner_->OnSpeakerReport(std::string(stream.node), report);
      break;
    case plan::v1::Report::kScraperToken:
      OnScraperToken(id, stream, report.scraper_token(), now);
      break;
    default:  // a heartbeat, or what a newer speaker says
      break;
  }
}

void Distributor::OnScraperToken(StreamId id, Stream& stream, const plan::v1::ScraperToken& asked,
                                 absl::Duration now) {
  const bool crowded = stream.scrapers >= kMostScrapers;
  ++stream.scrapers;
  if (crowded) {
    return SendVerdict(id, asked.id(),
                       absl::UnavailableError("too many tokens of this speaker are reviewed"), now);
  }
  owner_->OnScraperToken(id, asked.token(), asked.id());
}

void Distributor::SendVerdict(StreamId id, uint64_t asked, const absl::Status& verdict,
                              absl::Duration now) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  --stream.scrapers;
  plan::v1::ScraperVerdict& answer = stream.verdicts.emplace_back();
  answer.set_id(asked);
  answer.set_result(ResultOf(verdict));
  answer.set_reason(std::string(verdict.message()));
  Heartbeat(id, stream, now);
}

absl::Status Distributor::CheckHello(const Stream& stream, const plan::v1::Hello& hello,
                                     absl::Duration now) const {
  if (hello.node().empty()) return absl::InvalidArgumentError("hello: node: empty");
  if (hello.instance().empty()) return absl::InvalidArgumentError("hello: instance: empty");
  if (!stream.node.empty() && stream.node != hello.node()) {
    return absl::PermissionDeniedError(absl::StrCat("hello: node: claims \"", hello.node(),
                                                    "\", but its token is bound to \"", stream.node,
                                                    "\""));
  }
  const auto it = nodes_.find(hello.node());
  if (it == nodes_.end() || !it->second.stream || it->second.instance == hello.instance()) {
    return absl::OkStatus();
  }
  // Whoever names the instance is that process: it is told to nobody.
  return absl::AlreadyExistsError(absl::StrCat(
      "hello: node: \"", hello.node(), "\" has a speaker already, heard ",
      absl::ToInt64Milliseconds(now - streams_.at(*it->second.stream).last_heard), " ms ago"));
}

void Distributor::OnHello(StreamId id, Stream& stream, const plan::v1::Hello& hello,
                          absl::Duration now) {
  if (const absl::Status status = CheckHello(stream, hello, now); !status.ok()) {
    ++counters_.refused;
    const std::string host = stream.host;
    log_->Damped(absl::StrCat("hello ", stream.node), "speaker refused", status.message(),
                 {{"node", stream.node}, {"from", host}});
    Drop(id, status);
    if (!absl::IsAlreadyExists(status)) return;
    ++counters_.second;
    owner_->OnSecondSpeaker(hello.node(), host);
    return;
  }
  ++counters_.attached;
  const auto [it, is_new] = nodes_.try_emplace(hello.node());
  Node& node = it->second;
  if (is_new) {
    node.changed = counter_;
    ReadSets(hello.node(), node);
  }
  if (node.stream) {
    const StreamId old = *std::exchange(node.stream, std::nullopt);
    streams_.erase(old);
    link_->Close(old, absl::AbortedError(absl::StrCat("node \"", hello.node(),
                                                      "\" has attached on another stream")));
  }
  node.stream = id;
  node.instance = hello.instance();
  node.version = hello.version();
  node.acked = {hello.generation().epoch(), hello.generation().counter()};
  node.nacks.clear();
  node.last_heard = now;
  stream.node = hello.node();
  stream.accepted = true;
  stream.transfer.OnHello(hello);
  log_->Recovered(absl::StrCat("hello ", hello.node()), "speaker no longer refused",
                  {{"node", hello.node()}});
  const uint64_t largest_epoch = stream.transfer.largest_epoch();
  // It can have heard of our epoch from us alone; after the loss of what is kept it may be that of
  // an earlier leader too.
  const bool not_from_us =
      largest_epoch > 0 && largest_epoch == epoch_ && node.sent_epoch != epoch_;
  if (!Pump(id, stream, now)) Heartbeat(id, stream, now);
  owner_->OnSpeakerUp(hello.node(), hello);
  if (largest_epoch > epoch_ || not_from_us) owner_->OnLargerEpoch(hello.node(), largest_epoch);
}

void Distributor::OnAck(StreamId id, Stream& stream, const plan::v1::Ack& ack, absl::Duration now) {
  const std::string name = stream.node;
  Node& node = nodes_.at(name);
  const auto acked = stream.transfer.OnAck(ack, now);
  if (acked) node.acked = acked->generation;
  const std::string error_key = absl::StrCat("plan ", name);
  if (ack.plan_error().empty()) {
    SetNacks(name, node, ack);
    log_->Recovered(error_key, "speaker takes plans again", {{"node", name}});
  } else {
    log_->Damped(error_key, "speaker refused a plan", ack.plan_error(),
                 {{"node", name},
                  {"epoch", ack.generation().epoch()},
                  {"counter", ack.generation().counter()}});
  }
  Pump(id, stream, now);
  const uint64_t largest_epoch = stream.transfer.largest_epoch();
  if (acked) {
    const auto since = acked->changed_at ? std::optional(now - *acked->changed_at) : std::nullopt;
    owner_->OnAcked(name, acked->generation, since);
  }
  if (ack.largest_epoch() > epoch_) owner_->OnLargerEpoch(name, largest_epoch);
}

void Distributor::SetNacks(const std::string& name, Node& node, const plan::v1::Ack& ack) {
  std::map<std::string, std::string> nacks;
  for (const plan::v1::ResourceError& error : ack.errors()) {
    const auto old = node.nacks.find(error.key());
    if (old == node.nacks.end() || old->second != error.reason()) {
      ++counters_.resource_nacks;
      log_->Warning("speaker cannot apply a resource",
                    {{"node", name}, {"resource", error.key()}, {"error", error.reason()}});
    }
    nacks.emplace(error.key(), error.reason());
  }
  node.nacks = std::move(nacks);
}

void Distributor::Drop(StreamId id, const absl::Status& why) {
  link_->Close(id, why);
  Forget(id, why);
}

void Distributor::Forget(StreamId id, const absl::Status& why) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  const std::string name = it->second.node;
  const bool accepted = it->second.accepted;
  streams_.erase(it);
  if (!accepted) return;
  nodes_.at(name).stream.reset();
  ForgetIfUnused(name);
  owner_->OnSpeakerDown(name, why);
}

bool Distributor::ReadSets(const std::string& name, Node& node) {
  std::vector<std::string> sets = view_->SetsOf(name);
  if (sets == node.sets) return false;
  SetReads(name, node, std::move(sets));
  return true;
}

void Distributor::SetReads(const std::string& name, Node& node, std::vector<std::string> sets) {
  for (const std::string& set : node.sets) {
    const auto it = readers_.find(set);
    it->second.erase(name);
    if (it->second.empty()) readers_.erase(it);
  }
  node.sets = std::move(sets);
  for (const std::string& set : node.sets) readers_[set].insert(name);
}

void Distributor::ForgetIfUnused(const std::string& name) {
  const auto it = nodes_.find(name);
  if (it->second.stream || !it->second.sets.empty()) return;
  nodes_.erase(it);
}

bool Distributor::Pump(StreamId id, Stream& stream, absl::Duration now) {
  if (!stream.writable || !stream.accepted) return false;
  Node& node = nodes_.at(stream.node);
  if (node.sets.empty()) return false;  // it has no plan (yet): what it holds stays in force
  auto plan = stream.transfer.Next(SpeakerPlan(view_, node.sets), {epoch_, node.changed}, now);
  if (plan == nullptr) return false;
  node.sent_epoch = epoch_;
  Send(id, stream, std::move(plan), now);
  return true;
}

void Distributor::Heartbeat(StreamId id, Stream& stream, absl::Duration now) {
  if (!stream.writable || !stream.accepted) return;
  auto plan = std::make_shared<plan::v1::Plan>();
  plan->mutable_heartbeat();
  Node& node = nodes_.at(stream.node);
  if (stream.transfer.InSync({epoch_, node.changed})) {
    node.sent_epoch = epoch_;
    plan->mutable_generation()->set_epoch(epoch_);
    plan->mutable_generation()->set_counter(node.changed);
  }
  plan->set_want_announced(ask_announced_);
  ++counters_.heartbeats;
  Send(id, stream, std::move(plan), now);
}

void Distributor::Send(StreamId id, Stream& stream, std::shared_ptr<plan::v1::Plan> plan,
                       absl::Duration now) {
  if (std::exchange(stream.endpoints_due, false)) {
    plan->mutable_controller_endpoints()->Assign(endpoints_.begin(), endpoints_.end());
  }
  for (plan::v1::ScraperVerdict& verdict : std::exchange(stream.verdicts, {}))
    *plan->add_scraper_verdicts() = std::move(verdict);
  plan->set_reset_turn(reset_turns_.contains(stream.node));
  stream.writable = false;
  stream.last_sent = now;
  link_->Send(id, std::move(plan));
}

void Distributor::SetResetTurns(std::set<std::string> nodes) {
  if (nodes == reset_turns_) return;
  for (auto& [id, stream] : streams_) {
    // Makes a heartbeat due.
    if (nodes.contains(stream.node) != reset_turns_.contains(stream.node)) {
      stream.last_sent = -absl::InfiniteDuration();
    }
  }
  reset_turns_ = std::move(nodes);
}

void Distributor::Tick(absl::Duration now) {
  std::vector<std::pair<StreamId, absl::Status>> dead;
  for (auto& [id, stream] : streams_) {
    if (now - stream.last_heard >= options_.dead_after) {
      ++counters_.dead_peers;
      dead.emplace_back(id, absl::UnavailableError(absl::StrCat(
                                "nothing heard for ", absl::FormatDuration(options_.dead_after))));
    } else if (now >= stream.transfer.ack_deadline()) {
      ++counters_.unacknowledged;
      dead.emplace_back(
          id, absl::DeadlineExceededError(absl::StrCat(
                  "plan not acknowledged within ", absl::FormatDuration(options_.ack_timeout))));
    } else if (now - stream.last_sent >= options_.heartbeat && !Pump(id, stream, now)) {
      Heartbeat(id, stream, now);
    }
  }
  for (const auto& [id, why] : dead) Drop(id, why);
}

absl::Duration Distributor::NextWakeup() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [id, stream] : streams_) {
    next =
        std::min({next, stream.last_heard + options_.dead_after, stream.transfer.ack_deadline()});
    if (stream.writable && stream.accepted) {
      next = std::min(next, stream.last_sent + options_.heartbeat);
    }
  }
  return next;
}

std::map<std::string, SpeakerStatus> Distributor::Speakers() const {
  std::map<std::string, SpeakerStatus> speakers;
  for (const auto& [name, node] : nodes_) {
    SpeakerStatus& status = speakers[name];
    status.attached = node.stream.has_value();
    status.instance = node.instance;
    status.version = node.version;
    status.planned = {epoch_, node.changed};
    status.acked = node.acked;
    status.last_heard = node.last_heard;
    status.nacks = node.nacks;
    if (node.stream) status.pending_since = streams_.at(*node.stream).transfer.pending_since();
  }
  return speakers;
}

}  // namespace openelb::push

#include "speaker/link/link.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "api/plan/referral.h"
#include "speaker/link/endpoint.h"

namespace openelb::link {
namespace {

// Addresses in one message, which may have 4 MiB.
constexpr int kAnnouncedPiece = 2000;

}  // namespace

Link::Link(PlanLink* transport, PlanStore* store, Random* random, Logger* log, LinkOptions options)
    : transport_(transport),
      store_(store),
      random_(random),
      log_(log),
      options_(std::move(options)) {}

void Link::Start(absl::Duration now) { StartRound(now); }

void Link::Stop(bool leaving, absl::Duration now) {
  if (phase_ == Phase::kUp) {
    plan::v1::Report report;
    report.mutable_goodbye()->set_leaving(leaving);
    Send(report, now);
  } else {
    Hangup();
  }
  stopping_ = true;
}

void Link::Hangup() {
  if (phase_ == Phase::kDialing || phase_ == Phase::kUp) transport_->Hangup();
  phase_ = Phase::kStopped;
  scrapers_.OnDown();
}

void Link::StartRound(absl::Duration now) {
  if (options_.read_controllers) {
    if (auto read = options_.read_controllers(); read.ok()) {
      file_endpoints_ = *std::move(read);
      log_->Recovered("controllers file", "controllers file is good again");
    } else {
      log_->Damped("controllers file", "controllers file not read; the last good one stands",
                   read.status().message());
    }
  }
  passed_over_.clear();
  PlanRound({});
  DialNext(now);
}

void Link::PlanRound(const std::vector<std::string>& first) {
  round_.clear();
  for (const auto& source : {first, store_->endpoints(), file_endpoints_, options_.controllers}) {
    for (const std::string& endpoint : source) {
      const bool known = absl::c_linear_search(round_, endpoint) || passed_over_.contains(endpoint);
      if (!known && CheckEndpoint(endpoint).ok()) round_.push_back(endpoint);
    }
  }
  next_in_round_ = 0;
}

void Link::DialNext(absl::Duration now) {
  if (next_in_round_ == round_.size()) {
    // Full jitter: speakers that lost one controller do not come back all at once.
    absl::Duration ceiling = options_.min_backoff;
    for (int i = 0; i < failed_rounds_ && ceiling < options_.max_backoff; ++i) ceiling *= 2;
    ++failed_rounds_;
    phase_ = Phase::kWaiting;
    dial_at_ = now + random_->Uniform() * std::min(ceiling, options_.max_backoff);
    return;
  }
  phase_ = Phase::kDialing;
  heard_ = false;
  endpoint_ = round_[next_in_round_++];
  last_heard_ = now;
  ++counters_.dials;
  if (options_.read_token) token_ = options_.read_token().value_or("");
  transport_->Dial(endpoint_);
}

void Link::Failed(const absl::Status& why, absl::Duration now) {
  scrapers_.OnDown();
  if (stopping_) {
    phase_ = Phase::kStopped;
    return;
  }
  if (!heard_) ++counters_.dial_failures;
  const auto referral = plan::ReferralOf(why);
  log_->Damped(absl::StrCat("controller ", endpoint_),
               referral ? "controller does not lead" : "controller lost", why.ToString(),
               {{"endpoint", endpoint_}});
  const bool worked = heard_;
  heard_ = false;
  confirmed_ = false;
  refused_since_.reset();
  if (referral) {
    ++counters_.referrals;
    passed_over_.insert(endpoint_);
    PlanRound(*referral);
  } else if (worked) {
    next_in_round_ = round_.size();  // the next round starts with the best endpoints
  }
  DialNext(now);
}

void Link::OnUp(const std::string& endpoint, absl::Duration now) {
  if (phase_ != Phase::kDialing) return;
  phase_ = Phase::kUp;
  endpoint_ = endpoint;
  last_heard_ = now;
  token_at_ = options_.read_token ? now + options_.token_interval : absl::InfiniteDuration();
  store_->OnStreamStart();
  told_announced_ = false;

  plan::v1::Report report;
  plan::v1::Hello* hello = report.mutable_hello();
  hello->set_node(options_.node);
  hello->set_kernel_boot_id(options_.kernel_boot_id);
  hello->set_instance(options_.instance);
  hello->set_version(options_.version);
  hello->set_largest_epoch(store_->largest_epoch());
  if (store_->has_plan()) {
    hello->mutable_generation()->set_epoch(store_->state().generation.epoch);
    hello->mutable_generation()->set_counter(store_->state().generation.counter);
    hello->set_hash(store_->state().hash);
  }
  Send(report, now);
  if (const auto ack = store_->ErrorsAck()) {
    *report.mutable_ack() = *ack;
    Send(report, now);
  }
  if (facts_) {
    *report.mutable_facts() = *facts_;
    Send(report, now);
  }
  if (layer2_owned_) {
    *report.mutable_layer2_owned() = *layer2_owned_;
    Send(report, now);
  }
  if (observed_) {
    *report.mutable_observed() = *observed_;
    Send(report, now);
  }
}

PlanStore::Outcome Link::OnPlan(const plan::v1::Plan& plan, absl::Duration now) {
  if (phase_ != Phase::kUp) return {};
  last_heard_ = now;
  if (!heard_) {
    heard_ = true;
    failed_rounds_ = 0;
    ++counters_.streams;
    log_->Recovered(absl::StrCat("controller ", endpoint_), "controller is back",
                    {{"endpoint", endpoint_}});
    log_->Info("attached", {{"endpoint", endpoint_}});
  }
  for (const plan::v1::ScraperVerdict& verdict : plan.scraper_verdicts())
    scrapers_.OnVerdict(verdict);
  if (plan.want_announced() && !std::exchange(told_announced_, true)) SendAnnounced(now);
  PlanStore::Outcome outcome = store_->Apply(plan);
  if (outcome.refused_epoch) {
    if (!refused_since_) refused_since_ = now;
  } else if (!plan.has_heartbeat()) {
    refused_since_.reset();
  } else if (plan.has_generation()) {
    confirmed_ = store_->Holds(plan.generation());
  }
  if (!outcome.ack) return outcome;
  confirmed_ = outcome.ack->plan_error().empty();
  if (confirmed_) {
    log_->Recovered("plan", "plans are taken again", {{"endpoint", endpoint_}});
    NoteErrors();
  } else {
    log_->Damped("plan", "plan refused; the last one stays in force", outcome.ack->plan_error(),
                 {{"endpoint", endpoint_}});
  }
  plan::v1::Report report;
  *report.mutable_ack() = *outcome.ack;
  Send(report, now);
  return outcome;
}

void Link::NoteErrors() {
  for (const auto& [key, reason] : store_->errors()) {
    const auto noted = noted_errors_.find(key);
    if (noted != noted_errors_.end() && noted->second == reason) continue;
    log_->Warning("resource not applied; its last good state stays",
                  {{"resource", key}, {"error", reason}});
  }
  for (const auto& [key, reason] : noted_errors_) {
    if (!store_->errors().contains(key)) log_->Info("resource no longer bad", {{"resource", key}});
  }
  noted_errors_ = store_->errors();
}

void Link::OnDown(const absl::Status& why, absl::Duration now) {
  if (phase_ == Phase::kDialing || phase_ == Phase::kUp) Failed(why, now);
}

void Link::SendFacts(plan::v1::Facts facts, absl::Duration now) {
  facts_ = std::move(facts);
  if (phase_ != Phase::kUp) return;
  plan::v1::Report report;
  *report.mutable_facts() = *facts_;
  Send(report, now);
}

void Link::SendObserved(plan::v1::Observed observed, absl::Duration now) {
  observed_ = std::move(observed);
  if (phase_ != Phase::kUp) return;
  plan::v1::Report report;
  *report.mutable_observed() = *observed_;
  Send(report, now);
}

void Link::SendLayer2Owned(plan::v1::Layer2Owned owned, absl::Duration now) {
  layer2_owned_ = std::move(owned);
  if (phase_ != Phase::kUp) return;
  plan::v1::Report report;
  *report.mutable_layer2_owned() = *layer2_owned_;
  Send(report, now);
}

void Link::ReviewScraper(const std::string& token, ScraperReviews::Done done, absl::Duration now) {
  if (!connected())
    return done(absl::UnavailableError("no controller is connected that reviews tokens"));
  Send(scrapers_.Ask(token, std::move(done), now), now);
}

// The kubelet replaces the file long before the token expires.
void Link::SendTokenIfRenewed(absl::Duration now) {
  token_at_ = now + options_.token_interval;
  const auto token = options_.read_token();
  if (!token.ok()) {
    log_->Damped("token", "the token cannot be read; the one shown stands",
                 token.status().message());
    return;
  }
  log_->Recovered("token", "the token can be read again");
  if (*token == token_) return;
  token_ = *token;
  plan::v1::Report report;
  report.mutable_token()->set_token(token_);
  Send(report, now);
}

void Link::SendAnnounced(absl::Duration now) {
  plan::v1::Report report;
  const auto add = [&](const IpAddress& of, const std::vector<std::string>& services) {
    if (report.announced().addresses_size() == kAnnouncedPiece) {
      Send(report, now);
      report.Clear();
    }
    plan::v1::AnnouncedAddress* address = report.mutable_announced()->add_addresses();
    address->set_address(of.ToString());
    address->mutable_services()->Assign(services.begin(), services.end());
    return address;
  };
  for (const auto& [prefix, route] : store_->state().routes) {
    add(prefix.address(), store_->ServicesOf(prefix));
  }
  for (const auto& [address, held] : store_->state().layer2) {
    plan::v1::AnnouncedAddress* const entry = add(address, held.services);
    for (const Layer2Rank& rank : held.ranks) entry->add_ranks(rank.node);
    entry->set_turn(held.turn);
  }
  for (const auto& [name, router] : store_->state().vrrp) {
    for (const auto& [address, services] : router.services) {
      plan::v1::AnnouncedAddress* const entry = add(address, services);
      entry->set_vrid(name.vrid);
      entry->set_priority(router.priority);
    }
  }
  report.mutable_announced()->set_last(true);
  Send(report, now);
}

void Link::Send(const plan::v1::Report& report, absl::Duration now) {
  last_sent_ = now;
  transport_->Send(report);
}

void Link::Tick(absl::Duration now) {
  if (phase_ == Phase::kWaiting && now >= dial_at_) {
    StartRound(now);
    return;
  }
  if (phase_ == Phase::kDialing && now - last_heard_ >= options_.dial_timeout) {
    transport_->Hangup();
    Failed(absl::DeadlineExceededError(
               absl::StrCat("no stream within ", absl::FormatDuration(options_.dial_timeout))),
           now);
    return;
  }
  if (phase_ != Phase::kUp) return;
  scrapers_.Tick(now);
  if (now >= token_at_) SendTokenIfRenewed(now);
  if (now - last_heard_ >= options_.dead_after) {
    ++counters_.dead_controllers;
    transport_->Hangup();
    Failed(absl::UnavailableError(
               absl::StrCat("nothing heard for ", absl::FormatDuration(options_.dead_after))),
           now);
  } else if (refused_since_ && now - *refused_since_ >= options_.epoch_patience) {
    ++counters_.deposed;
    transport_->Hangup();
    heard_ = false;  // the round goes on: another controller may lead
    Failed(absl::FailedPreconditionError("its epoch is smaller than one seen, and it keeps it"),
           now);
  } else if (now - last_sent_ >= options_.heartbeat) {
    plan::v1::Report report;
    report.mutable_heartbeat();
    Send(report, now);
  }
}

absl::Duration Link::NextWakeup() const {
  switch (phase_) {
    case Phase::kStopped:
      return absl::InfiniteDuration();
    case Phase::kWaiting:
      return dial_at_;
    case Phase::kDialing:
      return last_heard_ + options_.dial_timeout;
    case Phase::kUp:
      break;
  }
  absl::Duration next =
      std::min({last_sent_ + options_.heartbeat, last_heard_ + options_.dead_after, token_at_,
                scrapers_.NextWakeup()});
  if (refused_since_) next = std::min(next, *refused_since_ + options_.epoch_patience);
  return next;
}

}  // namespace openelb::link

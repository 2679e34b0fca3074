#include "controller/kube/api_side.h"

#include <algorithm>
#include <utility>

namespace openelb::kube {

ApiSide::ApiSide(const ApiSideOptions& options, Client* client, Seams seams, Handlers handlers)
    : client_(client),
      handlers_(std::move(handlers)),
      log_(seams.log, seams.clock),
      sink_(options.lease.identity,
            {.client = client, .clock = seams.clock, .log = &log_, .handler = handlers_.status}),
      election_(options.lease,
                {.client = client,
                 .clock = seams.clock,
                 .random = seams.random,
                 .log = &log_,
                 .on_change = [this](const Leadership& leadership) { OnLeadership(leadership); },
                 .on_search = handlers_.on_search}),
      operator_(options.namespace_name, {.transport = seams.transport,
                                         .client = client,
                                         .clock = seams.clock,
                                         .random = seams.random,
                                         .log = seams.log,
                                         .sink = &sink_,
                                         .witness = &election_.witness(),
                                         .ask_speakers = handlers_.ask_speakers}),
      source_({.ns = options.namespace_name}, {.transport = seams.transport,
                                               .clock = seams.clock,
                                               .random = seams.random,
                                               .log = seams.log,
                                               .viewer = &viewers_,
                                               .witness = &election_.witness()}),
      saved_files_({.namespace_name = options.namespace_name},
                   {.client = client, .clock = seams.clock, .random = seams.random, .log = &log_}),
      access_({.namespace_name = options.namespace_name, .endpoint = options.lease.endpoint},
              {.client = client,
               .clock = seams.clock,
               .random = seams.random,
               .log = &log_,
               .on_certificate = [this](const tls::Material& material) { OnCertificate(material); },
               .on_endpoints = handlers_.on_endpoints}),
      validating_({.namespace_name = options.namespace_name},
                  {.client = client, .clock = seams.clock, .random = seams.random, .log = &log_}) {
  if (options.mutating_webhook) {
    mutating_.emplace(
        WebhookBundle::Options{.resource = "mutatingwebhookconfigurations",
                               .namespace_name = options.namespace_name},
        WebhookBundle::Seams{
            .client = client, .clock = seams.clock, .random = seams.random, .log = &log_});
  }
  source_.Start(handlers_.source);
}

ApiSide::~ApiSide() = default;

void ApiSide::OnCertificate(const tls::Material& material) {
  validating_.SetBundle(material.Bundle());
  if (mutating_) mutating_->SetBundle(material.Bundle());
  handlers_.on_certificate(material);
}

void ApiSide::OnLeadership(const Leadership& leadership) {
  access_.SetLeading(leadership.may_write());
  validating_.SetLeading(leadership.may_write());
  if (mutating_) mutating_->SetLeading(leadership.may_write());
  SetWriting();
  if (leadership.role == Leadership::Role::kLeading && !led_ && !preparing_) {
    preparing_ = true;
    source_.RequestFresh([this] {
      fresh_ = true;
      TellWhenReady();
    });
    saved_files_.Load([this](SavedFiles::Files files) {
      saved_ = std::move(files);
      TellWhenReady();
    });
    return;
  }
  if (preparing_ && !led_ && leadership.role != Leadership::Role::kDeposed) {
    TellWhenReady();  // until then the other side goes on standing by
  } else {
    handlers_.on_leadership(leadership, std::nullopt);
  }
}

void ApiSide::TellWhenReady() {
  if (led_ || !fresh_ || !saved_ || !election_.leadership().may_write()) return;
  led_ = true;
  handlers_.on_leadership(election_.leadership(), std::exchange(saved_, std::nullopt));
}

void ApiSide::SetServing() {
  serving_ = true;
  election_.Recovered();
  SetWriting();
}

void ApiSide::SetWriting() {
  const bool writes = serving_ && election_.leadership().may_write();
  sink_.SetActive(writes);
  operator_.SetActive(writes);
  saved_files_.SetActive(writes);
}

void ApiSide::Turn() {
  election_.Turn();  // first: its renewal waits for nothing else
  source_.Turn();
  operator_.Turn();
  sink_.Turn();
  saved_files_.Turn();
  access_.Turn();
  validating_.Turn();
  if (mutating_) mutating_->Turn();
  client_->Turn();
  Doubt(client_->TakeDoubt(), "a call was not answered");
  Doubt(sink_.TakeUnshown(), "a write of ours was not shown");
}

void ApiSide::Doubt(std::optional<absl::Duration> since, absl::string_view why) {
  if (!since) return;
  log_.Damped("doubt", "watches that are silent are taken up again", why);
  source_.Doubt(*since);
  operator_.Doubt(*since);
}

absl::Duration ApiSide::NextWakeup() {
  return std::min(
      {election_.NextWakeup(), source_.NextWakeup(), operator_.NextWakeup(), sink_.NextWakeup(),
       saved_files_.NextWakeup(), access_.NextWakeup(), validating_.NextWakeup(),
       mutating_ ? mutating_->NextWakeup() : absl::InfiniteDuration(), client_->NextWakeup()});
}

}  // namespace openelb::kube

#include "controller/run_kubernetes.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/base/clock.h"
#include "api/base/event_loop.h"
#include "api/base/metrics.h"
#include "api/base/post.h"
#include "api/base/random.h"
#include "api/base/version.h"
#include "controller/admission/knowledge.h"
#include "controller/admission/webhooks.h"
#include "controller/controller.h"
#include "controller/install/speaker_facts.h"
#include "controller/kube/api_side.h"
#include "controller/kube/config.h"
#include "controller/kube/cprest_transport.h"
#include "controller/kube/lease_epoch.h"
#include "controller/kube/posted_sink.h"
#include "controller/kube/scraper_reviewer.h"
#include "controller/kube/token_review_authenticator.h"
#include "controller/observe/metrics.h"
#include "controller/push/grpc_server.h"
#include "controller/serving.h"
#include "controller/tls/hmac.h"
#include "controller/tls/material.h"
#include "controller/tls/memory_file.h"

namespace openelb {
namespace {

using kube::Leadership;
using kube::SavedFiles;

constexpr absl::Duration kReleasePatience = absl::Seconds(2);  // at an orderly stop

int Fail(Logger* log, absl::string_view what, const absl::Status& why) {
  log->Error(what, {{"error", why.message()}});
  return 1;
}

// New at each process start, so that a leader's name says which process it was.
std::string Identity(const std::string& pod, Random* random) {
  char host[256] = "controller";
  if (pod.empty()) gethostname(host, sizeof(host) - 1);
  return absl::StrFormat("%s_%016x", pod.empty() ? std::string(host) : pod, random->Next64());
}

absl::StatusOr<kube::ServerConfig> FindServer(const ControllerFlags& flags) {
  if (!flags.kubeconfig.empty()) return kube::ReadKubeconfig(flags.kubeconfig);
  return kube::InClusterConfig(flags.environment.api_host, flags.environment.api_port);
}

// Tells the controller's thread what the API side's thread hears of Services' statuses.
class PostedAnswers final : public StatusHandler {
 public:
  PostedAnswers(Post post, Controller* target) : post_(std::move(post)), target_(target) {}
  void OnServiceAnswered(const ObjectKey& key, const std::vector<std::string>& ips) override {
    post_([target = target_, key, ips] { target->OnServiceAnswered(key, ips); });
  }

 private:
  const Post post_;
  Controller* const target_;
};

// One process's life until it stops or another leads in its place: what it knew and decided by then
// ends with it.
class Term {
 public:
  Term(const ControllerFlags& flags, kube::ServerConfig server, const Clock* clock, LogSink* sink,
       Logger* log)
      : flags_(flags), server_(std::move(server)), clock_(clock), sink_(sink), log_(log) {}

  // True: deposed, so begin anew. An error ends the process.
  absl::StatusOr<bool> Run(StopSignals* signals);

 private:
  void OnLeadership(Leadership leadership, std::optional<SavedFiles::Files> saved);
  void AfterTurn();
  // On neither of the two threads.
  observe::ApiCounters CountersNow();
  void ReleaseLease();
  // Makes secrets of it, and serves speakers with it, for the first time or from now on.
  void OnCertificate(const tls::Material& material);
  void StartServer();
  // The operator, what is known of the speakers.
  void TellSpeakers();

  const ControllerFlags& flags_;
  const kube::ServerConfig server_;
  const Clock* const clock_;
  LogSink* const sink_;
  Logger* const log_;

  // The controller's thread: that of Run.
  EventLoop loop_{clock_};
  const Post post_ = [this](std::function<void()> task) { loop_.Post(std::move(task)); };
  bool deposed_ = false;
  bool told_serving_ = false;

  // The API side's.
  EventLoop api_loop_{clock_};
  const Post api_post_ = [this](std::function<void()> task) { api_loop_.Post(std::move(task)); };
  SystemRandom random_;
  Logger api_log_{sink_, clock_};

  kube::CprestTransport transport_{server_, absl::StrCat("openelb-controller/", Version()),
                                   api_post_};
  kube::Client client_{&transport_, clock_};
  kube::TokenReviewAuthenticator tokens_{
      {.namespace_name = flags_.environment.namespace_name, .name = flags_.speaker_service_account},
      &client_,
      clock_,
      &api_log_,
      api_post_};
  kube::LeaseEpoch epoch_{
      [this](uint64_t seen) { api_post_([this, seen] { api_->RaiseAbove(seen); }); }};
  kube::SavedFilesDisk disk_{[this](const std::string& name, const std::string& content) {
    api_post_([this, name, content] { api_->Save(name, content); });
  }};
  kube::PostedSink statuses_{api_post_, [this]() -> StatusSink* { return api_->sink(); }};

  kube::ScraperReviewer scraper_reviewer_{&client_, api_post_};
  // For our own metrics and those of the speakers that ask.
  const std::shared_ptr<http::ScraperGuard> scrapers_ = std::make_shared<http::ScraperGuard>(
      [this](const std::string& token, http::ScraperGuard::Done done) {
        scraper_reviewer_.Review(token, std::move(done));
      },
      clock_);

  admission::Knowledge known_{flags_.environment.namespace_name};

  // Of Run.
  std::unique_ptr<tls::MemoryFile> pem_;  // null: the flags name files, or there is no TLS
  push::GrpcServer* server_link_ = nullptr;
  bool started_ = false;  // it serves
  absl::Status start_error_;
  Controller* controller_ = nullptr;
  kube::ApiSide* api_ = nullptr;
  admission::Webhooks* webhooks_ = nullptr;
  std::unique_ptr<http::MetricsServer> metrics_server_;  // null: not served
};

void Term::OnLeadership(Leadership leadership, std::optional<SavedFiles::Files> saved) {
  if (saved) disk_.Set(*std::move(saved));
  if (leadership.role == Leadership::Role::kDeposed) {
    log_->Warning("another controller leads; beginning anew as its standby",
                  {{"leader", leadership.leader}});
    deposed_ = true;
    loop_.Stop();
  }
  epoch_.Set(std::move(leadership));
}

void Term::AfterTurn() {
  if (!told_serving_ && controller_->serving()) {
    told_serving_ = true;
    api_post_([this] { api_->SetServing(); });
  }
}

observe::ApiCounters Term::CountersNow() {
  const auto counters = Ask<observe::ApiCounters>(api_post_, [this] {
    return observe::ApiCounters{.leads = api_->election().leadership().may_write(),
                                .client = client_.counters(),
                                .resources = api_->source().counters(),
                                .sink = api_->kube_sink().counters(),
                                .saved = api_->saved_files().counters(),
                                .election = api_->election().counters(),
                                .reviews = tokens_.counters()};
  });
  return counters.value_or(observe::ApiCounters());
}

absl::StatusOr<bool> Term::Run(StopSignals* signals) {
  Metrics metrics(observe::ControllerMetricsTable());
  observe::ControllerMetrics exporter(&metrics, Version());
  if (flags_.common.legacy_metrics) exporter.AddLegacy();
  if (!flags_.plan_insecure && flags_.plan_tls_cert.empty()) {
    auto pem = tls::MemoryFile::Create("openelb-serving");
    if (!pem.ok()) return pem.status();
    pem_ = *std::move(pem);
  }
  const auto open_link = [&](push::PlanLink::Handler* handler) {
    auto link = std::make_unique<push::GrpcServer>(
        push::GrpcServerOptions{.cert = pem_ ? pem_->path() : flags_.plan_tls_cert,
                                .key = pem_ ? pem_->path() : flags_.plan_tls_key,
                                .ca = flags_.plan_tls_ca,
                                .insecure = flags_.plan_insecure},
        flags_.plan_insecure ? nullptr : &tokens_, handler, post_);
    server_link_ = link.get();
    return link;
  };
  Controller controller(
      {.settle = flags_.settle,
       .endpoint_grace = flags_.endpoint_grace,
       .drain_time = flags_.drain_time,
       .plan = flags_.PlanOptions()},
      {.clock = clock_,
       .disk = &disk_,
       .epoch = &epoch_,
       .open_link = open_link,
       .status = &statuses_,
       .log = log_,
       .observer = &exporter,
       .review_scraper = [this](const std::string& token, const http::ScraperGuard::Done& done) {
         scrapers_->Check(token, [post = post_, done](absl::Status verdict) {
           post([done, verdict = std::move(verdict)] { done(verdict); });
         });
       }});
  controller_ = &controller;
  if (!pem_) StartServer();
  const std::string endpoint = flags_.PlanEndpoint();

  admission::Webhooks webhooks({.port = static_cast<uint16_t>(flags_.webhook_port),
                                .default_eip = flags_.default_eip_webhook},
                               post_, &known_, clock_, log_);
  webhooks_ = &webhooks;
  admission::Informed informed(&known_, &controller);
  PostedHandler source_handler(post_, &informed);
  PostedAnswers answers(post_, &controller);
  const std::string& pod = flags_.environment.pod_name;
  kube::ApiSide api({.lease = {.namespace_name = flags_.environment.namespace_name,
                               .identity = Identity(pod, &random_),
                               .pod = pod,
                               .endpoint = endpoint},
                     .namespace_name = flags_.environment.namespace_name,
                     .mutating_webhook = flags_.default_eip_webhook},
                    &client_,
                    {.transport = &transport_, .clock = clock_, .random = &random_, .log = sink_},
                    {.source = &source_handler,
                     .status = &answers,
                     .on_leadership =
                         [this](Leadership leadership, std::optional<SavedFiles::Files> saved) {
                           post_([this, leadership = std::move(leadership),
                                  saved = std::move(saved)] { OnLeadership(leadership, saved); });
                         },
                     .on_search =
                         [this] {
                           post_([this] {
                             controller_->SendSpeakersAway(absl::UnavailableError(
                                 "this controller cannot tell whether it leads; another may"));
                           });
                         },
                     .on_certificate =
                         [this](const tls::Material& material) {
                           post_([this, material] { OnCertificate(material); });
                         },
                     .on_endpoints =
                         [this](const std::vector<std::string>& endpoints) {
                           post_([this, endpoints] { controller_->SetEndpoints(endpoints); });
                         },
                     .ask_speakers = [this] { post_([this] { TellSpeakers(); }); }});
  api_ = &api;
  std::thread api_thread([&] { api_loop_.Run(&api); });

  metrics_server_ = ServeMetrics(
      flags_.common, post_, &metrics,
      [&] {
        const observe::ApiCounters api_counters = CountersNow();
        const admission::WebhookCounters webhook_counters = webhooks.counters();
        Ask<bool>(post_, [this, &exporter, &controller, api_counters, webhook_counters] {
          exporter.Update(controller);
          exporter.UpdateApi(api_counters);
          exporter.UpdateConnections(server_link_->connections());
          exporter.UpdateWebhooks(webhook_counters);
          exporter.UpdateScrapes(scrapers_->counters());
          return true;
        });
      },
      [&] { return controller.synced() ? "" : "cluster state is not complete yet"; }, scrapers_,
      log_);
  log_->Info("controller starts",
             {{"version", Version()}, {"api_server", server_.host}, {"endpoint", endpoint}});
  {
    StopSignalThread stopper(signals, [&](const std::string& signal) {
      loop_.Post([&, signal] {
        log_->Info("controller stops; speakers keep their plans", {{"signal", signal}});
      });
      loop_.Stop();
    });
    ControllerTurns turns(&controller, [this] { AfterTurn(); });
    loop_.Run(&turns);
  }

  // In order: the speakers' streams, what was decided, the leadership, then the API server.
  metrics_server_.reset();
  server_link_->Stop();
  controller.Stop();
  if (!deposed_) ReleaseLease();
  api_loop_.Stop();
  api_thread.join();
  if (!start_error_.ok()) return start_error_;
  return deposed_;
}

void Term::OnCertificate(const tls::Material& material) {
  // The authority outlives certificates and leaders, and nobody else has its key.
  if (!material.authority.key.empty()) {
    controller_->SetWatchSecret(tls::HmacSha256(material.authority.key, "openelb watch secret"));
  }
  webhooks_->SetCertificate(material.serving);
  if (metrics_server_ != nullptr) {
    if (const absl::Status set = metrics_server_->SetCertificate(material.serving); !set.ok())
      log_->Damped("metrics certificate", "metrics go on with the certificate that they had",
                   set.message());
  }
  if (!pem_) return;
  // One file, so that key and certificate are never those of two pairs.
  if (const absl::Status written =
          pem_->Replace(absl::StrCat(material.serving.key, material.serving.certificate));
      !written.ok()) {
    log_->Damped("certificate", "the new certificate cannot be served", written.message());
    return;
  }
  if (!std::exchange(started_, true)) StartServer();
}

void Term::StartServer() {
  const auto port = server_link_->Start(flags_.plan_addr.ToString());
  if (port.ok()) {
    log_->Info("speakers can attach", {{"plan_port", *port}});
    return;
  }
  start_error_ = port.status();
  loop_.Stop();
}

void Term::TellSpeakers() {
  api_post_([this, speakers = install::SpeakersOf(
                       controller_->planner().model(), controller_->sessions(),
                       controller_->distributor().Speakers())] { api_->SetSpeakers(speakers); });
}

// Another need not wait for the Lease to run out.
void Term::ReleaseLease() {
  api_post_([this] { api_->Release(); });
  const absl::Duration until = clock_->Monotonic() + kReleasePatience;
  while (clock_->Monotonic() < until) {
    if (Ask<bool>(api_post_, [this] { return api_->released(); }).value_or(true)) return;
    absl::SleepFor(absl::Milliseconds(10));
  }
}

}  // namespace

int RunOnKubernetes(const ControllerFlags& flags, StopSignals* signals, LogSink* sink,
                    Logger* log) {
  kube::CprestTransport::PrepareProcess();
  const SystemClock clock;
  for (;;) {
    auto server = FindServer(flags);
    if (!server.ok()) return Fail(log, "where the API server is cannot be told", server.status());
    Term term(flags, *std::move(server), &clock, sink, log);
    const absl::StatusOr<bool> again = term.Run(signals);
    if (!again.ok()) return Fail(log, "cannot start", again.status());
    if (!*again) return 0;
  }
}

}  // namespace openelb

#include "controller/run_manifests.h"

#include <poll.h>

#include <memory>

#include "api/base/clock.h"
#include "api/base/disk.h"
#include "api/base/event_loop.h"
#include "api/base/metrics.h"
#include "api/base/version.h"
#include "controller/controller.h"
#include "controller/epoch.h"
#include "controller/manifests/disk_writer.h"
#include "controller/manifests/manifest_source.h"
#include "controller/manifests/status_files.h"
#include "controller/observe/metrics.h"
#include "controller/push/grpc_server.h"
#include "controller/push/token_file_authenticator.h"
#include "controller/serving.h"
#include "controller/watch_secret.h"

namespace openelb {
namespace {

int Fail(Logger* log, absl::string_view what, const absl::Status& why) {
  log->Error(what, {{"error", why.message()}});
  return 1;
}

// Locks the status folder once there is a folder to make it in: the manifests, or a mount, may not
// be there yet, and what a controller without them says would withdraw everything. Error: Cancelled
// when a signal to stop came first, else as FolderLock's.
absl::StatusOr<std::unique_ptr<FolderLock>> LockStatusFolder(const ControllerFlags& flags,
                                                             StopSignals* signals,
                                                             const Clock& clock, Logger* log) {
  constexpr absl::string_view kProblem = "status folder";
  Metrics metrics(observe::ControllerMetricsTable());
  const observe::ControllerMetrics exporter(&metrics, Version());
  std::unique_ptr<http::MetricsServer> server;
  for (;;) {
    auto lock = FolderLock::Acquire(flags.StatusDir());
    if (!absl::IsNotFound(lock.status())) {
      log->Recovered(kProblem, "the status folder can be made", {{"folder", flags.StatusDir()}});
      return lock;
    }
    log->Damped(kProblem, "waiting for the folder; speakers keep their plans",
                lock.status().message());
    if (!server) {
      server = ServeMetrics(
          flags.common, [](const auto& task) { task(); }, &metrics, [] {},
          [] { return "the status folder cannot be made yet"; },
          std::make_shared<http::ScraperGuard>(nullptr, &clock), log);
    }
    pollfd stop{.fd = signals->fd(), .events = POLLIN, .revents = 0};
    poll(&stop, 1, 1000);
    if (!signals->Take().empty()) return absl::CancelledError("stopped");
  }
}

}  // namespace

int RunOnManifests(const ControllerFlags& flags, StopSignals* signals, LogSink* sink, Logger* log) {
  const SystemClock clock;
  const auto lock = LockStatusFolder(flags, signals, clock, log);
  if (absl::IsCancelled(lock.status())) return 0;
  if (!lock.ok()) return Fail(log, "cannot start", lock.status());
  FileDisk disk(flags.StatusDir());
  DiskEpoch epoch(&disk);
  if (!epoch.start_status().ok()) {
    log->Error("the epoch's file is not to be trusted",
               {{"error", epoch.start_status().message()}});
  }
  std::unique_ptr<push::TokenFileAuthenticator> tokens;
  Logger token_log(sink, &clock);
  if (!flags.plan_insecure) {
    tokens = std::make_unique<push::TokenFileAuthenticator>(flags.token_file, &token_log);
    if (absl::Status status = tokens->Load(); !status.ok())
      return Fail(log, "--token-file", status);
  } else {
    log->Warning("speakers are served in plain text and believed whatever node they claim");
  }

  EventLoop loop(&clock);
  const Post post = [&loop](std::function<void()> task) { loop.Post(std::move(task)); };
  Metrics metrics(observe::ControllerMetricsTable());
  observe::ControllerMetrics exporter(&metrics, Version());
  if (flags.common.legacy_metrics) exporter.AddLegacy();
  manifests::DiskWriter writer(&disk, &clock, sink);
  manifests::StatusFiles statuses(&disk, &writer, &clock);
  push::GrpcServer* server = nullptr;
  Controller controller(
      {.settle = flags.settle, .drain_time = flags.drain_time, .plan = flags.PlanOptions()},
      {.clock = &clock,
       .disk = &disk,
       .epoch = &epoch,
       .open_link =
           [&](push::PlanLink::Handler* handler) {
             auto link = std::make_unique<push::GrpcServer>(
                 push::GrpcServerOptions{.cert = flags.plan_tls_cert,
                                         .key = flags.plan_tls_key,
                                         .ca = flags.plan_tls_ca,
                                         .insecure = flags.plan_insecure},
                 tokens.get(), handler, post);
             server = link.get();
             return link;
           },
       .status = &statuses,
       .log = log,
       .observer = &exporter});
  const auto secret = KeepWatchSecret(&disk, log);
  if (!secret.ok()) return Fail(log, "cannot start", secret.status());
  controller.SetWatchSecret(*secret);
  const auto port = server->Start(flags.plan_addr.ToString());
  if (!port.ok()) return Fail(log, "cannot start", port.status());

  auto source = std::make_unique<manifests::ManifestSource>(
      manifests::ManifestSourceOptions{.folder = flags.manifests,
                                       .status_folder = flags.StatusDir()},
      &disk, &writer, &clock, sink);
  // There is no API server to review tokens.
  const auto scrapers = std::make_shared<http::ScraperGuard>(nullptr, &clock);
  auto metrics_server = ServeMetrics(
      flags.common, post, &metrics,
      [&] {
        Ask<bool>(post, [&] {
          exporter.Update(controller);
          exporter.UpdateManifests(source->counters(), writer.counters());
          exporter.UpdateConnections(server->connections());
          exporter.UpdateScrapes(scrapers->counters());
          return true;
        });
      },
      [&] { return controller.synced() ? "" : "cluster state is not complete yet"; }, scrapers,
      log);

  log->Info("controller starts",
            {{"version", Version()}, {"manifests", flags.manifests}, {"plan_port", *port}});
  PostedHandler handler(post, &controller);
  StopSignalThread stopper(signals, [&](const std::string& signal) {
    loop.Post([&, signal] {
      log->Info("controller stops; speakers keep their plans", {{"signal", signal}});
    });
    loop.Stop();
  });
  source->Start(&handler);
  ControllerTurns turns(&controller, nullptr);
  loop.Run(&turns);

  // In order: no more input, then the speakers' streams, then what was written.
  source.reset();
  server->Stop();
  controller.Stop();
  writer.Stop();
  metrics_server.reset();
  return 0;
}

}  // namespace openelb

// openelb-controller: flags in, the real seams around Controller, one owner thread; or one of its
// subcommands.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "api/base/disk.h"
#include "api/base/event_loop.h"
#include "api/base/http_server.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/base/post.h"
#include "api/base/program.h"
#include "api/base/signals.h"
#include "api/base/version.h"
#include "controller/controller.h"
#include "controller/epoch.h"
#include "controller/manifests/disk_writer.h"
#include "controller/manifests/manifest_source.h"
#include "controller/manifests/status_files.h"
#include "controller/observe/metrics.h"
#include "controller/options.h"
#include "controller/plan_command.h"
#include "controller/push/grpc_server.h"
#include "controller/push/token_file_authenticator.h"

namespace openelb {
namespace {

constexpr char kProgram[] = "openelb-controller";

// Carries a source's calls to the owner thread.
class PostedHandler final : public EventSource::Handler {
 public:
  PostedHandler(EventLoop* loop, EventSource::Handler* target) : loop_(loop), target_(target) {}
  void OnEvents(std::vector<ObjectEvent> events) override {
    loop_->Post(
        [this, events = std::move(events)]() mutable { target_->OnEvents(std::move(events)); });
  }
  void OnSynced() override {
    loop_->Post([this] { target_->OnSynced(); });
  }
  void OnAway(std::string reason) override {
    loop_->Post([this, reason = std::move(reason)] { target_->OnAway(reason); });
  }
  void OnBack() override {
    loop_->Post([this] { target_->OnBack(); });
  }

 private:
  EventLoop* loop_;
  EventSource::Handler* target_;
};

class Turns final : public EventLoopWork {
 public:
  explicit Turns(Controller* controller) : controller_(controller) {}
  void Turn() override { controller_->Turn(); }
  absl::Duration NextWakeup() override { return controller_->NextWakeup(); }

 private:
  Controller* controller_;
};

HttpReply Busy() { return {503, "the owner thread does not answer\n"}; }

HttpHandlers MakeHandlers(const Post& post, const Controller* controller, Metrics* metrics,
                          const std::function<void()>& update) {
  HttpHandlers handlers;
  handlers["/metrics"] = [=] {
    Ask<bool>(post, [=] {
      update();
      return true;
    });
    return HttpReply{200, metrics->Expose()};
  };
  handlers["/healthz"] = [=] {
    return Ask<bool>(post, [] { return true; }) ? HttpReply{200, "ok\n"} : Busy();
  };
  handlers["/readyz"] = [=] {
    const auto ready = Ask<bool>(post, [=] { return controller->synced(); });
    if (!ready) return Busy();
    return *ready ? HttpReply{200, "ok\n"} : HttpReply{503, "cluster state is not complete yet\n"};
  };
  return handlers;
}

int Fail(Logger* log, absl::string_view what, const absl::Status& why) {
  log->Error(what, {{"error", why.message()}});
  return 1;
}

int Run(const ControllerFlags& flags, StopSignals* signals, LogSink* sink,
        const FlagSet& flag_set) {
  const SystemClock clock;
  Logger log(sink, &clock);
  LogFlagWarnings(flag_set, &log);
  const auto lock = FolderLock::Acquire(flags.StatusDir());
  if (!lock.ok()) return Fail(&log, "cannot start", lock.status());
  FileDisk disk(flags.StatusDir());
  DiskEpoch epoch(&disk);
  if (!epoch.start_status().ok()) {
    log.Error("the epoch's file is not to be trusted", {{"error", epoch.start_status().message()}});
  }
  std::unique_ptr<push::TokenFileAuthenticator> tokens;
  Logger token_log(sink, &clock);
  if (!flags.plan_insecure) {
    tokens = std::make_unique<push::TokenFileAuthenticator>(flags.token_file, &token_log);
    if (absl::Status status = tokens->Load(); !status.ok())
      return Fail(&log, "--token-file", status);
  } else {
    log.Warning("speakers are served in plain text and believed whatever node they claim");
  }

  EventLoop loop(&clock);
  const Post post = [&loop](std::function<void()> task) { loop.Post(std::move(task)); };
  Metrics metrics(observe::ControllerMetricsTable());
  observe::ControllerMetrics exporter(&metrics, Version());
  manifests::DiskWriter writer(&disk, &clock, sink);
  manifests::StatusFiles statuses(&disk, &writer, &clock);
  push::GrpcServer* server = nullptr;
  Controller controller({.settle = flags.settle},
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
                         .log = &log,
                         .observer = &exporter});
  const auto port = server->Start(flags.plan_addr.ToString());
  if (!port.ok()) return Fail(&log, "--plan-addr", port.status());

  auto source = std::make_unique<manifests::ManifestSource>(
      manifests::ManifestSourceOptions{.folder = flags.manifests,
                                       .status_folder = flags.StatusDir()},
      &disk, &writer, &clock, sink);
  std::unique_ptr<HttpServer> http;
  if (flags.common.metrics_addr) {
    auto started = HttpServer::Start(
        *flags.common.metrics_addr, MakeHandlers(post, &controller, &metrics, [&] {
          exporter.Update(controller, {.source = source->counters(), .writer = writer.counters()});
        }));
    if (started.ok()) {
      http = std::move(*started);
    } else {
      // Serving speakers matters more than being observed.
      log.Error("metrics are not served", {{"error", started.status().message()}});
    }
  }

  log.Info("controller starts",
           {{"version", Version()}, {"manifests", flags.manifests}, {"plan_port", *port}});
  PostedHandler handler(&loop, &controller);
  StopSignalThread stopper(signals, [&](const std::string& signal) {
    loop.Post([&, signal] {
      log.Info("controller stops; speakers keep their plans", {{"signal", signal}});
    });
    loop.Stop();
  });
  source->Start(&handler);
  Turns turns(&controller);
  loop.Run(&turns);

  // In order: no more input, then the speakers' streams, then what was written.
  source.reset();
  server->Stop();
  controller.Stop();
  writer.Stop();
  http.reset();
  return 0;
}

int Daemon(std::span<const char* const> args) {
  StopSignals signals;
  ControllerFlags options;
  FlagSet flags(kProgram, "--manifests DIR [flags]",
                "Gives LoadBalancer Services their addresses and plans what speakers announce. "
                "Subcommands: plan, "
                "version.");
  DeclareControllerFlags(&flags, &options);
  if (const std::optional<int> exit = ParseOrExit(&flags, args, kProgram, Version())) return *exit;
  if (const absl::Status wrong = CheckControllerFlags(options); !wrong.ok()) {
    std::fputs(absl::StrCat(kProgram, ": ", wrong.message(), "\n").c_str(), stderr);
    return kExitUsage;
  }
  // What gRPC would print the link reports once, in our words.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const std::unique_ptr<LogSink> sink = MakeLogSink(options.common);
  return Run(options, &signals, sink.get(), flags);
}

}  // namespace
}  // namespace openelb

int main(int argc, char** argv) {
  const std::span<const char* const> args(argv + 1, argc > 0 ? argc - 1 : 0);
  const std::string_view command = args.empty() ? "" : args[0];
  if (command == "plan") return openelb::RunPlanCommand(args.subspan(1));
  if (command == "version") {
    std::fputs(absl::StrCat("openelb-controller ", openelb::Version(), "\n").c_str(), stdout);
    return 0;
  }
  return openelb::Daemon(args);
}

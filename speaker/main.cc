// openelb-speaker: flags in, the real seams around Speaker, one owner thread, one for the LANs and
// one for the disk.

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "api/base/clock.h"
#include "api/base/disk.h"
#include "api/base/log.h"
#include "api/base/metrics.h"
#include "api/base/post.h"
#include "api/base/program.h"
#include "api/base/random.h"
#include "api/base/signals.h"
#include "api/base/version.h"
#include "api/http/metrics_server.h"
#include "speaker/io/epoll_io.h"
#include "speaker/io/epoll_router.h"
#include "speaker/lan/lan_thread.h"
#include "speaker/link/disk_thread.h"
#include "speaker/link/endpoint.h"
#include "speaker/link/grpc_client.h"
#include "speaker/observe/metrics.h"
#include "speaker/options.h"
#include "speaker/speaker.h"

namespace openelb {
namespace {

constexpr char kProgram[] = "openelb-speaker";
// After an orderly stop: the least time the goodbye gets, and the most that peers get to read
// their last message.
constexpr absl::Duration kGoodbye = absl::Milliseconds(100);
constexpr absl::Duration kMaxStop = absl::Seconds(2);
// A start, a whole plan and a burst of so many octets to peers leave free memory behind, between
// what is held. It goes back to the system once that is over.
constexpr absl::Duration kTrimDelay = absl::Milliseconds(200);
constexpr uint64_t kBurst = uint64_t{64} * 1024;

std::string Env(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad() || !file.is_open()) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  return content;
}

link::LinkOptions MakeLinkOptions(const SpeakerFlags& flags, Random* random) {
  link::LinkOptions options;
  options.node = flags.node_name;
  const absl::StatusOr<std::string> boot_id = ReadFile("/proc/sys/kernel/random/boot_id");
  if (boot_id.ok()) options.kernel_boot_id = std::string(absl::StripSuffix(*boot_id, "\n"));
  options.instance = absl::StrCat(absl::Hex(random->Next64(), absl::kZeroPad16));
  options.version = std::string(Version());
  for (const HostPort& controller : flags.controllers) {
    options.controllers.push_back(controller.ToString());
  }
  if (!flags.controllers_file.empty()) {
    options.read_controllers =
        [path = flags.controllers_file]() -> absl::StatusOr<std::vector<std::string>> {
      absl::StatusOr<std::string> content = ReadFile(path);
      if (!content.ok()) return content.status();
      return link::ParseControllersFile(*content);
    };
  }
  if (!flags.token_file.empty()) {
    options.read_token = [path = flags.token_file]() -> absl::StatusOr<std::string> {
      absl::StatusOr<std::string> content = ReadFile(path);
      if (!content.ok()) return content.status();
      return std::string(absl::StripAsciiWhitespace(*content));
    };
  }
  return options;
}

link::GrpcClientOptions MakeGrpcOptions(const SpeakerFlags& flags) {
  link::GrpcClientOptions options;
  options.ca = flags.plan_tls_ca;
  options.cert = flags.plan_tls_cert;
  options.key = flags.plan_tls_key;
  options.token_file = flags.token_file;
  options.insecure = flags.plan_insecure;
  options.server_name =
      flags.plan_server_name.empty()
          ? absl::StrCat("openelb-controller.", Env("OPENELB_NAMESPACE", "openelb-system"), ".svc")
          : flags.plan_server_name;
  return options;
}

absl::Duration AnnounceEvery(const SpeakerFlags& flags) {
  const absl::Duration interval = flags.layer2_announce_interval;
  return interval == absl::ZeroDuration() ? absl::InfiniteDuration() : interval;
}

http::Answer Busy() { return {503, "the owner thread does not answer\n"}; }

// What --metrics-addr serves, on a thread of its own.
http::Pages MakePages(const Post& post, const Speaker* speaker, const http::ScraperGuard* scrapers,
                      Metrics* metrics, SpeakerMetrics* exporter) {
  http::Pages pages;
  pages["/metrics"] = [=] {
    // An owner that does not answer leaves the last values; /healthz tells.
    Ask<bool>(post, [=] {
      exporter->Export(*speaker);
      exporter->ExportScrapes(scrapers->counters());
      return true;
    });
    return http::Answer{200, metrics->Expose(), http::kMetricsText};
  };
  pages["/healthz"] = [=] {
    return Ask<bool>(post, [] { return true; }) ? http::Answer{200, "ok\n"} : Busy();
  };
  pages["/readyz"] = [=] {
    const std::optional<bool> ready = Ask<bool>(post, [=] {
      return (speaker->store().has_plan() && !speaker->waiting()) || speaker->link().connected();
    });
    if (!ready.has_value()) return Busy();
    return *ready ? http::Answer{200, "ok\n"}
                  : http::Answer{503, "no plan in force and no controller connected\n"};
  };
  return pages;
}

int Run(const SpeakerFlags& flags, StopSignals* signals, LogSink* sink, const FlagSet& flag_set) {
  const SystemClock clock;
  SystemRandom random;
  Logger log(sink, &clock);
  LogFlagWarnings(flag_set, &log);

  std::shared_ptr<Disk> disk = std::make_shared<MemoryDisk>();
  if (flags.state_dir.empty()) {
    log.Warning("no --state-dir: a restart withdraws everything until a controller answers");
  } else {
    std::error_code failed;  // said by the first write
    std::filesystem::create_directories(flags.state_dir, failed);
    // Plans hold passwords, and a kubelet makes folders that everybody may list. One with files in
    // it may be anything.
    if (std::filesystem::is_empty(flags.state_dir, failed)) {
      std::filesystem::permissions(flags.state_dir, std::filesystem::perms::owner_all, failed);
    }
    disk = std::make_shared<FileDisk>(flags.state_dir);
  }
  absl::StatusOr<std::unique_ptr<io::EpollIo>> io = io::EpollIo::Create(&clock);
  if (!io.ok()) {
    log.Error("cannot start", {{"error", io.status().ToString()}});
    return 1;
  }
  Metrics metrics(SpeakerMetricTable());
  SpeakerMetrics exporter(Version(), &metrics);
  if (flags.common.legacy_metrics) exporter.AddLegacy(flags.node_name);
  const Post post = [io = io->get()](std::function<void()> task) { io->Post(std::move(task)); };
  const auto open_link = [&](link::PlanLink::Handler* handler) {
    return std::make_unique<link::GrpcClient>(MakeGrpcOptions(flags), handler, post);
  };
  const lan::LanOptions lan_options = {
      .layer2 = flags.enable_layer2,
      .vip = flags.enable_keepalived_vip,
      .owner = {.node = flags.node_name,
                .probe_before_claim = flags.layer2_probe,
                .timing = {.announce_every = AnnounceEvery(flags)}}};
  absl::StatusOr<std::unique_ptr<lan::LanThread>> lan =
      lan::LanThread::Start(lan_options, &clock, &random, sink, post);
  if (!lan.ok()) {
    log.Error("cannot start", {{"error", lan.status().ToString()}});
    return 1;
  }
  link::DiskThread disk_thread(disk, post);
  io::EpollRouter routers(io->get());
  Speaker speaker({.link = MakeLinkOptions(flags, &random),
                   .plan_max_age = flags.plan_max_age,
                   .drain_time = flags.drain_time},
                  {.clock = &clock,
                   .random = &random,
                   .disk = disk.get(),
                   .save =
                       [&disk_thread](std::string name, std::string content, link::SaveDone done) {
                         disk_thread.Write(std::move(name), std::move(content), std::move(done));
                       },
                   .io = io->get(),
                   .open_link = open_link,
                   .log = &log,
                   .observer = &exporter,
                   .lan = lan->get(),
                   .routers = &routers});

  // Speakers have no rights in the cluster: the controller asks for them whose a token is.
  const auto scrapers = std::make_shared<http::ScraperGuard>(
      [post, &speaker](const std::string& token, const http::ScraperGuard::Done& done) {
        post([&speaker, token, done] { speaker.ReviewScraper(token, done); });
      },
      &clock);
  const auto metrics_server = http::MetricsServer::Start(
      flags.common, MakePages(post, &speaker, scrapers.get(), &metrics, &exporter), scrapers, &log);

  std::string stop;
  absl::Status watched = (*io)->Watch(signals->fd(), [&] { stop = signals->Take(); });
  if (!watched.ok()) {
    log.Error("cannot start", {{"error", watched.ToString()}});
    return 1;
  }
  log.Info("speaker starts", {{"node", flags.node_name}, {"version", Version()}});
  speaker.Start();
  std::pair<uint64_t, uint64_t> work;  // snapshots, bursts
  absl::Duration trim_at = clock.Monotonic() + kTrimDelay;
  while (stop.empty()) {
    speaker.Turn();
    const std::pair done(speaker.store().counters().snapshots, (*io)->written() / kBurst);
    if (std::exchange(work, done) != done) trim_at = clock.Monotonic() + kTrimDelay;
    if (clock.Monotonic() >= trim_at) {
      malloc_trim(0);
      trim_at = absl::InfiniteDuration();
    }
    (*io)->RunOnce(std::min(speaker.NextWakeup(), trim_at) - clock.Monotonic());
  }

  log.Info("speaker stops", {{"node", flags.node_name}, {"signal", stop}});
  speaker.Stop();
  while (!speaker.stopped()) {
    speaker.Turn();
    (*io)->RunOnce(speaker.NextWakeup() - clock.Monotonic());
  }
  const absl::Duration stopped = clock.Monotonic();
  while (true) {
    const absl::Duration waited = clock.Monotonic() - stopped;
    if (waited >= kMaxStop || (waited >= kGoodbye && !(*io)->lingering())) break;
    (*io)->RunOnce(kGoodbye);
    speaker.Linger();
  }
  if (!disk_thread.WaitUntilWritten(kMaxStop - (clock.Monotonic() - stopped)))
    log.Error("the plan is not saved: the disk does not answer");
  return 0;
}

int Main(std::span<const char* const> args) {
  // By default each of gRPC's threads keeps freed memory of its own.
  mallopt(M_ARENA_MAX, 2);
  StopSignals signals;
  SpeakerFlags options;
  options.node_name = Env("NODE_NAME", "");
  FlagSet flags(kProgram, "--controller HOST:PORT --node-name NAME [flags]",
                "Announces the addresses of LoadBalancer Services as the controller plans it.");
  DeclareSpeakerFlags(&flags, &options);
  if (const std::optional<int> exit = ParseOrExit(&flags, args, kProgram, Version())) return *exit;
  if (const absl::Status wrong = CheckSpeakerFlags(options); !wrong.ok()) {
    std::fputs(absl::StrCat(kProgram, ": ", wrong.message(), "\n").c_str(), stderr);
    return kExitUsage;
  }
  // gRPC's own resolver takes seconds for names of the hosts file.
  setenv("GRPC_DNS_RESOLVER", "native", /*overwrite=*/0);
  // What gRPC would print the link reports once, in our words.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const std::unique_ptr<LogSink> sink = MakeLogSink(options.common);
  return Run(options, &signals, sink.get(), flags);
}

}  // namespace
}  // namespace openelb

int main(int argc, char** argv) {
  const std::span<const char* const> args(argv + 1, argc > 0 ? argc - 1 : 0);
  if (!args.empty() && std::string_view(args[0]) == "version") {
    std::fputs(absl::StrCat("openelb-speaker ", openelb::Version(), "\n").c_str(), stdout);
    return 0;
  }
  return openelb::Main(args);
}

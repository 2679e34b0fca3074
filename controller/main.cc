// openelb-controller: flags in, a controller on the Kubernetes API or on a folder of manifests; or
// one of its subcommands.

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "api/base/clock.h"
#include "api/base/log.h"
#include "api/base/program.h"
#include "api/base/signals.h"
#include "api/base/version.h"
#include "controller/options.h"
#include "controller/plan_command.h"
#include "controller/run_kubernetes.h"
#include "controller/run_manifests.h"

namespace openelb {
namespace {

constexpr char kProgram[] = "openelb-controller";

// Container runtimes set a low one for programs that use select; a speaker each needs more.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Daemon(std::span<const char* const> args) {
  StopSignals signals;
  ControllerFlags options;
  FlagSet flags(kProgram, "[flags]",
                "Gives LoadBalancer Services their addresses and plans what speakers announce. "
                "Subcommands: plan, "
                "version.");
  options.environment = ReadPodEnvironment([](const char* name) { return std::getenv(name); });
  DeclareControllerFlags(&flags, &options);
  if (const std::optional<int> exit = ParseOrExit(&flags, args, kProgram, Version())) return *exit;
  if (const absl::Status wrong = CheckControllerFlags(options); !wrong.ok()) {
    std::fputs(absl::StrCat(kProgram, ": ", wrong.message(), "\n").c_str(), stderr);
    return kExitUsage;
  }
  RaiseDescriptorLimit();
  // What gRPC would print the link reports once, in our words.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const std::unique_ptr<LogSink> sink = MakeLogSink(options.common);
  const SystemClock clock;
  Logger log(sink.get(), &clock);
  LogFlagWarnings(flags, &log);
  return options.manifests.empty() ? RunOnKubernetes(options, &signals, sink.get(), &log)
                                   : RunOnManifests(options, &signals, sink.get(), &log);
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

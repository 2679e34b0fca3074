#include "api/base/program.h"

#include <cstdio>

#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};

LogLevel LevelOf(absl::string_view name) {
  for (int i = 0; i < 4; ++i) {
    if (name == kLevels[i]) return static_cast<LogLevel>(i);
  }
  return LogLevel::kInfo;
}

}  // namespace

void DeclareCommonFlags(FlagSet* flags, CommonOptions* options) {
  flags->Group("Observing");
  flags->Choice("log-format", &options->log_format, {"text", "json"}, "how log lines look");
  flags->Choice("log-level", &options->log_level, {std::begin(kLevels), std::end(kLevels)},
                "the least severe lines to log");
  flags->AddressOrNone("metrics-addr", &options->metrics_addr,
                       "where to serve /metrics, /healthz and /readyz; 0: nowhere");
  flags->Bool("legacy-metrics", &options->legacy_metrics,
              "serve metrics under the names that OpenELB had as well, for dashboards that ask for "
              "these");
  flags->KlogWithoutEffect();
}

std::optional<int> ParseOrExit(FlagSet* flags, std::span<const char* const> args,
                               absl::string_view program, absl::string_view version) {
  const absl::Status parsed = flags->Parse(args);
  if (!parsed.ok()) {
    std::fputs(absl::StrCat(program, ": ", parsed.message(), "\n").c_str(), stderr);
    return kExitUsage;
  }
  if (!flags->help() && !flags->version()) return std::nullopt;
  std::fputs(
      flags->help() ? flags->Help().c_str() : absl::StrCat(program, " ", version, "\n").c_str(),
      stdout);
  return 0;
}

std::unique_ptr<LogSink> MakeLogSink(const CommonOptions& options) {
  return std::make_unique<StderrLogSink>(
      options.log_format == "json" ? StderrLogSink::Format::kJson : StderrLogSink::Format::kText,
      LevelOf(options.log_level));
}

void LogFlagWarnings(const FlagSet& flags, Logger* log) {
  for (const std::string& warning : flags.warnings()) log->Warning(warning);
}

}  // namespace openelb

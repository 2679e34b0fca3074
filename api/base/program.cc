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
  flags->Bool(
      "metrics-secure", &options->metrics_secure,
      "serve them with TLS, and /metrics to those alone who show a token that the API server "
      "accepts for GET of /metrics, or a certificate (--metrics-tls-ca)");
  flags->String("metrics-tls-cert", &options->metrics_tls_cert,
                "PEM file of the certificate shown to them, read again when it changes (default: "
                "one that is made at the start)");
  flags->String("metrics-tls-key", &options->metrics_tls_key, "PEM file of its key");
  flags->String("metrics-tls-ca", &options->metrics_tls_ca,
                "PEM file of an authority; who shows a certificate it signed needs no token");
  flags->Bool("legacy-metrics", &options->legacy_metrics,
              "serve metrics under the names that OpenELB had as well, for dashboards that ask for "
              "these");
  flags->KlogWithoutEffect();
}

absl::Status CheckCommonFlags(const CommonOptions& options) {
  const auto wrong = [](absl::string_view flag, absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("--metrics-", flag, ": ", why));
  };
  if (options.metrics_tls_cert.empty() != options.metrics_tls_key.empty()) {
    return wrong(options.metrics_tls_key.empty() ? "tls-key" : "tls-cert",
                 "--metrics-tls-cert and --metrics-tls-key go together");
  }
  if (options.metrics_secure) return absl::OkStatus();
  if (!options.metrics_tls_cert.empty()) return wrong("tls-cert", "needs --metrics-secure");
  if (!options.metrics_tls_ca.empty()) return wrong("tls-ca", "needs --metrics-secure");
  return absl::OkStatus();
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

#pragma once
// What the main() of every program does the same way: flags and their errors, help and version,
// where logs go.

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "api/base/flags.h"
#include "api/base/host_port.h"
#include "api/base/log.h"

namespace openelb {

struct CommonOptions {
  std::string log_format = "text";
  std::string log_level = "info";
  std::optional<HostPort> metrics_addr;  // nothing: not served
  bool metrics_secure = false;
  std::string metrics_tls_cert;
  std::string metrics_tls_key;
  std::string metrics_tls_ca;
  bool legacy_metrics = false;
};

// --log-format, --log-level, --metrics-*, --legacy-metrics (the defaults are those in `options`)
// and klog's flags.
void DeclareCommonFlags(FlagSet* flags, CommonOptions* options);

// What single ones of these cannot tell. Error: InvalidArgument, one line that names the flag.
absl::Status CheckCommonFlags(const CommonOptions& options);

constexpr int kExitUsage = 2;

// Parses `args`. Returns the exit code when the program must end now: 0 after --help or --version
// went to standard output, kExitUsage after one line about a wrong flag went to standard error.
// `version` is what --version prints.
std::optional<int> ParseOrExit(FlagSet* flags, std::span<const char* const> args,
                               absl::string_view program, absl::string_view version);

// The sink that --log-format and --log-level ask for.
std::unique_ptr<LogSink> MakeLogSink(const CommonOptions& options);

// One warning for each flag without effect that was given.
void LogFlagWarnings(const FlagSet& flags, Logger* log);

}  // namespace openelb

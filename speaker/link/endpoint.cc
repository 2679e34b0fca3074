#include "speaker/link/endpoint.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/base/host_port.h"

namespace openelb::link {

absl::Status CheckEndpoint(absl::string_view endpoint) {
  const auto parsed = ParseHostPort(endpoint);
  if (!parsed.ok()) return parsed.status();
  if (parsed->host.empty() || parsed->port == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", endpoint, "\": a host and a port other than 0 are needed"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ParseControllersFile(absl::string_view content) {
  std::vector<std::string> endpoints;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    if (const absl::Status status = CheckEndpoint(line); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", status.message()));
    }
    endpoints.emplace_back(line);
  }
  return endpoints;
}

}  // namespace openelb::link

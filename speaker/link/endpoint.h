#pragma once
// Where controllers listen, as plans, the controllers file and flags write it.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace openelb::link {

// HOST:PORT with neither part empty or zero. Error: InvalidArgument naming the text.
absl::Status CheckEndpoint(absl::string_view endpoint);

// One endpoint a line; blank lines and what follows a # are skipped. Error: InvalidArgument naming
// line and text.
absl::StatusOr<std::vector<std::string>> ParseControllersFile(absl::string_view content);

}  // namespace openelb::link

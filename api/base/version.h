#pragma once

#include "absl/strings/string_view.h"

namespace openelb {

// The project's version and the commit it was built from: "0.1.0 (1a2b3c4)", "-dirty" after the
// commit when the tree had changes, "unknown" in its place outside a clone.
absl::string_view Version();

}  // namespace openelb

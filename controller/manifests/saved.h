#pragma once
// What an earlier process left in the status folder for the next one.

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/disk.h"
#include "controller/manifests/manifest_set.h"

namespace openelb::manifests {

// Where in the status folder the last good copy of a file is kept.
std::string CopyName(absl::string_view file);

// A set that knows the last good copies and what Services hold. `problems` gets a line for each
// file that cannot be read.
ManifestSet LoadManifestSet(Disk* disk, std::vector<std::string>* problems);

}  // namespace openelb::manifests

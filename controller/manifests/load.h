#pragma once
// A folder of manifests read once, for questions asked without a daemon.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "api/base/disk.h"
#include "api/object.h"
#include "controller/manifests/manifest_set.h"

namespace openelb::manifests {

struct Loaded {
  std::vector<Object> objects;    // by key
  std::vector<Problem> problems;  // by file
};

// As a daemon started now would read it: with last good states and the addresses that Services
// hold, where `status_folder` has them. Nothing is written. Error: the folder cannot be listed.
absl::StatusOr<Loaded> LoadDirectory(const std::string& folder, const std::string& status_folder);

}  // namespace openelb::manifests

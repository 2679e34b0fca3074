#pragma once
// The secret from which those of the BFD sessions between speakers are made, where no cluster keeps
// one: the file "watch.key" of the status folder.

#include <string>

#include "absl/status/statusor.h"
#include "api/base/disk.h"
#include "api/base/log.h"

namespace openelb {

inline constexpr const char* kWatchSecretFile = "watch.key";

// The one that is kept, or a new one where there is none or it is damaged. If it cannot be kept,
// that is logged, and a restart of the controller will give the sessions new secrets. Error:
// Internal, none could be made.
absl::StatusOr<std::string> KeepWatchSecret(Disk* disk, Logger* log);

}  // namespace openelb

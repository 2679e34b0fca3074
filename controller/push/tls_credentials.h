#pragma once
// The TLS of the plan server. gRPC's own watcher of files waits by the calendar, so it stands still
// for as long as a clock is set back; here every handshake looks at the files.

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "absl/status/status.h"
#include "api/tls/pem_files.h"

namespace openelb::push {

// Certificate and key can be read and belong together, `ca` can be read. Error: InvalidArgument
// naming the flag, the file and what is wrong.
absl::Status CheckTlsFiles(const tls::PemFiles& files);

// Files that change count from the next handshake on. Where they cannot be used, the last good
// ones go on being served.
std::shared_ptr<grpc::ServerCredentials> TlsCredentials(tls::PemFiles files);

}  // namespace openelb::push

#pragma once
// The TLS of the plan server. gRPC's own watcher of files waits by the calendar, so it stands still
// for as long as a clock is set back; here every handshake looks at the files.

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/status/status.h"

namespace openelb::push {

struct TlsFiles {
  std::string cert;  // PEM; the server's, with what leads to its authority
  std::string key;   // PEM
  std::string ca;    // PEM; empty: no certificate is asked of clients
};

// Certificate and key can be read and belong together, `ca` can be read. Error: InvalidArgument
// naming the flag, the file and what is wrong.
absl::Status CheckTlsFiles(const TlsFiles& files);

// Files that change count from the next handshake on. Where they cannot be used, the last good
// ones go on being served.
std::shared_ptr<grpc::ServerCredentials> TlsCredentials(TlsFiles files);

}  // namespace openelb::push

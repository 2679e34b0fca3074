#pragma once
// Where the API server is and who we are to it: as Kubernetes tells a pod, or as a kubeconfig says.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace openelb::kube {

// A PEM text: in a file, which may change while we run, or given itself, which wins.
struct Pem {
  std::string file;
  std::string data;

  bool given() const { return !file.empty() || !data.empty(); }
  // What messages call it.
  std::string Name(absl::string_view what) const;
};

struct ServerConfig {
  bool tls = true;
  std::string host;  // an address without brackets, or a DNS name
  uint16_t port = 443;
  std::string base_path;  // before each request's path: empty, or "/k8s/clusters/c-1"

  // Whom we trust; not given: the system's authorities.
  Pem ca;
  bool insecure_skip_tls_verify = false;
  std::string tls_server_name;  // the name in the server's certificate; empty: `host`

  // Who we are; all may be empty.
  Pem client_certificate;
  Pem client_key;
  std::string token;       // where there is no `token_file`, or until it can be read
  std::string token_file;  // read again when it changes

  std::string pod_namespace;  // the one we run in; empty: not told
};

inline constexpr const char* kServiceAccountFolder =
    "/var/run/secrets/kubernetes.io/serviceaccount";

// Of a pod. `host` and `port` are what the environment variables KUBERNETES_SERVICE_HOST and
// KUBERNETES_SERVICE_PORT hold; `folder` has the files token, ca.crt and, where it is told,
// namespace. Error: FailedPrecondition naming the variable or the file.
absl::StatusOr<ServerConfig> InClusterConfig(absl::string_view host, absl::string_view port,
                                             const std::string& folder = kServiceAccountFolder);

// The current context of a kubeconfig file. Files that it names are relative to its own folder.
// Error: InvalidArgument naming file, line, field and what is allowed there; such as for the ways
// to identify ourselves that need another program (exec, auth-provider). NotFound and so on: the
// file cannot be read.
absl::StatusOr<ServerConfig> ReadKubeconfig(const std::string& path);
// The same for its text.
absl::StatusOr<ServerConfig> ParseKubeconfig(absl::string_view text, const std::string& path);

// The content of a file, or the error that names it.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path);

}  // namespace openelb::kube

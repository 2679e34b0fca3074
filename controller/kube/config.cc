#include "controller/kube/config.h"

#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "api/base/disk.h"
#include "api/base/host_port.h"
#include "api/base/ip.h"
#include "api/codec/field.h"
#include "api/codec/parse.h"

namespace openelb::kube {
namespace {

using codec::Field;

constexpr uint16_t kHttpsPort = 443;
constexpr uint16_t kHttpPort = 80;

absl::Status NotInPod(absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat(why, "; outside of a pod, name a kubeconfig file"));
}

// "https://10.0.0.1:6443/base".
absl::Status ParseServer(absl::string_view url, ServerConfig* config) {
  if (absl::ConsumePrefix(&url, "http://")) {
    config->tls = false;
  } else if (!absl::ConsumePrefix(&url, "https://")) {
    return absl::InvalidArgumentError("must begin with https:// or http://");
  }
  const size_t slash = url.find('/');
  if (slash != absl::string_view::npos) {
    config->base_path = std::string(absl::StripSuffix(url.substr(slash), "/"));
    url = url.substr(0, slash);
  }
  if (config->base_path.find_first_of("?# ") != std::string::npos) {
    return absl::InvalidArgumentError("has more than a host, a port and a path");
  }
  const size_t colon = url.rfind(':');
  const bool has_port = colon != absl::string_view::npos && !absl::EndsWith(url, "]");
  const uint16_t port = config->tls ? kHttpsPort : kHttpPort;
  const absl::StatusOr<HostPort> host_port =
      ParseHostPort(has_port ? std::string(url) : absl::StrCat(url, ":", port));
  if (!host_port.ok()) return host_port.status();
  if (host_port->host.empty() || host_port->port == 0) {
    return absl::InvalidArgumentError("names no host or port 0");
  }
  config->host = host_port->host;
  config->port = host_port->port;
  return absl::OkStatus();
}

// Reads the current context. What is wrong is reported at the field where it stands.
class KubeconfigReader {
 public:
  explicit KubeconfigReader(const std::string& path)
      : folder_(std::filesystem::absolute(path).parent_path()) {}

  ServerConfig Read(const Field& root) {
    const Field current = root["current-context"];
    if (!current.Require("the name of a context")) return {};
    const std::optional<Field> context = Named(root, current, "contexts", "context");
    if (!context.has_value()) return {};
    config_.pod_namespace = (*context)["namespace"].String();
    const Field cluster = (*context)["cluster"];
    if (!cluster.Require("the name of a cluster")) return {};
    if (const auto found = Named(root, cluster, "clusters", "cluster")) ReadCluster(*found);
    const Field user = (*context)["user"];
    if (!user.given()) return config_;
    if (const auto found = Named(root, user, "users", "user")) ReadUser(*found);
    return config_;
  }

 private:
  // The member `kind` of the item of `list` that has the name which `reference` holds.
  static std::optional<Field> Named(const Field& root, const Field& reference,
                                    absl::string_view list, absl::string_view kind) {
    const std::string name = reference.String();
    for (const Field& item : root[list].Items()) {
      if (item["name"].String() == name) return item[kind];
    }
    reference.Error(absl::StrCat("there is no ", name, " in ", list));
    return std::nullopt;
  }

  std::string Path(const Field& field) const {
    const std::string path = field.String();
    return path.empty() ? "" : (folder_ / path).lexically_normal().string();
  }

  Pem ReadPem(const Field& parent, const std::string& key) const {
    const Field data = parent[key + "-data"];
    Pem pem{Path(parent[key]), ""};
    if (!data.given()) return pem;
    if (!absl::Base64Unescape(data.Secret(), &pem.data) ||
        !absl::StrContains(pem.data, "-----BEGIN ")) {
      data.Error("not PEM in base64");
    }
    return pem;
  }

  void ReadCluster(const Field& cluster) {
    const Field server = cluster["server"];
    if (!server.Require("a URL such as https://10.0.0.1:6443")) return;
    const std::string url = server.String();
    if (const absl::Status status = ParseServer(url, &config_); !status.ok()) {
      server.Error(absl::StrCat("\"", absl::Utf8SafeCEscape(url), "\": ", status.message()));
    }
    config_.ca = ReadPem(cluster, "certificate-authority");
    config_.tls_server_name = cluster["tls-server-name"].String();
    const Field insecure = cluster["insecure-skip-tls-verify"];
    config_.insecure_skip_tls_verify = insecure.Bool();
    if (config_.insecure_skip_tls_verify && config_.ca.given()) {
      insecure.Error("true contradicts certificate-authority");
    }
    if (cluster["proxy-url"].given()) cluster["proxy-url"].Error("proxies are not supported");
  }

  void ReadUser(const Field& user) {
    config_.client_certificate = ReadPem(user, "client-certificate");
    config_.client_key = ReadPem(user, "client-key");
    if (config_.client_certificate.given() != config_.client_key.given()) {
      user.Error("client-certificate and client-key go together");
    }
    config_.token = user["token"].Secret();
    config_.token_file = Path(user["tokenFile"]);
    for (const char* key : {"exec", "auth-provider"}) {
      if (!user[key].given()) continue;
      user[key].Error(
          "no program is run to identify us; use tokenFile, token or a client certificate");
    }
    for (const char* key : {"username", "password", "as", "as-uid", "as-groups", "as-user-extra"}) {
      if (!user[key].given()) continue;
      user[key].Error("not supported; use tokenFile, token or a client certificate");
    }
  }

  const std::filesystem::path folder_;
  ServerConfig config_;
};

}  // namespace

std::string Pem::Name(absl::string_view what) const {
  return data.empty() ? absl::StrCat(what, " ", file) : std::string(what);
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path) {
  const std::filesystem::path absolute = std::filesystem::absolute(path);
  return FileDisk(absolute.parent_path().string()).Read(absolute.filename().string());
}

absl::StatusOr<ServerConfig> InClusterConfig(absl::string_view host, absl::string_view port,
                                             const std::string& folder) {
  if (host.empty()) return NotInPod("KUBERNETES_SERVICE_HOST is not set");
  const bool is_v6 = absl::StrContains(host, ':');
  const absl::StatusOr<HostPort> server =
      ParseHostPort(is_v6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port));
  if (!server.ok()) {
    return NotInPod(absl::StrCat("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: ",
                                 server.status().message()));
  }
  ServerConfig config;
  config.host = server->host;
  config.port = server->port;
  config.ca.file = folder + "/ca.crt";
  config.token_file = folder + "/token";
  for (const std::string& file : {config.ca.file, config.token_file}) {
    const absl::StatusOr<std::string> content = ReadWholeFile(file);
    if (!content.ok()) return NotInPod(content.status().message());
    if (absl::StripAsciiWhitespace(*content).empty()) return NotInPod(file + " is empty");
  }
  const absl::StatusOr<std::string> name = ReadWholeFile(folder + "/namespace");
  if (name.ok()) config.pod_namespace = std::string(absl::StripAsciiWhitespace(*name));
  return config;
}

absl::StatusOr<ServerConfig> ReadKubeconfig(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadWholeFile(path);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat("kubeconfig: ", text.status().message()));
  }
  return ParseKubeconfig(*text, path);
}

absl::StatusOr<ServerConfig> ParseKubeconfig(absl::string_view text, const std::string& path) {
  const auto error = [&path](const std::vector<std::string>& what) {
    return absl::InvalidArgumentError(
        absl::StrCat("kubeconfig ", path, ": ", absl::StrJoin(what, "; ")));
  };
  const codec::ParsedText parsed = codec::ParseYaml(text);
  std::optional<codec::ParseError> syntax = parsed.error;
  if (!syntax.has_value() && !parsed.documents.empty()) syntax = parsed.documents[0].error;
  if (syntax.has_value())
    return error({absl::StrCat("line ", syntax->line, ": ", syntax->message)});
  if (parsed.documents.size() != 1 || parsed.documents[0].value.map() == nullptr) {
    return error({"not one YAML map"});
  }
  codec::Findings findings;
  const Field root(&parsed.documents[0].value, "", 1, &findings);
  ServerConfig config = KubeconfigReader(path).Read(root);
  std::vector<std::string> errors;
  for (const codec::Finding& finding : findings.errors()) {
    errors.push_back(
        absl::StrCat("line ", finding.line, ": ", finding.path, ": ", finding.message));
  }
  if (!errors.empty()) return error(errors);
  return config;
}

}  // namespace openelb::kube

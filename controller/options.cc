#include "controller/options.h"

#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace openelb {
namespace {

// What speakers can send, and what they take.
constexpr absl::Duration kMinBfdInterval = absl::Milliseconds(10);
constexpr absl::Duration kMaxBfdInterval = absl::Minutes(1);

absl::Status Wrong(absl::string_view flag, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", why));
}

void DeclareVrrpFlags(FlagSet* flags, VrrpFlags* options) {
  flags->Group("VIP mode");
  flags->String(
      "vrrp-vrid-range", &options->vrid_range,
      "VRRP router ids to take, FIRST-LAST: leave out those of other routers on the nodes' "
      "networks");
  flags->Duration("vrrp-interval", &options->interval,
                  "how often the node that holds an address says so; another takes over after "
                  "three to four of them. 10ms to 40.95s; version 2 rounds up to whole seconds");
  flags->Choice("vrrp-version", &options->version, {"3", "2"},
                "VRRP version of IPv4 addresses; IPv6 has 3 (RFC 9568) always");
  flags->Bool("vrrp-preempt", &options->preempt,
              "a node takes addresses over from one of lower priority, also when it has returned");
  flags->Bool("vrrp-unicast", &options->unicast,
              "nodes send to each other's addresses, for networks without multicast");
}

}  // namespace

PodEnvironment ReadPodEnvironment(const std::function<const char*(const char* name)>& getenv) {
  PodEnvironment environment;
  const auto read = [&](const char* name, std::string* value) {
    const char* given = getenv(name);
    if (given != nullptr && *given != '\0') *value = given;
  };
  read("PORTER_NAMESPACE", &environment.namespace_name);
  read("OPENELB_NAMESPACE", &environment.namespace_name);
  read("POD_NAME", &environment.pod_name);
  read("POD_IP", &environment.pod_ip);
  read("KUBERNETES_SERVICE_HOST", &environment.api_host);
  read("KUBERNETES_SERVICE_PORT", &environment.api_port);
  return environment;
}

std::string ControllerFlags::PlanEndpoint() const {
  if (!plan_endpoint.empty()) return plan_endpoint;
  return HostPort{environment.pod_ip, plan_addr.port}.ToString();
}

plan::Options ControllerFlags::PlanOptions() const {
  return {.speakers_return = speakers_return,
          .system_namespace = environment.namespace_name,
          .bfd_interval = bfd_interval,
          .bfd_multiplier = static_cast<int>(bfd_multiplier),
          .vrrp = vrrp.Options().value()};
}

absl::StatusOr<plan::VrrpOptions> VrrpFlags::Options() const {
  plan::VrrpOptions options{.version = version == "2" ? 2 : 3,
                            .interval = interval,
                            .preempt = preempt,
                            .unicast = unicast};
  const std::vector<std::string> ends = absl::StrSplit(vrid_range, '-');
  if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &options.first_vrid) ||
      !absl::SimpleAtoi(ends[1], &options.last_vrid) || options.first_vrid < 1 ||
      options.last_vrid > 255 || options.first_vrid > options.last_vrid) {
    return Wrong("vrrp-vrid-range",
                 absl::StrCat("\"", vrid_range, "\" is not FIRST-LAST within 1-255"));
  }
  if (interval < absl::Milliseconds(10) || interval > absl::Milliseconds(40'950) ||
      interval % absl::Milliseconds(10) != absl::ZeroDuration()) {
    return Wrong("vrrp-interval", absl::StrCat(absl::FormatDuration(interval),
                                               " is not within 10ms-40.95s in steps of 10ms"));
  }
  return options;
}

void DeclareControllerFlags(FlagSet* flags, ControllerFlags* options) {
  flags->Group("Cluster state");
  flags->String("kubeconfig", &options->kubeconfig,
                "file that says where the Kubernetes API is and who we are (default: as a pod is "
                "told)");
  flags->String("namespace", &options->environment.namespace_name,
                "where the Lease, the Secret and the ConfigMaps are (default: $OPENELB_NAMESPACE)");
  flags->String("manifests", &options->manifests,
                "instead of the Kubernetes API: folder of YAML and JSON manifests, watched for "
                "changes");
  flags->String(
      "status-dir", &options->status_dir,
      "folder for statuses and what a restart needs (default: .status in the folder of manifests)");
  flags->Duration(
      "settle", &options->settle,
      "after the source was away, how long removals for node health or endpoint readiness wait");
  flags->Duration(
      "endpoint-grace", &options->endpoint_grace,
      "in a cluster, how long a Pod that turns ready makes its node no next hop while the Service "
      "has others: kube-proxy must know it first");

  flags->Group("Speakers");
  flags->Address("plan-addr", &options->plan_addr, "where speakers attach");
  flags->String("plan-endpoint", &options->plan_endpoint,
                "HOST:PORT by which speakers reach this controller (default: $POD_IP and the port "
                "of --plan-addr)");
  flags->String(
      "plan-tls-cert", &options->plan_tls_cert,
      "PEM file of the certificate shown to speakers, for openelb-controller.NAMESPACE.svc");
  flags->String("plan-tls-key", &options->plan_tls_key, "PEM file of its key");
  flags->String("plan-tls-ca", &options->plan_tls_ca,
                "PEM file of an authority; given, speakers must show a certificate it signed");
  flags->String("token-file", &options->token_file,
                "file with lines NODE TOKEN; read again when it changes");
  flags->Bool("plan-insecure", &options->plan_insecure,
              "serve speakers in plain text and believe the node they claim");

  flags->String("speaker-service-account", &options->speaker_service_account,
                "in a cluster, the ServiceAccount in the controller's namespace whose tokens "
                "speakers show");
  flags->Bool(
      "speakers-return", &options->speakers_return,
      "a speaker that is stopped comes back on its node, as a DaemonSet's does; false: it "
      "leaves its routers in order, as one of a Deployment has to, which may start anywhere");
  flags->Duration(
      "drain-time", &options->drain_time,
      "how long routers are asked to move off a node that is to be drained before it is "
      "no next hop any more");
  flags->Duration("bfd-interval", &options->bfd_interval,
                  "how often speakers that share Layer 2 addresses tell each other that they are "
                  "there: 10ms..1m");
  flags->Int("bfd-multiplier", &options->bfd_multiplier, 1, 255,
             "how many of these in a row have to be missing before another one takes over");

  DeclareVrrpFlags(flags, &options->vrrp);

  flags->Group("Webhooks");
  flags->Int(
      "webhook-port", &options->webhook_port, 0, 65535,
      "in a cluster, where the API server asks whether an Eip, BgpConf or BgpPeer is good; 0: "
      "nowhere");
  flags->Bool(
      "default-eip-webhook", &options->default_eip_webhook,
      "LoadBalancer Services that nobody serves get addresses of the default Eip, and those "
      "that name no Eip get them of any, as in OpenELB 0.5 "
      "(config/components/default-eip)");
  DeclareCommonFlags(flags, &options->common);

  // OpenELB's controller and manager have these.
  using Takes = FlagSet::Takes;
  flags->WithoutEffect("webhook-cert-dir", Takes::kValue,
                       "the controllers' certificate is in the Secret openelb-controller-tls");
  flags->WithoutEffect("readiness-addr", Takes::kValue, "/readyz is served on --metrics-addr");
  flags->WithoutEffect("leader-elect", Takes::kNothing,
                       "a Lease, or the status folder, lets one controller lead at a time");
  flags->WithoutEffect("api-hosts", Takes::kValue, "there is no GoBGP API to serve");
}

namespace {

absl::Status CheckInCluster(const ControllerFlags& options) {
  if (!options.status_dir.empty()) return Wrong("status-dir", "needs --manifests");
  if (!options.token_file.empty())
    return Wrong("token-file", "needs --manifests: the API server reviews tokens");
  if (options.kubeconfig.empty() && options.environment.api_host.empty()) {
    return Wrong("kubeconfig",
                 "required outside of a pod ($KUBERNETES_SERVICE_HOST is not set), unless "
                 "--manifests is given");
  }
  if (options.plan_endpoint.empty() && options.environment.pod_ip.empty()) {
    return Wrong("plan-endpoint", "required where $POD_IP is not set");
  }
  if (options.plan_tls_cert.empty() != options.plan_tls_key.empty()) {
    return Wrong(options.plan_tls_key.empty() ? "plan-tls-key" : "plan-tls-cert",
                 "--plan-tls-cert and --plan-tls-key go together");
  }
  if (options.plan_insecure && !options.plan_tls_cert.empty())
    return Wrong("plan-insecure", "excludes --plan-tls-cert and --plan-tls-key");
  return absl::OkStatus();
}

// Absolute and without links, as far as it exists.
std::filesystem::path Canonical(const std::string& folder) {
  std::error_code error;
  const std::filesystem::path path =
      std::filesystem::weakly_canonical(std::filesystem::absolute(folder, error), error);
  return path.has_filename() ? path : path.parent_path();
}

// The status folder must not hold the manifests: each last good copy in it would be one more.
absl::Status CheckStatusDir(const ControllerFlags& options) {
  const auto below = Canonical(options.manifests).lexically_relative(Canonical(options.status_dir));
  if (below.empty() || *below.begin() == "..") return absl::OkStatus();
  return Wrong("status-dir", absl::StrCat("\"", absl::Utf8SafeCEscape(options.status_dir),
                                          "\" is, or lies above, the folder of --manifests: what "
                                          "is written there would be read as manifests"));
}

}  // namespace

absl::Status CheckControllerFlags(const ControllerFlags& options) {
  if (options.bfd_interval < kMinBfdInterval || options.bfd_interval > kMaxBfdInterval) {
    return Wrong("bfd-interval", absl::StrCat("\"", absl::FormatDuration(options.bfd_interval),
                                              "\" (allowed: 10ms..1m)"));
  }
  if (const auto vrrp = options.vrrp.Options(); !vrrp.ok()) return vrrp.status();
  if (absl::Status common = CheckCommonFlags(options.common); !common.ok()) return common;
  if (options.manifests.empty()) return CheckInCluster(options);
  if (!options.kubeconfig.empty()) return Wrong("kubeconfig", "excludes --manifests");
  if (options.common.metrics_secure && options.common.metrics_tls_ca.empty())
    return Wrong("metrics-tls-ca",
                 "required with --manifests and --metrics-secure: no API server reviews tokens");
  if (!options.status_dir.empty()) {
    if (absl::Status status = CheckStatusDir(options); !status.ok()) return status;
  }
  const bool any_tls = !options.plan_tls_cert.empty() || !options.plan_tls_key.empty() ||
                       !options.plan_tls_ca.empty() || !options.token_file.empty();
  if (options.plan_insecure) {
    return any_tls
               ? Wrong("plan-insecure",
                       "excludes --plan-tls-cert, --plan-tls-key, --plan-tls-ca and --token-file")
               : absl::OkStatus();
  }
  if (options.plan_tls_cert.empty())
    return Wrong("plan-tls-cert", "required, unless --plan-insecure is given");
  if (options.plan_tls_key.empty()) return Wrong("plan-tls-key", "required with --plan-tls-cert");
  if (options.token_file.empty())
    return Wrong("token-file", "required, unless --plan-insecure is given");
  return absl::OkStatus();
}

void DeclarePlanFlags(FlagSet* flags, PlanFlags* options) {
  flags->Group("Plan");
  flags->String("manifests", &options->manifests, "folder of YAML and JSON manifests");
  flags->Require("manifests");
  flags->String("status-dir", &options->status_dir,
                "statuses to start from: who holds which address (default: .status in the folder "
                "of manifests)");
  flags->String("node", &options->node, "show this node only");
  flags->Choice("output", &options->output, {"table", "json"}, "format");
  flags->Alias("o", "output");
  flags->Bool("no-add-path", &options->no_add_path,
              "show what peers without ADD-PATH (RFC 7911) are given");
  DeclareVrrpFlags(flags, &options->vrrp);
}

}  // namespace openelb

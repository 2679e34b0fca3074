#include "controller/options.h"

#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

absl::Status Wrong(absl::string_view flag, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", why));
}

}  // namespace

void DeclareControllerFlags(FlagSet* flags, ControllerFlags* options) {
  flags->Group("Cluster state");
  flags->String("manifests", &options->manifests,
                "folder of YAML and JSON manifests, watched for changes");
  flags->Require("manifests");
  flags->String(
      "status-dir", &options->status_dir,
      "folder for statuses and what a restart needs (default: .status in the folder of manifests)");
  flags->Duration(
      "settle", &options->settle,
      "after the source was away, how long removals for node health or endpoint readiness wait");

  flags->Group("Speakers");
  flags->Address("plan-addr", &options->plan_addr, "where speakers attach");
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

  DeclareCommonFlags(flags, &options->common);

  // OpenELB's controller and manager have these.
  using Takes = FlagSet::Takes;
  flags->WithoutEffect("webhook-port", Takes::kValue, "no webhook is served");
  flags->WithoutEffect("webhook-cert-dir", Takes::kValue, "no webhook is served");
  flags->WithoutEffect("readiness-addr", Takes::kValue, "/readyz is served on --metrics-addr");
  flags->WithoutEffect("leader-elect", Takes::kNothing,
                       "the status folder admits one controller at a time");
  flags->WithoutEffect("api-hosts", Takes::kValue, "there is no GoBGP API to serve");
}

absl::Status CheckControllerFlags(const ControllerFlags& options) {
  if (options.manifests.empty()) return Wrong("manifests", "must name a folder");
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
}

}  // namespace openelb

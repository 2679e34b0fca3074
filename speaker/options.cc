#include "speaker/options.h"

#include "absl/strings/str_cat.h"

namespace openelb {
namespace {

absl::Status Wrong(absl::string_view flag, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", why));
}

}  // namespace

void DeclareSpeakerFlags(FlagSet* flags, SpeakerFlags* options) {
  flags->Group("Controller");
  flags->Addresses("controller", &options->controllers, "where a controller listens");
  flags->String("controllers-file", &options->controllers_file,
                "file with one HOST:PORT a line, read again before each round of attempts");
  flags->String("node-name", &options->node_name,
                "name of the node this speaker runs on (default: $NODE_NAME)");
  flags->String(
      "plan-tls-ca", &options->plan_tls_ca,
      "PEM file of the authorities that sign controllers' certificates; read again for each "
      "connection");
  flags->String("plan-server-name", &options->plan_server_name,
                "name that controllers' certificates must carry, whatever address is dialled "
                "(default: openelb-controller.$OPENELB_NAMESPACE.svc)");
  flags->String("plan-tls-cert", &options->plan_tls_cert,
                "PEM file of a certificate for controllers that ask for one");
  flags->String("plan-tls-key", &options->plan_tls_key, "PEM file of that certificate's key");
  flags->String("token-file", &options->token_file,
                "file with the token that is bound to this node; a renewed one is shown at once");
  flags->Bool("plan-insecure", &options->plan_insecure,
              "talk to the controller in plain text, without a token");

  flags->Group("Plan");
  flags->String("state-dir", &options->state_dir,
                "folder that keeps the plan across restarts; none: a restart needs a controller");
  flags->Duration("plan-max-age", &options->plan_max_age,
                  "a kept plan that no controller has confirmed for so long starts no BGP");

  flags->Group("BGP");
  flags->Duration(
      "drain-time", &options->drain_time,
      "when the speaker leaves its node for good, how long routers get to move to other "
      "paths before it withdraws its own (0: none; less than the Pod's grace period)");

  flags->Group("Layer 2");
  flags->Bool("layer2-probe", &options->layer2_probe,
              "ask on the wire whether an address is free before each take-over, which then takes "
              "0.6 s longer");
  flags->Duration("layer2-announce-interval", &options->layer2_announce_interval,
                  "how often, after the burst of a take-over, an address is announced again (a "
                  "quarter more or less; at least 1s, 0: never)");

  DeclareCommonFlags(flags, &options->common);

  // OpenELB's speaker has these.
  flags->Group("OpenELB");
  flags->Bool("enable-layer2", &options->enable_layer2,
              "answer for Layer 2 addresses (ARP, NDP) that the controller gives this node");
  flags->Bool("enable-keepalived-vip", &options->enable_keepalived_vip,
              "hold VIP addresses on this node's NICs by VRRP; no keepalived is run");
  using Takes = FlagSet::Takes;
  flags->WithoutEffect("api-hosts", Takes::kValue, "there is no GoBGP API to serve");
  // Those of PorterLB's and OpenELB 0.5's manager.
  flags->WithoutEffect("webhook-port", Takes::kValue, "speakers serve no webhook");
  flags->WithoutEffect("readiness-addr", Takes::kValue, "/readyz is served on --metrics-addr");
  flags->WithoutEffect("leader-elect", Takes::kNothing, "speakers elect no leader");
  flags->WithoutEffect("bind-addr", Takes::kValue, "speakers need no member list");
  flags->WithoutEffect("bind-port", Takes::kValue, "speakers need no member list");
  flags->WithoutEffect("secret", Takes::kValue, "speakers need no member list");
  flags->WithoutEffect("log-path", Takes::kValue, "logs go to standard error");
  flags->WithoutEffect("keepalived-args", Takes::kValue, "no keepalived is run");
}

absl::Status CheckSpeakerFlags(const SpeakerFlags& options) {
  if (options.node_name.empty()) {
    return Wrong("node-name", "required, or the environment variable NODE_NAME");
  }
  if (absl::Status common = CheckCommonFlags(options.common); !common.ok()) return common;
  if (options.controllers.empty() && options.controllers_file.empty()) {
    return Wrong("controller", "required, unless --controllers-file is given");
  }
  const absl::Duration announce = options.layer2_announce_interval;
  if (announce != absl::ZeroDuration() && announce < absl::Seconds(1)) {
    return Wrong("layer2-announce-interval",
                 absl::StrCat(absl::FormatDuration(announce), " is not 0, or 1s and more"));
  }
  for (const HostPort& controller : options.controllers) {
    if (controller.host.empty() || controller.port == 0) {
      return Wrong("controller", absl::StrCat("\"", controller.ToString(),
                                              "\" is not HOST:PORT of a controller"));
    }
  }
  if (options.plan_insecure == !options.plan_tls_ca.empty()) {
    return Wrong("plan-tls-ca", "give either this or --plan-insecure");
  }
  if (options.plan_insecure && !options.plan_server_name.empty()) {
    return Wrong("plan-server-name", "excludes --plan-insecure: there is no certificate");
  }
  if (options.plan_tls_cert.empty() != options.plan_tls_key.empty()) {
    return Wrong("plan-tls-cert", "goes together with --plan-tls-key");
  }
  if (options.plan_insecure && !options.plan_tls_cert.empty()) {
    return Wrong("plan-tls-cert", "excludes --plan-insecure");
  }
  if (options.plan_insecure && !options.token_file.empty()) {
    return Wrong("token-file", "excludes --plan-insecure: a token is never sent in plain text");
  }
  return absl::OkStatus();
}

}  // namespace openelb

#pragma once
// The command line of openelb-speaker.

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/base/flags.h"
#include "api/base/host_port.h"
#include "api/base/program.h"

namespace openelb {

struct SpeakerFlags {
  CommonOptions common = {.metrics_addr = HostPort{"", 50053}};
  std::vector<HostPort> controllers;
  std::string controllers_file;
  std::string node_name;
  std::string state_dir;
  absl::Duration plan_max_age = absl::Hours(24);
  absl::Duration drain_time = absl::Seconds(10);
  std::string plan_tls_ca;
  std::string plan_tls_cert;
  std::string plan_tls_key;
  std::string plan_server_name;  // empty: openelb-controller.$OPENELB_NAMESPACE.svc
  std::string token_file;
  bool plan_insecure = false;
  bool enable_layer2 = true;
  bool layer2_probe = false;
  absl::Duration layer2_announce_interval = absl::Seconds(60);
  bool enable_keepalived_vip = true;
};

// Declares every flag, those of OpenELB's speaker included. `options` outlives `flags`.
void DeclareSpeakerFlags(FlagSet* flags, SpeakerFlags* options);

// What single flags cannot tell. Error: InvalidArgument, one line that names the flag.
absl::Status CheckSpeakerFlags(const SpeakerFlags& options);

}  // namespace openelb

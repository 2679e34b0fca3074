#pragma once
// The command line of openelb-controller.

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "api/base/flags.h"
#include "api/base/host_port.h"
#include "api/base/program.h"

namespace openelb {

struct ControllerFlags {
  CommonOptions common = {.metrics_addr = HostPort{"", 50052}};
  std::string manifests;
  std::string status_dir;  // empty: MANIFESTS/.status
  HostPort plan_addr = {"", 50051};
  std::string plan_tls_cert;
  std::string plan_tls_key;
  std::string plan_tls_ca;
  std::string token_file;
  bool plan_insecure = false;
  absl::Duration settle = absl::Seconds(10);

  std::string StatusDir() const { return status_dir.empty() ? manifests + "/.status" : status_dir; }
};

// Declares every flag, those of OpenELB's controller included. `options` outlives `flags`.
void DeclareControllerFlags(FlagSet* flags, ControllerFlags* options);

// What single flags cannot tell. Error: InvalidArgument, one line that names the flag.
absl::Status CheckControllerFlags(const ControllerFlags& options);

struct PlanFlags {
  std::string manifests;
  std::string status_dir;
  std::string node;
  std::string output = "table";
  bool no_add_path = false;

  std::string StatusDir() const { return status_dir.empty() ? manifests + "/.status" : status_dir; }
};

// The flags of `openelb-controller plan`.
void DeclarePlanFlags(FlagSet* flags, PlanFlags* options);

}  // namespace openelb
